"""Whether an execution can be gone on from: each refusal says what, why and the way out."""

import re
from dataclasses import replace
from typing import Any

import pytest

from tasks.core.conflict import ReplicationRule
from tasks.core.errors import Refused
from tasks.core.migration import apply_overrides
from tasks.core.plan import Facts, Plan
from tasks.core.resume import (
    Newest,
    Replication,
    Resumed,
    inherited_settings,
    plan_resumed,
    reasons_not_to_resume,
)
from tests.unit.test_plan import FACTS, STREAMING, TARGET, settings

MACHINE = "arn:aws:states:eu-central-1:123456789012:stateMachine:tableferry-airports"
ARN = MACHINE.replace("stateMachine", "execution") + ":first"
BEGAN = 1_000_000.0
HOUR = 3600
PLAN = Plan(
    migration="airports",
    run="first",
    begun_at=BEGAN,
    source_table="old-airports",
    target_table="new-airports",
    key=STREAMING.key,
    region="eu-central-1",
    replica_regions=(),
    stream_was_enabled=False,
    version_attribute=None,
    approval="automatic",
    total_segments=48,
    max_concurrency=7,
    verify_segments=48,
    buckets=1024,
    settle_seconds=5,
    lag_limit_seconds=64800,
    quiet_seconds=5,
)
RESUMED = Resumed(ARN, "FAILED", plan=PLAN, stream_arn=STREAMING.stream_arn, replicated_since=BEGAN)
THERE = replace(
    FACTS, source=STREAMING, target=TARGET, target_has_items=True, earlier_plan=PLAN, replicator_attached=True
)
REPLICATING = Replication(is_attached=True, stream_arn=STREAMING.stream_arn, rule=ReplicationRule.LEAVE_TOMBSTONES)
DETACHED = replace(REPLICATING, is_attached=False)


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
        (replace(RESUMED, plan=None, given={"resume_from": "arn:before"}), "resume from .*arn:before"),
        (replace(RESUMED, error="ChangesLost"), "no resume brings them back; delete the target"),
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
    assert "was gone on from already" in reasons(newest=Newest("first", BEGAN + 1))


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
        (THERE, replace(REPLICATING, lost=("shard-7",)), 1, "changes of 1 shards"),
        (THERE, DETACHED, 23.6, "is too old: the replicator was detached"),
        (THERE, replace(DETACHED, rule=ReplicationRule.TARGET_WINS), 1, "detached after the fence"),
    ],
)
def test_a_copy_that_changes_may_be_missing_from_is_never_gone_on_with(
    facts: Facts, replication: Replication, hours: float, words: str
) -> None:
    message = refusal(facts, replication, hours=hours)
    assert words in message
    assert "delete new-airports, and start a new execution without resume_from" in message


def test_an_old_execution_whose_replicator_never_stopped_can_be_gone_on_from() -> None:
    assert resume(hours=300).run == "first"


def test_a_detached_replicator_is_attached_again_while_the_stream_has_every_change() -> None:
    assert resume(THERE, DETACHED, hours=23.4).run == "first"


@pytest.mark.parametrize(
    "change",
    [{"source_table": "others"}, {"target_table": "others"}, {"version_attribute": "v"}, {"region": "eu-west-1"}],
)
def test_a_migration_that_was_deployed_anew_with_other_settings_is_refused(change: dict[str, Any]) -> None:
    plan = PLAN.model_copy(update=change)
    message = refusal(replace(THERE, earlier_plan=plan), resumed=replace(RESUMED, plan=plan))
    assert f"has {next(iter(change))}=" in message
    assert "deployed anew" in message


def test_what_preflight_refuses_otherwise_it_refuses_here_too() -> None:
    assert "this migration has been cut over" in refusal(replace(THERE, active_table="new-airports"))
    assert "is running" in refusal(replace(THERE, other_executions=("arn:other",)))


def test_an_execution_that_never_had_a_replicator_does_not_make_others_items_its_own() -> None:
    early = replace(RESUMED, stream_arn=None)
    facts = replace(THERE, earlier_plan=None, replicator_attached=False)
    assert "no unfinished run of this migration put there" in refusal(facts, DETACHED, resumed=early)
    assert resume(replace(facts, target_has_items=False), DETACHED, resumed=early).run == "first"
