"""The source's DynamoDB stream: turning it on and off, and its shards."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.aws.dynamodb import tables
from tasks.aws.session import clients
from tasks.core.model.table_ref import TableAddress
from tasks.core.replicate.watermark import Shard
from tasks.core.run.target_fit import STREAM_VIEW_TYPE

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import StreamSpecificationTypeDef

LIST_LIVES_SECONDS = 10.0
PAGES_A_SECOND = 4.0
"""Of the ten descriptions a second of a stream that all share: Lambda's, and those of other readers."""

_lists: dict[str, tuple[float, list[Shard]]] = {}
"""By stream: when its shards were last listed, by `time.monotonic`, and the list."""


def enable_stream(table: TableAddress) -> None:
    """Ask for the stream that replication needs, ours or a global table's; the table is UPDATING for a while then."""
    specification: StreamSpecificationTypeDef = {"StreamEnabled": True, "StreamViewType": STREAM_VIEW_TYPE}
    tables.ask_for(
        lambda: clients.dynamodb_of(table).update_table(TableName=table.name, StreamSpecification=specification),
        stands=lambda: _specification(table) == specification,
    )


def disable_stream(table: TableAddress) -> None:
    """Turn the stream off. Its records stay readable for 24 hours."""
    tables.ask_for(
        lambda: clients.dynamodb_of(table).update_table(
            TableName=table.name, StreamSpecification={"StreamEnabled": False}
        ),
        stands=lambda: not _specification(table).get("StreamEnabled", False),
    )


def _specification(table: TableAddress) -> Mapping[str, Any]:
    described = tables.describe(table)
    return {} if described is None else dict(described.get("StreamSpecification", {}))


def read_shards(stream_arn: str, *, anew: bool = False) -> list[Shard]:
    """Return all shards of the stream, closed ones included, as they were at most `LIST_LIVES_SECONDS` ago.

    A page has a hundred shards, and ten calls a second are for all who ask. That the list is a little old does no harm
    as long as the shards that it has as open still are: a shard is born only when its parent is closed.

    Args:
        stream_arn: of the stream.
        anew: whether a shard of the list was found closed since.
    """
    kept = _lists.get(stream_arn)
    if kept is not None and not anew and time.monotonic() - kept[0] < LIST_LIVES_SECONDS:
        return kept[1]
    since = time.monotonic()
    shards: list[Shard] = []
    start: dict[str, Any] = {}
    while True:
        page = clients.dynamodb_streams().describe_stream(StreamArn=stream_arn, **start)["StreamDescription"]
        for shard in page.get("Shards", []):
            ends_at = shard.get("SequenceNumberRange", {}).get("EndingSequenceNumber")
            shards.append(Shard(shard["ShardId"], shard.get("ParentShardId"), ends_at is None, ends_at))
        if "LastEvaluatedShardId" not in page:
            _lists[stream_arn] = since, shards
            return shards
        start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}
        time.sleep(1 / PAGES_A_SECOND)


def open_shards(stream_arn: str) -> list[str]:
    """Return the ids of the shards that still take records."""
    return [shard.id for shard in read_shards(stream_arn) if shard.is_open]


def forget_lists() -> None:
    """Forget the lists of shards."""
    _lists.clear()
