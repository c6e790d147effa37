"""What calls of DynamoDB and DynamoDB Streams need.

A table stands for itself whatever names it, name or ARN. What a replica needs is the list of the developer guide's
"DynamoDB global tables security" (https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/V2gt_IAM.html) in
the replica's Region, and once in an account the service-linked role. That list is known to be incomplete, and what is
missing nobody has written down. So here the same is needed in the table's own Region too, and what was missed in the
field: to describe the new table, and the account's limits. A role that passes here passes by either account.
"""

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from infra.local.emulator.permissions.requirements.partiql import action_and_table
from infra.local.emulator.permissions.requirements.requirement import (
    ANY_RESOURCE,
    Call,
    Requirement,
    UnknownCall,
    World,
    context,
)
from infra.local.emulator.permissions.requirements.table_names import distinct_statements, first_member, only_table

Requirements = tuple[Requirement, ...]

ON_A_TABLE: Final = frozenset(
    {
        "DeleteItem",
        "DeleteTable",
        "DescribeContinuousBackups",
        "DescribeKinesisStreamingDestination",
        "DescribeTable",
        "DescribeTimeToLive",
        "GetItem",
        "PutItem",
        "UpdateItem",
    }
)
ON_NOTHING: Final = frozenset({"DescribeEndpoints", "DescribeLimits", "ListTables"})
ON_A_STREAM: Final = frozenset({"DescribeStream", "GetShardIterator"})

REPLICA_ACTIONS: Final = (
    "dynamodb:CreateTable",
    "dynamodb:CreateTableReplica",
    "dynamodb:Query",
    "dynamodb:Scan",
    "dynamodb:UpdateItem",
    "dynamodb:PutItem",
    "dynamodb:GetItem",
    "dynamodb:DeleteItem",
    "dynamodb:BatchWriteItem",
)
REPLICATION_SERVICE: Final = "replication.dynamodb.amazonaws.com"
REPLICATION_ROLE: Final = f"role/aws-service-role/{REPLICATION_SERVICE}/AWSServiceRoleForDynamoDBReplication"

_ITERATOR_STREAM: Final = re.compile(r"arn:aws:dynamodb:[a-z0-9-]+:\d{12}:(table/[^|]+/stream/[^|]+)")


def dynamodb_requirements(call: Call, world: World) -> Requirements:
    """Return what a call of the DynamoDB API needs.

    Raises:
        UnknownCall: nobody wrote that down.
    """
    operation = call.operation
    if operation in ON_A_TABLE:
        return _on(f"dynamodb:{operation}", _table(call), call.region, call.account)
    if operation in ON_NOTHING:
        return (Requirement(f"dynamodb:{operation}", ANY_RESOURCE),)
    if operation in _OTHERS:
        return _OTHERS[operation](call, world)
    raise UnknownCall(
        f"the local AWS does not know what dynamodb {operation} needs; "
        "write it down in infra/local/emulator/permissions/requirements/dynamodb_requirements.py"
    )


def streams_requirements(call: Call) -> Requirements:
    """Return what a call of the DynamoDB Streams API needs; an iterator names the stream that it is of.

    Raises:
        UnknownCall: nobody wrote that down, or the iterator is not one of DynamoDB Local's.
    """
    body = call.parsed()
    if call.operation in ON_A_STREAM:
        return (Requirement(f"dynamodb:{call.operation}", str(body.get("StreamArn", ""))),)
    if call.operation == "GetRecords":
        found = _ITERATOR_STREAM.search(str(body.get("ShardIterator", "")))
        if found is None:
            raise UnknownCall("the shard iterator of a GetRecords names no stream; take one from GetShardIterator")
        # Not the whole ARN: DynamoDB Local's own Region and account stand in the iterators that GetRecords answers.
        return (Requirement("dynamodb:GetRecords", call.arn("dynamodb", found[1])),)
    if call.operation == "ListStreams":
        return (Requirement("dynamodb:ListStreams", ANY_RESOURCE),)
    raise UnknownCall(
        f"the local AWS does not know what dynamodbstreams {call.operation} needs; "
        "write it down in infra/local/emulator/permissions/requirements/dynamodb_requirements.py"
    )


def table_arn(table: str, region: str, account: str, index: str = "") -> str:
    """Return the ARN of a table or of one of its indexes; a table may be given by its ARN."""
    arn = table if table.startswith("arn:") else f"arn:aws:dynamodb:{region}:{account}:table/{table}"
    return f"{arn}/index/{index}" if index else arn


@functools.lru_cache(maxsize=4096)
def _on(action: str, table: str, region: str, account: str, index: str = "") -> Requirements:
    return (Requirement(action, table_arn(table, region, account, index)),)


def _table(call: Call) -> str:
    name = first_member(call.body, "TableName")
    return str(call.parsed().get("TableName", "")) if name is None else name


def _joined(parts: Iterable[Requirements]) -> Requirements:
    """Return all requirements, each once."""
    return tuple(dict.fromkeys(one for part in parts for one in part))


def _read_many(call: Call, _: World) -> Requirements:
    """Return what reading many items needs: of a table, or of the index that the call names."""
    action = f"dynamodb:{call.operation}"
    if b'"IndexName"' not in call.body:
        return _on(action, _table(call), call.region, call.account)
    body = call.parsed()
    return _on(action, str(body.get("TableName", "")), call.region, call.account, str(body.get("IndexName", "")))


def _batch(call: Call, _: World) -> Requirements:
    action = f"dynamodb:{call.operation}"
    table = only_table(call.body) if call.operation == "BatchWriteItem" else None
    tables = call.parsed().get("RequestItems", {}) if table is None else (table,)
    return _joined(_on(action, name, call.region, call.account) for name in tables)


def _transact(call: Call, _: World) -> Requirements:
    members = {"Get": "GetItem", "Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem"}
    members["ConditionCheck"] = "ConditionCheckItem"

    def each() -> Iterator[Requirements]:
        for item in call.parsed().get("TransactItems", []):
            for kind, request in item.items():
                if kind not in members:
                    raise UnknownCall(f"a transaction has a member {kind!r}; dynamodb_requirements.py does not know it")
                yield _on(f"dynamodb:{members[kind]}", request["TableName"], call.region, call.account)

    return _joined(each())


def _statements(call: Call, _: World) -> Requirements:
    texts = [str(json.loads(found)) for found in distinct_statements(call.body)]
    if not texts:
        body = call.parsed()
        members = body.get("Statements", body.get("TransactStatements", [body]))
        texts = [str(member.get("Statement", "")) for member in members]

    def each() -> Iterator[Requirements]:
        for text in sorted(texts):
            action, table, index = action_and_table(text)
            yield _on(action, table, call.region, call.account, index)

    return _joined(each())


def _create_table(call: Call, _: World) -> Requirements:
    body = call.parsed()
    arn = table_arn(str(body.get("TableName", "")), call.region, call.account)
    create = Requirement("dynamodb:CreateTable", arn)
    tags = {str(tag["Key"]): str(tag["Value"]) for tag in body.get("Tags", [])}
    if not tags:
        return (create,)
    given: dict[str, tuple[str, ...]] = {f"aws:RequestTag/{key}": (value,) for key, value in tags.items()}
    given["aws:TagKeys"] = tuple(tags)
    return create, Requirement("dynamodb:TagResource", arn, tuple(sorted(given.items())))


def _update_table(call: Call, _: World) -> Requirements:
    body = call.parsed()
    table = str(body.get("TableName", ""))
    name = table.rpartition(":table/")[2]

    def each() -> Iterator[Requirements]:
        yield _on("dynamodb:UpdateTable", table, call.region, call.account)
        for update in body.get("ReplicaUpdates", []):
            if "Create" in update:
                region = str(update["Create"]["RegionName"])
                yield from (
                    _on(action, name, either, call.account)
                    for either in (call.region, region)
                    for action in REPLICA_ACTIONS
                )
                yield _on("dynamodb:DescribeTable", name, region, call.account)
                yield (Requirement("dynamodb:DescribeLimits", ANY_RESOURCE),)
                yield (
                    Requirement(
                        "iam:CreateServiceLinkedRole",
                        f"arn:aws:iam::{call.account}:{REPLICATION_ROLE}",
                        context(iam_AWSServiceName=REPLICATION_SERVICE),
                    ),
                )
            if "Delete" in update:
                region = str(update["Delete"]["RegionName"])
                yield from (
                    _on(f"dynamodb:{action}", name, region, call.account)
                    for action in ("DeleteTable", "DeleteTableReplica")
                )

    return _joined(each())


def _update_time_to_live(call: Call, world: World) -> Requirements:
    """The setting is the same in all Regions of a global table, and must be allowed in all of them."""
    table = _table(call)
    name = table.rpartition(":table/")[2]
    regions = [call.region, *world.replica_regions(name, call.region)]
    return _joined(_on("dynamodb:UpdateTimeToLive", name, region, call.account) for region in regions)


_OTHERS: Final[dict[str, Callable[[Call, World], Requirements]]] = {
    "BatchExecuteStatement": _statements,
    "BatchGetItem": _batch,
    "BatchWriteItem": _batch,
    "CreateTable": _create_table,
    "ExecuteStatement": _statements,
    "ExecuteTransaction": _statements,
    "Query": _read_many,
    "Scan": _read_many,
    "TransactGetItems": _transact,
    "TransactWriteItems": _transact,
    "UpdateTable": _update_table,
    "UpdateTimeToLive": _update_time_to_live,
}
