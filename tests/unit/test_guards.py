"""The guards between phases: the door is closed before sweeping, and traffic moves only when it may."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import (
    attach_writer,
    cut_over,
    detach_replicator,
    detach_writer,
    drain_backfill,
    drain_changes,
    drain_late_writes,
    fence_source,
    purge_tombstones,
)
from tasks.aws import (
    lag,
    mappings,
    migration_record,
    moments,
    pointer,
    receipts,
    rejects,
    streams,
    tables,
    tombstones,
    watermarks,
)
from tasks.core.conflict import ReplicationRule
from tasks.core.errors import (
    AwsUnavailable,
    BackfillIncomplete,
    ChangesLost,
    ChangesPending,
    CutOverPending,
    DrainPending,
    DriftFound,
    LateWritesPending,
    Pending,
    Refused,
    TipOutOfReach,
    TombstonesPending,
    WriterPending,
)
from tasks.core.item import TOMBSTONE_ATTRIBUTE, Item
from tasks.core.lag import Unapplied
from tasks.core.page import PageHeader
from tasks.core.receipts import Sent
from tasks.core.segment import Checkpoint
from tasks.core.watermark import Watermark
from tests.unit.aws_fakes import PLAN, RUN, Context, FakeAws, client_error

NOW = 1_000_000.0
PROVEN = datetime.fromtimestamp(NOW - 3600, UTC).isoformat()
STREAM = "arn:aws:dynamodb:eu-central-1:123456789012:table/source/stream/1"


class Clock:
    """Time stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = NOW


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws().install(monkeypatch)
    for name, value in {
        "WRITE_PAGES_FUNCTION": "writer",
        "WRITE_PAGES_TIMEOUT_SECONDS": "120",
        "REPLICATE_CHANGES_TIMEOUT_SECONDS": "60",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(streams, "open_shards", lambda _: ["shard-1"])
    monkeypatch.setattr(streams, "read_unapplied", lambda *_, **__: [])
    monkeypatch.setattr(
        rejects, "_count_objects", lambda prefix: sum(k.startswith(prefix) for k in fake.bucket.objects)
    )
    return fake


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    standing = SimpleNamespace(time=lambda: clock.now, monotonic=time.monotonic, sleep=time.sleep)
    for module in (detach_writer, cut_over, fence_source, drain_backfill, drain_late_writes, moments, lag):
        monkeypatch.setattr(module, "time", standing)
    return clock


def call(handler: Callable[..., Any], context: Context | None = None, **payload: object) -> Any:  # noqa: ANN401 — any answer
    return handler({"plan": PLAN.model_dump(mode="json")} | payload, context or Context())


def fence(entered: str = "t1") -> Any:  # noqa: ANN401 — any answer
    return call(fence_source.handler, stream_arn=STREAM, entered=entered, proven=PROVEN)


def set_rule(rule: ReplicationRule, *, run: str = RUN, since: float = NOW) -> None:
    migration_record.control().documents.pop(("migration", "rule"), None)  # type: ignore[attr-defined] # the fake's
    migration_record.set_rule(rule, run=run, now=since)


def put_mark(rule_since: float, number: str = "5", *, written_at: float = 0.0) -> None:
    watermarks.put_watermark(Watermark("shard-1", number, 1.0, 2.0, rule_since=rule_since, written_at=written_at))


# ---------------------------------------------------------------- the writer is detached


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
    record = migration_record.read_rule()
    assert record is not None
    assert record.rule is ReplicationRule.LEAVE_TOMBSTONES
    clock.now += 1
    assert call(detach_writer.handler) == {"rule": "delete", "since": clock.now}


def test_a_writer_that_went_in_an_earlier_run_does_not_shorten_the_wait(
    aws: FakeAws, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.put_rule("leave-tombstones")
    migration_record.writer_gone_at("an earlier run", now=NOW - 10_000)
    monkeypatch.setattr(mappings, "detach", lambda *_: True)
    assert clock.now == NOW
    with pytest.raises(WriterPending, match="120 s"):
        call(detach_writer.handler)


@pytest.mark.usefixtures("aws")
def test_the_fence_waits_until_the_replicator_has_passed_what_pages_may_have_brought_ahead_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "read_tips", lambda *_, **__: {"shard-1": "10"})
    set_rule(ReplicationRule.DELETE)
    put_mark(NOW, "9")
    with pytest.raises(ChangesPending, match="1 of 1 shards"):
        fence()
    assert migration_record.required_rule().rule is ReplicationRule.DELETE
    put_mark(NOW, "10")
    assert fence()["rule"] == "target-wins"


@pytest.mark.usefixtures("aws")
def test_the_rule_never_moves_back_within_a_run(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "read_tips", lambda *_, **__: {})
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 50
    for earlier in ReplicationRule:
        assert migration_record.set_rule(earlier, run=RUN, now=clock.now).since == NOW
    again = fence("t2")
    assert again == {"rule": "target-wins", "since": NOW}, "run again it finds the rule set"
    anew = migration_record.set_rule(ReplicationRule.LEAVE_TOMBSTONES, run="the next run", now=clock.now)
    assert (anew.rule, anew.since) == (ReplicationRule.LEAVE_TOMBSTONES, clock.now)


# ---------------------------------------------------------------- tombstones are purged


def entomb(aws: FakeAws, *names: str) -> None:
    keys: list[Item] = [{"pk": {"S": name}} for name in names]
    tombstones.enter_all(keys)
    aws.dynamodb.seed("target", *[{**key, TOMBSTONE_ATTRIBUTE: {"BOOL": True}} for key in keys])


def purge(context: Context | None = None) -> Any:  # noqa: ANN401 — any answer
    return call(purge_tombstones.handler, context, stream_arn=STREAM)


def test_tombstones_are_never_purged_while_a_page_may_still_come(aws: FakeAws, clock: Clock) -> None:
    entomb(aws, "a")
    clock.now += 10_000
    with pytest.raises(Refused, match="start a new one"):
        purge()
    set_rule(ReplicationRule.LEAVE_TOMBSTONES)
    with pytest.raises(Refused, match="start a new one"):
        purge()
    set_rule(ReplicationRule.DELETE, run="an earlier run")
    with pytest.raises(Refused):
        purge()
    assert len(aws.dynamodb.items("target")) == 1


def test_a_batch_that_still_leaves_tombstones_is_waited_for(aws: FakeAws, clock: Clock) -> None:
    entomb(aws, "a")
    set_rule(ReplicationRule.DELETE)
    put_mark(rule_since=NOW - 1)
    clock.now += 59
    with pytest.raises(TombstonesPending, match="may still be under way"):
        purge()
    assert len(aws.dynamodb.items("target")) == 1
    put_mark(rule_since=NOW)
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
    assert list(tombstones.iter_entered()) == []
    assert purge() == {"purged": 0}


def test_an_entry_is_struck_out_only_after_its_tombstone_is_gone(aws: FakeAws, clock: Clock) -> None:
    entomb(aws, "a", "b")
    set_rule(ReplicationRule.DELETE)
    clock.now += 65

    def fail(_: str, request: dict[str, Any]) -> None:
        if request["Key"] == {"pk": {"S": "b"}}:
            raise client_error("ResourceNotFoundException")

    aws.dynamodb.before = fail
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        purge()
    assert "b" in {key["pk"]["S"] for _, key in tombstones.iter_entered()}
    aws.dynamodb.before = lambda *_: None
    purge()
    assert aws.dynamodb.items("target") == []


def test_a_target_that_throttles_does_not_make_the_same_tombstones_be_purged_for_ever(
    aws: FakeAws, clock: Clock
) -> None:
    entomb(aws, *[f"key-{number}" for number in range(40)])
    set_rule(ReplicationRule.DELETE)
    clock.now += 65
    taken = 0

    def throttle(*_: object) -> None:
        nonlocal taken
        taken += 1
        if taken % 2:
            raise client_error("ThrottlingException")

    aws.dynamodb.before = throttle
    left = 40
    for _ in range(3):
        with pytest.raises(AwsUnavailable):
            purge()
        assert len(list(tombstones.iter_entered())) < left
        left = len(list(tombstones.iter_entered()))
    assert left <= 40 // 2**3 + 1


def test_a_purge_that_runs_out_of_time_is_not_called_complete(aws: FakeAws, clock: Clock) -> None:
    entomb(aws, "a")
    set_rule(ReplicationRule.DELETE)
    clock.now += 65
    with pytest.raises(TombstonesPending, match="there are more"):
        purge(Context(14_000))


# ---------------------------------------------------------------- traffic moves


@pytest.fixture
def flips(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    del aws  # put in place, and no more is asked of it here
    flips: list[str] = []
    monkeypatch.setattr(streams, "read_tips", lambda *_, **__: {})
    monkeypatch.setattr(pointer, "flip_pointer", lambda _, table: flips.append(f"pointer {table}"))
    monkeypatch.setattr(pointer, "put_event", lambda kind, _: flips.append(f"event {kind}"))
    monkeypatch.setattr(tables, "ttl_attribute", lambda table: "expires" if table == "source" else None)
    monkeypatch.setattr(tables, "expire_by", lambda table, attribute: flips.append(f"ttl {table} {attribute}"))
    return flips


def flip(verdict: str = "equal", context: Context | None = None) -> Any:  # noqa: ANN401 — any answer
    return call(cut_over.handler, context, stream_arn=STREAM, verdict=verdict, proven=PROVEN)


@pytest.mark.parametrize("verdict", ["open", "suspect", "", "drift"])
def test_traffic_never_moves_without_proof(flips: list[str], verdict: str) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    with pytest.raises(Refused):
        flip(verdict)
    assert flips == []


def test_traffic_never_moves_before_the_fence(flips: list[str], clock: Clock) -> None:
    clock.now += 10_000
    for rule, run in (
        (ReplicationRule.DELETE, RUN),
        (ReplicationRule.LEAVE_TOMBSTONES, RUN),
        (ReplicationRule.TARGET_WINS, "an earlier run"),
    ):
        set_rule(rule, run=run)
        with pytest.raises(Refused, match="start a new one"):
            flip()
    assert flips == []


def test_traffic_never_moves_while_a_batch_from_before_the_fence_may_overwrite_it(
    flips: list[str], clock: Clock
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    put_mark(rule_since=NOW - 1)
    clock.now += 59
    with pytest.raises(CutOverPending):
        flip()
    assert flips == []
    put_mark(rule_since=NOW)
    flip()
    assert flips == ["ttl target expires", "pointer target", "event Cut Over"]


def test_traffic_never_moves_while_the_replicator_is_behind_however_long_ago_the_drain_was(
    flips: list[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "read_tips", lambda *_, **__: {"shard-1": "10"})
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    put_mark(NOW, "9")
    with pytest.raises(CutOverPending, match="the replicator is behind what source has taken"):
        flip(context=Context(15_100))
    assert "pointer target" not in flips
    put_mark(NOW, "10")
    flip()
    assert "pointer target" in flips


@pytest.mark.parametrize("kind", ["changes", "late"])
def test_traffic_never_moves_over_a_change_that_was_rejected_since_the_drain(
    aws: FakeAws, flips: list[str], clock: Clock, kind: str
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    aws.bucket.objects[f"rejects/{RUN}/{kind}/5.jsonl"] = b"{}"
    with pytest.raises(DriftFound):
        flip()
    assert "pointer target" not in flips


# ---------------------------------------------------------------- the replicator falls behind


HOUR = 3600


def leave_unapplied(monkeypatch: pytest.MonkeyPatch, hours: float, *, is_trimmed: bool = False) -> None:
    oldest = Unapplied("shard-1", NOW - hours * HOUR, is_trimmed=is_trimmed)
    monkeypatch.setattr(streams, "read_unapplied", lambda *_, **__: [oldest])


@pytest.mark.usefixtures("clock")
def test_every_wait_says_that_the_replicator_is_running_out_of_time(
    flips: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "read_tips", lambda *_, **__: {"shard-1": "10"})
    put_mark(NOW, "9")
    sent("d0")
    waits: list[Callable[[], object]] = [
        fence,
        drain,
        lambda: flip(context=Context(15_100)),
        lambda: call(drain_backfill.handler, stream_arn=STREAM),
    ]
    set_rule(ReplicationRule.TARGET_WINS)
    put_mark(NOW, "9")
    for wait in waits:
        leave_unapplied(monkeypatch, 17.9)
        with pytest.raises(Pending) as within:
            wait()
        assert "h behind" not in str(within.value)
        leave_unapplied(monkeypatch, 20)
        with pytest.raises(Pending, match=r"the replicator is 20\.0 h behind, and in 4\.0 h the stream begins to lose"):
            wait()
    assert "pointer target" not in flips


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("hours", "is_trimmed"), [(23.6, False), (30.0, False), (2.0, True)])
def test_traffic_never_moves_over_changes_that_left_the_stream(
    flips: list[str], monkeypatch: pytest.MonkeyPatch, hours: float, *, is_trimmed: bool
) -> None:
    leave_unapplied(monkeypatch, hours, is_trimmed=is_trimmed)
    set_rule(ReplicationRule.DELETE)
    with pytest.raises(ChangesLost, match=r"changes of 1 shards \(shard-1\) .* delete target .* start a new execution"):
        fence()
    set_rule(ReplicationRule.TARGET_WINS)
    put_mark(NOW)
    with pytest.raises(ChangesLost):
        flip()
    assert "pointer target" not in flips


@pytest.mark.usefixtures("clock")
def test_a_loss_that_the_proof_can_not_have_seen_is_remembered_after_the_replicator_has_caught_up(
    flips: list[str],
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    before_the_proof, after_it = NOW - 2 * HOUR, NOW - 60
    watermarks.put_watermark(Watermark("shard-1", "9", NOW, NOW, rule_since=NOW, late_at=after_it))
    with pytest.raises(ChangesLost):
        flip()
    watermarks.put_watermark(Watermark("shard-1", "9", NOW, NOW, rule_since=NOW, late_at=before_the_proof))
    flip()
    assert "pointer target" in flips


@pytest.mark.usefixtures("clock")
def test_a_source_that_rested_for_days_has_lost_nothing(flips: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    leave_unapplied(monkeypatch, 0.01, is_trimmed=True)  # its next change came a moment ago
    set_rule(ReplicationRule.TARGET_WINS)
    put_mark(NOW)
    flip()
    assert "pointer target" in flips


# ---------------------------------------------------------------- the source is quiet


def late(context: Context | None = None) -> Any:  # noqa: ANN401 — any answer
    return call(drain_late_writes.handler, context, stream_arn=STREAM)


@pytest.fixture
def moved(aws: FakeAws, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Traffic has moved; returns the stream's tips."""
    del aws  # put in place
    tips: dict[str, str] = {}
    monkeypatch.setattr(streams, "read_tips", lambda *_, **__: dict(tips))
    migration_record.put_cut_over(RUN, at=clock.now)
    return tips


def test_the_replicator_stays_until_the_source_has_been_quiet_since_the_cut_over(
    moved: dict[str, str], clock: Clock
) -> None:
    assert moved == {}
    with pytest.raises(LateWritesPending, match="quiet for 0 of quiet_seconds=1"):
        late()
    clock.now += 1
    assert late() == {"overruled": 0}


def test_the_replicator_stays_while_late_writes_come(moved: dict[str, str], clock: Clock) -> None:
    clock.now += 500
    put_mark(NOW, "7", written_at=clock.now - 0.5)
    with pytest.raises(LateWritesPending, match="quiet for 0 of"):
        late()
    moved["shard-1"] = "8"
    clock.now += 500
    with pytest.raises(LateWritesPending, match="on their way to target"):
        late(Context(15_100))


def test_a_source_whose_items_expire_is_quiet_all_the_same(moved: dict[str, str], clock: Clock) -> None:
    clock.now += 500
    moved["shard-1"] = "9"
    put_mark(NOW, "9", written_at=NOW - 100)  # what came since were expiries
    assert late() == {"overruled": 0}


@pytest.mark.usefixtures("aws")
def test_a_run_that_did_not_cut_over_never_detaches_its_replicator() -> None:
    migration_record.put_cut_over("another run", at=NOW)
    with pytest.raises(Refused, match="has not cut over"):
        late()


# ---------------------------------------------------------------- an old execution is redriven


@pytest.mark.parametrize("module", [attach_writer, detach_writer, detach_replicator])
@pytest.mark.usefixtures("aws")
def test_an_old_execution_that_is_redriven_leaves_the_later_ones_mappings_alone(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,  # noqa: ANN401 — one of these modules
) -> None:
    def touched(*_: object, **__: object) -> None:
        raise AssertionError("a mapping of the later run was touched")

    for name in ("attach", "detach"):
        monkeypatch.setattr(mappings, name, touched)
    set_rule(ReplicationRule.DELETE, run="a later run")
    more: dict[str, Any] = {"stream_arn": STREAM} if module is detach_replicator else {}
    with pytest.raises(Refused, match="run a later run has begun since"):
        call(module.handler, **more)


@pytest.mark.usefixtures("aws")
def test_an_old_execution_that_is_redriven_does_not_take_the_migration_back() -> None:
    later = PLAN.model_copy(update={"run": "a later run", "begun_at": PLAN.begun_at + 1})
    migration_record.put_plan(PLAN)
    migration_record.put_plan(later)
    with pytest.raises(Refused, match="run a later run has begun since"):
        migration_record.put_plan(PLAN)
    assert migration_record.required_plan() == later
    migration_record.end_plan()
    with pytest.raises(Refused):
        migration_record.put_plan(PLAN)
    migration_record.put_plan(later)


def overtaken() -> None:
    """Let an execution go on with the run of the one under test, which began before it."""
    migration_record.put_plan(PLAN.model_copy(update={"begun_at": PLAN.begun_at + 1}))


@pytest.mark.parametrize("module", [attach_writer, detach_writer, fence_source, purge_tombstones, detach_replicator])
@pytest.mark.usefixtures("aws")
def test_an_execution_that_is_redriven_after_it_was_resumed_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,  # noqa: ANN401 — one of these modules
) -> None:
    """Its run is the later one's too: the fence of the one would fall into the other's backfill."""

    def touched(*_: object, **__: object) -> None:
        raise AssertionError("something of the later execution was touched")

    set_rule(ReplicationRule.DELETE)
    overtaken()
    for name in ("attach", "detach"):
        monkeypatch.setattr(mappings, name, touched)
    monkeypatch.setattr(streams, "read_tips", lambda *_, **__: {})
    monkeypatch.setattr("tasks.aws.purge.purge", touched)
    more: dict[str, Any] = {} if module in {attach_writer, detach_writer} else {"stream_arn": STREAM}
    if module is fence_source:
        more |= {"entered": "t1", "proven": PROVEN}
    with pytest.raises(Refused, match="a later execution goes on with run"):
        call(module.handler, **more)
    assert migration_record.required_rule().rule is ReplicationRule.DELETE


def test_an_execution_that_is_redriven_after_it_was_resumed_moves_no_traffic(flips: list[str], clock: Clock) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    overtaken()
    with pytest.raises(Refused, match="a later execution goes on with run"):
        flip()
    assert flips == []


@pytest.mark.parametrize("rule", [ReplicationRule.DELETE, ReplicationRule.TARGET_WINS])
@pytest.mark.usefixtures("aws")
def test_a_door_that_was_closed_is_not_opened_again_by_a_resume(
    monkeypatch: pytest.MonkeyPatch, rule: ReplicationRule
) -> None:
    """Deletes leave no tombstones any more: a page that is still in Kinesis would bring deleted items back."""
    set_rule(rule)
    monkeypatch.setattr(mappings, "attach", lambda *_, **__: pytest.fail("the writer was attached"))
    assert call(attach_writer.handler) == {"mapping": None}


def test_a_writer_that_is_attached_again_is_waited_for_again(
    aws: FakeAws, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    aws.put_rule("leave-tombstones")
    monkeypatch.setattr(mappings, "detach", lambda *_: True)
    with pytest.raises(WriterPending, match="120 s"):
        call(detach_writer.handler)
    clock.now += 1000
    monkeypatch.setattr(mappings, "attach", lambda *_, **__: mappings.Mapping("id", "Enabled", "writer", ""))
    assert call(attach_writer.handler) == {"mapping": "id"}
    with pytest.raises(WriterPending, match="120 s"):
        call(detach_writer.handler)


def test_a_second_cut_over_does_not_move_the_pointer_back_after_somebody_moved_it(
    flips: list[str], clock: Clock
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    first = flip()
    flips.clear()
    clock.now += 500
    assert flip() == first
    assert flips == []


# ---------------------------------------------------------------- drains


def header(page: int, digest: str) -> PageHeader:
    return PageHeader(run=RUN, segment=0, page=page, part=0, parts=1, count=3, digest=digest)


def sent(*digests: str) -> None:
    for page, digest in enumerate(digests):
        receipts.put_sent(RUN, 0, Sent(page, (digest,), 3), claim=1)
    done = Checkpoint(segment=0, state="done", pages=len(digests), records=len(digests), items=3 * len(digests))
    receipts.put_checkpoint(RUN, done, claim=1)


@pytest.mark.usefixtures("aws")
def test_the_backfill_is_drained_only_when_every_page_has_its_receipt(clock: Clock) -> None:
    assert clock.now == NOW
    sent("d0", "d1")
    receipts.put_receipt(header(0, "d0"), inserted=2, present=1, rejected=0)
    receipts.put_receipt(header(1, "an earlier sending"), inserted=3, present=0, rejected=0)
    with pytest.raises(DrainPending, match=r"segment 0 of 1: 1 of 2 pages have no receipt yet \(page 1\)"):
        call(drain_backfill.handler, stream_arn=STREAM)
    receipts.put_receipt(header(1, "d1"), inserted=0, present=2, rejected=1)
    answer = call(drain_backfill.handler, stream_arn=STREAM)
    assert answer == {"pages": 2, "items": 6, "inserted": 2, "present": 3, "rejected": 1}
    assert call(drain_backfill.handler, stream_arn=STREAM) == answer, "run again it counts nothing twice"


@pytest.mark.usefixtures("aws")
def test_a_segment_that_was_not_scanned_to_its_end_is_never_called_drained() -> None:
    with pytest.raises(BackfillIncomplete, match="never scanned to its end"):
        call(drain_backfill.handler, stream_arn=STREAM)
    receipts.put_checkpoint(RUN, Checkpoint(segment=0, pages=0), claim=1)
    with pytest.raises(BackfillIncomplete, match="never scanned to its end"):
        call(drain_backfill.handler, stream_arn=STREAM)


def test_a_page_that_lambda_gave_up_on_is_not_waited_for_for_ever(aws: FakeAws, clock: Clock) -> None:
    sent("d0")
    with pytest.raises(DrainPending):
        call(drain_backfill.handler, stream_arn=STREAM)
    for _ in range(2):  # the first time the receipts are counted, the second time they have not grown
        clock.now += drain_backfill.STUCK_SECONDS + 1
        with pytest.raises(DrainPending if _ == 0 else BackfillIncomplete) as caught:
            call(drain_backfill.handler, stream_arn=STREAM)
    assert "no page of any segment has come for 15 minutes" in str(caught.value)
    aws.bucket.objects["aws/lambda/given-up"] = b""
    with pytest.raises(BackfillIncomplete, match="Lambda gave up on 1 batches"):
        call(drain_backfill.handler, stream_arn=STREAM)


def test_a_wait_that_was_given_up_is_not_given_up_again_at_its_first_look(aws: FakeAws, clock: Clock) -> None:
    sent("d0")
    for _ in range(3):
        with pytest.raises((DrainPending, BackfillIncomplete)):
            call(drain_backfill.handler, stream_arn=STREAM)
        clock.now += drain_backfill.STUCK_SECONDS + 1
    assert aws.control.read(RUN, "drain")
    for _ in range(2):
        with pytest.raises(DrainPending):
            call(drain_backfill.handler, stream_arn=STREAM)
        clock.now += drain_backfill.STUCK_SECONDS + 1


def test_pages_at_the_end_of_a_long_backlog_are_waited_for(aws: FakeAws, clock: Clock) -> None:
    aws.put_plan(PLAN.model_copy(update={"total_segments": 2}))
    for segment in range(2):
        receipts.put_sent(RUN, segment, Sent(0, (f"d{segment}",), 3), claim=1)
        done = Checkpoint(segment=segment, state="done", pages=1, records=1, items=3)
        receipts.put_checkpoint(RUN, done, claim=1)
    two: dict[str, Any] = {"plan": PLAN.model_copy(update={"total_segments": 2}).model_dump(mode="json")}
    for page in range(5):
        with pytest.raises(DrainPending):
            call(drain_backfill.handler, stream_arn=STREAM, **two)
        clock.now += drain_backfill.STUCK_SECONDS + 1
        # Segment 0 waits; the writer is busy with the other one.
        other = PageHeader(run=RUN, segment=1, page=page, part=0, parts=1, count=3, digest="d1")
        receipts.put_receipt(other, inserted=3, present=0, rejected=0)


def drain(entered: str = "t1") -> Any:  # noqa: ANN401 — any answer
    return call(drain_changes.handler, stream_arn=STREAM, entered=entered)


def test_changes_are_drained_to_the_tips_of_the_moment_and_no_refused_one_is_overlooked(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    tips = {"shard-1": "10"}
    monkeypatch.setattr(streams, "read_tips", lambda *_, **__: dict(tips))
    with pytest.raises(ChangesPending, match="1 of 1 shards"):
        drain()
    tips["shard-1"] = "99"  # the source goes on: this wait is for what was there when it began
    put_mark(NOW, "9")
    with pytest.raises(ChangesPending):
        drain()
    put_mark(NOW, "10")
    assert drain() == {"shards": 1}
    with pytest.raises(ChangesPending):
        drain("t2")
    aws.bucket.objects[f"rejects/{RUN}/changes/5.jsonl"] = b"{}"
    with pytest.raises(DriftFound, match="changes of 1 batches were refused by the target, and 0 found"):
        drain()
    aws.bucket.objects = {f"rejects/{RUN}/late/5.jsonl": b"{}"}
    with pytest.raises(DriftFound, match="changes of 0 batches were refused by the target, and 1 found"):
        drain()


# ---------------------------------------------------------------- tips


class FakeStream:
    """One shard whose reads answer as given: records' numbers, or nothing.

    At rest all of it was there before the first read. Otherwise each read brings what was written since the one before.
    """

    exceptions = SimpleNamespace(
        TrimmedDataAccessException=type("TrimmedDataAccessException", (Exception,), {}),
        ResourceNotFoundException=type("ResourceNotFoundException", (Exception,), {}),
    )

    def __init__(self, *reads: list[str], at_rest: bool = True) -> None:
        self.reads = list(reads)
        self.is_at_rest = at_rest
        self.began: list[dict[str, Any]] = []
        self.is_trimmed = False
        self._reached = 0

    def get_shard_iterator(self, **start: Any) -> dict[str, Any]:  # noqa: ANN401 — boto3's
        self.began.append(start)
        if self.is_trimmed and "SequenceNumber" in start:
            raise self.exceptions.TrimmedDataAccessException
        return {"ShardIterator": f"latest {self._reached}" if start["ShardIteratorType"] == "LATEST" else "0"}

    def get_records(self, *, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803 — boto3's names
        assert Limit <= 1000
        if ShardIterator.startswith("latest "):
            since = int(ShardIterator.removeprefix("latest "))
            return self._answer(self._younger(since)[:Limit], ShardIterator)
        number = int(ShardIterator)
        self._reached = number + 1
        return self._answer(self.reads[number], str(number + 1) if number + 1 < len(self.reads) else None)

    def _younger(self, since: int) -> list[str]:
        return [] if self.is_at_rest else [number for read in self.reads[since : self._reached] for number in read]

    def _answer(self, numbers: list[str], following: str | None) -> dict[str, Any]:
        answer: dict[str, Any] = {"Records": [{"dynamodb": {"SequenceNumber": number}} for number in numbers]}
        return answer if following is None else {**answer, "NextShardIterator": following}

    def describe_stream(self, **_: object) -> dict[str, Any]:
        return {"StreamDescription": {"Shards": [{"ShardId": "shard-1", "SequenceNumberRange": {}}]}}


def read_tips(
    monkeypatch: pytest.MonkeyPatch, stream: FakeStream, after: str | None = None, *, seconds: float = 60.0
) -> dict[str, str]:
    monkeypatch.setattr("tasks.aws.clients.dynamodb_streams", lambda: stream)
    marks = {} if after is None else {"shard-1": Watermark("shard-1", after, 1.0, 2.0, rule_since=0.0)}
    return streams.read_tips(STREAM, marks, deadline=time.monotonic() + seconds)


def test_an_empty_read_before_the_tip_is_not_taken_for_the_tip(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_tips(monkeypatch, FakeStream([], ["1"], [], [], ["2", "3"], [])) == {"shard-1": "3"}


def test_a_shard_that_has_nothing_new_is_at_its_watermark_and_one_without_records_has_no_tip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read_tips(monkeypatch, FakeStream([], [], [], []), after="7") == {"shard-1": "7"}
    assert read_tips(monkeypatch, FakeStream([])) == {}


def test_a_shard_that_is_written_to_all_the_time_has_a_tip_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = FakeStream(*[[str(number)] for number in range(8, 5000)], at_rest=False)
    (tip,) = read_tips(monkeypatch, stream, after="7").values()
    assert 8 < int(tip) < 20, "younger than the call, and not much"


def test_a_watermark_older_than_the_stream_keeps_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = FakeStream(["8"])
    stream.is_trimmed = True
    assert read_tips(monkeypatch, stream, after="7") == {"shard-1": "8"}
    assert [start["ShardIteratorType"] for start in stream.began][:2] == ["AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON"]


def test_a_tip_that_was_not_reached_is_never_taken_for_the_tip(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = FakeStream(*[[str(number)] for number in range(1, 10)])
    with pytest.raises(TipOutOfReach, match="shard-1"):
        read_tips(monkeypatch, stream, seconds=-1.0)
