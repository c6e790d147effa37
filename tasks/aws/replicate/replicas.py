"""The target's replicas: adding them, one at a time, each ACTIVE before the next; and which tables they are."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.aws.dynamodb import tables
from tasks.aws.replicate import streams
from tasks.core.errors import PreconditionFailed
from tasks.core.model.table_ref import TableAddress
from tasks.core.replicate.route import IN_USE
from tasks.core.run.plan import Plan
from tasks.core.run.target_fit import STREAM_VIEW_TYPE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

NEVER_ACTIVE = frozenset(
    {
        "ARCHIVED",
        "ARCHIVING",
        "CREATION_FAILED",
        "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
        "REGION_DISABLED",
        "REPLICATION_NOT_AUTHORIZED",
    }
)
"""A replica leaves these only by somebody's hand."""


def add_missing(target: TableAddress, described: "TableDescriptionTypeDef", regions: Sequence[str]) -> str:
    """Take the next step towards replicas in these Regions.

    Args:
        target: whose replicas they are.
        described: the target as it is now; it is ACTIVE.
        regions: where one is wanted.

    Returns:
        What there is to wait for; nothing once all are ACTIVE.

    Raises:
        PreconditionFailed: a replica is where it leaves only by somebody's hand.
    """
    stream = described.get("StreamSpecification", {})
    if regions and stream.get("StreamViewType") != STREAM_VIEW_TYPE:
        streams.enable_stream(target)
        return f"the stream of {target.name} is being enabled"
    states = tables.replica_states(described)
    for region in regions:
        state = states.get(region)
        if state is None:
            tables.add_replica(target, region)
            return f"the replica of {target.name} in {region} is being created"
        if state in NEVER_ACTIVE:
            raise PreconditionFailed(
                f"the replica of {target.name} in {region} is {state}: {tables.replica_reason(described, region)}; "
                "mend what it names or remove that replica, then redrive"
            )
        if state != "ACTIVE":
            return f"the replica of {target.name} in {region} is {state}"
    return ""


def ids_of(plan: Plan) -> dict[str, str]:
    """Return the TableId of each wanted replica, by its Region.

    Raises:
        PreconditionFailed: one of them cannot be used.
    """
    found: dict[str, str] = {}
    for region, replica in plan.replicas.items():
        described = tables.describe(replica)
        status = "gone" if described is None else described["TableStatus"]
        if described is None or status not in IN_USE:
            raise PreconditionFailed(
                f"the replica of {plan.target.name} in {region} is {status}. Traffic stays where it is. "
                "Resume: `python -m workflow resume` adds it where it is missing, and proves all tables anew"
            )
        found[region] = described["TableId"]
    return found


def check_ids(plan: Plan, proven: Mapping[str, str]) -> None:
    """Make sure that each replica is the table that the proof has read.

    Raises:
        PreconditionFailed: one of them cannot be used, or was made anew since.
    """
    there = ids_of(plan)
    anew = [region for region in there if there[region] != proven.get(region)]
    if anew:
        raise PreconditionFailed(
            f"the replica of {plan.target.name} in {', '.join(anew)} was removed and added again since the proof "
            "began, and what it has was not read. Traffic stays where it is. Resume: `python -m workflow resume` "
            "proves all tables anew"
        )
