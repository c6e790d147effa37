"""Whether an execution can be resumed: each refusal says what, why and the way out."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tasks.core.errors import Refused
from tasks.core.model.capacity import WarmThroughput
from tasks.core.model.table_ref import TableRef
from tasks.core.replicate.conflict import ReplicationRule
from tasks.core.replicate.route import Route
from tasks.core.run.plan import Facts, Plan
from tasks.core.run.resume import (
    Newest,
    Replication,
    Resumed,
    inherited_settings,
    plan_resumed,
    reasons_not_to_resume,
)
from tasks.core.settings.migration import Knobs, Scope, apply_overrides, fields_of
from tests.unit.test_plan import FACTS, STREAMING, TARGET, settings

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:tableferry-airports"
ARN = MACHINE.replace("stateMachine", "execution") + ":first"
BEGAN = 1_000_000.0
HOUR = 3600
OLD = TableRef(name="old-airports", region="eu-central-1", account="123456789012", key=STREAMING.key, id="old-1")
NEW = OLD.model_copy(update={"name": "new-airports", "id": None})
PLAN = Plan(
    migration="airports",
    run="first",
    begun_at=BEGAN,
    source=OLD,
    target=NEW,
    stream_was_enabled=False,
    verify_segments=48,
    buckets=1024,
    **Knobs(approval="automatic", total_segments=48, max_concurrency=7, settle_seconds=5, quiet_seconds=5).knobs(),
)
STREAM = f"{STREAMING.arn}/stream/1"
ROUTE = Route(source=OLD, target=NEW.model_copy(update={"id": "new-1"}), stream_arn=STREAM, mapping_id="mapping-1")
RESUMED = Resumed(ARN, "FAILED", plan=PLAN, route=ROUTE, replicated_since=BEGAN)
THERE = replace(
    FACTS, source=STREAMING, target=TARGET, target_has_items=True, earlier_plan=PLAN, replicator_attached=True
)
REPLICATING = Replication(mapping_id="mapping-1", stream_arn=STREAM, rule=ReplicationRule.LEAVE_TOMBSTONES)
DETACHED = replace(REPLICATING, mapping_id=None)


def reasons(resumed: Resumed = RESUMED, newest: Newest | None = None, total_segments: int | None = None) -> str:
    return " | ".join(
        reasons_not_to_resume(resumed, state_machine_arn=MACHINE, newest=newest, total_segments=total_segments)
    )


def resume(
    facts: Facts = THERE, replication: Replication = REPLICATING, *, hours: float = 1, resumed: Resumed = RESUMED
) -> Plan:
    now = BEGAN + hours * HOUR
    merged = apply_overrides(settings(), inherited_settings(PLAN))
    return plan_resumed(merged, facts, resumed, replication, begun_at=now, now=now)


def refusal(*arguments: Any, **more: Any) -> str:  # noqa: ANN401 — those of `resume`
    with pytest.raises(Refused) as refused:
        resume(*arguments, **more)
    return str(refused.value)


def test_a_failed_execution_can_be_gone_on_from_with_its_run_and_its_settings() -> None:
    assert reasons() == ""
    plan = resume(hours=3)
    assert (plan.run, plan.begun_at, plan.resume_from) == ("first", BEGAN + 3 * HOUR, ARN)
    assert (plan.total_segments, plan.max_concurrency, plan.approval) == (48, 7, "automatic")
    assert plan.stream_was_enabled is False, "it is still ours to turn off, though it is on by now"


SET = {
    "add_replicas": "after-backfill",
    "without_indexes": ("by-status",),
    "approval": "automatic",
    "total_segments": 48,
    "max_concurrency": 7,
    "read_units_per_second": 900,
    "write_units_per_second": 80,
    "warm_throughput": WarmThroughput(write_units=5000),
    "settle_seconds": 5,
    "lag_limit_seconds": 120,
    "quiet_seconds": 6,
    "max_rejects": 2,
    "max_cost_usd": 500.0,
}
"""None of them as it is by default."""


@pytest.mark.parametrize("name", fields_of(Knobs, Scope.RUN))
def test_what_was_set_for_the_run_is_taken_over_unless_the_input_says_otherwise(name: str) -> None:
    plan = PLAN.model_copy(update=SET)
    facts, resumed = replace(THERE, earlier_plan=plan), replace(RESUMED, plan=plan)
    assert SET[name] != Knobs().knobs()[name]
    deployed = settings()
    inherited = apply_overrides(deployed, inherited_settings(plan))
    assert plan_resumed(inherited, facts, resumed, REPLICATING, begun_at=BEGAN, now=BEGAN).knobs()[name] == SET[name]
    said = deployed.knobs()[name]
    otherwise = apply_overrides(deployed, {**inherited_settings(plan), name: said})
    goes_on = plan_resumed(otherwise, facts, resumed, REPLICATING, begun_at=BEGAN, now=BEGAN)
    assert goes_on.knobs()[name] == (48 if name == "total_segments" else said), "cursors are of so many segments"


def test_the_replicas_are_those_that_roles_were_made_for_by_now() -> None:
    merged = apply_overrides(settings(replica_regions=["us-east-1"]), inherited_settings(PLAN))
    assert plan_resumed(merged, THERE, RESUMED, REPLICATING, begun_at=BEGAN, now=BEGAN).replica_regions == (
        "us-east-1",
    )


def test_a_plan_that_goes_on_is_whole() -> None:
    plan = resume()
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


@pytest.mark.parametrize("status", ["TIMED_OUT", "ABORTED"])
def test_a_stopped_or_timed_out_one_too(status: str) -> None:
    assert reasons(replace(RESUMED, status=status)) == ""


@pytest.mark.parametrize(
    ("resumed", "words"),
    [
        (replace(RESUMED, execution_arn=ARN.replace("airports", "orders")), "an execution of another migration"),
        (replace(RESUMED, execution_arn=ARN.replace("eu-central-1", "eu-west-1")), "of another migration"),
        (replace(RESUMED, status=""), "does not exist; copy its ARN"),
        (replace(RESUMED, status="RUNNING"), "is RUNNING, and two would undo each other's steps"),
        (replace(RESUMED, status="PENDING_REDRIVE"), "is PENDING_REDRIVE"),
        (replace(RESUMED, status="SUCCEEDED"), "has succeeded, and there is nothing left"),
        (replace(RESUMED, plan=None), "never left Preflight.*start a new execution with {}"),
        (replace(RESUMED, plan=None, resume_from="arn:before"), "resume the one that it was to resume, arn:before"),
        (
            replace(RESUMED, error="ChangesLost"),
            "no resume brings them back; delete new-airports .its deletion protection first",
        ),
        (
            replace(RESUMED, error="LateChangesLost", has_moved=True),
            "traffic is at new-airports, and stays there.*carry it over by hand.*delete the mapping mapping-1",
        ),
    ],
)
def test_what_can_not_be_gone_on_from_is_refused_in_words(resumed: Resumed, words: str) -> None:
    assert re.search(words, reasons(resumed)), reasons(resumed)


def test_an_execution_of_another_version_of_the_state_machine_is_its_own() -> None:
    versioned = reasons_not_to_resume(RESUMED, state_machine_arn=f"{MACHINE}:3", newest=None)
    assert versioned == []


def test_a_run_after_which_another_one_began_is_over() -> None:
    assert "run second has begun since" in reasons(newest=Newest("second", BEGAN + 1))
    assert reasons(newest=Newest("an earlier one", BEGAN - 1)) == "", "this one never came to take it over"
    assert reasons(newest=Newest("first", BEGAN)) == "", "its own"


def test_an_execution_that_was_gone_on_from_is_not_gone_on_from_again() -> None:
    """The later one may have begun further back than this one had come: then this one's cursors are of no use."""
    assert "was resumed already" in reasons(newest=Newest("first", BEGAN + 1))


def test_another_number_of_segments_is_refused() -> None:
    assert "total_segments=4, but execution" in reasons(total_segments=4)
    assert reasons(total_segments=48) == ""


def test_the_targets_own_items_are_no_reason() -> None:
    assert resume(replace(THERE, replicator_attached=False), DETACHED).run == "first"


@pytest.mark.parametrize(
    ("facts", "replication", "hours", "words"),
    [
        (replace(THERE, target=None, target_has_items=False), REPLICATING, 1, "target_table new-airports is gone"),
        (replace(THERE, earlier_plan=None), REPLICATING, 1, "run first was given up or has ended"),
        (THERE, replace(REPLICATING, stream_arn="another"), 1, "is not the one that was replicated"),
        (THERE, replace(REPLICATING, stream_arn=None), 1, "is not the one that was replicated"),
        (replace(THERE, target=replace(TARGET, id="new-2")), REPLICATING, 1, "made anew, and is not the one that was"),
        (THERE, replace(REPLICATING, mapping_id="mapping-2"), 23.6, "is too old: the replicator was detached"),
        (
            THERE,
            replace(REPLICATING, mapping_id="mapping-2", rule=ReplicationRule.TARGET_WINS),
            1,
            "detached under the late rule",
        ),
        (THERE, replace(REPLICATING, lost=("shard-7",)), 1, "changes of 1 shards"),
        (THERE, DETACHED, 23.6, "is too old: the replicator was detached"),
        (THERE, replace(DETACHED, rule=ReplicationRule.TARGET_WINS), 1, "detached under the late rule"),
    ],
)
def test_a_copy_that_changes_may_be_missing_from_is_never_gone_on_with(
    facts: Facts, replication: Replication, hours: float, words: str
) -> None:
    message = refusal(facts, replication, hours=hours)
    assert words in message
    if facts.target is None:
        assert "start a new execution without resume_from: it copies everything anew" in message
    else:
        assert "delete new-airports (its deletion protection first; or deploy a migration to another target)" in message
        assert "start a new execution without resume_from" in message


def test_an_old_execution_whose_replicator_never_stopped_can_be_gone_on_from() -> None:
    assert resume(hours=300).run == "first"


def test_a_detached_replicator_is_attached_again_while_the_stream_has_every_change() -> None:
    assert resume(THERE, DETACHED, hours=23.4).run == "first"


@pytest.mark.parametrize(
    ("named", "change"),
    [
        ("source_table", {"source": OLD.model_copy(update={"name": "others"})}),
        ("target_table", {"target": NEW.model_copy(update={"name": "others"})}),
        ("version_attribute", {"version_attribute": "v"}),
        ("region", {"source": OLD.model_copy(update={"region": "eu-west-1"})}),
    ],
)
def test_a_migration_that_was_deployed_anew_with_other_settings_is_refused(named: str, change: dict[str, Any]) -> None:
    plan = PLAN.model_copy(update=change)
    message = refusal(replace(THERE, earlier_plan=plan), resumed=replace(RESUMED, plan=plan))
    assert f"has {named}=" in message
    assert "deployed anew" in message


def test_what_preflight_refuses_otherwise_it_refuses_here_too() -> None:
    assert "this migration has been cut over" in refusal(replace(THERE, active_table="new-airports"))
    assert "is running" in refusal(replace(THERE, other_executions=("arn:other",)))


def test_an_execution_that_never_had_a_replicator_does_not_make_others_items_its_own() -> None:
    early = replace(RESUMED, route=None)
    facts = replace(THERE, earlier_plan=None, replicator_attached=False)
    assert "no unfinished run of this migration put there" in refusal(facts, DETACHED, resumed=early)
    assert resume(replace(facts, target_has_items=False), DETACHED, resumed=early).run == "first"


def test_a_source_that_was_made_anew_is_not_gone_on_with() -> None:
    message = refusal(replace(THERE, source=replace(STREAMING, id="old-2")))
    assert "source_id='old-1', and now it is 'old-2'" in message
    assert "the source was made anew" in message


def test_the_plan_that_goes_on_names_the_target_that_there_is() -> None:
    assert resume().target.id == "new-1", "CreateReplicas made it since the first Preflight"


def test_what_hangs_on_the_source_by_now_is_told_by_a_resume_too() -> None:
    facts = replace(THERE, kinesis_destinations=("arn:of-analytics",))
    assert resume(facts).to_move == ("the source's changes go to the Kinesis stream arn:of-analytics",)


def test_a_run_that_a_state_found_lost_is_not_resumed_whatever_the_execution_ended_with() -> None:
    """Of a Map's child Step Functions tells the parent no error of ours."""
    tolerated = replace(RESUMED, error="States.ExceedToleratedFailureThreshold")
    words = reasons_not_to_resume(tolerated, state_machine_arn=MACHINE, newest=None, lost="the stream was turned off")
    assert "found changes lost, and no resume brings them back; the stream was turned off" in " | ".join(words)


def test_a_replicator_that_was_detached_a_moment_ago_is_attached_again_however_long_the_run_has_been() -> None:
    a_moment_ago = replace(DETACHED, applied_at=BEGAN + 99.9 * HOUR)
    assert resume(THERE, a_moment_ago, hours=100).run == "first"
