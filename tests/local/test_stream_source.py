"""The time that an event source mapping tells of a table's change: to the second, as on AWS."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest

from infra.local.emulator.mappings import stream_source
from infra.local.emulator.mappings.service_calls import ServiceCalls
from infra.local.emulator.mappings.stream_source import DynamoDBSource, Position
from tests.local.lambda_in_tests import until

if TYPE_CHECKING:
    from tests.local.streams_in_tests import Streams

ARN: Final = "arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"
HOUR: Final = 1_767_225_600  # a whole one
LIMIT: Final = 2


class FakeStream(DynamoDBSource):
    """A shard whose next records are told minute by minute."""

    def __init__(self) -> None:
        super().__init__(ARN, "eu-west-1", ServiceCalls(""))
        self.minutes: list[int] = []

    async def _call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        del body
        if operation == "GetShardIterator":
            return {"ShardIterator": "i"}
        records = [
            {"dynamodb": {"ApproximateCreationDateTime": HOUR + minute, "Keys": {}, "SequenceNumber": "1"}}
            for minute in self.minutes
        ]
        return {"Records": records, "NextShardIterator": "i"}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=float(HOUR))
    monkeypatch.setattr(stream_source, "time", SimpleNamespace(time=lambda: clock.now))
    return clock


def read(stream: FakeStream, *minutes: int) -> list[tuple[int, float, float]]:
    """Return of every record the time that its event says, the one it is taken for, and its latest, after the hour."""
    stream.minutes = list(minutes)
    records, _ = asyncio.run(stream.read("shard", "i", LIMIT))
    said = [json.loads(record.event)["dynamodb"]["ApproximateCreationDateTime"] for record in records]
    return [
        (at - HOUR, record.arrived - HOUR, record.arrived_by - HOUR) for at, record in zip(said, records, strict=True)
    ]


def test_a_change_is_no_older_than_the_last_read_that_reached_the_end(clock: SimpleNamespace) -> None:
    stream = FakeStream()
    clock.now = HOUR + 30.5
    assert read(stream, 0) == [(0, 0, 30.5)]  # nothing is known of it but the engine's minute
    clock.now = HOUR + 31.75
    assert read(stream, 0) == [(30, 30, 31.75)]
    clock.now = HOUR + 50.0
    assert read(stream, 0, 0) == [(31, 31, 50), (31, 31, 50)]  # as many as were asked for: there may be more
    clock.now = HOUR + 55.0
    assert read(stream, 0) == [(31, 31, 55)]
    clock.now = HOUR + 119.5
    assert read(stream) == []
    clock.now = HOUR + 121.0
    assert read(stream, 60, 120) == [(119, 119, 120), (120, 120, 121)]


def test_a_change_of_long_ago_keeps_the_engine_s_minute(clock: SimpleNamespace) -> None:
    clock.now = HOUR + 3600.0
    assert read(FakeStream(), 0, 60) == [(0, 0, 60), (60, 60, 120)]


def test_what_is_read_again_does_not_become_younger(clock: SimpleNamespace) -> None:
    stream = FakeStream()
    clock.now = HOUR + 50.0
    assert read(stream, 0) == [(0, 0, 50)]
    asyncio.run(stream.iterator("shard", Position("AFTER_SEQUENCE_NUMBER", "1")))
    assert read(stream, 0) == [(0, 0, 50)]


@pytest.mark.engines
def test_an_expiry_is_told_from_a_delete_as_lambda_tells_it(streams: Streams) -> None:
    streams.open_table()
    said = "[record['eventName'], record.get('userIdentity')]"
    streams.map(f"def handler(event, context):\n    for record in event['Records']: note({said})")
    streams.dynamodb.update_time_to_live(
        TableName=streams.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    streams.put_item("deleted")
    streams.dynamodb.delete_item(TableName=streams.name, Key={"id": {"S": "deleted"}})
    streams.put_item("expired", expires={"N": str(int(time.time()) - 10)})
    until(lambda: [name for name, _ in streams.aws.notes()].count("REMOVE") == 2, seconds=60)
    removed = [identity for name, identity in streams.aws.notes() if name == "REMOVE"]
    assert removed == [None, {"type": "Service", "principalId": "dynamodb.amazonaws.com"}]


@pytest.mark.engines
def test_a_mapping_tells_seconds_and_get_records_what_the_engine_says(streams: Streams) -> None:
    streams.open_table()
    streams.map("def handler(event, context):\n    for record in event['Records']: note(record['dynamodb'])")
    streams.put_item("first")
    until(streams.aws.notes)
    began = time.time()
    until(lambda: time.time() >= began + 1)  # the mapping has read to the end meanwhile
    streams.put_item("second")
    until(lambda: len(streams.aws.notes()) == 2)
    told = streams.aws.notes()[1]["ApproximateCreationDateTime"]
    assert int(began) <= told <= time.time()
    iterator = streams.dynamodb_streams.get_shard_iterator(
        StreamArn=streams.stream_arn,
        ShardId=streams.describe_table_stream()["Shards"][0]["ShardId"],
        ShardIteratorType="TRIM_HORIZON",
    )["ShardIterator"]
    records = streams.dynamodb_streams.get_records(ShardIterator=iterator)["Records"]
    assert [record["dynamodb"]["ApproximateCreationDateTime"].timestamp() % 60 for record in records] == [0, 0]
