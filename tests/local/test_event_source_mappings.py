"""Event source mappings against the semantics that AWS documents, on Kinesis and on DynamoDB Streams.

The functions run in the test's own process's Lambda, so that the tests can set its times; the streams and S3 are those
of the local AWS.
"""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from infra.local.emulator.mappings.item_failures import first_failure
from tests.local.lambda_in_tests import QUICK, REGION, LambdaInTests, lambda_in_tests, until
from tests.local.streams_in_tests import HIGH, LOW, NOTES_WHAT_COMES, Streams

if TYPE_CHECKING:
    from pathlib import Path

    from infra.local.emulator.client import LocalAwsProcess


def data_of(document: dict[str, Any]) -> list[str]:
    """Return the sequence numbers of the records in an OnFailure document."""
    return [record["kinesis"]["sequenceNumber"] for record in document["payload"]["Records"]]


def flat(batches: list[Any]) -> list[Any]:
    return [item for batch in batches for item in batch]


def error_code(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


# What a function gets


@pytest.mark.engines
def test_a_kinesis_record_looks_as_documented(streams: Streams) -> None:
    streams.open()
    streams.put("hellö", key="key 1")
    streams.map("def handler(event, context): note(event)")
    [event] = until(streams.aws.notes)
    [record] = event.pop("Records")
    assert event == {}
    kinesis = record.pop("kinesis")
    arrived, number = kinesis.pop("approximateArrivalTimestamp"), kinesis.pop("sequenceNumber")
    # Seconds, to the millisecond: of a thousand records one arrives at a whole second, and is an integer in JSON.
    assert abs(arrived - time.time()) < 60
    assert number.isdigit()
    assert kinesis == {"kinesisSchemaVersion": "1.0", "partitionKey": "key 1", "data": "aGVsbMO2"}
    assert record.pop("invokeIdentityArn").startswith("arn:aws:iam::")
    assert record == {
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"shardId-000000000000:{number}",
        "eventName": "aws:kinesis:record",
        "awsRegion": REGION,
        "eventSourceARN": streams.stream_arn,
    }


@pytest.mark.engines
def test_a_dynamodb_record_carries_its_images_as_they_are_on_the_wire(streams: Streams) -> None:
    streams.open_table()
    attributes: dict[str, Any] = {
        "number": {"N": "-12345678901234567890123456789012345678"},
        "binary": {"B": b"\x00\xff"},
        "set": {"BS": [b"\x01"]},
        "map": {"M": {"list": {"L": [{"NULL": True}, {"BOOL": False}, {"S": ""}, {"B": b"\x02"}]}}},
        "nämé": {"S": "ü"},
    }
    wire = {
        "number": {"N": "-12345678901234567890123456789012345678"},
        "binary": {"B": "AP8="},
        "set": {"BS": ["AQ=="]},
        "map": {"M": {"list": {"L": [{"NULL": True}, {"BOOL": False}, {"S": ""}, {"B": "Ag=="}]}}},
        "nämé": {"S": "ü"},
        "id": {"S": "a"},
    }
    streams.put_item("a", **attributes)
    streams.put_item("a")
    streams.dynamodb.delete_item(TableName=streams.name, Key={"id": {"S": "a"}})
    streams.map("def handler(event, context):\n    for record in event['Records']: note(record)")
    until(lambda: len(streams.aws.notes()) == 3)
    inserted, changed, removed = streams.aws.notes()
    assert [record["eventName"] for record in (inserted, changed, removed)] == ["INSERT", "MODIFY", "REMOVE"]
    for record in (inserted, changed, removed):
        image = record["dynamodb"]
        assert record["eventSource"] == "aws:dynamodb"
        assert record["awsRegion"] == REGION
        assert record["eventSourceARN"] == streams.stream_arn
        assert record["eventID"]
        assert record["eventVersion"]
        assert image["Keys"] == {"id": {"S": "a"}}
        assert image["StreamViewType"] == "NEW_AND_OLD_IMAGES"
        assert image["SequenceNumber"].isdigit()
        assert image["SizeBytes"] > 0
        assert image["ApproximateCreationDateTime"] > 0
    assert inserted["dynamodb"]["NewImage"] == wire
    assert "OldImage" not in inserted["dynamodb"]
    assert (changed["dynamodb"]["OldImage"], changed["dynamodb"]["NewImage"]) == (wire, {"id": {"S": "a"}})
    assert removed["dynamodb"]["OldImage"] == {"id": {"S": "a"}}
    assert "NewImage" not in removed["dynamodb"]


@pytest.mark.engines
def test_a_batch_has_no_more_records_than_the_batch_size(streams: Streams) -> None:
    streams.open()
    streams.put(*"abcde")
    streams.map(BatchSize=2)
    until(lambda: flat(streams.aws.notes()) == list("abcde"))
    assert streams.aws.notes() == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.engines
def test_a_batch_is_no_larger_than_6_mb(streams: Streams) -> None:
    # Changes of an item of nearly 400 KB: with both images each is nearly 800 KB, but for the first.
    streams.open_table()
    for index in range(9):
        streams.put_item("a", text={"S": "x" * 390_000}, n={"N": str(index)})
    streams.map("def handler(event, context): note(len(event['Records']))", BatchSize=100)
    until(lambda: sum(streams.aws.notes()) == 9)
    assert streams.aws.notes() == [8, 1]


@pytest.mark.engines
def test_a_batching_window_gathers_records(tmp_path: Path, local_aws: LocalAwsProcess) -> None:
    with lambda_in_tests(tmp_path, endpoint_url=local_aws.endpoint_url, times=replace(QUICK, second=0.01)) as aws:
        streams = Streams(aws, local_aws)
        streams.open()
        streams.map(MaximumBatchingWindowInSeconds=100)  # one second, at this pace
        streams.put("a")
        streams.put("b")
        until(lambda: aws.notes() == [["a", "b"]])


@pytest.mark.engines
def test_a_full_batch_does_not_wait_for_its_window(streams: Streams) -> None:
    streams.open()
    streams.map(MaximumBatchingWindowInSeconds=300, BatchSize=3)
    streams.put(*"abcd")
    until(lambda: streams.aws.notes() == [["a", "b", "c"]])


# Failures


@pytest.mark.engines
def test_a_batch_is_retried_from_the_lowest_sequence_number_that_failed(streams: Streams) -> None:
    streams.open()
    streams.put(*"abcdef")
    streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    note(seen(event))
    failed = [numbers(event)[seen(event).index(name)] for name in "ec"] if "a" in seen(event) else []
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
""",
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    until(lambda: len(streams.aws.notes()) == 2)
    assert streams.aws.notes() == [list("abcdef"), list("cdef")]


@pytest.mark.engines
def test_a_report_is_not_read_unless_it_was_asked_for(streams: Streams) -> None:
    streams.open()
    streams.put("a")
    streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    note(seen(event))
    return {"batchItemFailures": [{"itemIdentifier": numbers(event)[0]}]}
""",
    )
    until(streams.aws.notes)
    streams.put("b")
    until(lambda: streams.aws.notes() == [["a"], ["b"]])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        # Complete successes
        ("", None),
        ("null", None),
        ('""', None),
        ("[]", None),
        ("{}", None),
        ('{"batchItemFailures": []}', None),
        ('{"batchItemFailures": null}', None),
        ('{"statusCode": 200}', None),
        # Partial failures
        ('{"batchItemFailures": [{"itemIdentifier": "20"}]}', 1),
        ('{"batchItemFailures": [{"itemIdentifier": "30"}, {"itemIdentifier": "20"}]}', 1),
        # Complete failures
        ('{"batchItemFailures": [{"itemIdentifier": "10"}]}', 0),
        ('{"batchItemFailures": [{"itemIdentifier": ""}]}', 0),
        ('{"batchItemFailures": [{"itemIdentifier": null}]}', 0),
        ('{"batchItemFailures": [{"sequenceNumber": "20"}]}', 0),
        ('{"batchItemFailures": [{"itemIdentifier": "99"}]}', 0),
        ('{"batchItemFailures": [{"itemIdentifier": "30"}, {"itemIdentifier": ""}]}', 0),
        ('{"batchItemFailures": "20"}', 0),
        ('{"batchItemFailures": ["20"]}', 0),
        ('"ok"', 0),
        ("no json", 0),
    ],
)
def test_what_a_report_means(answer: str, expected: int | None) -> None:
    assert first_failure(["10", "20", "30"], answer.encode()) == expected


@pytest.mark.engines
def test_a_failing_batch_is_retried_until_it_succeeds_and_nothing_passes_it(streams: Streams) -> None:
    streams.open()
    streams.put(*"abc")
    streams.map(
        NOTES_WHAT_COMES
        + """
calls = 0
def handler(event, context):
    global calls
    calls += 1
    note(seen(event))
    if calls < 6: raise ValueError("not yet")
""",
        BatchSize=2,
    )
    until(lambda: len(streams.aws.notes()) == 7)
    assert streams.aws.notes() == [["a", "b"]] * 6 + [["c"]]


@pytest.mark.engines
def test_a_batch_out_of_retries_goes_to_s3_with_its_records_and_the_shard_goes_on(streams: Streams) -> None:
    streams.open()
    streams.put("bad", "too", "good")
    mapping = streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    note(seen(event))
    if "bad" in seen(event): raise ValueError("never")
""",
        BatchSize=2,
        MaximumRetryAttempts=2,
        DestinationConfig=streams.bucket(),
    )
    until(lambda: ["good"] in streams.aws.notes())
    assert streams.aws.notes() == [["bad", "too"]] * 3 + [["good"]]
    [(key, document)] = streams.discarded().items()
    pattern = (
        rf"aws/lambda/{mapping}/shardId-000000000000/(\d{{4}})/(\d\d)/(\d\d)/\1-\2-\3T\d\d\.\d\d\.\d\d-[0-9a-f-]{{36}}"
    )
    assert re.fullmatch(pattern, key)
    context, batch = document["requestContext"], document["KinesisBatchInfo"]
    assert context["condition"] == "RetryAttemptsExhausted"
    assert context["approximateInvokeCount"] == 3
    assert context["functionArn"].endswith(":function:f")
    assert document["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert document["version"] == "1.0"
    assert batch["shardId"] == "shardId-000000000000"
    assert batch["batchSize"] == 2
    assert batch["streamArn"] == streams.stream_arn
    assert [batch["startSequenceNumber"], batch["endSequenceNumber"]] == data_of(document)
    assert batch["approximateArrivalOfFirstRecord"].endswith("Z")
    assert [record["kinesis"]["data"] for record in document["payload"]["Records"]] == ["YmFk", "dG9v"]


@pytest.mark.engines
def test_a_reported_failure_out_of_retries_discards_only_what_was_not_done(streams: Streams) -> None:
    streams.open()
    streams.put("good", "bad", "after")
    streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    note(seen(event))
    failed = numbers(event)[seen(event).index("bad"):][:1] if "bad" in seen(event) else []
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
""",
        MaximumRetryAttempts=1,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        DestinationConfig=streams.bucket(),
    )
    [document] = until(streams.discarded).values()
    assert streams.aws.notes() == [["good", "bad", "after"], ["bad", "after"]]
    assert document["KinesisBatchInfo"]["batchSize"] == 2
    assert document["responseContext"]["functionError"] is None


@pytest.mark.engines
def test_a_failing_batch_is_bisected_down_to_its_bad_record_in_order(streams: Streams) -> None:
    streams.open()
    streams.put(*"12345678")
    streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    if "5" in seen(event): raise ValueError("never")
    note(seen(event))
""",
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=0,  # dividing uses no retry
        DestinationConfig=streams.bucket(),
    )
    until(lambda: flat(streams.aws.notes()) == list("1234678"))
    assert streams.aws.notes() == [["1", "2", "3", "4"], ["6"], ["7", "8"]]
    [document] = until(streams.discarded).values()
    assert [record["kinesis"]["data"] for record in document["payload"]["Records"]] == ["NQ=="]


@pytest.mark.engines
def test_with_a_report_a_batch_is_divided_at_the_reported_record(streams: Streams) -> None:
    streams.open()
    streams.put(*"abcdef")
    streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    note(seen(event))
    failed = numbers(event)[2:3]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}
""",
        BisectBatchOnFunctionError=True,
        MaximumRetryAttempts=0,
        FunctionResponseTypes=["ReportBatchItemFailures"],
        DestinationConfig=streams.bucket(),
    )
    until(lambda: ["e", "f"] in streams.aws.notes())
    assert streams.aws.notes() == [list("abcdef"), list("cdef"), list("ef")]
    assert streams.discarded() == {}


@pytest.mark.engines
def test_records_past_the_maximum_age_are_discarded(tmp_path: Path, local_aws: LocalAwsProcess) -> None:
    with lambda_in_tests(tmp_path, endpoint_url=local_aws.endpoint_url, times=replace(QUICK, second=0.02)) as aws:
        streams = Streams(aws, local_aws)
        streams.open()
        streams.put("bad")
        streams.map(
            NOTES_WHAT_COMES
            + """
def handler(event, context):
    note(seen(event))
    if "bad" in seen(event): raise ValueError("never")
""",
            MaximumRecordAgeInSeconds=60,  # 1.2 seconds, at this pace
            DestinationConfig=streams.bucket(),
        )
        until(aws.notes)
        [document] = until(streams.discarded).values()
        assert document["requestContext"]["condition"] == "RecordAgeExceeded"
        assert document["requestContext"]["approximateInvokeCount"] == len(aws.notes())
        assert "responseContext" not in document
        streams.put("fresh")
        until(lambda: ["fresh"] in aws.notes())


@pytest.mark.engines
def test_records_that_are_too_old_from_the_start_never_reach_the_function(
    tmp_path: Path, local_aws: LocalAwsProcess
) -> None:
    with lambda_in_tests(tmp_path, endpoint_url=local_aws.endpoint_url, times=replace(QUICK, second=0)) as aws:
        streams = Streams(aws, local_aws)
        streams.open()
        streams.put("old")
        streams.map(MaximumRecordAgeInSeconds=60, DestinationConfig=streams.bucket())
        [document] = until(streams.discarded).values()
        assert document["requestContext"]["approximateInvokeCount"] == 0
        assert aws.notes() == []


@pytest.mark.engines
def test_a_change_of_a_table_is_not_too_old_though_its_time_is_cut_to_the_minute(
    tmp_path: Path, local_aws: LocalAwsProcess
) -> None:
    with lambda_in_tests(tmp_path, endpoint_url=local_aws.endpoint_url, times=replace(QUICK, second=0.02)) as aws:
        streams = Streams(aws, local_aws)
        streams.open_table()
        streams.map(
            "def handler(event, context): note([r['dynamodb']['Keys']['id']['S'] for r in event['Records']])",
            MaximumRecordAgeInSeconds=60,  # 1.2 seconds, at this pace
        )
        streams.put_item("a")
        until(lambda: aws.notes() == [["a"]])


@pytest.mark.engines
def test_throttling_uses_no_retry(streams: Streams) -> None:
    streams.open()
    streams.aws.function(NOTES_WHAT_COMES)
    streams.aws.client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    streams.put("a")
    mapping = streams.map_again(MaximumRetryAttempts=0, DestinationConfig=streams.bucket())
    told = streams.aws.client.get_event_source_mapping
    until(lambda: told(UUID=mapping)["LastProcessingResult"].startswith("PROBLEM"))
    streams.aws.client.delete_function_concurrency(FunctionName="f")
    until(lambda: streams.aws.notes() == [["a"]])
    assert streams.discarded() == {}


@pytest.mark.engines
def test_a_time_out_or_a_crash_is_a_failure_and_the_result_is_told(streams: Streams) -> None:
    streams.open()
    streams.put("a")
    mapping = streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    note(seen(event))
    tries = sum(1 for _ in open(os.environ["NOTES"]))
    if tries == 1: time.sleep(600)
    if tries == 2: os._exit(1)
    wait_for("go")
""",
        function={"Timeout": 1},
    )
    told = streams.aws.client.get_event_source_mapping
    assert told(UUID=mapping)["LastProcessingResult"] == "No records processed"
    until(lambda: len(streams.aws.notes()) >= 3)
    assert told(UUID=mapping)["LastProcessingResult"] == "PROBLEM: Function call failed"
    streams.aws.let_go("go")
    until(lambda: told(UUID=mapping)["LastProcessingResult"] == "OK")


# Order


@pytest.mark.engines
def test_a_shard_has_one_batch_under_way_and_shards_run_side_by_side(streams: Streams) -> None:
    streams.open(shards=2)
    streams.put("a1", "a2", key=LOW)
    streams.put("b1", "b2", key=HIGH)
    streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    note(["in", *seen(event)])
    wait_for("go")
    note(["out", *seen(event)])
""",
        BatchSize=1,
    )
    until(lambda: len(streams.aws.notes()) == 2)
    assert sorted(streams.aws.notes()) == [["in", "a1"], ["in", "b1"]]
    streams.aws.let_go("go")
    until(lambda: len(streams.aws.notes()) == 8)
    for shard in "ab":
        of_shard = [what for what in streams.aws.notes() if what[1].startswith(shard)]
        first, second = f"{shard}1", f"{shard}2"
        assert of_shard == [["in", first], ["out", first], ["in", second], ["out", second]]


@pytest.mark.engines
def test_lanes_of_one_shard_run_side_by_side_and_keep_each_key_s_order(streams: Streams) -> None:
    streams.open()
    for round_ in range(4):
        for key in "abcdef":
            streams.put(f"{key}{round_}", key=key)
    streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    note(["in", *seen(event)])
    wait_for("go")
    note(["out", *seen(event)])
""",
        ParallelizationFactor=3,
        BatchSize=2,
    )
    until(lambda: len(streams.aws.notes()) >= 2)
    assert {what[0] for what in streams.aws.notes()} == {"in"}  # several under way at once
    streams.aws.let_go("go")
    until(lambda: sum(len(what) - 1 for what in streams.aws.notes() if what[0] == "out") == 24)
    under_way = 0
    most = 0
    for what in streams.aws.notes():
        under_way += 1 if what[0] == "in" else -1
        most = max(most, under_way)
    assert 2 <= most <= 3
    came = flat([what[1:] for what in streams.aws.notes() if what[0] == "in"])
    for key in "abcdef":
        assert [item for item in came if item.startswith(key)] == [f"{key}{round_}" for round_ in range(4)]


@pytest.mark.engines
def test_a_failing_key_does_not_stop_the_other_lanes_and_is_not_lost(streams: Streams) -> None:
    streams.open()
    for key in "abcdef":
        streams.put(f"{key}0", f"{key}1", key=key)
    mapping = streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    if seen(event) == ["a0"] and not os.path.exists(os.environ["NOTES"] + ".go"): raise ValueError("not yet")
    note(seen(event))
""",
        ParallelizationFactor=10,
        BatchSize=1,
    )
    until(lambda: len(streams.aws.notes()) >= 8)
    assert ["a0"] not in streams.aws.notes()
    assert ["a1"] not in streams.aws.notes()
    # What is not done yet comes again after a stop, though later records of the shard were done.
    streams.enable(mapping, enabled=False)
    streams.aws.let_go("go")
    streams.enable(mapping, enabled=True)
    until(lambda: set(flat(streams.aws.notes())) == {f"{key}{round_}" for key in "abcdef" for round_ in range(2)})
    came = flat(streams.aws.notes())
    assert came.index("a0") < came.index("a1")


@pytest.mark.engines
def test_after_a_split_children_wait_until_their_parent_is_through(streams: Streams) -> None:
    streams.open()
    streams.put(*(f"p{index}" for index in range(5)), key=LOW)
    streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    note(seen(event))
    if "p1" in seen(event): wait_for("go")
""",
        BatchSize=2,
    )
    until(streams.aws.notes)
    [shard] = streams.describe()["Shards"]
    streams.kinesis.split_shard(StreamName=streams.name, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(2**127))
    until(lambda: streams.describe()["StreamStatus"] == "ACTIVE")
    streams.put("a0", "a1", "a2", key=LOW)
    streams.put("b0", "b1", "b2", key=HIGH)
    assert len(streams.describe()["Shards"]) == 3
    assert streams.aws.notes() == [["p0", "p1"]]
    streams.aws.let_go("go")
    until(lambda: len(flat(streams.aws.notes())) == 11)
    came = flat(streams.aws.notes())
    assert came[:5] == [f"p{index}" for index in range(5)]
    for child in "ab":
        assert [item for item in came if item.startswith(child)] == [f"{child}{index}" for index in range(3)]


@pytest.mark.engines
def test_after_a_merge_the_child_waits_for_both_parents(streams: Streams) -> None:
    streams.open(shards=2)
    streams.put("a0", "a1", key=LOW)
    streams.put("b0", "b1", key=HIGH)
    streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    if seen(event) == ["b1"]: wait_for("go")
    note(seen(event))
""",
        BatchSize=1,
    )
    until(lambda: len(streams.aws.notes()) == 3)
    first, second = streams.describe()["Shards"]
    streams.kinesis.merge_shards(
        StreamName=streams.name, ShardToMerge=first["ShardId"], AdjacentShardToMerge=second["ShardId"]
    )
    until(lambda: streams.describe()["StreamStatus"] == "ACTIVE")
    streams.put("c0", key=LOW)
    streams.put("c1", key=HIGH)
    streams.aws.let_go("go")
    until(lambda: len(streams.aws.notes()) == 6)
    assert flat(streams.aws.notes())[3:] == ["b1", "c0", "c1"]


@pytest.mark.engines
def test_the_changes_of_a_table_come_in_order_through_failures(streams: Streams) -> None:
    streams.open_table()
    for index in range(30):
        streams.put_item(f"i{index % 3}", n={"N": str(index)})
    streams.map(
        """
calls = 0
def handler(event, context):
    global calls
    calls += 1
    if calls == 2: raise ValueError("once")
    records = [record["dynamodb"] for record in event["Records"]]
    failed = records[4:5] if calls % 3 == 0 else []
    note([record["NewImage"]["n"]["N"] for record in (records[:4] if failed else records)])
    return {"batchItemFailures": [{"itemIdentifier": record["SequenceNumber"]} for record in failed]}
""",
        BatchSize=7,
        FunctionResponseTypes=["ReportBatchItemFailures"],
    )
    until(lambda: len(flat(streams.aws.notes())) >= 30)
    assert flat(streams.aws.notes()) == [str(index) for index in range(30)]


@pytest.mark.engines
def test_lanes_of_a_table_keep_each_item_s_order(streams: Streams) -> None:
    streams.open_table()
    for index in range(40):
        streams.put_item(f"i{index % 8}", n={"N": str(index)})
    streams.map(
        "def handler(event, context): note([int(r['dynamodb']['NewImage']['n']['N']) for r in event['Records']])",
        BatchSize=3,
        ParallelizationFactor=4,
    )
    until(lambda: len(flat(streams.aws.notes())) == 40)
    for item in range(8):
        assert [n for n in flat(streams.aws.notes()) if n % 8 == item] == list(range(item, 40, 8))


# Where a mapping starts, stops and goes on


@pytest.mark.engines
def test_latest_skips_what_was_there_and_can_miss_what_comes_while_the_mapping_starts(
    tmp_path: Path, local_aws: LocalAwsProcess
) -> None:
    with lambda_in_tests(tmp_path, endpoint_url=local_aws.endpoint_url, times=replace(QUICK, first_poll=1)) as aws:
        streams = Streams(aws, local_aws)
        streams.open()
        streams.put("before")
        mapping = streams.map(StartingPosition="LATEST")
        streams.wait_until(mapping, "Enabled")
        streams.put("while it starts")
        numbers = iter(range(10_000))

        def something_comes() -> list[Any]:
            streams.put(str(next(numbers)))
            return flat(aws.notes())

        until(something_comes)
        last = str(next(numbers) - 1)
        until(lambda: flat(aws.notes())[-1] == last)
        came = flat(aws.notes())
        # From the first that came on, none is missing.
        assert came == [str(index) for index in range(int(came[0]), int(last) + 1)]


@pytest.mark.engines
def test_a_closed_shard_is_skipped_by_latest_and_read_by_trim_horizon(streams: Streams) -> None:
    streams.open()
    streams.put("p")
    [shard] = streams.describe()["Shards"]
    streams.kinesis.split_shard(StreamName=streams.name, ShardToSplit=shard["ShardId"], NewStartingHashKey=str(2**127))
    until(lambda: streams.describe()["StreamStatus"] == "ACTIVE")
    streams.aws.function(NOTES_WHAT_COMES)
    streams.aws.function(NOTES_WHAT_COMES.replace("note(seen(event))", "note(['latest', *seen(event)])"), "g")
    mapping = streams.map_again("g", StartingPosition="LATEST")
    streams.wait_until(mapping, "Enabled")

    def latest_reads() -> bool:
        streams.put("c")
        return any(what[0] == "latest" for what in streams.aws.notes())

    until(latest_reads)
    streams.map_again("f")
    until(lambda: ["p"] in streams.aws.notes())
    assert not any(what[0] == "latest" and "p" in what for what in streams.aws.notes())


@pytest.mark.engines
def test_a_disabled_mapping_goes_on_where_it_stood(streams: Streams) -> None:
    streams.open()
    streams.put("a", "b")
    mapping = streams.map()
    until(lambda: flat(streams.aws.notes()) == ["a", "b"])
    streams.enable(mapping, enabled=False)
    streams.put("c", "d")
    streams.enable(mapping, enabled=True)
    until(lambda: flat(streams.aws.notes()) == ["a", "b", "c", "d"])
    streams.put("e")
    until(lambda: flat(streams.aws.notes()) == ["a", "b", "c", "d", "e"])


@pytest.mark.engines
def test_a_disabled_mapping_from_latest_misses_nothing_once_it_has_begun_to_read(streams: Streams) -> None:
    streams.open_table()
    mapping = streams.map(
        "def handler(event, context): note([r['dynamodb']['Keys']['id']['S'] for r in event['Records']])",
        StartingPosition="LATEST",
    )

    def it_reads() -> bool:
        streams.put_item(uuid.uuid4().hex)
        return bool(streams.aws.notes())

    until(it_reads)
    streams.enable(mapping, enabled=False)
    streams.put_item("while disabled")
    streams.enable(mapping, enabled=True)
    until(lambda: "while disabled" in flat(streams.aws.notes()))
    came = flat(streams.aws.notes())
    assert len(came) == len(set(came))


@pytest.mark.engines
def test_a_batch_that_failed_when_its_mapping_was_disabled_comes_again(streams: Streams) -> None:
    streams.open()
    streams.put("a", "b")
    mapping = streams.map(
        NOTES_WHAT_COMES
        + """
def handler(event, context):
    note(seen(event))
    if not os.path.exists(os.environ["NOTES"] + ".go"): raise ValueError("not yet")
""",
    )
    until(lambda: len(streams.aws.notes()) >= 2)
    streams.enable(mapping, enabled=False)
    streams.aws.let_go("go")
    tries = len(streams.aws.notes())
    streams.put("c")
    streams.enable(mapping, enabled=True)
    until(lambda: "c" in flat(streams.aws.notes()))
    assert flat(streams.aws.notes()[tries:]) == ["a", "b", "c"]


@pytest.mark.engines
def test_disabling_waits_for_the_batch_under_way_whose_success_counts(streams: Streams) -> None:
    streams.open()
    streams.put("a", "b")
    mapping = streams.map(
        NOTES_WHAT_COMES + "def handler(event, context):\n    note(seen(event))\n    wait_for('go')", BatchSize=1
    )
    until(streams.aws.notes)
    streams.aws.client.update_event_source_mapping(UUID=mapping, Enabled=False)
    assert streams.state(mapping) == "Disabling"
    streams.aws.let_go("go")
    streams.wait_until(mapping, "Disabled")
    assert streams.aws.notes() == [["a"]]
    streams.enable(mapping, enabled=True)
    until(lambda: streams.aws.notes() == [["a"], ["b"]])


@pytest.mark.engines
def test_deleting_waits_for_the_batch_under_way_and_nothing_comes_after_it(streams: Streams) -> None:
    streams.open()
    streams.put("a", "b")
    mapping = streams.map(
        NOTES_WHAT_COMES
        + "def handler(event, context):\n    note(['in', *seen(event)])\n    wait_for('go')\n    note(['out'])",
        BatchSize=1,
    )
    until(streams.aws.notes)
    deleted = streams.aws.client.delete_event_source_mapping(UUID=mapping)
    assert deleted["State"] == "Deleting"
    assert streams.state(mapping) == "Deleting"
    assert streams.aws.notes() == [["in", "a"]]
    streams.aws.let_go("go")

    def is_gone() -> bool:
        return not streams.aws.client.list_event_source_mappings(FunctionName="f")["EventSourceMappings"]

    until(is_gone)
    with pytest.raises(ClientError) as caught:
        streams.state(mapping)
    assert error_code(caught) == "ResourceNotFoundException"
    assert streams.aws.notes() == [["in", "a"], ["out"]]


@pytest.mark.engines
def test_new_settings_take_effect_and_lose_nothing(streams: Streams) -> None:
    streams.open()
    mapping = streams.map(BatchSize=1)
    streams.put(*"abc")
    until(lambda: streams.aws.notes() == [["a"], ["b"], ["c"]])
    answer = streams.aws.client.update_event_source_mapping(UUID=mapping, BatchSize=10, MaximumRetryAttempts=5)
    assert answer["State"] == "Updating"
    streams.put(*"de")
    until(lambda: flat(streams.aws.notes()) == list("abcde"))
    told = streams.aws.client.get_event_source_mapping(UUID=mapping)
    assert (told["State"], told["BatchSize"], told["MaximumRetryAttempts"]) == ("Enabled", 10, 5)
    assert told["ParallelizationFactor"] == 1


@pytest.mark.engines
def test_each_mapping_of_a_stream_gets_every_record(streams: Streams) -> None:
    streams.open()
    streams.put("a")
    streams.map()
    streams.aws.function(NOTES_WHAT_COMES.replace("note(seen(event))", "note(['g', *seen(event)])"), "g")
    streams.map_again("g")
    until(lambda: len(streams.aws.notes()) == 2)
    assert sorted(streams.aws.notes()) == [["a"], ["g", "a"]]


# The API


@pytest.mark.engines
def test_a_mapping_tells_its_settings_and_is_found_by_stream_and_function(streams: Streams) -> None:
    streams.open()
    arn = streams.aws.function(NOTES_WHAT_COMES)
    client = streams.aws.client
    created = client.create_event_source_mapping(
        EventSourceArn=streams.stream_arn, FunctionName=arn, StartingPosition="TRIM_HORIZON", Enabled=False
    )
    assert created["State"] == "Creating"
    expected = {
        "EventSourceArn": streams.stream_arn,
        "FunctionArn": arn,
        "BatchSize": 100,
        "MaximumBatchingWindowInSeconds": 0,
        "ParallelizationFactor": 1,
        "StartingPosition": "TRIM_HORIZON",
        "MaximumRecordAgeInSeconds": -1,
        "MaximumRetryAttempts": -1,
        "BisectBatchOnFunctionError": False,
        "LastProcessingResult": "No records processed",
        "DestinationConfig": {"OnFailure": {}},
        "FunctionResponseTypes": [],
    }
    assert {name: dict(created).get(name) for name in expected} == expected
    streams.wait_until(created["UUID"], "Disabled")
    filters: list[dict[str, Any]] = [
        {},
        {"EventSourceArn": streams.stream_arn},
        {"FunctionName": "f"},
        {"FunctionName": arn},
    ]
    for arguments in filters:
        [found] = client.list_event_source_mappings(**arguments)["EventSourceMappings"]
        assert found["UUID"] == created["UUID"]
    assert not client.list_event_source_mappings(FunctionName="g")["EventSourceMappings"]
    assert not client.list_event_source_mappings(EventSourceArn=f"{streams.stream_arn}x")["EventSourceMappings"]


@pytest.mark.engines
def test_a_mapping_cannot_be_changed_while_a_change_is_under_way(tmp_path: Path, local_aws: LocalAwsProcess) -> None:
    slow = replace(QUICK, change=600)  # it is under way until the test ends
    with lambda_in_tests(tmp_path, endpoint_url=local_aws.endpoint_url, times=slow) as aws:
        streams = Streams(aws, local_aws)
        streams.open()
        mapping = streams.map()
        for call in (aws.client.update_event_source_mapping, aws.client.delete_event_source_mapping):
            with pytest.raises(ClientError) as caught:
                call(UUID=mapping)
            assert error_code(caught) == "ResourceInUseException"


@pytest.mark.engines
@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({}, "ResourceConflictException"),
        ({"FunctionName": "g"}, "ResourceNotFoundException"),
        ({"EventSourceArn": f"arn:aws:kinesis:{REGION}:123456789012:stream/none"}, "InvalidParameterValueException"),
        ({"EventSourceArn": f"arn:aws:sqs:{REGION}:123456789012:queue"}, "InvalidParameterValueException"),
        ({"StartingPosition": "AT_TIMESTAMP"}, "InvalidParameterValueException"),
        ({"MaximumRecordAgeInSeconds": 59}, "InvalidParameterValueException"),
        ({"TumblingWindowInSeconds": 5, "ParallelizationFactor": 2}, "InvalidParameterValueException"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, "InvalidParameterValueException"),
        (
            {"DestinationConfig": {"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:123456789012:q"}}},
            "InvalidParameterValueException",
        ),
    ],
)
def test_what_a_mapping_cannot_be_is_refused(streams: Streams, settings: dict[str, Any], code: str) -> None:
    streams.open()
    streams.map()
    good = {"EventSourceArn": streams.stream_arn, "FunctionName": "f", "StartingPosition": "TRIM_HORIZON"}
    with pytest.raises(ClientError) as caught:
        streams.aws.client.create_event_source_mapping(**{**good, **settings})
    assert error_code(caught) == code


@pytest.mark.engines
def test_the_gateway_s_own_lambda_is_mapped_the_same_way(local_aws: LocalAwsProcess, tmp_path: Path) -> None:
    session = local_aws.session(REGION)
    streams = Streams(LambdaInTests(session.client("lambda"), tmp_path / "notes"), local_aws)
    streams.open_table()
    streams.put_item("a")
    arn = streams.aws.function(
        "def handler(event, context): note([r['dynamodb']['Keys']['id']['S'] for r in event['Records']])", streams.name
    )
    mapping = streams.map_again(arn)
    until(lambda: streams.aws.notes() == [["a"]])
    streams.wait_until(mapping, "Enabled")
    streams.aws.client.delete_event_source_mapping(UUID=mapping)
