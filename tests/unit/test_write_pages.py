"""The writer: a receipt only after the last item; what comes again changes nothing."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import write_pages
from tasks.aws.books.books import open_books
from tasks.aws.books.rejects import count_given_up
from tasks.aws.session import budget
from tasks.core.copy.page import encode_page, read_header, take_apart
from tasks.core.errors import OutOfOrder
from tasks.core.model.item import Item
from tests.unit.aws_fakes import PLAN, RUN, Context, Crash, FakeAws, client_error, kinesis_event


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    aws = FakeAws().install(monkeypatch)
    monkeypatch.setattr(budget, "time", SimpleNamespace(monotonic=aws.monotonic))
    return aws


def item(pk: object, content: str = "scanned", /, **more: Any) -> Item:  # noqa: ANN401 — any attributes
    return {"pk": {"S": str(pk)}, "content": {"S": content}, **more}


def page(items: list[Item], number: int = 0, run: str = RUN) -> bytes:
    body = json.dumps({"Items": items, "Count": len(items), "ScannedCount": len(items)}).encode()
    (record,) = encode_page(take_apart(body), run=run, segment=0, number=number)
    return record


def write(*records: bytes) -> list[str]:
    answer = write_pages.handler(kinesis_event(*records), Context())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def receipts(aws: FakeAws) -> dict[str, Any]:
    return dict(aws.control.iter_all(f"run#{RUN}#0", "receipt#"))


def test_the_receipt_comes_after_the_last_item_and_counts_all_of_them(aws: FakeAws) -> None:
    aws.dynamodb.seed("target", item(3, "from the stream"))
    record = page([item(number) for number in range(60)], number=7)
    assert write(record) == []
    digest = read_header(record).digest
    assert receipts(aws) == {f"receipt#00000007#0000#{digest}": {"inserted": 59, "present": 1, "rejected": 0}}
    assert aws.log[-1][0] == "control.put"
    assert [name for name, _ in aws.log[:-1]] == ["dynamodb.BatchExecuteStatement"] * 3


@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_a_crash_before_the_last_item_leaves_no_receipt(aws: FakeAws, dies_at: int) -> None:
    def die(*_: object) -> None:
        if len(aws.dynamodb.calls) >= dies_at:
            raise Crash

    aws.dynamodb.before = die
    record = page([item(number) for number in range(75)])
    with pytest.raises(Crash):
        write(record)
    assert receipts(aws) == {}
    aws.dynamodb.before = lambda *_: None
    assert write(record) == []
    assert len(aws.dynamodb.items("target")) == 75
    assert [entry["inserted"] + entry["present"] for entry in receipts(aws).values()] == [75]


def test_items_that_could_not_be_written_leave_no_receipt(aws: FakeAws) -> None:
    aws.dynamodb.refuse = lambda entry: "ThrottlingError" if entry["pk"]["S"] == "74" else None
    assert write(page([item(number) for number in range(75)])) == ["0"]
    assert receipts(aws) == {}


def test_what_a_call_has_put_is_not_put_again_by_the_pages_next_delivery(aws: FakeAws) -> None:
    # A refused insert is billed like one that puts: on a small target pages would come again and again, for nothing.
    aws.dynamodb.seed("target", item(3, "from the stream"))
    aws.dynamodb.refuse = lambda entry: "ThrottlingError" if int(entry["pk"]["S"]) % 3 == 2 else None
    record = page([item(number) for number in range(75)])
    assert write(record) == ["0"]
    aws.dynamodb.refuse = lambda _: None
    aws.dynamodb.calls.clear()
    assert write(record) == []
    sent = [statement["Parameters"][0]["S"] for _, call in aws.dynamodb.calls for statement in call["Statements"]]
    assert sorted(sent, key=int) == [str(number) for number in range(75) if number % 3 == 2]
    assert list(receipts(aws).values()) == [{"inserted": 74, "present": 1, "rejected": 0}]


def test_a_record_that_can_be_neither_read_nor_kept_comes_again(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise client_error("SlowDown", status=503)

    monkeypatch.setattr(aws.bucket, "put_object", fail)
    assert write(page([item(1)]), b"not ours") == ["1"]


@pytest.mark.parametrize("dies_at", [1, 2, 3])
def test_no_item_is_noted_that_the_target_has_not_answered_for(aws: FakeAws, dies_at: int) -> None:
    def fail(*_: object) -> None:
        if len(aws.dynamodb.calls) == dies_at:
            raise client_error("InternalServerError", status=500)

    aws.dynamodb.before = fail
    record = page([item(number) for number in range(75)])
    assert write(record) == ["0"]
    noted = open_books(RUN).receipts.read_progress(read_header(record))
    assert noted is not None
    there = {int(entry["pk"]["S"]) for entry in aws.dynamodb.items("target")}
    assert {number for number in range(75) if noted.done >> number & 1} == there
    assert write(record) == []
    assert len(aws.dynamodb.items("target")) == 75


def test_a_note_of_a_page_says_nothing_of_one_that_was_scanned_again_under_its_number(aws: FakeAws) -> None:
    aws.dynamodb.refuse = lambda entry: "ThrottlingError" if entry["pk"]["S"] == "2" else None
    assert write(page([item(1), item(2)], number=4)) == ["0"]
    aws.dynamodb.refuse = lambda _: None
    assert write(page([item(3), item(4)], number=4)) == []
    assert {entry["pk"]["S"] for entry in aws.dynamodb.items("target")} == {"1", "3", "4"}


def test_rejects_are_kept_by_the_call_that_writes_the_receipt_whatever_was_noted_before(aws: FakeAws) -> None:
    aws.dynamodb.reject = lambda entry: entry["pk"]["S"] == "2"
    aws.dynamodb.refuse = lambda entry: "ThrottlingError" if entry["pk"]["S"] == "4" else None
    record = page([item(number) for number in range(5)])
    assert write(record) == ["0"]
    assert aws.bucket.objects == {}
    aws.dynamodb.refuse = lambda _: None
    assert write(record) == []
    assert [reject["key"] for reject in aws.bucket.lines()] == [{"pk": {"S": "2"}}]
    assert list(receipts(aws).values()) == [{"inserted": 4, "present": 0, "rejected": 1}]


def test_a_page_that_comes_again_is_skipped(aws: FakeAws) -> None:
    record = page([item(1)])
    write(record)
    aws.dynamodb.tables["target"].clear()  # as if it had been deleted since, and its tombstone purged
    aws.dynamodb.calls.clear()
    assert write(record) == []
    assert aws.dynamodb.calls == []
    assert aws.dynamodb.items("target") == []


def test_a_page_that_was_scanned_again_under_its_number_is_not_skipped(aws: FakeAws) -> None:
    write(page([item(1)], number=4))
    write(page([item(1), item(2)], number=4))
    assert {entry["pk"]["S"] for entry in aws.dynamodb.items("target")} == {"1", "2"}
    assert len(receipts(aws)) == 2


def test_a_page_of_another_run_is_left_out(aws: FakeAws) -> None:
    assert write(page([item(1)], run="given-up"), page([item(2)])) == []
    assert [entry["pk"]["S"] for entry in aws.dynamodb.items("target")] == ["2"]
    assert list(aws.control.iter_all("given-up#0")) == []


def test_a_record_that_cannot_be_read_is_kept_and_does_not_hold_up_its_shard(aws: FakeAws) -> None:
    damaged = page([item(9)], number=1)[:-1]
    records = [page([item(1)], 0), b"not ours", damaged, page([item(2)], 2)]
    assert write(*records) == [], "it would come again for ever"
    assert aws.bucket.objects == {
        f"aws/lambda/unreadable/{RUN}/1": b"not ours",
        f"aws/lambda/unreadable/{RUN}/2": damaged,
    }
    assert count_given_up(since=0) == 2, "DrainBackfill hears of it"
    assert {entry["pk"]["S"] for entry in aws.dynamodb.items("target")} == {"1", "2"}
    assert len(receipts(aws)) == 2


def test_a_failure_of_aws_brings_only_its_own_record_again(aws: FakeAws) -> None:
    def fail(_: str, request: dict[str, Any]) -> None:
        if request["Statements"][0]["Parameters"][0] == {"S": "2"}:
            raise client_error("InternalServerError", status=500)

    aws.dynamodb.before = fail
    assert write(*[page([item(number)], number) for number in range(4)]) == ["2"]
    assert len(receipts(aws)) == 3


def test_rejects_are_kept_before_the_receipt_counts_them(aws: FakeAws) -> None:
    aws.dynamodb.reject = lambda entry: entry["pk"]["S"] == "2"
    record = page([item(number) for number in range(5)], number=3)
    assert write(record) == []
    (reject,) = aws.bucket.lines()
    assert (reject["key"], reject["item"]) == ({"pk": {"S": "2"}}, item(2))
    assert reject["reason"].startswith("ValidationException")
    assert [name for name, _ in aws.log][-2:] == ["s3.PutObject", "control.put"]
    assert [entry["rejected"] for entry in receipts(aws).values()] == [1]
    (name,) = aws.bucket.objects
    assert name == f"rejects/{RUN}/pages/0-3-0-{read_header(record).digest}.jsonl"


def test_legacy_attributes_never_reach_the_target(aws: FakeAws) -> None:
    write(page([item(1, **{"aws:rep:deleting": {"BOOL": False}})]))
    assert aws.dynamodb.items("target") == [item(1)]


def test_the_version_rule_is_the_plans(aws: FakeAws) -> None:
    aws.dynamodb.seed("target", item(1, "older", v={"N": "1"}), item(2, "newer", v={"N": "9"}))
    record = page([item(1, v={"N": "5"}), item(2, v={"N": "5"})])
    write(record)
    assert [entry["content"]["S"] for entry in aws.dynamodb.items("target")] == ["older", "newer"]
    aws.control.documents = {key: text for key, text in aws.control.documents.items() if key[0] == "migration"}
    aws.put_plan(PLAN.model_copy(update={"version_attribute": "v"}))
    write(record)
    assert [entry["content"]["S"] for entry in aws.dynamodb.items("target")] == ["scanned", "newer"]


def test_pages_are_not_written_without_a_plan(aws: FakeAws) -> None:
    del aws.control.documents["migration", "plan"]
    with pytest.raises(OutOfOrder, match="holds no plan"):
        write(page([item(1)]))
    assert aws.dynamodb.calls == []


def test_a_writer_short_of_time_hands_back_the_pages_it_has_not_begun(aws: FakeAws) -> None:
    records = [page([item(number)], number=number) for number in range(3)]
    event = kinesis_event(*records)
    answer = write_pages.handler(event, Context(100_000, 100_000, 49_000))
    handed_back = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
    assert handed_back == [entry["kinesis"]["sequenceNumber"] for entry in event["Records"][1:]]
    assert len(receipts(aws)) == 1


def test_an_item_that_this_code_can_not_carry_does_not_make_its_page_come_again_for_ever(aws: FakeAws) -> None:
    def fail(_: str, request: dict[str, Any]) -> None:
        if "s3cr3t" in str(request):
            raise UnicodeError("a message that quotes it")

    aws.dynamodb.before = fail
    record = page([item(1), item(2, "s3cr3t"), *(item(number) for number in range(3, 30))])
    assert write(record) == []
    assert len(aws.dynamodb.items("target")) == 28
    (receipt,) = receipts(aws).values()
    assert receipt["rejected"] == 1
    (reject,) = aws.bucket.lines()
    assert (reject["key"], "a defect of tableferry (UnicodeError)" in reject["reason"]) == ({"pk": {"S": "2"}}, True)


def test_half_of_a_surrogate_pair_arrives_as_it_came(aws: FakeAws) -> None:
    half: Item = {"pk": {"S": "k\ud83d"}, "v": {"S": "x\ud83d"}, "m": {"M": {"n\ude00": {"S": "\ude00\ud83d"}}}}
    assert write(page([half])) == []
    assert aws.dynamodb.items("target") == [half]
