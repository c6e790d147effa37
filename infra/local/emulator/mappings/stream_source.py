"""The two kinds of stream that an event source mapping reads: Kinesis and DynamoDB Streams."""

import json
import re
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from infra.local.emulator.lambdas.lambda_errors import invalid_value
from infra.local.emulator.mappings.service_calls import ServiceCallError, ServiceCalls

_ARN: Final = re.compile(r"arn:aws:(?P<service>[a-z0-9]+):(?P<region>[a-z0-9-]*):(?P<account>\d*):(?P<resource>.+)")
_MINUTE_SECONDS: Final = 60


@dataclass(frozen=True)
class Position:
    """Where to read a shard from.

    Attributes:
        kind: a ShardIteratorType.
        value: the sequence number, or the seconds since the epoch for AT_TIMESTAMP.
    """

    kind: str
    value: str | float | None = None


@dataclass(frozen=True)
class Shard:
    """One shard of a stream.

    Attributes:
        parents: the shards it came from by a split or a merge.
        is_closed: whether it takes no further records.
    """

    shard_id: str
    parents: tuple[str, ...]
    is_closed: bool


@dataclass(frozen=True)
class StreamRecord:
    """One record of a shard.

    Attributes:
        order_key: records of one such key keep their order.
        arrived: when it came into the stream as its event says it, in seconds since the epoch.
        arrived_by: the latest moment at which it can have come.
        event: the record as functions see it, in JSON.
    """

    sequence_number: str
    order_key: str
    arrived: float
    arrived_by: float
    event: bytes


class StreamSource(ABC):
    """A stream: its shards, and their records.

    Every method may raise ServiceCallError.
    """

    service: ClassVar[str]
    max_read: ClassVar[int]
    """The most records one read gives."""
    batch_info: ClassVar[str]
    """What an OnFailure document calls the batch."""
    reading_actions: ClassVar[str]
    """What AWS names when a role may not read the stream."""

    def __init__(self, arn: str, region: str, calls: ServiceCalls) -> None:
        self.arn = arn
        self.region = region
        self._calls = calls

    @abstractmethod
    async def shards(self) -> list[Shard]:
        """Return all shards that the stream still has."""

    @abstractmethod
    async def iterator(self, shard_id: str, position: Position) -> str:
        """Return an iterator that reads the shard from the position."""

    async def read(self, shard_id: str, iterator: str, limit: int) -> tuple[list[StreamRecord], str | None]:
        """Return the next records, and the iterator for those after them; None at a closed shard's end."""
        body = {"ShardIterator": iterator, "Limit": min(limit, self.max_read)}
        answer = await self._call("GetRecords", body | self._read_with)
        records = [self._record(shard_id, raw) for raw in answer.get("Records", [])]
        return records, answer.get("NextShardIterator")

    @property
    def _read_with(self) -> dict[str, Any]:
        """What GetRecords is told besides the iterator."""
        return {}

    @abstractmethod
    def time_text(self, seconds: float) -> str:
        """Return the ISO time that an OnFailure document shows, given seconds since the epoch."""

    @abstractmethod
    async def _call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]: ...

    @abstractmethod
    def _record(self, shard_id: str, raw: dict[str, Any]) -> StreamRecord: ...


def stream_source(arn: str, calls: ServiceCalls) -> StreamSource:
    """Return the source that an ARN names.

    Raises:
        LambdaApiError: it is no ARN of a Kinesis stream or a DynamoDB stream.
    """
    match = _ARN.fullmatch(arn)
    if match and match["service"] == "kinesis" and match["resource"].startswith("stream/"):
        return KinesisSource(arn, match["region"], calls)
    if match and match["service"] == "dynamodb" and "/stream/" in match["resource"]:
        return DynamoDBSource(arn, match["region"], calls)
    raise invalid_value(f"Unrecognized event source: {arn}. The local Lambda reads Kinesis and DynamoDB streams")


class KinesisSource(StreamSource):
    """A Kinesis stream."""

    service = "kinesis"
    max_read = 10_000
    batch_info = "KinesisBatchInfo"
    reading_actions = "GetRecords, GetShardIterator, DescribeStream, ListShards, and ListStreams"

    async def shards(self) -> list[Shard]:
        """Return all shards that the stream still has."""
        shards: list[Shard] = []
        body: dict[str, Any] = {"StreamName": self._name}
        while True:
            answer = await self._call("ListShards", body)
            shards += [_kinesis_shard(raw) for raw in answer["Shards"]]
            if not answer.get("NextToken"):
                return shards
            body = {"NextToken": answer["NextToken"]}

    async def iterator(self, shard_id: str, position: Position) -> str:
        """Return an iterator that reads the shard from the position."""
        body: dict[str, Any] = {"StreamName": self._name, "ShardId": shard_id, "ShardIteratorType": position.kind}
        if position.kind == "AT_TIMESTAMP":
            body["Timestamp"] = position.value
        elif position.value is not None:
            body["StartingSequenceNumber"] = position.value
        iterator: str = (await self._call("GetShardIterator", body))["ShardIterator"]
        return iterator

    def time_text(self, seconds: float) -> str:
        """Return the time with milliseconds."""
        return _iso(seconds, "milliseconds")

    @property
    def _read_with(self) -> dict[str, Any]:
        # kinesis-local's iterators do not tell their stream, and whether the function may read it depends on that.
        return {"StreamARN": self.arn}

    @property
    def _name(self) -> str:
        return self.arn.partition(":stream/")[2]

    async def _call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._calls.call("kinesis", f"Kinesis_20131202.{operation}", body, region=self.region)

    def _record(self, shard_id: str, raw: dict[str, Any]) -> StreamRecord:
        event = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": raw["PartitionKey"],
                "sequenceNumber": raw["SequenceNumber"],
                "data": raw["Data"],
                "approximateArrivalTimestamp": raw["ApproximateArrivalTimestamp"],
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard_id}:{raw['SequenceNumber']}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": "arn:aws:iam::123456789012:role/local",
            "awsRegion": self.region,
            "eventSourceARN": self.arn,
        }
        arrived = float(raw["ApproximateArrivalTimestamp"])
        return StreamRecord(raw["SequenceNumber"], raw["PartitionKey"], arrived, arrived, _json(event))


class DynamoDBSource(StreamSource):
    """A DynamoDB table's stream.

    DynamoDB Local cuts the time of a change down to the minute, AWS to the second. The events of a mapping get seconds:
    a change came no earlier than the last read that reached the shard's end, so that a reader who keeps up tells its
    time to the second, and one who lags behind never makes a change look younger than it is. Before the end was first
    reached, and for what is older than that, the engine's minute stays. Only the mapping's events are changed: whoever
    calls GetRecords gets what the engine says.
    """

    service = "dynamodb"
    max_read = 1_000
    batch_info = "DDBStreamBatchInfo"
    reading_actions = "GetRecords, GetShardIterator, DescribeStream, and ListStreams"

    def __init__(self, arn: str, region: str, calls: ServiceCalls) -> None:
        super().__init__(arn, region, calls)
        self._at_tip: dict[str, float] = {}
        """By shard, when it was last read to its end: what is read later is younger."""

    async def shards(self) -> list[Shard]:
        """Return all shards that the stream still has."""
        shards: list[Shard] = []
        body: dict[str, Any] = {"StreamArn": self.arn}
        while True:
            description = (await self._call("DescribeStream", body))["StreamDescription"]
            shards += [_dynamodb_shard(raw) for raw in description.get("Shards", [])]
            last = description.get("LastEvaluatedShardId")
            if not last:
                return shards
            body = {"StreamArn": self.arn, "ExclusiveStartShardId": last}

    async def read(self, shard_id: str, iterator: str, limit: int) -> tuple[list[StreamRecord], str | None]:
        """Return the next records, and the iterator for those after them; None at a closed shard's end."""
        asked = time.time()
        records, following = await super().read(shard_id, iterator, limit)
        if len(records) < min(limit, self.max_read):
            self._at_tip[shard_id] = asked
        return records, following

    async def iterator(self, shard_id: str, position: Position) -> str:
        """Return an iterator that reads the shard from the position."""
        self._at_tip.pop(shard_id, None)  # what is read again may be older
        body = {"StreamArn": self.arn, "ShardId": shard_id, "ShardIteratorType": position.kind}
        if position.value is not None:
            body["SequenceNumber"] = str(position.value)
        iterator: str = (await self._call("GetShardIterator", body))["ShardIterator"]
        return iterator

    def time_text(self, seconds: float) -> str:
        """Return the time in whole seconds: the stream knows no finer ones."""
        return _iso(seconds, "seconds")

    async def _call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._calls.call("dynamodb", f"DynamoDBStreams_20120810.{operation}", body, region=self.region)

    def _record(self, shard_id: str, raw: dict[str, Any]) -> StreamRecord:
        minute = float(raw["dynamodb"]["ApproximateCreationDateTime"])
        arrived_by = min(time.time(), minute + _MINUTE_SECONDS)
        created = int(min(arrived_by, max(minute, self._at_tip.get(shard_id, 0.0))))
        image = raw["dynamodb"] | {"ApproximateCreationDateTime": created}
        # eventName, eventID, eventVersion and the images: all as they are on the wire.
        event = raw | {
            "awsRegion": self.region,
            "dynamodb": image,
            "eventSource": "aws:dynamodb",
            "eventSourceARN": self.arn,
        }
        if identity := raw.get("userIdentity"):  # of an expiry; Lambda spells its members small
            event["userIdentity"] = {f"{name[0].lower()}{name[1:]}": value for name, value in identity.items()}
        key = json.dumps(image["Keys"], sort_keys=True)
        return StreamRecord(image["SequenceNumber"], key, created, arrived_by, _json(event))


def _kinesis_shard(raw: dict[str, Any]) -> Shard:
    parents = tuple(raw[name] for name in ("ParentShardId", "AdjacentParentShardId") if raw.get(name))
    return Shard(raw["ShardId"], parents, raw["SequenceNumberRange"].get("EndingSequenceNumber") is not None)


def _dynamodb_shard(raw: dict[str, Any]) -> Shard:
    parent = raw.get("ParentShardId")
    closed = raw.get("SequenceNumberRange", {}).get("EndingSequenceNumber") is not None
    return Shard(raw["ShardId"], (parent,) if parent else (), closed)


def _json(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode(errors="backslashreplace")


def _iso(seconds: float, precision: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def not_accessible(source: StreamSource) -> str:
    """Return AWS's words on a stream that the function's role may not read."""
    return (
        f"Cannot access stream {source.arn}. Please ensure the role can perform the {source.reading_actions} Actions "
        "on your stream in IAM."
    )


def problem_of(error: ServiceCallError, source: StreamSource) -> str:
    """Return the LastProcessingResult of a mapping whose stream cannot be read."""
    reason = not_accessible(source) if error.code == "AccessDeniedException" else error.code
    return f"PROBLEM: {reason}"


async def check_source(source: StreamSource) -> None:
    """Make sure that the stream is there.

    Raises:
        LambdaApiError: it is not, or cannot be read.
    """
    try:
        await source.shards()
    except ServiceCallError as error:
        raise invalid_value(f"Stream not found: {source.arn} ({error})") from error
