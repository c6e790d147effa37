"""Tables as a whole: what they are, making the target, its replicas and its TTL."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from botocore.exceptions import ClientError

from tasks.aws.session import clients
from tasks.core.model.capacity import WarmThroughput
from tasks.core.model.item import KeySchema
from tasks.core.model.table_facts import Index, TableFacts
from tasks.core.model.table_ref import TableAddress
from tasks.core.run.target_fit import STREAM_VIEW_TYPE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

INDEX_KINDS = ("GlobalSecondaryIndexes", "LocalSecondaryIndexes")
"""Of those that the target is made with."""
VECTOR_INDEXES = "VectorIndexes"


def describe(table: TableAddress) -> "TableDescriptionTypeDef | None":
    """Return what DynamoDB says of a table, `None` if it does not exist."""
    try:
        return clients.dynamodb_of(table).describe_table(TableName=table.name)["Table"]
    except ClientError as error:
        if clients.error_code(error) == "ResourceNotFoundException":
            return None
        raise


def facts_of(table: "TableDescriptionTypeDef") -> TableFacts:
    """Return the part of a description that tasks decide on; of TTL it says nothing."""
    stream = table.get("StreamSpecification", {})
    enabled = stream.get("StreamEnabled", False)
    return TableFacts(
        name=table["TableName"],
        id=table["TableId"],
        arn=table["TableArn"],
        status=table["TableStatus"],
        key=key_schema_of(table),
        item_count=table.get("ItemCount", 0),
        size_bytes=table.get("TableSizeBytes", 0),
        stream_arn=table.get("LatestStreamArn") if enabled else None,
        stream_view_type=stream.get("StreamViewType") if enabled else None,
        replica_regions=tuple(replica["RegionName"] for replica in table.get("Replicas", [])),
        indexes=(
            *(_index_of(table, kind, index) for kind in INDEX_KINDS for index in _indexes(table, kind)),
            *map(_vector_index_of, _indexes(table, VECTOR_INDEXES)),
        ),
        **_capacity(table, is_on_demand=_is_on_demand(table)),
        is_provisioned=not _is_on_demand(table),
        table_class=table.get("TableClassSummary", {}).get("TableClass", "STANDARD"),
        is_protected=table.get("DeletionProtectionEnabled", False),
    )


def _indexes(table: "TableDescriptionTypeDef", kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = list(table.get(kind, []))  # type: ignore[call-overload] # both hold what is read
    return found


def _is_on_demand(table: "TableDescriptionTypeDef") -> bool:
    """Whether the table takes what comes. One that was always provisioned says nothing of its billing mode."""
    return table.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED") == "PAY_PER_REQUEST"


def _attribute_types(table: "TableDescriptionTypeDef") -> dict[str, str]:
    return {entry["AttributeName"]: entry["AttributeType"] for entry in table["AttributeDefinitions"]}


class _Capacity(TypedDict, total=False):
    read_units: int | None
    write_units: int | None
    warm_read_units: int | None
    warm_write_units: int | None


def _capacity(table_or_index: Mapping[str, Any], *, is_on_demand: bool) -> _Capacity:
    """Return what is provisioned, or set as the most (-1 stands for no bound), and what is warm."""
    if is_on_demand:
        bounds, read, write = "OnDemandThroughput", "MaxReadRequestUnits", "MaxWriteRequestUnits"
    else:
        bounds, read, write = "ProvisionedThroughput", "ReadCapacityUnits", "WriteCapacityUnits"
    most = table_or_index.get(bounds, {})
    warm = table_or_index.get("WarmThroughput", {})
    return {
        "read_units": most[read] if most.get(read, -1) > 0 else None,
        "write_units": most[write] if most.get(write, -1) > 0 else None,
        "warm_read_units": warm.get("ReadUnitsPerSecond"),
        "warm_write_units": warm.get("WriteUnitsPerSecond"),
    }


def _index_of(table: "TableDescriptionTypeDef", kind: str, index: dict[str, Any]) -> Index:
    types = _attribute_types(table)
    # A local index has no status: it is there as long as its table. Nor has it units of its own.
    is_global = kind == "GlobalSecondaryIndexes"
    return Index(
        name=index["IndexName"],
        key_names=tuple(entry["AttributeName"] for entry in index["KeySchema"]),
        key_kinds=tuple(f"{entry['KeyType']} {types[entry['AttributeName']]}" for entry in index["KeySchema"]),
        is_global=is_global,
        status=index.get("IndexStatus", "ACTIVE"),
        projection=_projection_of(index),
        item_count=index.get("ItemCount", 0),
        size_bytes=index.get("IndexSizeBytes", 0),
        **(_capacity(index, is_on_demand=_is_on_demand(table)) if is_global else {}),
    )


def _vector_index_of(index: dict[str, Any]) -> Index:
    searched = [(entry["AttributeName"], entry["SearchSchemaElementType"]) for entry in index.get("SearchSchema", [])]
    vector = (index["VectorAttribute"]["AttributeName"], f"{index['DistanceFunction']} {index['Dimensions']}")
    return Index(
        name=index["IndexName"],
        key_names=tuple(name for name, _ in (vector, *searched)),
        key_kinds=tuple(kind for _, kind in (vector, *searched)),
        is_vector=True,
        status=index.get("IndexStatus", "ACTIVE"),
        projection=_projection_of(index),
        item_count=index.get("ItemCount", 0),
        size_bytes=index.get("IndexSizeBytes", 0),
    )


def _projection_of(index: dict[str, Any]) -> tuple[str, ...]:
    projection = index["Projection"]
    return projection["ProjectionType"], *sorted(projection.get("NonKeyAttributes", []))


def key_schema_of(table: "TableDescriptionTypeDef") -> KeySchema:
    """Return the table's key attributes with their types."""
    types = _attribute_types(table)
    names = {entry["KeyType"]: entry["AttributeName"] for entry in table["KeySchema"]}
    range_name = names.get("RANGE")
    return KeySchema(names["HASH"], types[names["HASH"]], range_name, types[range_name] if range_name else None)


def has_items(table: TableAddress) -> bool:
    """Whether the table has any item, by one consistent read of at most one."""
    return bool(clients.dynamodb_of(table).scan(TableName=table.name, Limit=1, ConsistentRead=True)["Count"])


def create_like(
    source: "TableDescriptionTypeDef",
    table: TableAddress,
    *,
    without_indexes: Sequence[str] = (),
    warm: WarmThroughput | None = None,
) -> None:
    """Create an empty on-demand table of the source's shape, with the stream that replicas need.

    It has deletion protection from its birth: what is proven must not be deleted before traffic moves there.

    Args:
        source: whose shape it gets.
        table: to make.
        without_indexes: names of indexes that it does not get.
        warm: what it, and each of its global indexes, is to take at once; `None` for what a new table starts with.
    """
    warmth: dict[str, Any] = {} if warm is None else {"WarmThroughput": warm.as_aws_names_it()}
    indexes: dict[str, Any] = {}
    for kind in INDEX_KINDS:
        copied = [
            index
            for index in _indexes(source, kind)
            if _index_of(source, kind, index).can_be_copied and index["IndexName"] not in without_indexes
        ]
        if copied:
            # A local index takes from its table's capacity, and knows no warmth of its own.
            own = warmth if kind == "GlobalSecondaryIndexes" else {}
            indexes[kind] = [
                {**{field: index[field] for field in ("IndexName", "KeySchema", "Projection")}, **own}
                for index in copied
            ]
    schemas = [source["KeySchema"], *(index["KeySchema"] for copied in indexes.values() for index in copied)]
    # DynamoDB refuses a definition that no key uses.
    used = {entry["AttributeName"] for schema in schemas for entry in schema}
    clients.dynamodb_of(table).create_table(
        TableName=table.name,
        AttributeDefinitions=[entry for entry in source["AttributeDefinitions"] if entry["AttributeName"] in used],
        KeySchema=source["KeySchema"],
        BillingMode="PAY_PER_REQUEST",
        DeletionProtectionEnabled=True,
        StreamSpecification={"StreamEnabled": True, "StreamViewType": STREAM_VIEW_TYPE},
        Tags=[{"Key": "tableferry:source", "Value": source["TableName"]}],
        **warmth,
        **indexes,
    )


def add_replica(table: TableAddress, region: str) -> None:
    """Ask for a replica in a Region."""

    def stands() -> bool:
        described = describe(table)
        return described is not None and region in replica_states(described)

    ask_for(
        lambda: clients.dynamodb_of(table).update_table(
            TableName=table.name, ReplicaUpdates=[{"Create": {"RegionName": region}}]
        ),
        stands=stands,
    )


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


def read_ttl(table: TableAddress) -> tuple[str, str | None]:
    """Return the status of a table's TTL, and its attribute; while it is DISABLING items still expire."""
    ttl = clients.dynamodb_of(table).describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]
    return ttl["TimeToLiveStatus"], ttl.get("AttributeName")


def ttl_attribute(table: TableAddress) -> str | None:
    """Return the attribute that the table's items expire by, `None` if they do not, or soon will not any more."""
    status, attribute = read_ttl(table)
    return attribute if status in {"ENABLED", "ENABLING"} else None


def expire_by(table: TableAddress, attribute: str) -> None:
    """Let the table's items expire by this attribute."""
    ask_for(
        lambda: clients.dynamodb_of(table).update_time_to_live(
            TableName=table.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": attribute}
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


def kinesis_destinations(table: TableAddress) -> tuple[str, ...]:
    """Return the ARNs of Kinesis streams that DynamoDB sends the table's changes to."""
    answer = clients.dynamodb_of(table).describe_kinesis_streaming_destination(TableName=table.name)
    found = answer.get("KinesisDataStreamDestinations", [])
    return tuple(one["StreamArn"] for one in found if one["DestinationStatus"] in {"ACTIVE", "ENABLING", "UPDATING"})


def write_limit() -> int | None:
    """Return the account's limit of write units a second for one table, `None` where it is not known."""
    return clients.dynamodb().describe_limits().get("TableMaxWriteCapacityUnits")
