"""The source's DynamoDB stream: turning it on and off, its shards, and its tips."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.aws import clients, tables
from tasks.core.errors import TipOutOfReach
from tasks.core.lag import Unapplied
from tasks.core.plan import STREAM_VIEW_TYPE
from tasks.core.watermark import Shard, Tips, Watermark, shards_to_read

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import StreamSpecificationTypeDef
    from mypy_boto3_dynamodbstreams.type_defs import RecordTypeDef

EMPTY_READS_AT_TIP = 3
"""An open shard may answer with no records before its tip; so many in a row are taken for the tip."""
RECORDS_AT_ONCE = 1000
"""GetRecords gives no more."""
SHARDS_SIDE_BY_SIDE = 8


def enable_stream(table: str) -> None:
    """Ask for the stream that replication needs, ours or a global table's; the table is UPDATING for a while then."""
    specification: StreamSpecificationTypeDef = {"StreamEnabled": True, "StreamViewType": STREAM_VIEW_TYPE}
    tables.ask_for(
        lambda: clients.dynamodb().update_table(TableName=table, StreamSpecification=specification),
        stands=lambda: _specification(table) == specification,
    )


def disable_stream(table: str) -> None:
    """Turn the stream off. Its records stay readable for 24 hours."""
    tables.ask_for(
        lambda: clients.dynamodb().update_table(TableName=table, StreamSpecification={"StreamEnabled": False}),
        stands=lambda: not _specification(table).get("StreamEnabled", False),
    )


def _specification(table: str) -> Mapping[str, Any]:
    described = tables.describe(table)
    return {} if described is None else dict(described.get("StreamSpecification", {}))


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


def read_tips(stream_arn: str, watermarks: Mapping[str, Watermark], *, deadline: float) -> Tips:
    """Return the last sequence number of each shard that may be behind, as of this call or a little later.

    Each shard is read on from its watermark, so the cost is what the replicator is behind, and nothing is read twice
    by a replicator that keeps up. A shard without records has no tip.

    Args:
        stream_arn: of the source's stream.
        watermarks: by shard.
        deadline: by `time.monotonic`.

    Raises:
        TipOutOfReach: a shard's tip could not be reached by reading until the deadline.
    """

    def tip(shard: str) -> str | None:
        mark = watermarks.get(shard)
        _check_time(shard, deadline)
        return _read_tip(stream_arn, shard, mark.sequence_number if mark else None, deadline=deadline)

    shards = shards_to_read(read_shards(stream_arn), watermarks)
    with ThreadPoolExecutor(SHARDS_SIDE_BY_SIDE) as threads:
        return {shard: last for shard, last in zip(shards, threads.map(tip, shards), strict=True) if last is not None}


def shards_without_records(stream_arn: str, shards: Sequence[str]) -> list[str]:
    """Return those of the shards that hold no record from their trim horizon to their tip."""

    def has_some(shard: str) -> bool:
        return next(_iter_read_on(_place_after(stream_arn, shard, None).iterator, stream_arn, shard), None) is not None

    with ThreadPoolExecutor(SHARDS_SIDE_BY_SIDE) as threads:
        return [shard for shard, found in zip(shards, threads.map(has_some, shards), strict=True) if not found]


def read_unapplied(stream_arn: str, watermarks: Mapping[str, Watermark], *, deadline: float) -> list[Unapplied]:
    """Return the oldest change of each shard that is not applied; nothing for a shard that is applied to its tip.

    Args:
        stream_arn: of the source's stream.
        watermarks: by shard.
        deadline: by `time.monotonic`.

    Raises:
        TipOutOfReach: there are more shards than could be looked at until the deadline.
    """

    def oldest(shard: str) -> Unapplied | None:
        _check_time(shard, deadline)
        mark = watermarks.get(shard)
        place = _place_after(stream_arn, shard, mark.sequence_number if mark else None)
        records = next(_iter_read_on(place.iterator, stream_arn, shard), None)
        if records is None:
            return None
        at = records[0]["dynamodb"]["ApproximateCreationDateTime"].timestamp()
        return Unapplied(shard, at, is_trimmed=place.is_trimmed)

    shards = shards_to_read(read_shards(stream_arn), watermarks)
    with ThreadPoolExecutor(SHARDS_SIDE_BY_SIDE) as threads:
        return [found for found in threads.map(oldest, shards) if found is not None]


def _read_tip(stream_arn: str, shard: str, after: str | None, *, deadline: float) -> str | None:
    """Return the last sequence number of one shard, or one that came to it during this call.

    A shard that is written to all the time never answers without records: whoever only reads on runs behind its tip
    for ever. There a second iterator, taken at LATEST, brings the first record that is younger than this call. Whoever
    has passed that one has passed all that there was.
    """
    tip, newest = after, None
    for records in _iter_read_on(_place_after(stream_arn, shard, after).iterator, stream_arn, shard):
        if newest is None:
            newest = _iterator(stream_arn, shard, ShardIteratorType="LATEST")
        else:
            younger = clients.dynamodb_streams().get_records(ShardIterator=newest, Limit=1)
            if younger["Records"]:
                return younger["Records"][0]["dynamodb"]["SequenceNumber"]
            newest = younger.get("NextShardIterator")
        # What was read last is not the tip: taken for it, changes behind it would count as applied.
        _check_time(shard, deadline)
        tip = records[-1]["dynamodb"]["SequenceNumber"]
    return tip


def _check_time(shard: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TipOutOfReach(
            f"the tip of shard {shard} could not be reached in one call: there are more shards, or more changes that "
            "are not applied, than it can read; wait for the replicator, or look into its log if its lag does not "
            "shrink"
        )


def _iter_read_on(iterator: str | None, stream_arn: str, shard: str) -> "Iterator[list[RecordTypeDef]]":
    """Read on to the end of a closed shard, or to the tip of an open one that is at rest.

    Yields:
        The records of each read that brought some.
    """
    streams = clients.dynamodb_streams()
    empty = 0
    while iterator and empty < EMPTY_READS_AT_TIP:
        try:
            answer = streams.get_records(ShardIterator=iterator, Limit=RECORDS_AT_ONCE)
        except streams.exceptions.TrimmedDataAccessException:
            # What the iterator pointed at grew older than 24 hours in between; the oldest that is left comes next.
            iterator = _iterator(stream_arn, shard, ShardIteratorType="TRIM_HORIZON")
            continue
        except streams.exceptions.ResourceNotFoundException:
            return
        iterator = answer.get("NextShardIterator")
        if answer["Records"]:
            empty = 0
            yield answer["Records"]
        else:
            empty += 1


@dataclass(frozen=True, slots=True)
class _Place:
    """Where to read a shard on."""

    iterator: str | None
    """`None`: the whole shard was trimmed away since it was listed."""
    is_trimmed: bool = False
    """The place asked for has left the stream; this is the oldest that is left."""


def _place_after(stream_arn: str, shard: str, sequence_number: str | None) -> _Place:
    streams = clients.dynamodb_streams()
    try:
        if sequence_number is None:
            return _Place(_iterator(stream_arn, shard, ShardIteratorType="TRIM_HORIZON"))
        place = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": sequence_number}
        return _Place(_iterator(stream_arn, shard, **place))
    except streams.exceptions.TrimmedDataAccessException:
        # The watermark's own record is more than 24 hours old. It is applied; what there is now comes after it.
        return _Place(_iterator(stream_arn, shard, ShardIteratorType="TRIM_HORIZON"), is_trimmed=True)
    except streams.exceptions.ResourceNotFoundException:
        return _Place(None)


def _iterator(stream_arn: str, shard: str, **place: Any) -> str | None:  # noqa: ANN401 — boto3's own parameters
    answer = clients.dynamodb_streams().get_shard_iterator(StreamArn=stream_arn, ShardId=shard, **place)
    return answer.get("ShardIterator")
