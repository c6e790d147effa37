"""Tumbling windows of event source mappings against the semantics that AWS documents."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from botocore.exceptions import ClientError

from infra.local.emulator.lambdas.lambda_errors import MAX_PAYLOAD_BYTES
from infra.local.emulator.lambdas.lambda_host import Invocation
from infra.local.emulator.mappings.batch_delivery import BatchDelivery, DeliveryContext, fitting, payload_of
from infra.local.emulator.mappings.failure_destination import FailureDestination
from infra.local.emulator.mappings.mapping_settings import MappingSettings, MappingTimes
from infra.local.emulator.mappings.service_calls import ServiceCalls
from infra.local.emulator.mappings.stream_source import KinesisSource, StreamRecord
from infra.local.emulator.mappings.tumbling_window import TumblingWindow, state_of
from tests.local.lambda_in_tests import QUICK, lambda_in_tests, until
from tests.local.streams_in_tests import LOW, NOTES_WHAT_COMES, Streams

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from infra.local.emulator.client import LocalAwsProcess

# As long as AWS allows: in a test such a window does not end by itself.
LONG: Final = 900
SHORT: Final = 2

GATHERS: Final = (
    NOTES_WHAT_COMES
    + """
def call(event):
    kind = "early" if event["isWindowTerminatedEarly"] else "end" if event["isFinalInvokeForWindow"] else "batch"
    return [kind, "".join(seen(event)), event["state"].get("seen", ""), event["window"]["start"]]
def handler(event, context):
    note([*call(event), time.time()])
    return {"state": {"seen": event["state"].get("seen", "") + "".join(seen(event))}}
"""
)


def calls(streams: Streams) -> list[list[str]]:
    """Return of every call its kind, its records and the state that it got."""
    return [note[:3] for note in streams.aws.notes()]


def until_a_window_begins(seconds: int) -> None:
    start = time.time() // seconds * seconds + seconds
    until(lambda: time.time() >= start)


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# What a function gets


@pytest.mark.engines
@pytest.mark.parametrize("service", ["kinesis", "dynamodb"])
def test_an_event_names_window_and_shard_and_carries_a_state(streams: Streams, service: str) -> None:
    if service == "kinesis":
        streams.open()
        streams.put("a")
        shard = streams.describe()["Shards"][0]["ShardId"]
    else:
        streams.open_table()
        streams.put_item("a")
        shard = streams.describe_table_stream()["Shards"][0]["ShardId"]
    source = "def handler(event, context):\n    note(event)\n    return {'state': {}}"
    mapping = streams.map(source, TumblingWindowInSeconds=LONG)
    [event] = until(streams.aws.notes)
    [record] = event.pop("Records")
    if service == "kinesis":
        arrived = record["kinesis"]["approximateArrivalTimestamp"]
    else:
        arrived = record["dynamodb"]["ApproximateCreationDateTime"]
    start = arrived // LONG * LONG
    assert event == {
        "window": {"start": iso(start), "end": iso(start + LONG)},
        "state": {},
        "shardId": shard,
        "eventSourceARN": streams.stream_arn,
        "isFinalInvokeForWindow": False,
        "isWindowTerminatedEarly": False,
    }
    told = streams.aws.client.get_event_source_mapping(UUID=mapping)
    assert told["TumblingWindowInSeconds"] == LONG


@pytest.mark.engines
def test_a_window_hands_its_state_on_and_ends_by_the_clock_with_a_call_without_records(streams: Streams) -> None:
    streams.open()
    until_a_window_begins(SHORT)
    streams.put("a", "b")
    streams.map(GATHERS, TumblingWindowInSeconds=SHORT, BatchSize=1)
    until(lambda: len(calls(streams)) == 3)  # nothing comes that could end it
    streams.put("c")
    until(lambda: len(calls(streams)) == 4)
    assert calls(streams) == [["batch", "a", ""], ["batch", "b", "a"], ["end", "", "ab"], ["batch", "c", ""]]
    _, _, _, start, ended = streams.aws.notes()[2]
    assert streams.aws.notes()[0][3] == start
    assert ended >= datetime.fromisoformat(start).timestamp() + SHORT
    assert streams.aws.notes()[3][3] > start


@pytest.mark.engines
def test_a_batch_is_of_one_window_and_the_next_window_s_records_come_after_its_end(streams: Streams) -> None:
    streams.open()
    until_a_window_begins(1)
    streams.put("a")
    until_a_window_begins(1)
    streams.put("c")
    streams.map(GATHERS, TumblingWindowInSeconds=1)
    until(lambda: len(calls(streams)) == 4)
    assert calls(streams) == [["batch", "a", ""], ["end", "", "a"], ["batch", "c", ""], ["end", "", "c"]]


@pytest.mark.engines
def test_a_batching_window_gathers_records_of_one_tumbling_window(tmp_path: Path, local_aws: LocalAwsProcess) -> None:
    """As the replicator's mapping has both."""
    with lambda_in_tests(tmp_path, endpoint_url=local_aws.endpoint_url, times=replace(QUICK, second=0.01)) as aws:
        streams = Streams(aws, local_aws)
        streams.open()
        streams.map(GATHERS, MaximumBatchingWindowInSeconds=100, TumblingWindowInSeconds=LONG)  # a second, at this pace
        streams.put("a")
        streams.put("b")
        until(lambda: calls(streams) == [["batch", "ab", ""]])


# Failures


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ('{"state": {}}', {}),
        ('{"state": {"a": 1}, "batchItemFailures": []}', {"a": 1}),
        ("", None),
        ("null", None),
        ("{}", None),
        ('{"batchItemFailures": []}', None),
        ('{"state": null}', None),
        ('{"state": "a"}', None),
        ('[{"state": {}}]', None),
        ("no json", None),
    ],
)
def test_what_is_a_state(answer: str, state: dict[str, Any] | None) -> None:
    assert state_of(answer.encode()) == state


@pytest.mark.engines
def test_an_answer_without_a_state_is_a_failure(streams: Streams) -> None:
    streams.open()
    streams.put(*"ab")
    source = GATHERS.replace("    return {", "    if len(open(os.environ['NOTES']).readlines()) > 2: return {")
    streams.map(source, TumblingWindowInSeconds=LONG, BatchSize=1)
    until(lambda: len(calls(streams)) == 4)
    assert calls(streams) == [["batch", "a", ""]] * 3 + [["batch", "b", "a"]]


@pytest.mark.engines
def test_item_failures_are_read_and_only_a_complete_failure_leaves_the_state_as_it_was(streams: Streams) -> None:
    streams.open()
    streams.put(*"abc")
    streams.map(
        GATHERS
        + """
answers = iter([("one", [1]), ("two", [0]), ("three", [])])
def handler(event, context):
    note(call(event))
    state, failed = next(answers)
    failures = [{"itemIdentifier": numbers(event)[index]} for index in failed]
    return {"state": {"seen": state}, "batchItemFailures": failures}
""",
        TumblingWindowInSeconds=LONG,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    until(lambda: len(calls(streams)) == 3)
    assert calls(streams) == [["batch", "abc", ""], ["batch", "bc", "one"], ["batch", "bc", "one"]]


@pytest.mark.engines
def test_the_end_of_a_window_is_called_until_it_succeeds_and_nothing_passes_it(streams: Streams) -> None:
    streams.open()
    until_a_window_begins(1)
    streams.put("a")
    until_a_window_begins(1)
    streams.put("b")
    streams.map(
        GATHERS
        + """
tries = 0
def handler(event, context):
    global tries
    note(call(event))
    if call(event)[0] == "end" and not os.path.exists(os.environ["NOTES"] + ".go"):
        tries += 1
        if tries % 2: raise ValueError("not yet")
        return {}
    return {"state": {"seen": "".join(seen(event))}}
""",
        TumblingWindowInSeconds=1,
        MaximumRetryAttempts=0,  # they do not run out for this call
    )
    until(lambda: len(calls(streams)) >= 6)
    assert calls(streams)[:6] == [["batch", "a", ""]] + [["end", "", "a"]] * 5
    streams.aws.let_go("go")
    until(lambda: ["batch", "b", ""] in calls(streams))
    before = calls(streams)[: calls(streams).index(["batch", "b", ""])]
    assert before[1:] == [["end", "", "a"]] * (len(before) - 1)


@pytest.mark.engines
def test_a_throttled_end_of_a_window_is_called_later(streams: Streams) -> None:
    streams.open()
    until_a_window_begins(1)
    streams.put("a")
    mapping = streams.map(
        GATHERS.replace("    return {", "    wait_for('go')\n    return {"), TumblingWindowInSeconds=1
    )
    until(streams.aws.notes)
    streams.aws.client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    streams.aws.let_go("go")
    told = streams.aws.client.get_event_source_mapping
    until(lambda: told(UUID=mapping)["LastProcessingResult"].startswith("PROBLEM"))
    streams.put("b")
    assert calls(streams) == [["batch", "a", ""]]
    streams.aws.client.delete_function_concurrency(FunctionName="f")
    until(lambda: len(calls(streams)) >= 3)
    assert calls(streams)[:3] == [["batch", "a", ""], ["end", "", "a"], ["batch", "b", ""]]


# Sizes


@pytest.mark.engines
def test_a_state_over_1_mb_ends_the_window_early_and_what_follows_in_it_starts_anew(streams: Streams) -> None:
    streams.open()
    streams.put(*"abc")
    streams.map(
        GATHERS
        + """
def handler(event, context):
    kind, records, state, start = call(event)
    note([kind, records, len(state), start, event["isFinalInvokeForWindow"]])
    return {"state": {"seen": "x" * 1_048_576 if records == "a" else records}}
""",
        TumblingWindowInSeconds=LONG,
        BatchSize=1,
    )
    until(lambda: len(calls(streams)) == 4)
    assert calls(streams) == [["batch", "a", 0], ["early", "", 1_048_576], ["batch", "b", 0], ["batch", "c", 1]]
    assert [note[4] for note in streams.aws.notes()] == [False, True, False, False]
    assert len({note[3] for note in streams.aws.notes()}) == 1


def window(state_bytes: int) -> TumblingWindow:
    """Return a window whose state is some bytes of JSON."""
    return TumblingWindow("shard", "arn", 0, 900, {"s": "x" * (state_bytes - len('{"s":""}'))})


def test_a_state_of_1_mb_is_not_too_large() -> None:
    assert not window(1_048_576).is_too_large
    assert window(1_048_577).is_too_large


def records_of(*sizes: int) -> list[StreamRecord]:
    return [
        StreamRecord(str(index), "k", 0, 0, json.dumps("x" * (size - 2)).encode()) for index, size in enumerate(sizes)
    ]


def test_the_state_counts_into_the_payload() -> None:
    for state_bytes in (10, 500_000):
        room = MAX_PAYLOAD_BYTES - len(payload_of((), window(state_bytes)))
        # A comma follows all but the last; it is counted for that one too.
        for last, fits in ((room - 2_000_002, 2), (room - 2_000_001, 1)):
            records = records_of(2_000_000, last, 10)
            assert fitting(records, 3, window(state_bytes)) == fits
            assert len(payload_of(records[:fits], window(state_bytes))) <= MAX_PAYLOAD_BYTES


def test_what_is_left_of_a_batch_is_sent_in_parts_once_the_state_has_grown() -> None:
    class Function:
        """Does one record at first, and answers with a large state; takes no event that AWS would not take."""

        def __init__(self) -> None:
            self.counts: list[int] = []

        async def invoke(self, name: str, payload: bytes, *, region: str) -> Invocation:
            del name, region
            assert len(payload) <= MAX_PAYLOAD_BYTES
            self.counts.append(len(json.loads(payload)["Records"]))
            failures = [{"itemIdentifier": "1"}] if len(self.counts) == 1 else []
            answer = {"state": {"s": "x" * 1_000_000}, "batchItemFailures": failures}
            return Invocation(200, json.dumps(answer).encode(), None, "id")

    async def deliver() -> tuple[list[int], list[str]]:
        function, done = Function(), list[str]()

        def note(records: Sequence[StreamRecord]) -> None:
            done.extend(record.sequence_number for record in records)

        calls_ = ServiceCalls("")
        source = KinesisSource("arn:aws:kinesis:eu-west-1:123456789012:stream/s", "eu-west-1", calls_)
        context = DeliveryContext(
            invoker=function,
            function_arn="f",
            region="eu-west-1",
            settings=MappingSettings(reports_item_failures=True),
            times=MappingTimes(first_retry=0.001, longest_retry=0.001),
            destination=FailureDestination(calls_, "m", "f", source),
            report=lambda _: None,
            stopping=asyncio.Event(),
        )
        await BatchDelivery(context, "shard", note, window(10)).deliver(records_of(*[520_000] * 12))
        return function.counts, done

    assert asyncio.run(deliver()) == ([12, 10, 1], [str(index) for index in range(12)])


# Where windows begin and end apart from the clock


@pytest.mark.engines
def test_disabled_and_enabled_a_mapping_goes_on_with_an_empty_state(streams: Streams) -> None:
    streams.open()
    streams.put("a")
    mapping = streams.map(GATHERS, TumblingWindowInSeconds=LONG)
    until(lambda: calls(streams) == [["batch", "a", ""]])
    streams.enable(mapping, enabled=False)
    streams.put("b")
    streams.enable(mapping, enabled=True)
    until(lambda: len(calls(streams)) == 2)
    assert calls(streams) == [["batch", "a", ""], ["batch", "b", ""]]


@pytest.mark.engines
def test_disabling_does_not_wait_for_the_end_of_a_window_that_fails(streams: Streams) -> None:
    streams.open()
    until_a_window_begins(1)
    streams.put("a")
    until_a_window_begins(1)
    streams.put("b")
    source = GATHERS.replace("    return {", "    if call(event)[0] == 'end': raise ValueError('never')\n    return {")
    mapping = streams.map(source, TumblingWindowInSeconds=1)
    until(lambda: ["end", "", "a"] in calls(streams))
    streams.enable(mapping, enabled=False)
    assert not any(records == "b" for _, records, _ in calls(streams))
    streams.enable(mapping, enabled=True)
    until(lambda: ["batch", "b", ""] in calls(streams))


@pytest.mark.engines
def test_a_closed_shard_s_window_ends_with_its_last_record_and_before_its_children_begin(streams: Streams) -> None:
    streams.open()
    [shard] = streams.describe()["Shards"]
    streams.put("p", key=LOW)
    streams.map(
        GATHERS.replace("note([", "note([event['shardId'], "),
        TumblingWindowInSeconds=LONG,
    )
    until(streams.aws.notes)
    streams.kinesis.split_shard(StreamName=streams.name, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(2**127))
    until(lambda: streams.describe()["StreamStatus"] == "ACTIVE")
    streams.put("c", key=LOW)
    until(lambda: len(streams.aws.notes()) == 3)
    parent = shard["ShardId"]
    first, second, third = [note[:4] for note in streams.aws.notes()]
    assert (first, second) == ([parent, "batch", "p", ""], [parent, "end", "", "p"])
    assert third[0] != parent
    assert third[1:] == ["batch", "c", ""]


@pytest.mark.engines
def test_a_mapping_with_a_window_gets_no_parallelization_factor(streams: Streams) -> None:
    streams.open()
    mapping = streams.map(GATHERS, TumblingWindowInSeconds=LONG)
    streams.wait_until(mapping, "Enabled")
    with pytest.raises(ClientError) as caught:
        streams.aws.client.update_event_source_mapping(UUID=mapping, ParallelizationFactor=2)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
