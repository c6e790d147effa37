"""The door is closed before sweeping: the writer is gone for good before deletes leave no tombstones any more."""

import threading
import time
from typing import Any

import pytest

from tasks import attach_writer, detach_writer, purge_tombstones
from tasks.aws.books.books import open_books
from tasks.aws.replicate import mappings
from tasks.aws.replicate import purge as purging
from tasks.core.errors import AwsRefused, OutOfOrder, Superseded, TombstonesPending, WriterPending
from tasks.core.model.item import TOMBSTONE_ATTRIBUTE, Item
from tasks.core.replicate.conflict import ReplicationRule
from tests.unit.aws_fakes import PLAN, ROUTE, RUN, Context, FakeAws, client_error
from tests.unit.phases.calls import NOW, Clock, call, put_watermark, set_rule


def test_a_last_writer_invocation_is_waited_for_before_deletes_stop_leaving_tombstones(
    aws: FakeAws, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.put_rule("leave-tombstones", since=NOW - 500)
    gone = {"is": False}
    monkeypatch.setattr(mappings, "detach", lambda *_: gone["is"])
    with pytest.raises(WriterPending, match="on its way out"):
        call(detach_writer.handler)
    clock.now += 1000
    gone["is"] = True
    with pytest.raises(WriterPending, match="may be under way for 120 s"):
        call(detach_writer.handler)
    clock.now += 119
    with pytest.raises(WriterPending):
        call(detach_writer.handler)
    record = open_books(RUN).record.read_rule()
    assert record is not None
    assert record.rule is ReplicationRule.LEAVE_TOMBSTONES
    clock.now += 1
    assert call(detach_writer.handler) == {"rule": "delete", "since": clock.now}


def test_a_writer_that_went_in_an_earlier_run_does_not_shorten_the_wait(
    aws: FakeAws, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.put_rule("leave-tombstones")
    open_books(RUN).record.writer_gone_at("an earlier run", now=NOW - 10_000)
    monkeypatch.setattr(mappings, "detach", lambda *_: True)
    assert clock.now == NOW
    with pytest.raises(WriterPending, match="120 s"):
        call(detach_writer.handler)


def entomb(aws: FakeAws, *names: str) -> None:
    keys: list[Item] = [{"pk": {"S": name}} for name in names]
    open_books(RUN).tombstones.enter_all(keys)
    aws.dynamodb.seed("target", *[{**key, TOMBSTONE_ATTRIBUTE: {"BOOL": True}} for key in keys])


def entered() -> set[str]:
    return {key["pk"]["S"] for _, key in open_books(RUN).tombstones.iter_entered()}


def purge(context: Context | None = None) -> Any:  # noqa: ANN401 — any answer
    return call(purge_tombstones.handler, context, route=ROUTE.model_dump())


def test_tombstones_are_never_purged_while_a_page_may_still_come(aws: FakeAws, clock: Clock) -> None:
    entomb(aws, "a")
    clock.now += 10_000
    with pytest.raises(OutOfOrder, match="start a new one"):
        purge()
    set_rule(ReplicationRule.LEAVE_TOMBSTONES)
    with pytest.raises(OutOfOrder, match="start a new one"):
        purge()
    set_rule(ReplicationRule.DELETE, run="an earlier run")
    with pytest.raises(OutOfOrder):
        purge()
    assert len(aws.dynamodb.items("target")) == 1


def test_a_batch_that_still_leaves_tombstones_is_waited_for(aws: FakeAws, clock: Clock) -> None:
    entomb(aws, "a")
    set_rule(ReplicationRule.DELETE)
    put_watermark(rule_since=NOW - 1)
    clock.now += 59
    with pytest.raises(TombstonesPending, match="may still be under way"):
        purge()
    assert len(aws.dynamodb.items("target")) == 1
    put_watermark(rule_since=NOW)
    assert purge() == {"purged": 1}
    assert aws.dynamodb.items("target") == []


def test_every_tombstone_goes_and_no_item_that_was_created_again(aws: FakeAws, clock: Clock) -> None:
    entomb(aws, *[f"key-{number}" for number in range(50)])
    alive: Item = {"pk": {"S": "key-7"}, "content": {"S": "created again"}}
    aws.dynamodb.seed("target", alive)
    set_rule(ReplicationRule.DELETE)
    clock.now += 65
    assert purge() == {"purged": 50}
    assert aws.dynamodb.items("target") == [alive]
    assert entered() == set()
    assert purge() == {"purged": 0}


def test_an_entry_is_struck_out_only_after_its_tombstone_is_gone(aws: FakeAws, clock: Clock) -> None:
    entomb(aws, "a", "b")
    set_rule(ReplicationRule.DELETE)
    clock.now += 65

    aws.dynamodb.refuse = lambda wanted: "AccessDenied" if wanted["pk"] == {"S": "b"} else None
    with pytest.raises(AwsRefused, match=r"AccessDenied .* deploy again"):
        purge()
    assert entered() == {"b"}
    aws.dynamodb.refuse = lambda _: None
    purge()
    assert aws.dynamodb.items("target") == []


def test_a_call_that_is_refused_whole_strikes_nothing_out(aws: FakeAws, clock: Clock) -> None:
    entomb(aws, "a", "b")
    set_rule(ReplicationRule.DELETE)
    clock.now += 65

    def fail(*_: object) -> None:
        raise client_error("ResourceNotFoundException")

    aws.dynamodb.before = fail
    with pytest.raises(AwsRefused, match="ResourceNotFoundException"):
        purge()
    assert entered() == {"a", "b"}


def test_a_target_that_throttles_does_not_make_the_same_tombstones_be_purged_for_ever(
    aws: FakeAws, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    entomb(aws, *[f"key-{number}" for number in range(400)])
    set_rule(ReplicationRule.DELETE)
    clock.now += 65
    monkeypatch.setattr(purging, "delays", lambda _: iter([0.0]))
    asked: set[str] = set()

    def throttle(wanted: Item) -> str | None:
        name = wanted["pk"]["S"]
        if name in asked or name.endswith(("0", "2", "4", "6", "8")):
            return None
        asked.add(name)
        return "ThrottlingError"

    aws.dynamodb.refuse = throttle
    assert purge() == {"purged": 400}
    deletes = [len(request["Statements"]) for _, request in aws.dynamodb.calls]
    assert sum(deletes) == 400 + 200, "only what was throttled is asked for again"


@pytest.mark.parametrize("is_whole", [True, False], ids=["each call", "each statement"])
def test_a_target_that_takes_nothing_is_asked_again_later_and_not_for_ever(
    aws: FakeAws, clock: Clock, monkeypatch: pytest.MonkeyPatch, *, is_whole: bool
) -> None:
    entomb(aws, "a", "b")
    set_rule(ReplicationRule.DELETE)
    clock.now += 65
    monkeypatch.setattr(purging, "delays", lambda _: iter([0.0, 0.0]))

    def throttle(*_: object) -> None:
        raise client_error("ThrottlingException")

    if is_whole:
        aws.dynamodb.before = throttle
    else:
        aws.dynamodb.refuse = lambda _: "ThrottlingError"
    with pytest.raises(TombstonesPending, match="0 tombstones removed in this call, and there are more"):
        purge()
    assert entered() == {"a", "b"}


def test_a_purge_takes_one_call_for_many_tombstones(aws: FakeAws, clock: Clock) -> None:
    """With a call for each one a small function removes 150 a second, and a million deletes take two hours."""
    entomb(aws, *[f"key-{number}" for number in range(2000)])
    set_rule(ReplicationRule.DELETE)
    clock.now += 65
    assert purge() == {"purged": 2000}
    assert set(aws.dynamodb.operations()) == {"BatchExecuteStatement"}
    assert len(aws.dynamodb.calls) / 2 <= 60, "calls for a thousand tombstones"


def test_the_shelves_are_emptied_side_by_side(aws: FakeAws, clock: Clock) -> None:
    entomb(aws, *[f"key-{number}" for number in range(200)])
    set_rule(ReplicationRule.DELETE)
    clock.now += 65
    together: list[int] = []
    under_way = 0
    lock = threading.Lock()

    def meet(*_: object) -> None:
        nonlocal under_way
        with lock:
            under_way += 1
            together.append(under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1

    aws.dynamodb.before = meet
    assert purge() == {"purged": 200}
    assert max(together) >= 8


def test_a_purge_that_was_overtaken_removes_no_tombstone_that_the_later_run_has_left(
    aws: FakeAws, clock: Clock
) -> None:
    """Its call goes on for minutes after its execution was stopped; the later run's pages still come."""
    entomb(aws, *[f"key-{number}" for number in range(2000)])
    set_rule(ReplicationRule.DELETE)
    clock.now += 65
    later = PLAN.model_copy(update={"run": "later", "begun_at": PLAN.begun_at + 1})
    begun = threading.Event()

    def begin(*_: object) -> None:
        if not begun.is_set():
            begun.set()
            open_books("later").record.put_plan(later, "stream")

    aws.dynamodb.before = begin
    with pytest.raises(Superseded, match="run later has begun since"):
        purge()
    # Each shelf's hundred entries that were looked at before may still go.
    assert len(aws.dynamodb.items("target")) >= 2000 - 16 * 100
    assert len(entered()) == len(aws.dynamodb.items("target"))


def test_a_purge_that_runs_out_of_time_is_not_called_complete(aws: FakeAws, clock: Clock) -> None:
    entomb(aws, "a")
    set_rule(ReplicationRule.DELETE)
    clock.now += 65
    with pytest.raises(TombstonesPending, match="there are more"):
        purge(Context(14_000))


@pytest.mark.parametrize("rule", [ReplicationRule.DELETE, ReplicationRule.TARGET_WINS])
@pytest.mark.usefixtures("aws")
def test_a_door_that_was_closed_is_not_opened_again_by_a_resume(
    monkeypatch: pytest.MonkeyPatch, rule: ReplicationRule
) -> None:
    """Deletes leave no tombstones any more: a page that is still in Kinesis would bring deleted items back."""
    set_rule(rule)
    monkeypatch.setattr(mappings, "attach", lambda *_, **__: pytest.fail("the writer was attached"))
    assert call(attach_writer.handler) == {"mapping": None}


def test_pages_are_tried_without_end(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    # With 50 tries a throttled target had pages given up within half an hour.
    aws.put_rule("leave-tombstones")
    asked: dict[str, object] = {}

    def attach(*_: str, **settings: object) -> mappings.EventSourceMapping:
        asked.update(settings)
        return mappings.EventSourceMapping("id", "Enabled", "writer")

    monkeypatch.setattr(mappings, "attach", attach)
    monkeypatch.setenv("WRITE_PAGES_FUNCTION", "writer")
    call(attach_writer.handler)
    assert asked["MaximumRetryAttempts"] == -1
    assert "MaximumRecordAgeInSeconds" not in asked


def test_a_writer_that_is_attached_again_is_waited_for_again(
    aws: FakeAws, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.put_rule("leave-tombstones")
    monkeypatch.setattr(mappings, "detach", lambda *_: True)
    with pytest.raises(WriterPending, match="120 s"):
        call(detach_writer.handler)
    clock.now += 1000
    monkeypatch.setattr(mappings, "attach", lambda *_, **__: mappings.EventSourceMapping("id", "Enabled", "writer"))
    assert call(attach_writer.handler) == {"mapping": "id"}
    with pytest.raises(WriterPending, match="120 s"):
        call(detach_writer.handler)
