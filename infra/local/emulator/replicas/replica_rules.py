"""What AWS allows of a global table's UpdateTable, and what a replica's table looks like. Pure."""

from functools import cache
from typing import Any

import botocore.session

INVALID = "One or more parameter values were invalid: "

Request = dict[str, Any]


class Refused(Exception):  # noqa: N818 — it reads as what it says, like the project's other errors
    """A call is refused; `code` is the error's name as an SDK shows it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@cache
def regions() -> tuple[str, ...]:
    """Return the regions that boto3 knows DynamoDB in."""
    return tuple(botocore.session.get_session().get_available_regions("dynamodb"))


def replica_action(request: Request, region: str) -> tuple[str, str]:
    """Return the one action of an UpdateTable's ReplicaUpdates, and the region it is for.

    Args:
        request: the UpdateTable request.
        region: where it was sent.

    Raises:
        Refused: AWS allows no such ReplicaUpdates.
    """
    others = sorted(request.keys() - {"TableName", "ReplicaUpdates", "MultiRegionConsistency"})
    if others:
        raise _invalid(f"{INVALID}ReplicaUpdates must be the only change of an UpdateTable, not with {others}")
    if request.get("MultiRegionConsistency", "EVENTUAL") != "EVENTUAL":
        raise _invalid(
            "the local AWS replicates with EVENTUAL consistency only; leave MultiRegionConsistency out of the request"
        )
    updates: list[Request] = request["ReplicaUpdates"]
    if not updates:
        raise _invalid(
            "1 validation error detected: Value at 'replicaUpdates' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1"
        )
    if any(len(update) > 1 for update in updates):
        raise _invalid("Update table operation with more than one type of replica actions not allowed.")
    if not all(updates):
        raise _invalid("There are no actions specified in the Replica Update Action of the request.")
    if len(updates) > 1:
        raise _invalid("Update table operation with more than one create or delete replica actions not allowed")
    [(action, details)] = updates[0].items()
    target = details.get("RegionName", "")
    if target == region and action != "Update":
        raise _invalid(
            "Cannot add or delete the local region through ReplicaUpdates. "
            "Use CreateTable, DeleteTable, or UpdateTable as required."
        )
    if target not in regions():
        raise _invalid(
            f"Region {target} is not supported. The latest version of global tables are only supported in the "
            f"following regions: [{', '.join(regions())}]"
        )
    if action == "Update" and details.keys() == {"RegionName"}:
        raise _invalid("There are no actions specified in the Replica Update Action of the request.")
    return action, target


def check_source(described: Request) -> None:
    """Refuse to replicate a table that has not what replication needs; `described` is its DescribeTable."""
    if described.get("BillingModeSummary", {}).get("BillingMode") != "PAY_PER_REQUEST":
        raise _invalid(INVALID + "Table write capacity should either be Pay-Per-Request or AutoScaled.")
    stream = described.get("StreamSpecification", {})
    if not stream.get("StreamEnabled") or stream.get("StreamViewType") != "NEW_AND_OLD_IMAGES":
        raise _invalid(
            INVALID + "Table must have DynamoDB Streams enabled with StreamViewType NEW_AND_OLD_IMAGES "
            "before a replica is created."
        )


def shape(described: Request) -> Request:
    """Return the CreateTable request of a replica: the same keys and indexes, and a stream of its own."""
    request: Request = {
        "TableName": described["TableName"],
        "AttributeDefinitions": described["AttributeDefinitions"],
        "KeySchema": described["KeySchema"],
        "BillingMode": "PAY_PER_REQUEST",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        if indexes := described.get(kind):
            request[kind] = [
                {name: index[name] for name in ("IndexName", "KeySchema", "Projection")} for index in indexes
            ]
    return request


def tables_of(call: Request) -> set[str]:
    """Return the tables that a data-plane call names, PartiQL's aside."""
    parts = [call, *(part for item in call.get("TransactItems", []) for part in item.values())]
    return {part["TableName"] for part in parts if "TableName" in part} | set(call.get("RequestItems", {}))


def _invalid(message: str) -> Refused:
    return Refused("ValidationException", message)
