"""The source's DynamoDB stream: turning it on and off, its shards, and its tips."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tasks.aws import clients
from tasks.core.errors import TipOutOfReach
from tasks.core.plan import STREAM_VIEW_TYPE
from tasks.core.watermark import Shard, Tips, Watermark, shards_to_read

EMPTY_READS_AT_TIP = 3
"""An open shard may answer with no records before its tip; so many in a row are taken for the tip."""
READS_MOST = 2000
SHARDS_SIDE_BY_SIDE = 8


def enable_stream(table: str) -> None:
    """Ask for the stream that replication needs, ours or a global table's; the table is UPDATING for a while then."""
    clients.dynamodb().update_table(
        TableName=table,
        StreamSpecification={"StreamEnabled": True, "StreamViewType": STREAM_VIEW_TYPE},
    )


def disable_stream(table: str) -> None:
    """Turn the stream off. Its records stay readable for 24 hours."""
    clients.dynamodb().update_table(TableName=table, StreamSpecification={"StreamEnabled": False})


def read_shards(stream_arn: str) -> list[Shard]:
    """Return all shards of the stream, closed ones included."""
    shards: list[Shard] = []
    start: dict[str, Any] = {}
    while True:
        page = clients.dynamodb_streams().describe_stream(StreamArn=stream_arn, **start)["StreamDescription"]
        shards += [
            Shard(
                id=shard["ShardId"],
                parent=shard.get("ParentShardId"),
                is_open="EndingSequenceNumber" not in shard.get("SequenceNumberRange", {}),
            )
            for shard in page.get("Shards", [])
        ]
        if "LastEvaluatedShardId" not in page:
            return shards
        start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}


def open_shards(stream_arn: str) -> list[str]:
    """Return the ids of the shards that still take records."""
    return [shard.id for shard in read_shards(stream_arn) if shard.is_open]


def read_tips(stream_arn: str, watermarks: Mapping[str, Watermark]) -> Tips:
    """Return the last sequence number of each shard that may be behind, as of this call or a little later.

    Each shard is read on from its watermark, so the cost is what the replicator is behind, and nothing is read twice
    by a replicator that keeps up. A shard without records has no tip.

    Raises:
        TipOutOfReach: a shard's tip is further away than one call can read.
    """

    def tip(shard: str) -> str | None:
        mark = watermarks.get(shard)
        return _last_sequence_number(stream_arn, shard, mark.sequence_number if mark else None)

    shards = shards_to_read(read_shards(stream_arn), watermarks)
    with ThreadPoolExecutor(SHARDS_SIDE_BY_SIDE) as threads:
        return {shard: last for shard, last in zip(shards, threads.map(tip, shards), strict=True) if last is not None}


def shards_without_records(stream_arn: str, shards: Sequence[str]) -> list[str]:
    """Return those of the shards that hold no record from their trim horizon to their tip."""

    def first(shard: str) -> str | None:
        return _last_sequence_number(stream_arn, shard, None, first_only=True)

    with ThreadPoolExecutor(SHARDS_SIDE_BY_SIDE) as threads:
        return [shard for shard, found in zip(shards, threads.map(first, shards), strict=True) if found is None]


def _last_sequence_number(stream_arn: str, shard: str, after: str | None, *, first_only: bool = False) -> str | None:
    streams = clients.dynamodb_streams()
    start: dict[str, Any] = {"ShardIteratorType": "TRIM_HORIZON"}
    if after is not None:
        start = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": after}
    try:
        iterator = streams.get_shard_iterator(StreamArn=stream_arn, ShardId=shard, **start).get("ShardIterator")
    except streams.exceptions.ResourceNotFoundException:
        return after  # the whole shard was trimmed away since it was listed
    except streams.exceptions.TrimmedDataAccessException:
        # The watermark's own record is more than 24 hours old. It is applied; what there is now comes after it.
        iterator = streams.get_shard_iterator(
            StreamArn=stream_arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON"
        ).get("ShardIterator")
    last, empty = after, 0
    for _ in range(READS_MOST):
        if not iterator or empty >= EMPTY_READS_AT_TIP:
            return last
        answer = streams.get_records(ShardIterator=iterator, Limit=1000)
        records = answer["Records"]
        if records:
            last, empty = records[-1]["dynamodb"]["SequenceNumber"], 0
            if first_only:
                return last
        else:
            empty += 1
        iterator = answer.get("NextShardIterator")
    # What was read last is not the tip: taken for it, changes behind it would count as applied.
    raise TipOutOfReach(
        f"shard {shard} has more than {READS_MOST} reads of changes that are not applied; "
        "wait for the replicator, or look into its log and metrics if its lag does not shrink"
    )
