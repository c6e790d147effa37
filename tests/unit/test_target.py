"""Writes into the target: each item answers for itself, none is dropped, none is written against the rule."""

import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.exceptions import ClientError

from tasks.aws.books.rejects import Reject
from tasks.aws.dynamodb.table_reads import read_items
from tasks.aws.dynamodb.target import REFUSED_CODES, STATEMENT_CHARACTERS, Target
from tasks.aws.session import wire
from tasks.core.backoff import TRIES
from tasks.core.copy.insertion import Insertion, Pace
from tasks.core.errors import AwsUnavailable, WritesUnfinished
from tasks.core.model.item import Item, canonical
from tasks.core.model.item_text import text_of
from tasks.core.replicate.conflict import Change, PageCondition, tombstone_of
from tests.statements import insert_of
from tests.unit.aws_fakes import TARGET, FakeAws, FakeDynamoDB, Log, client_error

ABSENT = PageCondition("pk")
NEWER = PageCondition("pk", "v")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    return FakeAws().install(monkeypatch)


@pytest.fixture
def target(aws: FakeAws) -> Target:
    del aws  # the fakes are in place before it
    return Target(TARGET)


def item(pk: object, content: str = "new", /, **more: Any) -> Item:  # noqa: ANN401 — any attributes
    return {"pk": {"S": str(pk)}, "content": {"S": content}, **more}


def first_times(count: int, code: str, chosen: Callable[[Item], bool] = lambda _: True) -> Callable[[Item], str | None]:
    """Refuse the chosen items so many times each."""
    seen: dict[str, int] = {}

    def refuse(entry: Item) -> str | None:
        name = entry["pk"]["S"]
        seen[name] = seen.get(name, 0) + 1
        return code if chosen(entry) and seen[name] <= count else None

    return refuse


class Written(NamedTuple):
    """What became of a page's items."""

    inserted: int
    present: int
    rejects: list[Reject]


def insert(target: Target, items: list[Item], condition: PageCondition, *, seconds: float = 60) -> Written:
    """Insert a page's items, and return what became of them."""
    insertion = Insertion(len(items), Pace(), deadline=time.monotonic() + seconds)
    rejects = target.insert_absent([text_of(item) for item in items], condition, insertion)
    return Written(insertion.progress().inserted, insertion.progress().present, rejects)


def statements(aws: FakeAws) -> list[int]:
    """Return how many statements each call had."""
    return [
        len(request["Statements"]) for operation, request in aws.dynamodb.calls if "Statements" in request and operation
    ]


# ---------------------------------------------------------------- statements


def test_a_quote_in_a_name_never_breaks_out_of_the_statement() -> None:
    statement = insert_of("target", {"pk": {"S": "a"}, "it's '} \"odd\"": {"N": "1"}})
    assert statement == {
        "Statement": "INSERT INTO \"target\" VALUE {'pk': ?, 'it''s ''} \"odd\"': ?}",
        "Parameters": [{"S": "a"}, {"N": "1"}],
    }


def test_values_stay_out_of_the_statement_and_nested_names_with_them() -> None:
    entry: Item = {"pk": {"S": "'; DROP"}, "m": {"M": {"it's": {"L": [{"B": "/w=="}]}}}}
    statement = insert_of("target", entry)
    assert statement is not None
    assert statement["Statement"] == "INSERT INTO \"target\" VALUE {'pk': ?, 'm': ?}"
    assert statement["Parameters"] == list(entry.values())


def test_a_statement_of_exactly_the_limit_is_used_and_one_character_more_is_not() -> None:
    base = insert_of("target", {"pk": {"S": "a"}, "": {"S": "x"}})
    assert base is not None
    room = STATEMENT_CHARACTERS - len(base["Statement"])
    fits = insert_of("target", {"pk": {"S": "a"}, "n" * room: {"S": "x"}})
    assert fits is not None
    assert len(fits["Statement"]) == STATEMENT_CHARACTERS == 8192
    assert insert_of("target", {"pk": {"S": "a"}, "n" * (room + 1): {"S": "x"}}) is None
    assert insert_of("target", {"pk": {"S": "a"}, "n" * (room - 1) + "'": {"S": "x"}}) is None, "doubled"


# ---------------------------------------------------------------- pages


def test_every_item_of_a_page_arrives_as_it_was(aws: FakeAws, target: Target) -> None:
    items = [item(number, **{"it's": {"NS": ["1.50"]}, "ключ": {"B": "/w=="}}) for number in range(103)]
    written = insert(target, items, ABSENT)
    assert (written.inserted, written.present, written.rejects) == (103, 0, [])
    assert sorted(map(canonical, aws.dynamodb.items("target"))) == sorted(map(canonical, items))
    assert sorted(statements(aws)) == [3, 25, 25, 25, 25]


def test_what_is_there_is_never_overwritten_by_a_page(aws: FakeAws, target: Target) -> None:
    deleted = Change({"pk": {"S": "2"}}, item(2), None, "1", deleted=item(2))
    tombstone = tombstone_of(deleted, version_attribute=None)
    aws.dynamodb.seed("target", item(1, "from the stream"), tombstone)
    written = insert(target, [item(number, "stale") for number in range(4)], ABSENT)
    assert (written.inserted, written.present) == (2, 2)
    assert aws.dynamodb.tables["target"][canonical({"pk": {"S": "1"}})]["content"] == {"S": "from the stream"}
    assert tombstone in aws.dynamodb.items("target")
    assert aws.dynamodb.operations() == ["BatchExecuteStatement"], "a duplicate costs no call of its own"


def test_throttled_statements_are_tried_again_and_only_those(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.refuse = first_times(2, "ThrottlingError", lambda entry: int(entry["pk"]["S"]) % 5 == 0)
    written = insert(target, [item(number) for number in range(25)], ABSENT)
    assert written.inserted == 25, "each counted once"
    assert statements(aws) == [25, 5, 5]


@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "ThrottlingError",
        "InternalServerError",
        "TransactionConflict",
    ],
)
def test_no_passing_refusal_is_taken_for_a_final_one(aws: FakeAws, target: Target, code: str) -> None:
    aws.dynamodb.refuse = first_times(1, code)
    assert insert(target, [item(1)], ABSENT).inserted == 1


def test_items_that_are_throttled_until_the_time_is_over_are_never_called_written(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.refuse = lambda entry: "ThrottlingError" if entry["pk"]["S"] == "7" else None
    items = [item(number) for number in range(25)]
    with pytest.raises(WritesUnfinished, match="target took 24 of 25 items before the call's time was over"):
        insert(target, items, ABSENT, seconds=60)
    assert statements(aws)[:2] == [25, 1]
    assert len(statements(aws)) > TRIES, "until its time is over, not so many tries"
    assert 50 < sum(aws.waits) <= 60
    assert max(aws.waits) < 7, "it is asked again and again"


def test_a_success_shortly_before_the_end_is_not_reported_as_a_failure(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.refuse = first_times(20, "ThrottlingError")
    assert insert(target, [item(1)], ABSENT).inserted == 1


def test_a_put_that_is_throttled_is_tried_again_too(aws: FakeAws, target: Target) -> None:
    throttled = iter([True, True, False])

    def throttle(operation: str, _: object) -> None:
        if operation == "PutItem" and next(throttled):
            raise client_error("ThrottlingException")

    aws.dynamodb.before = throttle
    assert insert(target, [long_item(0)], ABSENT).inserted == 1


def test_a_call_that_is_throttled_as_a_whole_loses_no_item(aws: FakeAws, target: Target) -> None:
    throttled = iter([True, True] + [False] * 100)

    def throttle(*_: object) -> None:
        if next(throttled):
            raise client_error("ProvisionedThroughputExceededException")

    aws.dynamodb.before = throttle
    assert insert(target, [item(number) for number in range(60)], ABSENT).inserted == 60


def test_an_unknown_refusal_is_never_taken_for_written(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.refuse = lambda _: "AccessDenied"
    with pytest.raises(WritesUnfinished, match="AccessDenied") as caught:
        insert(target, [item(1)], ABSENT)
    assert "said the fake" not in str(caught.value), "AWS's sentence may quote an item"


def test_one_failing_batch_is_not_hidden_by_the_others(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.refuse = lambda entry: "AccessDenied" if entry["pk"]["S"] == "60" else None
    with pytest.raises(WritesUnfinished):
        insert(target, [item(number) for number in range(100)], ABSENT)


def test_an_item_that_the_target_refuses_is_kept_with_its_reason_and_the_others_written(
    aws: FakeAws, target: Target
) -> None:
    aws.dynamodb.reject = lambda entry: entry["pk"]["S"] in {"3", "9"}
    written = insert(target, [item(number) for number in range(25)], ABSENT)
    assert (written.inserted, written.present) == (23, 0)
    assert [reject.key for reject in written.rejects] == [{"pk": {"S": "3"}}, {"pk": {"S": "9"}}]
    assert written.rejects[0].item == item(3), "whole, so that it can be written by hand"
    assert written.rejects[0].reason == "ValidationException: wrong type for an index key"


def test_an_item_that_only_its_statement_is_refused_for_still_arrives(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.refuse = lambda entry: "ValidationError" if entry["pk"]["S"] == "3" else None
    written = insert(target, [item(number) for number in range(5)], ABSENT)
    assert (written.inserted, written.rejects) == (5, [])
    assert aws.dynamodb.operations() == ["BatchExecuteStatement", "PutItem"]
    aws.dynamodb.seed("target", item(3, "from the stream"))
    assert insert(target, [item(3, "stale")], ABSENT).present == 1, "put alone under the same condition"


def test_a_whole_call_that_is_refused_does_not_lose_its_other_items(aws: FakeAws, target: Target) -> None:
    def refuse_batches(operation: str, _: object) -> None:
        if operation == "BatchExecuteStatement":
            raise client_error("ValidationException")

    aws.dynamodb.before = refuse_batches
    aws.dynamodb.reject = lambda entry: entry["pk"]["S"] == "3"
    written = insert(target, [item(number) for number in range(25)], ABSENT)
    assert (written.inserted, len(written.rejects)) == (24, 1)


def test_a_call_that_fails_for_another_reason_is_raised(aws: FakeAws, target: Target) -> None:
    def fail(*_: object) -> None:
        raise client_error("ResourceNotFoundException")

    aws.dynamodb.before = fail
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        insert(target, [item(1)], ABSENT)


def long_item(pk: object, content: str = "new") -> Item:
    return item(pk, content, **{f"{number:03}" + "n" * 250: {"NULL": True} for number in range(40)})


def test_an_item_whose_statement_does_not_fit_is_put_alone_under_the_same_rule(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.seed("target", long_item(1, "from the stream"))
    written = insert(target, [long_item(0), long_item(1, "stale"), item(2)], ABSENT)
    assert (written.inserted, written.present) == (2, 1)
    assert aws.dynamodb.tables["target"][canonical({"pk": {"S": "1"}})]["content"] == {"S": "from the stream"}
    assert sorted(aws.dynamodb.operations()) == ["BatchExecuteStatement", "PutItem", "PutItem"]


def test_an_item_too_long_for_a_statement_is_rejected_with_a_reason_too(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.reject = lambda entry: entry["pk"]["S"] == "0"
    assert [reject.key for reject in insert(target, [long_item(0)], ABSENT).rejects] == [{"pk": {"S": "0"}}]


@pytest.mark.parametrize(
    ("page", "present", "content"),
    [("2", "1", "page"), ("1", "1", "present"), ("1", "2", "present"), ("10", "9", "page"), (None, "1", "present")],
)
def test_with_versions_a_page_wins_only_over_what_is_older(
    aws: FakeAws, target: Target, page: str | None, present: str, content: str
) -> None:
    aws.dynamodb.seed("target", item(1, "present", v={"N": present}))
    new = item(1, "page") if page is None else item(1, "page", v={"N": page})
    written = insert(target, [new], NEWER)
    assert aws.dynamodb.items("target")[0]["content"] == {"S": content}
    assert (written.inserted, written.present) == ((1, 0) if content == "page" else (0, 1))


@pytest.mark.parametrize(("version", "comes_back"), [("4", False), ("5", False), ("6", True)])
def test_with_versions_a_page_never_wins_over_the_tombstone_of_its_own_item(
    aws: FakeAws,
    target: Target,
    version: str,
    comes_back: bool,  # noqa: FBT001 — a case
) -> None:
    deleted = item(1, v={"N": "5"})
    change = Change({"pk": {"S": "1"}}, deleted, None, "1", deleted=deleted)
    aws.dynamodb.seed("target", tombstone_of(change, version_attribute="v"))
    written = insert(target, [item(1, v={"N": version})], NEWER)
    assert bool(written.inserted) is comes_back


def test_a_page_without_items_makes_no_call(aws: FakeAws, target: Target) -> None:
    assert insert(target, [], ABSENT).inserted == 0
    assert aws.dynamodb.calls == []


# ---------------------------------------------------------------- changes


def test_changes_are_written_whatever_is_there(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.seed("target", *[item(number, "old") for number in range(60)])
    rejects = target.write_all([item(number) for number in range(30)], [{"pk": {"S": "40"}}, {"pk": {"S": "absent"}}])
    assert rejects == []
    assert len(aws.dynamodb.items("target")) == 59
    assert sum(entry["content"] == {"S": "new"} for entry in aws.dynamodb.items("target")) == 30


def test_what_stays_unprocessed_is_sent_again_and_only_that(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.leave = lambda requests: (
        requests[3:7] if len(requests) == 25 else requests[:1] if len(requests) == 4 else []
    )
    assert target.write_all([item(number) for number in range(25)], []) == []
    assert [len(request["RequestItems"]["target"]) for _, request in aws.dynamodb.calls] == [25, 4, 1]
    assert len(aws.dynamodb.items("target")) == 25


def test_changes_that_stay_unprocessed_are_never_called_written(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.leave = lambda requests: requests[-1:]
    with pytest.raises(WritesUnfinished, match="target left 1 of 5 changes unprocessed"):
        target.write_all([item(number) for number in range(5)], [])
    assert len(aws.dynamodb.calls) == TRIES


def test_one_change_that_the_target_refuses_does_not_take_its_batch_with_it(aws: FakeAws, target: Target) -> None:
    aws.dynamodb.seed("target", item("gone"))
    aws.dynamodb.reject = lambda entry: entry["pk"]["S"] == "3"
    rejects = target.write_all([item(number) for number in range(5)], [{"pk": {"S": "gone"}}])
    assert [(reject.key, reject.item) for reject in rejects] == [({"pk": {"S": "3"}}, item(3))]
    assert {entry["pk"]["S"] for entry in aws.dynamodb.items("target")} == {"0", "1", "2", "4"}


class Weighed(FakeDynamoDB):
    """Knows how many bytes each call had."""

    def __init__(self, log: Log) -> None:
        super().__init__(log)
        self.bytes: list[int] = []

    def call(self, operation: str, body: bytes) -> bytes:
        self.bytes.append(len(body))
        return super().call(operation, body)


def test_texts_that_fit_an_event_are_never_blown_up_beyond_what_one_call_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    # Lambda hands over 6 MB at most, DynamoDB takes 16 MB a call. `\u0436` in place of two bytes would make it 18 MB,
    # and a call that is refused for its size would be refused at every try: the shard would stand still for ever.
    dynamodb = Weighed([])
    monkeypatch.setattr(wire, "to_table", lambda _: dynamodb)
    items = [item(number, "\u0436" * 204_700) for number in range(15)]
    event_bytes = len(json.dumps(items, ensure_ascii=False).encode())
    assert 6_000_000 < event_bytes < 6_291_456
    assert Target(TARGET).write_all(items, []) == []
    assert dynamodb.items("target") == items
    assert dynamodb.bytes[0] < event_bytes * 1.01
    dynamodb.bytes.clear()
    written = insert(Target(TARGET.model_copy(update={"name": "other"})), items, ABSENT)
    assert written.inserted == 15
    assert dynamodb.bytes[0] < event_bytes * 1.01


@pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "ResourceNotFoundException"])
def test_a_batch_that_fails_as_a_whole_is_not_taken_apart_but_raised(aws: FakeAws, target: Target, code: str) -> None:
    def fail(*_: object) -> None:
        raise client_error(code)

    aws.dynamodb.before = fail
    with pytest.raises(ClientError, match=code):
        target.write_all([item(1)], [])
    assert aws.dynamodb.operations() == ["BatchWriteItem"]


# ---------------------------------------------------------------- reads


def test_keys_that_stay_unread_are_never_taken_for_absent(aws: FakeAws) -> None:
    aws.dynamodb.seed("target", *[item(number) for number in range(250)])
    keys: list[Item] = [{"pk": {"S": str(number)}} for number in range(260)]
    aws.dynamodb.leave = lambda left: left[60:] if len(left) == 100 else []
    found = read_items(TARGET, keys)
    assert found == {canonical({"pk": entry["pk"]}): entry for entry in aws.dynamodb.items("target")}
    aws.dynamodb.leave = lambda left: left[:1]
    with pytest.raises(AwsUnavailable, match="target left 1 keys unread"):
        read_items(TARGET, keys)


@pytest.mark.parametrize("operation", ["PutItem", "DeleteItem", "BatchWriteItem", "BatchExecuteStatement"])
def test_every_name_under_which_dynamodb_refuses_an_item_is_known(operation: str) -> None:
    model = boto3.client("dynamodb", region_name="eu-west-1").meta.service_model
    names = {shape.name for shape in model.operation_model(operation).error_shapes}
    codes = set(getattr(model.shape_for("BatchStatementErrorCodeEnum"), "enum", ()))
    refusals = {name for name in names | codes if "ItemCollectionSizeLimit" in name or "Validation" in name}
    assert refusals
    assert refusals <= REFUSED_CODES
