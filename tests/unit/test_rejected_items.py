"""Items that the target refuses stop a migration before its proof, in words, and one that is mended does not."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import drain_backfill
from tasks.aws.books import rejects
from tasks.aws.books.books import open_books
from tasks.aws.copy import rejected_items
from tasks.aws.prove import recheck
from tasks.core.copy.page import PageHeader
from tasks.core.copy.receipts import Sent
from tasks.core.copy.rejection import reason_in_words, reasons_in_words
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import DrainPending, RejectsFound
from tasks.core.model.item import Item
from tests.unit.aws_fakes import PLAN, ROUTE, RUN, Context, FakeAws, sees

CONTENT = "4929-1234-5678"
MISMATCH = (
    "ValidationException: One or more parameter values were invalid: Type mismatch for Index Key status "
    "Expected: S Actual: NULL IndexName: by-status"
)
EMPTY = (
    "ValidationError: One or more parameter values are not valid. A value specified for a secondary index key is not "
    "supported. The AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-status, "
    "IndexKey: status"
)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws().install(monkeypatch)
    sees(monkeypatch, {})
    monkeypatch.setattr(recheck, "BETWEEN_LOOKS_SECONDS", 0.0)
    open_books(RUN).receipts.put_sent(0, Sent(0, ("d0",), 9), claim=1)
    open_books(RUN).receipts.put_checkpoint(Checkpoint(segment=0, state="done", pages=1, records=1, items=9), claim=1)
    header = PageHeader(run=RUN, segment=0, page=0, part=0, parts=1, count=9, digest="d0")
    open_books(RUN).receipts.put_receipt(header, inserted=9, present=0, rejected=0)
    return fake


def item(name: str) -> Item:
    return {"pk": {"S": name}, "status": {"NULL": True}, "card": {"S": CONTENT}}


def refuse(aws: FakeAws, *names: str, kind: str = "pages", reason: str = MISMATCH) -> None:
    """Let the source have items that the target refused, all in one object of rejects."""
    aws.dynamodb.seed("source", *map(item, names))
    lines = [{"reason": reason, "key": {"pk": {"S": name}}, "item": item(name)} for name in names]
    body = "".join(json.dumps(line) + "\n" for line in lines)
    aws.bucket.objects[f"rejects/{RUN}/{kind}/{names[0]}.jsonl"] = body.encode()


def drain(max_rejects: int = 0, context: Context | None = None) -> Any:  # noqa: ANN401 — any answer
    plan = PLAN.model_copy(update={"max_rejects": max_rejects}).model_dump(mode="json")
    return drain_backfill.handler({"plan": plan, "route": ROUTE.model_dump()}, context or Context())


def mend(aws: FakeAws, *names: str) -> None:
    aws.dynamodb.seed("target", *map(item, names))


def reads_of(aws: FakeAws, name: str) -> int:
    key = {"pk": {"S": name}}
    asked = [request for operation, request in aws.dynamodb.calls if operation == "BatchGetItem"]
    return sum(key in table["Keys"] for request in asked for table in request["RequestItems"].values())


@pytest.mark.parametrize("kind", ["pages", "changes"])
def test_items_that_the_target_refused_stop_the_run_before_its_proof(aws: FakeAws, kind: str) -> None:
    refuse(aws, "a", "b", kind=kind)
    with pytest.raises(RejectsFound) as caught:
        drain()
    message = str(caught.value)
    assert "2 differ still, and max_rejects=0: 2 x ValidationException: index by-status takes status as S" in message
    assert '{"pk": {"S": "a"}}, {"pk": {"S": "b"}}' in message
    assert f"/rejects/{RUN}/" in message
    assert "redrive: their keys are read again" in message
    assert CONTENT not in message


def test_a_migration_without_a_reject_reads_no_key_again(aws: FakeAws) -> None:
    assert drain()["pages"] == 1
    assert "BatchGetItem" not in aws.dynamodb.operations()


def test_a_refused_key_that_never_rests_is_not_left_to_the_replicator(aws: FakeAws) -> None:
    """The target refuses what the replicator brings: that each change brings its whole item proves nothing here."""
    refuse(aws, "a")
    aws.dynamodb.never_rests("source", item("a"))
    with pytest.raises(DrainPending, match="has to rest for a moment"):
        drain(context=Context(15_500))


def replicate(aws: FakeAws) -> None:
    for table in ("source", "target"):
        aws.dynamodb.seed(table, *[{"pk": {"S": name}, "status": {"S": "new"}} for name in ("a", "b")])


MENDED: dict[str, Callable[[FakeAws], None]] = {
    "written at the target": lambda aws: mend(aws, "a", "b"),
    "written at the source, and replicated": replicate,
    "deleted at the source": lambda aws: aws.dynamodb.tables["source"].clear(),
}


@pytest.mark.parametrize("how", MENDED)
def test_a_redrive_passes_once_what_was_refused_is_mended(aws: FakeAws, how: str) -> None:
    refuse(aws, "a", "b")
    for _ in range(2):
        with pytest.raises(RejectsFound):
            drain()
    MENDED[how](aws)
    assert drain()["pages"] == 1
    looked = reads_of(aws, "a")
    assert drain()["pages"] == 1
    assert reads_of(aws, "a") == looked, "what was seen equal is not read again"


def test_one_of_two_that_is_mended_does_not_let_the_other_pass(aws: FakeAws) -> None:
    refuse(aws, "a", "b")
    mend(aws, "a")
    for _ in range(2):
        with pytest.raises(RejectsFound, match=r"1 differ still.* 1 x .*\"b\"") as caught:
            drain()
        assert '"a"' not in str(caught.value)


@pytest.mark.parametrize(("allowed", "passes"), [(1, False), (2, True), (3, True)])
def test_no_more_differ_than_max_rejects_allows(aws: FakeAws, allowed: int, passes: bool) -> None:  # noqa: FBT001 — a case
    refuse(aws, "a")
    refuse(aws, "b", kind="changes")
    refuse(aws, "c")
    mend(aws, "c")
    if passes:
        assert drain(allowed)["pages"] == 1
    else:
        with pytest.raises(RejectsFound, match="max_rejects=1"):
            drain(allowed)


def test_a_key_that_was_refused_twice_counts_once(aws: FakeAws) -> None:
    refuse(aws, "a")
    refuse(aws, "a", kind="changes")
    assert drain(1)["pages"] == 1


def test_of_many_refused_items_no_more_are_read_again_than_tell_that_they_are_too_many(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected_items, "KEYS_AT_ONCE", 10)
    refuse(aws, *[f"key-{number:03}" for number in range(100)])
    with pytest.raises(RejectsFound, match="10 differ still"):
        drain(9)
    assert reads_of(aws, "key-050") == 0


def test_a_call_that_runs_out_of_time_is_asked_again_and_goes_on(aws: FakeAws) -> None:
    refuse(aws, "a")
    mend(aws, "a")
    with pytest.raises(DrainPending, match="are read again"):
        drain(context=Context(14_000))
    assert drain()["pages"] == 1


@pytest.fixture
def opened(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The objects of rejects that were read, in their order."""
    names: list[str] = []
    read = aws.bucket.get_object

    def get_object(**where: str) -> dict[str, Any]:
        names.append(where["Key"])
        return read(**where)

    monkeypatch.setattr(aws.bucket, "get_object", get_object)
    return names


def test_no_more_objects_are_held_than_bring_as_many_keys_as_are_read_again_together(
    aws: FakeAws, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected_items, "KEYS_AT_ONCE", 200)
    for page in range(40):
        refuse(aws, *[f"{page:02}-{number:03}" for number in range(30)])
    with pytest.raises(RejectsFound):
        drain()
    assert len(opened) == rejected_items.CALLS_SIDE_BY_SIDE


def test_the_items_of_an_object_are_not_held_together(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(aws, *[f"key-{number:03}" for number in range(100)])
    alive = most = 0

    class Watched(dict[str, Any]):
        def __init__(self, pairs: list[tuple[str, Any]]) -> None:
            nonlocal alive, most
            super().__init__(pairs)
            alive += 1
            most = max(most, alive)

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def loads(text: bytes) -> Any:  # noqa: ANN401 — any JSON
        return json.loads(
            text, object_pairs_hook=lambda pairs: Watched(pairs) if "item" in dict(pairs) else dict(pairs)
        )

    monkeypatch.setattr(rejects, "json", SimpleNamespace(loads=loads))
    (name,) = aws.bucket.objects
    assert len(rejects.read_reasons(name)) == 100
    assert 0 < most < 3


def test_a_key_that_was_refused_again_and_again_is_read_again_once(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected_items, "OBJECTS_AT_ONCE", 1)
    monkeypatch.setattr(rejected_items, "CALLS_SIDE_BY_SIDE", 1)
    refuse(aws, "a")
    refuse(aws, "b", "a")
    refuse(aws, "c", "a", kind="changes")
    mend(aws, "a", "b", "c")
    assert drain()["pages"] == 1
    assert reads_of(aws, "a") == reads_of(aws, "b") == reads_of(aws, "c")


def test_nothing_is_read_after_the_deadline_and_the_next_call_goes_on(aws: FakeAws, opened: list[str]) -> None:
    refuse(aws, "a")
    mend(aws, "a")
    assert drain()["pages"] == 1
    refuse(aws, "b", "a")
    mend(aws, "b")
    opened.clear()
    with pytest.raises(DrainPending):
        drain(context=Context(14_000))
    assert opened == []
    assert drain()["pages"] == 1
    assert len(opened) == 1


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (MISMATCH, "ValidationException: index by-status takes status as S, and it is NULL"),
        (EMPTY, "ValidationError: index by-status takes no empty string as status"),
        (
            "ValidationException: Item size has exceeded the maximum allowed size",
            "ValidationException: the item is too",
        ),
        (f"ValidationException: cannot be converted to a number: {CONTENT}", "ValidationException (its own words are"),
        ("a defect of tableferry (KeyError): it cannot carry this item", "a defect of tableferry"),
        (f"{CONTENT}", "for a reason that is kept"),
    ],
)
def test_why_an_item_was_refused_is_told_without_its_content(reason: str, words: str) -> None:
    told = reason_in_words(reason)
    assert told.startswith(words)
    assert CONTENT not in told


def test_the_reasons_are_counted_and_the_most_frequent_come_first() -> None:
    rejected: list[tuple[Item, str]] = [({"pk": {"S": f"{number}"}}, EMPTY) for number in range(4)]
    rejected += [({"pk": {"S": f"x{number}"}}, f"Code{'x' * number}: no") for number in range(6)]
    told = reasons_in_words(rejected)
    assert told.startswith("4 x ValidationError: index by-status takes no empty string as status, for example")
    assert '"3"' not in told, "three keys of each are enough"
    assert told.endswith("; and 2 other reasons")
