"""A shard's consumer on a stream that fails as the local engines do not: nothing is lost, nothing done is repeated."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from infra.local.emulator.lambdas.lambda_host import Invocation
from infra.local.emulator.mappings.batch_delivery import DeliveryContext, fitting
from infra.local.emulator.mappings.failure_destination import FailureDestination
from infra.local.emulator.mappings.mapping_settings import MappingSettings, MappingTimes
from infra.local.emulator.mappings.service_calls import ServiceCallError, ServiceCalls
from infra.local.emulator.mappings.shard_consumer import ShardConsumer, ShardProgress
from infra.local.emulator.mappings.stream_source import KinesisSource, Position, StreamRecord

ARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/s"
TIMES = MappingTimes(poll=0.001, first_retry=0.001, longest_retry=0.001)


class FakeStream(KinesisSource):
    """One closed shard in memory, whose iterators are indexes, and which fails as it is told.

    Attributes:
        trimmed: How many of the first records are gone.
        failures: Error codes that the next reads answer with; None reads.
    """

    def __init__(self, count: int) -> None:
        super().__init__(ARN, "eu-west-1", ServiceCalls(""))
        self.count = count
        self.trimmed = 0
        self.failures: list[str | None] = []

    async def _call(self, operation: str, body: dict[str, Any]) -> dict[str, Any]:
        await asyncio.sleep(0)
        if operation == "GetShardIterator":
            return {"ShardIterator": str(self._index(body))}
        if self.failures and (failure := self.failures.pop(0)):
            raise ServiceCallError(failure, "as told")
        start = int(body["ShardIterator"])
        end = min(self.count, start + body["Limit"])
        records = [_raw(index) for index in range(max(start, self.trimmed), end)]
        return {"Records": records} | ({"NextShardIterator": str(end)} if end < self.count else {})

    def _index(self, body: dict[str, Any]) -> int:
        match body["ShardIteratorType"]:
            case "TRIM_HORIZON":
                return self.trimmed
            case "AT_SEQUENCE_NUMBER":
                index = int(body["StartingSequenceNumber"])
            case _:
                index = int(body["StartingSequenceNumber"]) + 1
        if index < self.trimmed:
            raise ServiceCallError("TrimmedDataAccessException", "it is gone")
        return index


class FakeFunction:
    """Remembers what it gets; stops the mapping after some calls."""

    def __init__(self, stopping: asyncio.Event, stop_after: int = 1_000_000) -> None:
        self.got: list[str] = []
        self.calls = 0
        self._stopping = stopping
        self._stop_after = stop_after

    async def invoke(self, name: str, payload: bytes, *, region: str) -> Invocation:
        del name, region
        await asyncio.sleep(0.002)
        self.got += [record["kinesis"]["sequenceNumber"] for record in json.loads(payload)["Records"]]
        self.calls += 1
        if self.calls == self._stop_after:
            self._stopping.set()
        return Invocation(200, b"null", None, "id")


def _raw(index: int) -> dict[str, Any]:
    return {"SequenceNumber": str(index), "PartitionKey": "k", "Data": "", "ApproximateArrivalTimestamp": 0.0}


def numbers(start: int, end: int) -> list[str]:
    return [str(index) for index in range(start, end)]


async def consume(stream: FakeStream, progress: ShardProgress, *, stop_after: int = 1_000_000) -> list[str]:
    """Run a consumer to the shard's end, or until some calls were made; return what the function got."""
    stopping = asyncio.Event()
    function = FakeFunction(stopping, stop_after)
    context = DeliveryContext(
        invoker=function,
        function_arn="f",
        region="eu-west-1",
        settings=MappingSettings(batch_size=3),
        times=TIMES,
        destination=FailureDestination(ServiceCalls(""), "m", "f", stream),
        report=lambda _: None,
        stopping=stopping,
    )
    await asyncio.wait_for(ShardConsumer(stream, "shard", progress, context).run(), 10)
    return function.got


def test_a_closed_shard_is_read_to_its_end_and_is_finished() -> None:
    progress = ShardProgress(Position("TRIM_HORIZON"))
    assert asyncio.run(consume(FakeStream(10), progress)) == numbers(0, 10)
    assert progress.is_finished
    assert progress.position == Position("AFTER_SEQUENCE_NUMBER", "9")


def test_failing_reads_lose_nothing_and_repeat_nothing() -> None:
    stream = FakeStream(20)
    stream.failures = [
        None,
        "ExpiredIteratorException",
        None,
        "Unreachable",
        "InternalServerError",
        None,
        "Unreachable",
    ]
    progress = ShardProgress(Position("TRIM_HORIZON"))
    assert asyncio.run(consume(stream, progress)) == numbers(0, 20)
    assert progress.is_finished


def test_an_iterator_that_expired_while_a_mapping_was_disabled_is_taken_anew() -> None:
    stream = FakeStream(5)
    stream.failures = ["ExpiredIteratorException"]
    progress = ShardProgress(Position("AFTER_SEQUENCE_NUMBER", "1"), iterator="4")
    assert asyncio.run(consume(stream, progress)) == numbers(2, 5)


def test_a_stopped_consumer_goes_on_behind_what_was_done() -> None:
    stream = FakeStream(20)
    progress = ShardProgress(Position("TRIM_HORIZON"))
    first = asyncio.run(consume(stream, progress, stop_after=2))
    assert not progress.is_finished
    assert first + asyncio.run(consume(stream, progress)) == numbers(0, 20)
    assert progress.is_finished


def test_what_was_trimmed_while_a_mapping_was_disabled_is_skipped() -> None:
    stream = FakeStream(20)
    progress = ShardProgress(Position("TRIM_HORIZON"))
    first = asyncio.run(consume(stream, progress, stop_after=1))
    assert first == numbers(0, 3)
    stream.trimmed = 12
    assert asyncio.run(consume(stream, progress)) == numbers(12, 20)


def test_a_batch_takes_what_fits_and_at_least_one_record() -> None:
    small, large = (StreamRecord("1", "k", 0, 0, b"x" * size) for size in (10, 7_000_000))
    assert fitting([small] * 5, 3) == 3
    assert fitting([small] * 2, 3) == 2
    assert fitting([small, large], 3) == 1
    assert fitting([large, small], 3) == 1
