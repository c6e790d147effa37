"""Nothing changes behind the proof: what is no longer the named one stops every state that relies on it, in words."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import (
    approve_cut_over,
    compare_digests,
    cut_over,
    detach_replicator,
    drain_backfill,
    drain_changes,
    drain_late_writes,
    plan_verify,
    protect_target,
    scan_segment,
)
from tasks.aws.books import books
from tasks.aws.books.books import open_books
from tasks.aws.dynamodb import tables
from tasks.aws.prove import recheck
from tasks.aws.replicate import mappings, moments, streams, tips
from tasks.aws.run import pointer
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import (
    ChangesLost,
    DetachPending,
    LateChangesLost,
    PreconditionFailed,
    Superseded,
    TableferryError,
)
from tasks.core.replicate.conflict import ReplicationRule
from tasks.core.replicate.route import FORWARD, Breach, Route, Seen, breaches
from tasks.core.replicate.watermark import Watermark
from tests.unit.aws_fakes import PLAN, ROUTE, RUN, STREAM, Context, FakeAws, FakeStage, sees

NOW = 1_000_000.0
PROVEN = datetime.fromtimestamp(NOW - 3600, UTC).isoformat()
OTHER_STREAM = STREAM.replace("/stream/1", "/stream/2")
TOKYO = "ap-northeast-1"
REPLICATED = PLAN.model_copy(update={"replica_regions": (TOKYO,)})
REPLICA_IDS = {TOKYO: f"{TOKYO}-1"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """A migration that needs but one call more in each of the states."""
    fake = FakeAws().install(monkeypatch)
    fake.stage.add_replica(TOKYO)
    monkeypatch.setenv("REPLICATE_CHANGES_TIMEOUT_SECONDS", "60")
    for module in (cut_over, drain_late_writes, moments):
        clock = SimpleNamespace(time=lambda: NOW + 1000, monotonic=time.monotonic, sleep=time.sleep)
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(streams, "open_shards", lambda _: ["shard-1"])
    sees(monkeypatch, unapplied=[])
    sees(monkeypatch, {"shard-1": "9"})
    monkeypatch.setattr(tables, "read_ttl", lambda _: ("DISABLED", None))
    monkeypatch.setattr(pointer, "read_pointer", lambda _: None)
    monkeypatch.setattr(pointer, "put_event", lambda kind, _: fake.log.append(("event", kind)))
    monkeypatch.setattr(pointer, "flip_pointer", lambda _, table: fake.log.append(("pointer", table)))
    open_books(RUN).watermarks.put(Watermark("shard-1", "9", NOW, NOW, rule_since=NOW))
    set_rule(ReplicationRule.TARGET_WINS)
    fake.log.clear()
    return fake


def set_rule(rule: ReplicationRule) -> None:
    books.own_table().documents.pop(("migration", f"rule#{FORWARD}"), None)  # type: ignore[attr-defined] # the fake's
    open_books(RUN).record.set_rule(rule, run=RUN, now=NOW)


def call(module: Any, **payload: object) -> Any:  # noqa: ANN401 — a task, and any answer
    whole = {"plan": REPLICATED.model_dump(mode="json"), "route": ROUTE.model_dump()} | payload
    return module.handler(whole, Context())


def while_it_waits(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let something happen once the replicator has passed the moment that a call waits for, and within that call."""
    passed = moments.await_passed

    def pass_and_act(*arguments: Any, **more: Any) -> bool:  # noqa: ANN401 — those of `await_passed`
        is_passed = passed(*arguments, **more)
        act()
        return is_passed

    monkeypatch.setattr(moments, "await_passed", pass_and_act)


VERIFIED = {"id": "v", "verdict": "equal"}
STATES: dict[str, Callable[[], Any]] = {
    "DrainBackfill": lambda: call(drain_backfill),
    "CompareDigests": lambda: call(compare_digests, verify={"id": "v", "replica_ids": REPLICA_IDS}),
    "ApproveCutOver": lambda: call(approve_cut_over, verify=VERIFIED, task_token="t", execution_arn="arn"),  # noqa: S106 — a fake's
    "ProtectTarget": lambda: call(protect_target, entered="t1", proven=PROVEN),
    "DrainChanges": lambda: call(drain_changes, entered="t1"),
    "CutOver": lambda: call(cut_over, verdict="equal", proven=PROVEN, entered="t1", replica_ids=REPLICA_IDS),
}
"""Every state that relies on the route before traffic moves, and looks at all of it."""


def anew(stage: FakeStage, table: str) -> None:
    stage.tables[table]["TableId"] = f"{table}-2"


def change_mapping(stage: FakeStage, **changes: Any) -> None:  # noqa: ANN401 — fields of a mapping
    stage.mappings = [mappings.EventSourceMapping(**{"uuid": "mapping-1", "state": "Enabled", **REPLICATOR, **changes})]


REPLICATOR: dict[str, Any] = {"function_name": "replicator"}

BREAKS: dict[str, tuple[Callable[[FakeStage], Any], type[TableferryError], str]] = {
    "the stream is off": (lambda stage: stage.turn_stream_off(), ChangesLost, r"stream of source .*turned off since"),
    "the stream was off and on": (
        lambda stage: stage.turn_stream_on(OTHER_STREAM),
        ChangesLost,
        r"turned off and on again since .*stream/1, and is .*stream/2",
    ),
    "the source is gone": (lambda stage: stage.tables.pop("source"), ChangesLost, "source was deleted since"),
    "the source is out of reach": (
        lambda stage: stage.tables["source"].update(TableStatus="INACCESSIBLE_ENCRYPTION_CREDENTIALS"),
        PreconditionFailed,
        r"source is INACCESSIBLE_ENCRYPTION_CREDENTIALS.*its KMS key, mostly.*then redrive",
    ),
    "the target is out of reach": (
        lambda stage: stage.tables["target"].update(TableStatus="INACCESSIBLE_ENCRYPTION_CREDENTIALS"),
        PreconditionFailed,
        r"target is INACCESSIBLE_ENCRYPTION_CREDENTIALS.*its KMS key, mostly.*then redrive",
    ),
    "the source was made anew": (
        lambda stage: anew(stage, "source"),
        ChangesLost,
        "source was deleted .*another table",
    ),
    "the target is gone": (
        lambda stage: stage.tables.pop("target"),
        PreconditionFailed,
        "target was deleted .*new execution",
    ),
    "the target is on its way out": (
        lambda stage: stage.tables["target"].update(TableStatus="DELETING"),
        PreconditionFailed,
        "target was deleted since",
    ),
    "the target was made anew": (
        lambda stage: anew(stage, "target"),
        PreconditionFailed,
        "another table stands under its name, without what was copied.*Empty target or delete it",
    ),
    "a replica is gone": (
        lambda stage: stage.tables["target"]["Replicas"].clear(),
        PreconditionFailed,
        r"no usable replica in ap-northeast-1 \(gone\).*Add it again .*then redrive",
    ),
    "a replica is out of reach": (
        lambda stage: stage.tables["target"]["Replicas"][0].update(ReplicaStatus="REGION_DISABLED"),
        PreconditionFailed,
        r"ap-northeast-1 \(REGION_DISABLED\)",
    ),
    "the mapping is gone": (
        lambda stage: stage.mappings.clear(),
        PreconditionFailed,
        "mapping-1 was deleted.*workflow resume",
    ),
    "the mapping is on its way out": (
        lambda stage: change_mapping(stage, state="Deleting"),
        PreconditionFailed,
        "was deleted",
    ),
    "the mapping was made anew": (
        lambda stage: change_mapping(stage, uuid="mapping-2"),
        ChangesLost,
        "another one, mapping-2, may have begun behind changes",
    ),
    "the mapping is off": (
        lambda stage: change_mapping(stage, state="Disabled"),
        PreconditionFailed,
        "mapping-1 is Disabled.*Switch it on .*then redrive",
    ),
    "the mapping has a filter": (
        lambda stage: change_mapping(stage, skips_changes=True),
        ChangesLost,
        "has a filter, or gives changes up",
    ),
}


RELIES_ON_REPLICAS = set(STATES) - {"DrainBackfill", "CompareDigests"}
"""CompareDigests asks for the tables that were read."""


@pytest.mark.parametrize(
    ("state", "break_"),
    [
        (state, break_)
        for state in STATES
        for break_ in BREAKS
        if state in RELIES_ON_REPLICAS or "replica is" not in break_
    ],
)
def test_no_state_relies_on_what_is_no_longer_what_was_named(aws: FakeAws, state: str, break_: str) -> None:
    spoil, error, words = BREAKS[break_]
    spoil(aws.stage)
    if state == "ProtectTarget":
        set_rule(ReplicationRule.DELETE)
        aws.log.clear()
    with pytest.raises(error, match=words) as caught:
        STATES[state]()
    assert "Traffic stays where it is" in str(caught.value)
    changed = [entry for entry in aws.log if entry[0] in {"pointer", "event"} or entry[1] == "migration/rule"]
    assert changed == []


@pytest.mark.parametrize("state", ["CompareDigests", "CutOver"])
def test_a_replica_that_was_made_anew_since_it_was_read_is_not_taken_for_the_one_that_was_proven(
    aws: FakeAws, state: str
) -> None:
    aws.stage.elsewhere[TOKYO]["TableId"] = f"{TOKYO}-2"
    with pytest.raises(PreconditionFailed, match=f"{TOKYO} was removed and added again since.*Resume"):
        STATES[state]()
    assert ("pointer", "target") not in aws.log


def test_a_replica_that_is_made_anew_while_cut_over_waits_is_seen_in_the_very_call_that_moves_traffic(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_it_waits(monkeypatch, lambda: aws.stage.elsewhere[TOKYO].update(TableId=f"{TOKYO}-2"))
    with pytest.raises(PreconditionFailed, match="removed and added again"):
        STATES["CutOver"]()
    assert ("pointer", "target") not in aws.log


@pytest.mark.parametrize("status", ["DELETING", "INACCESSIBLE_ENCRYPTION_CREDENTIALS", "gone"])
def test_a_replica_that_can_not_be_read_is_not_laid_out_for_the_proof(aws: FakeAws, status: str) -> None:
    laid_out = {"plan": REPLICATED.model_dump(mode="json"), "entered": "t1"}
    assert plan_verify.handler(laid_out, Context())["replica_ids"] == REPLICA_IDS
    aws.stage.elsewhere[TOKYO]["TableStatus"] = status
    if status == "gone":
        aws.stage.elsewhere.clear()
    with pytest.raises(PreconditionFailed, match=f"{TOKYO} is {status}.*Resume"):
        plan_verify.handler(laid_out, Context())


def test_a_route_that_is_whole_stops_nothing(aws: FakeAws) -> None:
    for status in ("ACTIVE", "UPDATING"):  # autoscaling alone makes a table UPDATING
        for table in aws.stage.tables.values():
            table["TableStatus"] = status
        STATES["ApproveCutOver"]()
        STATES["DrainChanges"]()
    assert STATES["CutOver"]()["active_table"] == "target"


@pytest.mark.parametrize("break_", ["the stream is off", "the stream was off and on", "the source was made anew"])
def test_a_scan_that_goes_on_for_a_day_hears_at_once_that_its_changes_are_lost(aws: FakeAws, break_: str) -> None:
    spoil, error, words = BREAKS[break_]
    spoil(aws.stage)
    with pytest.raises(error, match=words):
        call(scan_segment, checkpoint=Checkpoint(segment=0).model_dump(mode="json"))
    assert aws.kinesis.taken == []


@pytest.mark.parametrize("state", ["ProtectTarget", "DrainChanges", "CutOver"])
def test_tips_of_a_stream_that_is_turned_off_while_they_are_read_are_not_all_that_the_source_had_taken(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """Turned off behind a first look: writes from then on have no record, and the tips do not know them."""

    def read_tips() -> dict[str, str]:
        aws.stage.turn_stream_off()
        return {"shard-1": "9"}

    sees(monkeypatch, read_tips)
    if state == "ProtectTarget":
        set_rule(ReplicationRule.DELETE)
    with pytest.raises(ChangesLost):
        STATES[state]()
    assert ("pointer", "target") not in aws.log


@pytest.mark.parametrize("break_", ["the target was made anew", "the stream is off", "a replica is gone"])
def test_what_changes_while_cut_over_waits_is_seen_in_the_very_call_that_moves_traffic(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, break_: str
) -> None:
    spoil, error, _ = BREAKS[break_]
    while_it_waits(monkeypatch, lambda: spoil(aws.stage))
    with pytest.raises(error):
        STATES["CutOver"]()
    assert ("pointer", "target") not in aws.log


@pytest.mark.parametrize("break_", BREAKS)
def test_a_call_that_died_behind_the_flip_does_not_say_that_traffic_stays_where_it_is(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, break_: str
) -> None:
    """Its way out would be to delete the very table that traffic is at."""
    BREAKS[break_][0](aws.stage)
    open_books(RUN).record.put_flip(RUN)
    monkeypatch.setattr(pointer, "read_pointer", lambda _: "target")
    assert STATES["CutOver"]()["active_table"] == "target"
    assert ("event", "Cut Over") in aws.log
    assert open_books(RUN).record.cut_over_at(RUN) is not None


def test_a_pointer_that_somebody_moved_by_hand_does_not_let_cut_over_pass_without_a_look(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_books(RUN).record.put_flip("an earlier run")
    monkeypatch.setattr(pointer, "read_pointer", lambda _: "target")
    with pytest.raises(
        PreconditionFailed, match=r"CutOver did not put that there.*Put it back to source.*then redrive"
    ):
        STATES["CutOver"]()
    assert open_books(RUN).record.cut_over_at(RUN) is None
    assert ("event", "Cut Over") not in aws.log


def test_a_pointer_that_somebody_moves_while_cut_over_waits_is_not_flipped_over(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    says: dict[str, str | None] = {"pointer": None}
    monkeypatch.setattr(pointer, "read_pointer", lambda _: says["pointer"])
    while_it_waits(monkeypatch, lambda: says.update(pointer="a third table"))
    with pytest.raises(PreconditionFailed, match="neither source nor target"):
        STATES["CutOver"]()
    assert ("pointer", "target") not in aws.log


@pytest.mark.parametrize("state", [*STATES, "DrainLateWrites"])
def test_a_loss_that_was_seen_once_is_not_forgotten_when_its_cause_is_taken_away(aws: FakeAws, state: str) -> None:
    """A filter that is taken off brings nothing back: the next change takes the watermark past what it left out."""
    change_mapping(aws.stage, skips_changes=True)
    with pytest.raises(ChangesLost):
        STATES["DrainChanges"]()
    change_mapping(aws.stage, skips_changes=False)
    with pytest.raises(ChangesLost, match="it has a filter"):
        call_state(state)
    assert open_books(RUN).record.lost_in_words("another run") is None


def call_state(state: str) -> None:
    if state == "DrainLateWrites":
        open_books(RUN).record.put_cut_over(RUN, at=NOW)
        call(drain_late_writes)
    else:
        STATES[state]()


@pytest.mark.parametrize("state", [*STATES, "DrainLateWrites"])
def test_an_execution_that_was_overtaken_never_speaks_of_the_later_ones_table(aws: FakeAws, state: str) -> None:
    """It would say that the table which the later one fills is to be deleted."""
    later = REPLICATED.model_copy(update={"begun_at": REPLICATED.begun_at + 1})
    open_books(RUN).record.put_plan(later, STREAM)
    change_mapping(aws.stage, uuid="mapping-2")
    with pytest.raises(Superseded, match="a later execution goes on with run"):
        call_state(state)
    assert open_books(RUN).record.lost_in_words(RUN) is None


@pytest.mark.parametrize("break_", ["the source is gone", "the source was made anew"])
def test_nobody_is_told_to_delete_what_may_be_the_only_copy(aws: FakeAws, break_: str) -> None:
    BREAKS[break_][0](aws.stage)
    with pytest.raises(ChangesLost) as caught:
        STATES["ProtectTarget"]()
    assert "Do not delete target: it may be the only copy that is left" in str(caught.value)
    assert "deletion protection" not in str(caught.value)


@pytest.mark.parametrize("state", ["ProtectTarget", "DrainChanges", "CutOver"])
def test_of_a_stream_that_is_gone_nothing_is_asked_before_it_is_said_to_be_gone(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    """A day after it was turned off DynamoDB does not know it any more."""

    def unknown(*_: object, **__: object) -> None:
        raise AssertionError("the old stream was asked for something")

    monkeypatch.setattr(streams, "open_shards", unknown)
    for name in ("see", "look_for_oldest"):
        monkeypatch.setattr(tips, name, unknown)
    aws.stage.turn_stream_off()
    with pytest.raises(ChangesLost):
        STATES[state]()


@pytest.mark.parametrize("look", ["read again", "first look"])
def test_keys_are_read_again_only_behind_the_stream_that_was_named(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    """A key that looks equal behind tips of a dead stream is not proven."""
    monkeypatch.setattr(recheck, "BETWEEN_LOOKS_SECONDS", 0.0)
    item = {"pk": {"S": "a"}}
    aws.dynamodb.seed("source", item)
    aws.dynamodb.seed("target", item)
    if look == "read again":
        aws.dynamodb.before = lambda *_: aws.stage.turn_stream_on(OTHER_STREAM)
    else:
        aws.stage.turn_stream_on(OTHER_STREAM)
    with pytest.raises(ChangesLost):
        recheck.recheck(open_books(RUN), PLAN, ROUTE, [item], recheck.Manner("v"), deadline=time.monotonic() + 60)


# ---------------------------------------------------------------- once traffic has moved


def late(aws: FakeAws) -> Any:  # noqa: ANN401 — any answer
    open_books(RUN).record.put_cut_over(RUN, at=NOW)
    aws.log.clear()
    return call(drain_late_writes)


@pytest.mark.parametrize("break_", [name for name, (_, error, _) in BREAKS.items() if error is ChangesLost])
def test_late_writes_that_nobody_carries_over_do_not_end_as_a_success(aws: FakeAws, break_: str) -> None:
    BREAKS[break_][0](aws.stage)
    for _ in range(2):  # whose way out would have the table deleted that traffic is at, ChangesLost is not raised
        with pytest.raises(
            LateChangesLost,
            match=r"and target lacks it\. Traffic has moved to target.*leave target alone.*by hand.*mapping mapping-1",
        ):
            late(aws)


def test_a_stream_that_is_turned_off_while_late_tips_are_read_is_noticed(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_tips() -> dict[str, str]:
        aws.stage.turn_stream_off()
        return {"shard-1": "9"}

    sees(monkeypatch, read_tips)
    with pytest.raises(ChangesLost):
        late(aws)


@pytest.mark.parametrize("break_", ["the mapping was made anew", "the target was made anew"])
def test_what_is_made_anew_while_late_changes_are_waited_for_is_noticed(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch, break_: str
) -> None:
    """The next change that another mapping brings lets the watermark pass those that it left out."""
    while_it_waits(monkeypatch, lambda: BREAKS[break_][0](aws.stage))
    with pytest.raises((LateChangesLost, PreconditionFailed), match="Traffic has moved to target"):
        late(aws)


@pytest.mark.parametrize("break_", ["the mapping is gone", "the mapping is off", "the target is gone"])
def test_late_writes_that_wait_for_what_never_comes_say_so(aws: FakeAws, break_: str) -> None:
    BREAKS[break_][0](aws.stage)
    with pytest.raises(PreconditionFailed, match="Traffic has moved to target, and stays there"):
        late(aws)


def test_replicas_are_their_owners_once_traffic_has_moved(aws: FakeAws) -> None:
    aws.stage.tables["target"]["Replicas"].clear()
    assert late(aws) == {"overruled": 0}


# ---------------------------------------------------------------- the source's stream in the end


@pytest.fixture
def turned_off(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    turned_off: list[str] = []
    monkeypatch.setattr(streams, "disable_stream", lambda table: turned_off.append(table.name))
    monkeypatch.setattr(mappings, "detach_from_all", lambda name: name == "replicator")
    aws.stage.mappings.clear()
    return turned_off


def test_a_stream_that_we_turned_on_and_nobody_else_reads_is_turned_off(turned_off: list[str]) -> None:
    assert call(detach_replicator) == {"active_table": "target", "source_stream": "disabled", "to_move": []}
    assert turned_off == ["source"]


def test_the_report_of_the_end_says_what_is_left_to_move(turned_off: list[str]) -> None:
    trigger = "the trigger search-index reads the source's stream"
    plan = REPLICATED.model_copy(update={"to_move": (trigger,)}).model_dump(mode="json")
    assert call(detach_replicator, plan=plan)["to_move"] == [trigger]
    assert turned_off == ["source"]


@pytest.mark.parametrize("state", ["Enabled", "Disabled", "Creating"])
def test_a_stream_that_others_read_is_never_turned_off_under_them(
    aws: FakeAws, turned_off: list[str], state: str
) -> None:
    readers = ("search-index", "tableferry-other-ReplicateChanges")
    aws.stage.mappings = [mappings.EventSourceMapping(name, state, name) for name in readers]
    kept = call(detach_replicator)["source_stream"]
    assert kept == "kept: read by search-index, tableferry-other-ReplicateChanges"
    assert turned_off == []


def test_a_stream_that_is_not_the_one_that_we_turned_on_is_left_alone(aws: FakeAws, turned_off: list[str]) -> None:
    aws.stage.turn_stream_on(OTHER_STREAM)
    assert call(detach_replicator)["source_stream"] == "kept: it was turned on anew by somebody else"
    aws.stage.turn_stream_on(STREAM)
    aws.stage.tables["source"]["Replicas"] = [{"RegionName": TOKYO, "ReplicaStatus": "ACTIVE"}]
    assert "global table" in call(detach_replicator)["source_stream"], "DynamoDB itself reads it then"
    owners = REPLICATED.model_copy(update={"stream_was_enabled": True}).model_dump(mode="json")
    assert call(detach_replicator, plan=owners)["source_stream"] == "kept: it was on before"
    aws.stage.tables.pop("source")
    assert call(detach_replicator)["source_stream"] == "kept: source is gone"
    assert turned_off == []


def test_the_stream_is_not_touched_before_the_replicator_is_gone(
    aws: FakeAws, turned_off: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mappings, "detach_from_all", lambda _: False)
    with pytest.raises(DetachPending):
        call(detach_replicator)
    assert aws.stage.tables["source"]["LatestStreamArn"] == STREAM
    assert turned_off == []


# ---------------------------------------------------------------- the decision itself


WHOLE = Seen("source-1", STREAM, "mapping-1", "target-1")


def test_an_identity_is_compared_and_not_only_looked_for() -> None:
    assert breaches(ROUTE, WHOLE) == []
    others = {
        "source": ROUTE.source.model_copy(update={"id": "2"}),
        "stream_arn": "2",
        "mapping_id": "2",
        "target": ROUTE.target.model_copy(update={"id": "2"}),
    }
    found = [breaches(ROUTE.model_copy(update={name: value}), WHOLE) for name, value in others.items()]
    assert found == [[Breach.SOURCE_ANEW], [Breach.STREAM_ANEW], [Breach.MAPPING_ANEW], [Breach.TARGET_ANEW]]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    nothing = Seen(None, None, None, None)
    assert breaches(ROUTE, nothing, [TOKYO]) == [
        Breach.SOURCE_GONE,
        Breach.MAPPING_GONE,
        Breach.TARGET_GONE,
        Breach.REPLICA_GONE,
    ]


def test_a_route_is_read_as_it_was_written() -> None:
    assert Route.model_validate_json(ROUTE.model_dump_json()) == ROUTE
