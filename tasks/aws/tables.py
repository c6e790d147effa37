"""Tables as a whole: what they are, making the target, its replicas and its TTL."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tasks.aws import clients
from tasks.core.item import KeySchema
from tasks.core.plan import STREAM_VIEW_TYPE, TableFacts

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


def describe(table: str, region: str | None = None) -> "TableDescriptionTypeDef | None":
    """Return what DynamoDB says of a table, `None` if it does not exist."""
    try:
        return clients.dynamodb(region).describe_table(TableName=table)["Table"]
    except ClientError as error:
        if clients.error_code(error) == "ResourceNotFoundException":
            return None
        raise


def facts_of(table: "TableDescriptionTypeDef") -> TableFacts:
    """Return the part of a description that Preflight decides on."""
    stream = table.get("StreamSpecification", {})
    enabled = stream.get("StreamEnabled", False)
    return TableFacts(
        name=table["TableName"],
        arn=table["TableArn"],
        status=table["TableStatus"],
        key=key_schema_of(table),
        item_count=table.get("ItemCount", 0),
        size_bytes=table.get("TableSizeBytes", 0),
        stream_arn=table.get("LatestStreamArn") if enabled else None,
        stream_view_type=stream.get("StreamViewType") if enabled else None,
        replica_regions=tuple(replica["RegionName"] for replica in table.get("Replicas", [])),
    )


def key_schema_of(table: "TableDescriptionTypeDef") -> KeySchema:
    """Return the table's key attributes with their types."""
    types = {entry["AttributeName"]: entry["AttributeType"] for entry in table["AttributeDefinitions"]}
    names = {entry["KeyType"]: entry["AttributeName"] for entry in table["KeySchema"]}
    range_name = names.get("RANGE")
    return KeySchema(names["HASH"], types[names["HASH"]], range_name, types[range_name] if range_name else None)


def has_items(table: str) -> bool:
    """Whether the table has any item, by one consistent read of at most one."""
    return bool(clients.dynamodb().scan(TableName=table, Limit=1, ConsistentRead=True)["Count"])


def create_like(source: "TableDescriptionTypeDef", name: str) -> None:
    """Create an empty on-demand table of the source's shape, with the stream that replicas need."""
    indexes: dict[str, Any] = {}
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        described: list[Any] = list(source.get(kind, []))  # type: ignore[call-overload] # both kinds hold these fields
        if described:
            indexes[kind] = [
                {field: index[field] for field in ("IndexName", "KeySchema", "Projection")} for index in described
            ]
    clients.dynamodb().create_table(
        TableName=name,
        AttributeDefinitions=source["AttributeDefinitions"],
        KeySchema=source["KeySchema"],
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": STREAM_VIEW_TYPE},
        Tags=[{"Key": "tableferry:source", "Value": source["TableName"]}],
        **indexes,
    )


def add_replica(table: str, region: str) -> None:
    """Ask for a replica in a Region."""
    clients.dynamodb().update_table(TableName=table, ReplicaUpdates=[{"Create": {"RegionName": region}}])


def replica_states(table: "TableDescriptionTypeDef") -> dict[str, str]:
    """Return each replica's status by Region."""
    return {replica["RegionName"]: replica["ReplicaStatus"] for replica in table.get("Replicas", [])}


def replica_reason(table: "TableDescriptionTypeDef", region: str) -> str:
    """Return DynamoDB's own words on a replica's status."""
    reasons = [
        replica.get("ReplicaStatusDescription", "")
        for replica in table.get("Replicas", [])
        if replica["RegionName"] == region
    ]
    return next(filter(None, reasons), "DynamoDB gives no reason")


def ttl_attribute(table: str) -> str | None:
    """Return the attribute that the table's items expire by, `None` if they do not."""
    ttl = clients.dynamodb().describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    return ttl.get("AttributeName") if ttl["TimeToLiveStatus"] in {"ENABLED", "ENABLING"} else None


def expire_by(table: str, attribute: str) -> None:
    """Let the table's items expire by this attribute."""
    ask_for(
        lambda: clients.dynamodb().update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
        ),
        stands=lambda: ttl_attribute(table) == attribute,
    )


def ask_for(change: Callable[[], object], *, stands: Callable[[], bool]) -> None:
    """Ask for a change that DynamoDB refuses where it stands already.

    When the answer is lost, boto3 asks again: then the refusal means that the first call was carried out.

    Args:
        change: makes the call.
        stands: whether the table is by now as the call wants it.
    """
    try:
        change()
    except ClientError as error:
        if clients.error_code(error) != "ValidationException" or not stands():
            raise


def write_limit() -> int | None:
    """Return the account's limit of write units a second for one table, `None` where it is not told."""
    return clients.dynamodb().describe_limits().get("TableMaxWriteCapacityUnits")
