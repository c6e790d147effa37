"""The scanner: the cursor is returned only after Kinesis took the page and the ledger names it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tasks import scan_segment
from tasks.aws.books.books import open_books
from tasks.aws.books.control import pk_of_run
from tasks.core.copy import back_pressure
from tasks.core.copy.back_pressure import (
    PAGES_KEPT_SECONDS,
    PARTS_AHEAD_AT_THE_END,
    PARTS_AHEAD_MOST,
    PARTS_AHEAD_TO_GO_ON,
)
from tasks.core.copy.page import decode_items, read_header
from tasks.core.copy.receipts import Sent
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import AwsUnavailable, PutRecordsIncomplete, ScanPending, Superseded, VersionsDiffer
from tasks.core.model.item import Item
from tests.unit.aws_fakes import PLAN, ROUTE, RUN, STREAM, Context, Crash, FakeAws, client_error

BOOKS = pk_of_run(RUN, "0")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    return FakeAws().install(monkeypatch)


def item(pk: object) -> Item:
    return {"pk": {"S": str(pk)}, "n": {"N": "12345678901234567890123456789012345678"}}


def scan(checkpoint: Checkpoint | None = None, context: Context | None = None) -> Checkpoint:
    request = {
        "plan": PLAN.model_dump(mode="json"),
        "route": ROUTE.model_dump(),
        "checkpoint": (checkpoint or Checkpoint(segment=0)).model_dump(mode="json", exclude_defaults=True),
    }
    answer = scan_segment.handler(json.loads(json.dumps(request)), context or Context())
    return Checkpoint.model_validate_json(json.dumps(answer))


def pages(count: int) -> list[tuple[list[Item], Item | None]]:
    """Return pages of one item, each with a cursor but the last."""
    return [([item(number)], {"pk": {"S": str(number)}} if number < count - 1 else None) for number in range(count)]


def test_a_page_is_in_kinesis_then_in_the_ledger_and_only_then_behind_the_cursor(aws: FakeAws) -> None:
    aws.dynamodb.pages = pages(2)
    done = scan()
    assert (done.state, done.cursor, done.pages, done.records, done.items) == ("done", None, 2, 2, 2)
    assert aws.log == [
        ("control.put", f"{BOOKS}/checkpoint"),
        ("dynamodb.Scan", "source"),
        ("kinesis.PutRecords", "1"),
        ("control.put", f"{BOOKS}/sent#00000000"),
        ("dynamodb.Scan", "source"),
        ("kinesis.PutRecords", "1"),
        ("control.put", f"{BOOKS}/sent#00000001"),
        ("control.put", f"{BOOKS}/checkpoint"),
    ]


def test_every_item_is_sent_and_the_ledger_names_the_very_bytes(aws: FakeAws) -> None:
    aws.dynamodb.pages = pages(3)
    scan()
    records = [entry["Data"] for entry in aws.kinesis.taken]
    assert [decode_items(record) for record in records] == [[item(0)], [item(1)], [item(2)]]
    ledger = [document for _, document in aws.control.iter_all(BOOKS, "sent#")]
    assert [entry["digests"] for entry in ledger] == [[read_header(record).digest] for record in records]
    assert {entry["count"] for entry in ledger} == {1}


@pytest.mark.parametrize("failing", ["kinesis", "ledger"])
def test_a_page_that_was_not_taken_is_never_behind_the_cursor(aws: FakeAws, failing: str) -> None:
    aws.dynamodb.pages = pages(3)
    if failing == "kinesis":
        aws.kinesis.refuse = lambda _, entry: read_header(entry["Data"]).page == 1
    else:

        def fail(_: str, __: str, sk: str) -> None:
            if sk == "sent#00000001":
                raise client_error("InternalServerError", status=500)

        aws.control.before = fail
    reached = scan()
    assert (reached.state, reached.pages) == ("scanning", 1), "what was sent before is kept"
    assert [sk for sk, _ in aws.control.iter_all(BOOKS, "sent#")] == ["sent#00000000"]
    # The next call begins at the page that failed: with nothing to keep, it says what is wrong.
    with pytest.raises(PutRecordsIncomplete if failing == "kinesis" else AwsUnavailable):
        scan(reached)
    noted: Any = aws.control.read(BOOKS, "checkpoint")
    assert noted["pages"] == 1


def test_a_crash_sends_the_page_again_under_its_number_and_the_ledger_names_the_later_sending(aws: FakeAws) -> None:
    aws.dynamodb.pages = pages(1)

    def die(_: str, __: str, sk: str) -> None:
        if sk == "checkpoint" and aws.kinesis.taken:  # the first one is the claim
            raise Crash

    aws.control.before = die
    with pytest.raises(Crash):
        scan()
    (first,) = aws.control.iter_all(BOOKS, "sent#")
    aws.control.before = lambda *_: None
    aws.dynamodb.pages = [([item("now another")], {"pk": {"S": "x"}}), ([], None)]
    assert scan().state == "done"
    again = dict(aws.control.iter_all(BOOKS, "sent#"))
    assert again["sent#00000000"] != first[1]
    assert len(aws.kinesis.taken) == 2


def test_the_next_call_goes_on_behind_the_cursor_with_every_count(aws: FakeAws) -> None:
    aws.dynamodb.pages = pages(1)
    begun = Checkpoint(segment=0, cursor={"pk": {"S": "k"}}, pages=8, records=9, items=70)
    done = scan(begun)
    assert (done.pages, done.records, done.items) == (9, 10, 71)
    ((_, request),) = aws.dynamodb.calls
    assert request == {
        "TableName": "source",
        "Segment": 0,
        "TotalSegments": 1,
        "ExclusiveStartKey": {"pk": {"S": "k"}},
        "ReturnConsumedCapacity": "TOTAL",
    }
    assert read_header(aws.kinesis.taken[0]["Data"]).page == 8


def test_the_first_page_has_no_cursor(aws: FakeAws) -> None:
    aws.dynamodb.pages = pages(1)
    scan()
    assert "ExclusiveStartKey" not in aws.dynamodb.calls[0][1]


def test_it_stops_at_half_its_time_and_never_runs_into_the_time_out(aws: FakeAws) -> None:
    aws.dynamodb.pages = pages(10)
    # Asked once at the start, then after each page.
    reached = scan(context=Context(300_000, 250_000, 200_000, 149_999))
    assert (reached.state, reached.pages) == ("scanning", 3)
    assert reached.cursor == {"pk": {"S": "2"}}
    noted: Any = aws.control.read(BOOKS, "checkpoint")
    assert (noted["pages"], noted["state"]) == (3, "scanning")
    assert scan(reached).pages == 10


def test_one_page_is_read_however_little_time_there_is(aws: FakeAws) -> None:
    aws.dynamodb.pages = pages(3)
    assert scan(context=Context(100, 10)).pages == 1, "or the machine would loop for ever"


def test_an_empty_page_in_the_middle_does_not_end_the_segment(aws: FakeAws) -> None:
    aws.dynamodb.pages = [([], {"pk": {"S": "x"}}), ([item(1)], None)]
    done = scan()
    assert (done.pages, done.records, done.items) == (2, 1, 1)
    sent: Any = aws.control.read(BOOKS, "sent#00000000")
    assert (sent["digests"], sent["count"]) == ([], 0)


def test_a_segment_that_is_done_is_not_scanned_again(aws: FakeAws) -> None:
    done = Checkpoint(segment=0, state="done", pages=2, records=2, items=2)
    assert scan(done) == done
    assert aws.dynamodb.calls == []


@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "InternalServerError",
        "KMSThrottlingException",  # Kinesis, of a stream with a key of its own
    ],
)
def test_a_throttled_scan_goes_on_by_the_states_retry(aws: FakeAws, code: str) -> None:
    def fail(*_: object) -> None:
        raise client_error(code)

    aws.dynamodb.before = fail
    with pytest.raises(AwsUnavailable, match=code):
        scan()


def test_a_payload_of_another_version_is_refused_by_its_fields() -> None:
    with pytest.raises(VersionsDiffer, match=r"scan_segment .*\(plan, route, checkpoint\.segment\)"):
        scan_segment.handler({"checkpoint": {}}, Context())


def test_a_call_whose_segment_was_claimed_since_notes_nothing_any_more(aws: FakeAws) -> None:
    """A stopped execution does not stop its functions: of the entries of two scans the ledger proves nothing."""
    aws.dynamodb.pages = [*pages(3)[:2], *pages(2), pages(3)[2]]
    later: list[Checkpoint] = []

    def overtake(operation: str, _: dict[str, Any]) -> None:
        if operation == "Scan" and len(aws.dynamodb.operations()) == 3 and not later:
            aws.dynamodb.before = lambda *_: None
            # In the middle of the first call's third page.
            page = aws.dynamodb.pages
            aws.dynamodb.pages = page[:2]
            later.append(scan())
            aws.dynamodb.pages = page[2:]

    aws.dynamodb.before = overtake
    with pytest.raises(Superseded, match="another call has claimed segment 0"):
        scan()
    assert [checkpoint.state for checkpoint in later] == ["done"]
    noted = aws.control.read(BOOKS, "checkpoint")
    assert noted is not None
    assert (noted["state"], noted["pages"]) == ("done", 2)
    ledger = {sk: document["digests"] for sk, document in aws.control.iter_all(BOOKS, "sent#")}
    sent = [read_header(entry["Data"]).digest for entry in aws.kinesis.taken]
    assert [ledger["sent#00000000"], ledger["sent#00000001"]] == [[sent[2]], [sent[3]]], "those of the later call"


def test_a_page_of_an_earlier_call_never_replaces_one_of_a_later_in_the_ledger(aws: FakeAws) -> None:
    first = open_books(RUN).receipts.claim_segment(Checkpoint(segment=0))
    second = open_books(RUN).receipts.claim_segment(Checkpoint(segment=0))
    open_books(RUN).receipts.put_sent(0, Sent(0, ("of the second",), 1), claim=second)
    with pytest.raises(Superseded, match="another call has claimed"):
        open_books(RUN).receipts.put_sent(0, Sent(0, ("of the first",), 1), claim=first)
    assert [document["digests"] for _, document in aws.control.iter_all(BOOKS, "sent#")] == [["of the second"]]


def test_a_segment_that_is_scanned_again_is_not_called_done_meanwhile(aws: FakeAws) -> None:
    aws.dynamodb.pages = pages(2)
    scan()
    open_books(RUN).receipts.claim_segment(Checkpoint(segment=0, pages=1))
    noted = aws.control.read(BOOKS, "checkpoint")
    assert noted is not None
    assert (noted["state"], noted["pages"]) == ("scanning", 1)


def test_a_child_that_outlives_its_execution_does_not_claim_its_segment_back(aws: FakeAws) -> None:
    open_books(RUN).record.put_plan(PLAN.model_copy(update={"begun_at": PLAN.begun_at + 1}), STREAM)
    with pytest.raises(Superseded, match="a later execution goes on with run"):
        scan()
    assert aws.control.read(BOOKS, "checkpoint") is None


def test_a_cursor_that_is_kept_in_the_control_table_is_gone_on_from(aws: FakeAws) -> None:
    kept = Checkpoint(segment=0, cursor={"pk": {"S": "k"}}, pages=8, records=9, items=70)
    open_books(RUN).receipts.put_kept([kept])
    aws.dynamodb.pages = pages(1)
    assert scan(Checkpoint(segment=0, kept=True)).pages == 9
    ((_, request),) = aws.dynamodb.calls
    assert request["ExclusiveStartKey"] == {"pk": {"S": "k"}}


def write(aws: FakeAws, pages_written: int) -> None:
    """Let the writer do so many of the pages that have come, the first ones."""
    for entry in aws.kinesis.taken[:pages_written]:
        open_books(RUN).receipts.put_receipt(read_header(entry["Data"]), inserted=1, present=0, rejected=0)


def test_a_scan_runs_only_so_far_ahead_of_the_writer_and_says_why_it_waits(aws: FakeAws) -> None:
    aws.dynamodb.pages = pages(1000)
    reached = scan()
    assert reached.pages == PARTS_AHEAD_MOST + 1
    assert reached.state == "scanning"
    with pytest.raises(ScanPending, match="the writer has to catch up: 129 parts of pages have no receipt yet"):
        scan(reached)
    noted: Any = aws.control.read(BOOKS, "checkpoint")
    assert (noted["pages"], noted["state"]) == (reached.pages, "scanning")
    assert noted["waiting"].startswith("the writer has to catch up"), "on AWS nobody reads the Map's children"
    # Nothing was read or sent for it.
    assert len(aws.dynamodb.operations()) == len(aws.kinesis.taken) == reached.pages
    write(aws, reached.pages - PARTS_AHEAD_TO_GO_ON - 1)
    with pytest.raises(ScanPending):
        scan(reached)
    write(aws, reached.pages - PARTS_AHEAD_TO_GO_ON)
    on = scan(reached)
    assert on.pages == reached.pages + PARTS_AHEAD_MOST - PARTS_AHEAD_TO_GO_ON + 1
    assert on.written == reached.pages - PARTS_AHEAD_TO_GO_ON
    noted = aws.control.read(BOOKS, "checkpoint")
    assert noted["waiting"] == ""


def test_a_writer_that_keeps_up_is_seldom_looked_for_and_never_waited_for(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.dynamodb.pages = pages(400)
    looks: list[str] = []
    whole = aws.control.iter_all

    def iter_all(pk: str, prefix: str = "", *, first: str = "") -> Any:  # noqa: ANN401 — as it is
        looks.append(prefix + first)
        return whole(pk, prefix, first=first)

    monkeypatch.setattr(aws.control, "iter_all", iter_all)

    def keep_up(*_: object) -> None:
        for entry in aws.kinesis.taken[-1:]:
            open_books(RUN).receipts.put_receipt(read_header(entry["Data"]), inserted=1, present=0, rejected=0)

    aws.dynamodb.before = keep_up
    assert scan().state == "done"
    # Where 129 pages may be ahead, each time only what was not known to be written; at the end 15 are few enough.
    assert looks == [f"{kind}#{page:08}" for page in (0, 128, 256) for kind in ("receipt", "sent")]


def test_a_segment_is_done_only_when_few_of_its_pages_are_on_their_way(aws: FakeAws) -> None:
    """Of ten thousand small segments each might run ahead, and all of them together by the whole table."""
    aws.dynamodb.pages = pages(40)
    reached = scan()
    assert (reached.state, reached.pages, reached.cursor) == ("sent", 40, None)
    with pytest.raises(ScanPending):
        scan(reached)
    write(aws, 40 - PARTS_AHEAD_AT_THE_END)
    done = scan(reached)
    assert (done.state, done.pages, done.records, done.items) == ("done", 40, 40, 40)
    assert len(aws.dynamodb.operations()) == 40, "nothing is read again"
    noted: Any = aws.control.read(BOOKS, "checkpoint")
    assert noted["state"] == "done"


def test_a_scan_waits_for_a_writer_that_stands_still_before_kinesis_forgets_a_page(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.dynamodb.pages = pages(9)
    reached = scan(context=Context(300_000, 0))
    assert reached.pages == 1
    now = back_pressure.AGE_MOST_SECONDS + 60 + (open_sent_at(aws) or 0)
    monkeypatch.setattr("tasks.aws.copy.lead.time.time", lambda: now)
    with pytest.raises(ScanPending, match=r"the writer stands still: 1 parts of pages .* the oldest for 18.0 h"):
        scan(reached)
    # A page that is lost is the drain's to tell: to wait for it would be to wait for ever.
    monkeypatch.setattr("tasks.aws.copy.lead.time.time", lambda: now + PAGES_KEPT_SECONDS)
    assert scan(reached).pages == 9


def test_no_scan_waits_for_a_page_that_was_given_up_and_gets_no_receipt(aws: FakeAws) -> None:
    aws.dynamodb.pages = pages(300)
    reached = scan()
    with pytest.raises(ScanPending):
        scan(reached)
    aws.bucket.objects["aws/lambda/given-up"] = b""
    aws.bucket.put_at["aws/lambda/given-up"] = PLAN.begun_at
    done = scan(reached)
    assert (done.state, done.pages) == ("done", 300), "DrainBackfill says what was given up"


def open_sent_at(aws: FakeAws) -> float | None:
    """Return when the first page was sent, as the ledger has it."""
    (document,) = [document for _, document in aws.control.iter_all(BOOKS, "sent#")]
    at: float | None = document["at"]
    return at


def lose_answers(aws: FakeAws, monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Let each put be carried out, its answer get lost, and the SDK put it once more."""
    put = aws.control.put_request

    def twice(request: dict[str, Any]) -> bool:
        put(request)
        meanwhile()
        return put(request)

    monkeypatch.setattr(aws.control, "put_request", twice)


def test_a_call_whose_every_answer_is_lost_knows_its_own_claim(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    """It found a claim that was not there before, took it for another call's, and claimed again until it gave up."""
    aws.dynamodb.pages = pages(2)
    lose_answers(aws, monkeypatch)
    assert scan().state == "done"
    assert aws.control.read_claim(BOOKS, "checkpoint") == 1


def test_a_claim_that_another_call_has_made_since_is_not_taken_for_ones_own(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    receipts, put = open_books(RUN).receipts, aws.control.put_request
    others: list[int] = []

    def another_claims() -> None:
        if not others:
            others.append(0)
            monkeypatch.setattr(aws.control, "put_request", put)
            others[0] = receipts.claim_segment(Checkpoint(segment=0))

    lose_answers(aws, monkeypatch, another_claims)
    ours = receipts.claim_segment(Checkpoint(segment=0))
    assert (others, ours) == ([2], 3), "whoever claims last has the segment, and one of the two knows it"
    with pytest.raises(Superseded):
        receipts.put_checkpoint(Checkpoint(segment=0, pages=1), claim=others[0])


def test_a_claim_that_comes_late_does_not_undo_what_its_call_has_noted(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A put may arrive twice: the SDK gave up waiting for the first."""
    requests: list[dict[str, Any]] = []
    put = aws.control.put_request

    def noted(request: dict[str, Any]) -> bool:
        requests.append(request)
        return put(request)

    monkeypatch.setattr(aws.control, "put_request", noted)
    receipts = open_books(RUN).receipts
    claim = receipts.claim_segment(Checkpoint(segment=0))
    receipts.put_checkpoint(Checkpoint(segment=0, state="done", pages=2), claim=claim)
    assert not put(requests[0])
    left: Any = aws.control.read(BOOKS, "checkpoint")
    assert left["state"] == "done"
