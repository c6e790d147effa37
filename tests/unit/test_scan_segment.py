"""The scanner: the cursor is returned only after Kinesis took the page and the ledger names it."""

import json
from typing import Any

import pytest

from tasks import scan_segment
from tasks.aws import migration_record, receipts
from tasks.core.errors import AwsUnavailable, PutRecordsIncomplete, Refused
from tasks.core.item import Item
from tasks.core.page import decode_items, read_header
from tasks.core.receipts import Sent
from tasks.core.segment import Checkpoint
from tests.unit.aws_fakes import PLAN, RUN, Context, Crash, FakeAws, client_error

BOOKS = f"{RUN}#0"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    return FakeAws().install(monkeypatch)


def item(pk: object) -> Item:
    return {"pk": {"S": str(pk)}, "n": {"N": "12345678901234567890123456789012345678"}}


def scan(checkpoint: Checkpoint | None = None, context: Context | None = None) -> Checkpoint:
    request = {
        "plan": PLAN.model_dump(mode="json"),
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
    assert ledger == [{"digests": [read_header(record).digest], "count": 1} for record in records]


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
    assert sent == {"digests": [], "count": 0}


def test_a_segment_that_is_done_is_not_scanned_again(aws: FakeAws) -> None:
    done = Checkpoint(segment=0, state="done", pages=2, records=2, items=2)
    assert scan(done) == done
    assert aws.dynamodb.calls == []


@pytest.mark.parametrize(
    "code", ["ProvisionedThroughputExceededException", "ThrottlingException", "InternalServerError"]
)
def test_a_throttled_scan_goes_on_by_the_states_retry(aws: FakeAws, code: str) -> None:
    def fail(*_: object) -> None:
        raise client_error(code)

    aws.dynamodb.before = fail
    with pytest.raises(AwsUnavailable, match=code):
        scan()


def test_a_payload_of_another_version_is_refused_by_its_fields() -> None:
    with pytest.raises(Refused, match=r"scan_segment .*\(plan, checkpoint\.segment\)"):
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
    with pytest.raises(Refused, match="another call has claimed segment 0"):
        scan()
    assert [checkpoint.state for checkpoint in later] == ["done"]
    noted = aws.control.read(BOOKS, "checkpoint")
    assert noted is not None
    assert (noted["state"], noted["pages"]) == ("done", 2)
    ledger = {sk: document["digests"] for sk, document in aws.control.iter_all(BOOKS, "sent#")}
    sent = [read_header(entry["Data"]).digest for entry in aws.kinesis.taken]
    assert [ledger["sent#00000000"], ledger["sent#00000001"]] == [[sent[2]], [sent[3]]], "those of the later call"


def test_a_page_of_an_earlier_call_never_replaces_one_of_a_later_in_the_ledger(aws: FakeAws) -> None:
    first = receipts.claim_segment(RUN, Checkpoint(segment=0))
    second = receipts.claim_segment(RUN, Checkpoint(segment=0))
    receipts.put_sent(RUN, 0, Sent(0, ("of the second",), 1), claim=second)
    with pytest.raises(Refused, match="another call has claimed"):
        receipts.put_sent(RUN, 0, Sent(0, ("of the first",), 1), claim=first)
    assert [document["digests"] for _, document in aws.control.iter_all(BOOKS, "sent#")] == [["of the second"]]


def test_a_segment_that_is_scanned_again_is_not_called_done_meanwhile(aws: FakeAws) -> None:
    aws.dynamodb.pages = pages(2)
    scan()
    receipts.claim_segment(RUN, Checkpoint(segment=0, pages=1))
    noted = aws.control.read(BOOKS, "checkpoint")
    assert noted is not None
    assert (noted["state"], noted["pages"]) == ("scanning", 1)


def test_a_child_that_outlives_its_execution_does_not_claim_its_segment_back(aws: FakeAws) -> None:
    migration_record.put_plan(PLAN.model_copy(update={"begun_at": PLAN.begun_at + 1}))
    with pytest.raises(Refused, match="a later execution goes on with run"):
        scan()
    assert aws.control.read(BOOKS, "checkpoint") is None


def test_a_cursor_that_is_kept_in_the_control_table_is_gone_on_from(aws: FakeAws) -> None:
    kept = Checkpoint(segment=0, cursor={"pk": {"S": "k"}}, pages=8, records=9, items=70)
    receipts.put_kept(RUN, [kept])
    aws.dynamodb.pages = pages(1)
    assert scan(Checkpoint(segment=0, kept=True)).pages == 9
    ((_, request),) = aws.dynamodb.calls
    assert request["ExclusiveStartKey"] == {"pk": {"S": "k"}}
