"""What a call measures: all that it did, once, also when it fails, and nothing of any item."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from aws_lambda_powertools import Tracer
from aws_xray_sdk import global_sdk_config  # type: ignore[import-untyped] # the SDK ships no types
from aws_xray_sdk.core.recorder import AWSXRayRecorder  # type: ignore[import-untyped] # as above

from tasks import compare_digests, preflight, replicate_changes, scan_segment, verify_segment, write_pages
from tasks.aws.books.books import open_books
from tasks.aws.replicate import moments
from tasks.aws.session import measure, trace
from tasks.aws.session.call import logger
from tasks.aws.session.handler import Request, task
from tasks.core.copy.page import encode_page, take_apart
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import AwsRefused, DrainPending, PutRecordsIncomplete, Refused, TipOutOfReach, VersionsDiffer
from tasks.core.metrics import ITEMS_SCANNED, OLDEST_UNAPPLIED
from tasks.core.model.item import Item
from tests.unit.aws_fakes import PLAN, ROUTE, RUN, STREAM, Context, Crash, FakeAws, client_error, kinesis_event
from tests.unit.emf import Read, read_emf

PAYLOAD = {"plan": PLAN.model_dump(mode="json")}
ROUTED = {**PAYLOAD, "route": ROUTE.model_dump()}
SECRET = "s3cr3t"  # noqa: S105 — a value that must show up nowhere
MIGRATION = {"migration": PLAN.migration}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws().install(monkeypatch)
    fake.put_rule("leave-tombstones")
    return fake


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    stream = io.StringIO()
    monkeypatch.setattr(logger.registered_handler, "stream", stream)
    return stream


@pytest.fixture
def read(capsys: pytest.CaptureFixture[str]) -> Callable[[], Read]:
    return lambda: read_emf(capsys.readouterr().out)


@pytest.fixture
def trace_sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], dict[str, Any]]]:
    """Trace for real, as far as the daemon: return what it would be sent."""
    recorder = AWSXRayRecorder()
    vars(recorder.emitter)["_socket"].close()  # it opens one to the daemon, which is not there
    recorder.configure(sampling=False, context_missing="RUNTIME_ERROR")
    sent: list[Any] = []
    monkeypatch.setattr(recorder.emitter, "send_entity", sent.append)
    was_enabled = global_sdk_config.sdk_enabled()
    global_sdk_config.set_sdk_enabled(True)
    # Powertools keeps its settings for all tracers, and the first one is switched off outside Lambda.
    monkeypatch.setattr(Tracer, "_config", dict(vars(Tracer)["_default_config"]))
    switched_on = Tracer(disabled=False, auto_patch=False, provider=recorder)
    monkeypatch.setattr(trace, "tracer", lambda: switched_on)
    recorder.begin_segment("function")

    def end() -> dict[str, Any]:
        recorder.end_segment()
        (segment,) = sent
        document: dict[str, Any] = json.loads(segment.serialize())
        return document

    yield end
    global_sdk_config.set_sdk_enabled(was_enabled)


def item(pk: object, **more: Any) -> Item:  # noqa: ANN401 — any attributes
    return {"pk": {"S": str(pk)}, **more}


def scan(**more: Any) -> Checkpoint:  # noqa: ANN401 — fields of the checkpoint
    payload = {**ROUTED, "checkpoint": {"segment": 0, **more}}
    return Checkpoint.model_validate(scan_segment.handler(payload, Context()))


def record(*items: Item, number: int = 0) -> bytes:
    body = json.dumps({"Items": list(items), "Count": len(items), "ScannedCount": len(items)}).encode()
    (encoded,) = encode_page(take_apart(body), run=RUN, segment=0, number=number)
    return encoded


def change(number: int, pk: object, new: Item | None) -> dict[str, Any]:
    images = {"OldImage": item(pk)} if new is None else {"NewImage": new}
    stream = {"Keys": {"pk": {"S": str(pk)}}, "SequenceNumber": str(number), "ApproximateCreationDateTime": 1.0}
    return {"eventSourceARN": STREAM, "dynamodb": {**stream, **images}}


def replicate(*records: dict[str, Any]) -> Any:  # noqa: ANN401 — a handler's answer
    return replicate_changes.handler({"Records": list(records), "shardId": "shard-1"}, Context())


# How a call ends


def test_a_call_that_fails_still_puts_out_what_it_did_and_that_it_failed(
    aws: FakeAws, read: Callable[[], Read]
) -> None:
    aws.dynamodb.units = 4.0
    aws.dynamodb.pages = [([item(1)], None)]
    aws.kinesis.refuse = lambda *_: True
    with pytest.raises(PutRecordsIncomplete):
        scan()
    found = read()
    assert found.value("Failures", **MIGRATION, state="ScanSegment") == 1
    assert found.value("ReadUnits", **MIGRATION, state="ScanSegment") == 4, "it was paid for"
    assert not found.names() & {"Done", "Waits", "Progress", "ItemsScanned"}


@pytest.mark.parametrize("error", [DrainPending("not yet"), TipOutOfReach("far behind")])
def test_a_wait_is_counted_as_a_wait_and_no_alarm_takes_it_for_a_failure(
    read: Callable[[], Read], error: Exception
) -> None:
    @task(Request)
    def wait(*_: object) -> None:
        raise error

    with pytest.raises(type(error)):
        wait(PAYLOAD, Context())
    found = read()
    assert found.value("Waits", **MIGRATION, state="TestMetrics") == 1
    assert found.names() == {"Waits"}


def test_a_payload_that_is_refused_before_it_is_read_is_a_failure_of_its_migration(read: Callable[[], Read]) -> None:
    with pytest.raises(VersionsDiffer):
        scan_segment.handler({**ROUTED, "checkpoint": {}, "unknown": 1}, Context())
    assert read().value("Failures", **MIGRATION, state="ScanSegment") == 1


@pytest.mark.parametrize("event", [{}, {"plan": None}, {"plan": {"migration": " "}}, {"plan": {"migration": 7}}])
def test_a_call_whose_migration_is_not_known_puts_out_no_metric_that_nobody_looks_at(
    read: Callable[[], Read], event: dict[str, Any]
) -> None:
    with pytest.raises(VersionsDiffer):
        scan_segment.handler(event, Context())
    assert read().values == {}


def test_a_refused_input_is_a_failure_of_preflight(monkeypatch: pytest.MonkeyPatch, read: Callable[[], Read]) -> None:
    settings = {"migration": PLAN.migration, "source_table": "source", "target_table": "target"}
    monkeypatch.setenv("MIGRATION_SETTINGS", json.dumps(settings))
    event = {
        "input": {"unknown": 1},
        "execution_name": RUN,
        "execution_arn": "arn:aws:states:::execution:machine:run",
        "execution_started": "2026-01-01T00:00:00Z",
        "state_machine_arn": "arn:aws:states:::stateMachine:machine",
    }
    with pytest.raises(Refused):
        preflight.handler(event, Context())
    assert read().value("Failures", **MIGRATION, state="Preflight") == 1


def test_a_killed_call_leaves_nothing_for_the_next_one_to_count(aws: FakeAws, read: Callable[[], Read]) -> None:
    measure.add(ITEMS_SCANNED, 1000)  # of a call that never came to its end
    aws.dynamodb.pages = [([item(1)], None)]
    scan()
    found = read()
    assert found.value("ItemsScanned", **MIGRATION) == 1
    aws.dynamodb.pages = []
    scan(state="done")
    assert read().names() == {"Done"}, "the sums of the call before are gone"


@pytest.mark.parametrize("handler", [write_pages.handler, replicate_changes.handler])
def test_a_function_that_a_stream_drives_says_that_something_comes_again(
    aws: FakeAws,
    read: Callable[[], Read],
    handler: Any,  # noqa: ANN401 — a handler
) -> None:
    def fail(*_: object) -> None:
        raise client_error("InternalServerError", status=500)

    aws.dynamodb.before = fail
    records = kinesis_event(record(item(1)), record(item(2), number=1))["Records"]
    changes = [change(1, "a", item("a"))]
    event = {"Records": records if handler is write_pages.handler else changes, "shardId": "shard-1"}
    assert handler(event, Context())["batchItemFailures"]
    state = "WritePages" if handler is write_pages.handler else "ReplicateChanges"
    found = read()
    assert found.value("Failures", **MIGRATION, state=state) == (2 if handler is write_pages.handler else 1)
    assert not found.names() & {"Done", "Progress", "PartsWritten", "ChangesApplied"}


def test_even_a_dying_process_that_gets_to_say_so_counts_as_a_failure(aws: FakeAws, read: Callable[[], Read]) -> None:
    def die(*_: object) -> None:
        raise Crash

    aws.dynamodb.before = die
    with pytest.raises(Crash):
        scan()
    assert read().value("Failures", **MIGRATION, state="ScanSegment") == 1


# What is counted


def test_a_scan_counts_what_kinesis_took_and_not_what_it_refused(aws: FakeAws, read: Callable[[], Read]) -> None:
    aws.dynamodb.units = 2.5
    aws.dynamodb.pages = [
        ([item(1), item(2)], {"pk": {"S": "2"}}),
        ([], {"pk": {"S": "x"}}),
        ([item(3)], None),
    ]
    scan()
    found = read()
    assert found.value("ItemsScanned", **MIGRATION) == 3
    assert found.value("PagesSent", **MIGRATION) == 3
    assert found.value("PartsSent", **MIGRATION) == len(aws.kinesis.taken) == 2
    assert found.value("BytesSent", **MIGRATION) == sum(len(entry["Data"]) for entry in aws.kinesis.taken)
    assert found.value("SegmentsScanned", **MIGRATION) == 1
    assert found.value("ReadUnits", **MIGRATION, state="ScanSegment") == 7.5
    assert found.value("Progress", **MIGRATION, state="ScanSegment") == 3
    assert found.value("Done", **MIGRATION, state="ScanSegment") == 1


def test_the_writer_counts_by_its_receipts(aws: FakeAws, read: Callable[[], Read]) -> None:
    aws.dynamodb.units = 3.0
    aws.dynamodb.seed("target", item("there"))
    aws.dynamodb.reject = lambda entry: entry["pk"]["S"] == "bad"
    part = record(item("there"), item("bad"), *[item(number) for number in range(30)])
    write_pages.handler(kinesis_event(part), Context())
    found = read()
    counted = {name: found.value(name, **MIGRATION) for name in ("ItemsInserted", "ItemsPresent", "ItemsRejected")}
    ((_, receipt),) = aws.control.iter_all(f"run#{RUN}#0", "receipt#")
    assert counted == {f"Items{name.capitalize()}": count for name, count in receipt.items()}
    assert found.value("ItemsAttempted", **MIGRATION) == 32
    assert found.value("PartsWritten", **MIGRATION) == 1
    # Two batches; the put of the item that the target cannot take says nothing.
    assert found.value("WriteUnits", **MIGRATION, state="WritePages") == 6
    write_pages.handler(kinesis_event(part), Context())
    assert read().names() == {"Done"}, "a part that comes again is not counted again"


def test_the_replicator_counts_what_its_watermark_has_passed(aws: FakeAws, read: Callable[[], Read]) -> None:
    aws.dynamodb.reject = lambda entry: entry["pk"]["S"] == "bad"
    replicate(change(1, "a", item("a")), change(2, "a", item("a", n={"N": "2"})), change(3, "b", None))
    found = read()
    assert found.value("ChangesApplied", **MIGRATION) == 3
    assert found.value("DeletesApplied", **MIGRATION) == 1
    watermark = open_books(RUN).watermarks.read("shard-1")
    assert watermark is not None
    assert found.value("ReplicatorLag", **MIGRATION) == watermark.applied_at - watermark.changed_at
    assert found.value("Progress", **MIGRATION, state="ReplicateChanges") == 1
    replicate(change(4, "bad", item("bad")), change(5, "c", item("c")))
    found = read()
    assert found.value("ChangesRejected", **MIGRATION) == len(aws.bucket.lines()) == 1


def test_a_late_change_that_was_overruled_is_told_from_one_that_was_refused(
    aws: FakeAws, read: Callable[[], Read]
) -> None:
    aws.put_rule("target-wins")
    aws.dynamodb.units = 1.0
    aws.dynamodb.seed("target", item("taken", by={"S": "the application"}))
    aws.dynamodb.reject = lambda entry: entry["pk"]["S"] == "bad"
    replicate(change(1, "taken", item("taken")), change(2, "bad", item("bad")), change(3, "fine", item("fine")))
    found = read()
    assert found.value("ChangesOverruled", **MIGRATION) == 1
    assert found.value("ChangesRejected", **MIGRATION) == 1
    assert found.value("ReadUnits", **MIGRATION, state="ReplicateChanges") == 1, "what the target held was read"
    assert found.value("WriteUnits", **MIGRATION, state="ReplicateChanges") == 1


def verify(stage: str = "digests", **slice_: Any) -> None:  # noqa: ANN401 — any JSON
    slice_ = slice_ or {"table": "source", "segment": 0}
    verify_segment.handler({**PAYLOAD, "verification": "v", "stage": stage, "slice": slice_}, Context())


def verify_both(aws: FakeAws, source: Sequence[Item], target: Sequence[Item] = ()) -> dict[str, Any]:
    """Read both tables, and return the verification as CompareDigests lays out its second pass."""
    for table, items in (("source", source), ("target", target)):
        aws.dynamodb.pages = [(list(items), None)]
        verify(table=table, segment=0)
    document: dict[str, Any] = compare_digests.handler({**ROUTED, "verify": {"id": "v"}}, Context())
    return document


def test_the_proof_counts_what_it_read_and_what_looked_different(aws: FakeAws, read: Callable[[], Read]) -> None:
    aws.dynamodb.units = 8.0
    aws.dynamodb.pages = [([item(1), item(2)], {"pk": {"S": "2"}}), ([item(3)], None)]
    verify()
    found = read()
    assert found.value("ItemsVerified", **MIGRATION) == 3
    assert found.value("ReadUnits", **MIGRATION, state="VerifySegment") == 16
    assert "Suspects" not in found.names()
    (slice_,) = verify_both(aws, [item(1), item(2), item(3)])["slices"]
    found = read()
    unequal = found.value("UnequalBuckets", **MIGRATION)
    assert unequal == 3, "the target has nothing"
    assert "Drift" not in found.names(), "nothing is proven yet"
    aws.dynamodb.seed("source", item(1), item(2))
    verify("suspects", **slice_)
    found = read()
    assert found.value("Suspects", **MIGRATION) == 2, "the third is deleted by now"
    assert found.value("ReadUnits", **MIGRATION, state="VerifySegment") == 16, "one call of each side"


@pytest.mark.parametrize("drifted", [0, 2])
def test_drift_is_counted_when_it_is_proven_and_none_when_there_is_none(
    aws: FakeAws, read: Callable[[], Read], monkeypatch: pytest.MonkeyPatch, drifted: int
) -> None:
    verification = verify_both(aws, [item(number) for number in range(3)])
    aws.dynamodb.seed("source", *[item(number) for number in range(3)])
    verify("suspects", **verification["slices"][0])
    aws.dynamodb.seed("target", *[item(number) for number in range(drifted, 3)])
    read()
    monkeypatch.setattr(moments, "await_passed", lambda *_, **__: True)
    monkeypatch.setattr("tasks.aws.prove.recheck.BETWEEN_LOOKS_SECONDS", 0.0)
    payload = {**ROUTED, "verify": verification}
    if drifted:
        with pytest.raises(Exception, match="2 missing"):
            compare_digests.handler(payload, Context())
    else:
        compare_digests.handler(payload, Context())
    found = read()
    assert found.value("Drift", **MIGRATION) == drifted
    assert found.value("Failures" if drifted else "Done", **MIGRATION, state="CompareDigests") == 1
    assert found.value("Progress", **MIGRATION, state="CompareDigests") >= 1


# Throttles


def test_a_throttle_is_counted_once_for_each_statement_that_is_tried_again(
    aws: FakeAws, read: Callable[[], Read]
) -> None:
    tries: dict[str, int] = {}

    def refuse(entry: Item) -> str | None:
        name = entry["pk"]["S"]
        tries[name] = tries.get(name, 0) + 1
        codes = {"slow": "ThrottlingError", "slower": "ProvisionedThroughputExceeded", "torn": "TransactionConflict"}
        return codes.get(name) if tries[name] <= (2 if name == "slower" else 1) else None

    aws.dynamodb.refuse = refuse
    write_pages.handler(kinesis_event(record(item("slow"), item("slower"), item("torn"), item("fine"))), Context())
    found = read()
    assert found.value("Throttles", **MIGRATION, state="WritePages") == 3, "a conflict is tried again and no throttle"
    assert found.value("ItemsInserted", **MIGRATION) == 4


def test_a_throttle_is_counted_for_each_change_and_each_record_that_was_sent_back(
    aws: FakeAws, read: Callable[[], Read]
) -> None:
    left = [2, 1, 0]
    aws.dynamodb.leave = lambda requests: requests[: left.pop(0)]
    replicate(*[change(number, number, item(number)) for number in range(1, 6)])
    assert read().value("Throttles", **MIGRATION, state="ReplicateChanges") == 3
    aws.dynamodb.pages = [([item(1)], None)]
    aws.kinesis.refuse = lambda number, _: number < 2
    scan()
    assert read().value("Throttles", **MIGRATION, state="ScanSegment") == 2


# What AWS does not tell


def test_capacity_that_nobody_told_is_absent_and_not_0(aws: FakeAws, read: Callable[[], Read]) -> None:
    aws.dynamodb.pages = [([item(1)], None)]
    scan()
    write_pages.handler(kinesis_event(record(item(1))), Context())
    replicate(change(1, "a", item("a")))
    assert not read().names() & {"ReadUnits", "WriteUnits", "Throttles"}


# Threads, dimensions


def test_no_thread_loses_what_another_has_added() -> None:
    sums = measure.Sums()

    def add_many(_: int) -> None:
        for _ in range(500):
            sums.add(ITEMS_SCANNED)

    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(add_many, range(8)))) == 8
    sums.add(OLDEST_UNAPPLIED, 7.0)
    sums.add(OLDEST_UNAPPLIED, 3.0)
    assert sums.take() == {ITEMS_SCANNED: 4000, OLDEST_UNAPPLIED: 7.0}
    assert sums.take() == {}


def test_no_setting_of_powertools_adds_a_dimension_that_no_alarm_names(
    aws: FakeAws, read: Callable[[], Read], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "somebody's")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "somebody's")
    aws.dynamodb.pages = [([item(1)], None)]
    scan()
    dimensions = {tuple(name for name, _ in dimensions) for _, dimensions in read().values}
    assert dimensions == {("migration",), ("migration", "state")}


# Item data


def hostile(pk: str) -> Item:
    return {"pk": {"S": f"{SECRET}-{pk}"}, SECRET: {"M": {SECRET: {"L": [{"S": f'"{SECRET}\n{{"_aws":{{}}}}'}]}}}}


def test_no_item_data_is_in_any_line_whatever_fails(
    aws: FakeAws, log: io.StringIO, capsys: pytest.CaptureFixture[str]
) -> None:
    def quote(operation: str, request: dict[str, Any]) -> None:
        if operation in {"BatchWriteItem", "Scan"}:
            raise client_error("AccessDeniedException", f"may not touch {json.dumps(request)} {SECRET}")

    for fail in (False, True):
        if fail:
            aws.dynamodb.before = quote
        aws.dynamodb.reject = lambda entry: entry["pk"]["S"].endswith("bad")
        aws.dynamodb.pages = [([hostile("a"), hostile("bad")], {"pk": {"S": SECRET}}), ([hostile("c")], None)] * 3
        for call in (
            scan,
            lambda: verify("digests"),
            lambda: verify("suspects"),
            lambda: write_pages.handler(kinesis_event(record(hostile("d"), hostile("bad"))), Context()),
            lambda: replicate(change(1, SECRET, hostile("e")), change(2, "f", None)),
            lambda: replicate(
                {"eventSourceARN": STREAM, "dynamodb": {"Keys": {"pk": {"S": SECRET}}, "SequenceNumber": SECRET}}
            ),
            lambda: scan_segment.handler({**ROUTED, "checkpoint": {"segment": SECRET, SECRET: 1}}, Context()),
        ):
            with suppress(Exception):  # of whatever kind: it is the lines that are looked at
                call()
    lines = [*capsys.readouterr().out.splitlines(), *log.getvalue().splitlines()]
    assert len(lines) > 20
    assert [line for line in lines if SECRET in line] == []


def test_every_log_line_says_whose_it_is(aws: FakeAws, log: io.StringIO) -> None:
    aws.dynamodb.pages = [([item(1)], None)]
    scan(segment=0)
    write_pages.handler(kinesis_event(record(item(1))), Context())
    scanned, written = (json.loads(line) for line in log.getvalue().splitlines())
    told = {"migration": PLAN.migration, "run": RUN, "correlation_id": RUN, "function_request_id": "request-1"}
    assert {name: scanned[name] for name in (*told, "state", "segment")} == {
        **told,
        "state": "ScanSegment",
        "segment": 0,
    }
    assert {name: written[name] for name in (*told, "state")} == {**told, "state": "WritePages"}
    assert "segment" not in written, "of the call before"


# Traces


def test_a_trace_says_whose_call_it_is(aws: FakeAws, trace_sent: Callable[[], dict[str, Any]]) -> None:
    aws.dynamodb.pages = [([hostile("a")], None)]
    scan()
    document = trace_sent()
    (subsegment,) = document["subsegments"]
    assert subsegment["name"] == "## ScanSegment"
    assert subsegment["annotations"] == {
        "migration": PLAN.migration,
        "run": RUN,
        "state": "ScanSegment",
        "segment": "0",
    }
    assert SECRET not in json.dumps(document)


def test_no_message_of_an_error_enters_a_trace(aws: FakeAws, trace_sent: Callable[[], dict[str, Any]]) -> None:
    def quote(*_: object) -> None:
        raise client_error("ValidationException", f"Type mismatch for key {SECRET}")

    aws.dynamodb.before = quote
    aws.dynamodb.pages = [([hostile("a")], None)]
    with pytest.raises(AwsRefused) as caught:
        scan()
    assert SECRET not in str(caught.value), "nor the execution's history"
    document = trace_sent()
    (subsegment,) = document["subsegments"]
    assert subsegment["annotations"]["error"] == "AwsRefused"
    assert "cause" not in subsegment
    assert SECRET not in json.dumps(document)
