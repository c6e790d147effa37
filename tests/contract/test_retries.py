"""Errors are the protocol: each class name in the definition exists, and what passes by itself is retried."""

import inspect
from typing import Any

import pytest

from infra.aws.functions.registry import function_of
from infra.aws.permissions import grants_of
from tasks.aws.session.budget import RESERVE_OF_A_TURN_SECONDS, RESERVE_SECONDS
from tasks.core import errors
from tasks.core.backoff import MOST_SLEPT_SECONDS, PATIENCE_SECONDS
from tasks.core.errors import Pending, TableferryError
from tasks.core.replicate.watermark import CLOCK_MARGIN_SECONDS
from tasks.core.settings.migration import Knobs
from tests.contract.call_graph import errors_raised, modules, reached
from tests.infra.synthesized import example
from workflow.definition import iter_states, read_definition

STATES = dict(iter_states(read_definition()))
TASK_STATES = {name: state for name, state in STATES.items() if state["Type"] == "Task"}
CLASSES = {
    name: found for name, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, TableferryError)
}
PENDING = {name for name, found in CLASSES.items() if issubclass(found, Pending) and found is not Pending}
AWS_PREFIXES = ("Lambda.", "States.", "Sandbox.", "Runtime.")
PASSING = PENDING | {"AwsUnavailable", "TipOutOfReach", "PutRecordsIncomplete", "WritesUnfinished"}
"""What the same call may well not meet again."""

FROM_PASSING_ERRORS = {"AwsUnavailable", "QuotaReached"}
"""Every handler may meet these; `tasks.aws.session.handler.task` makes them of AWS's own."""
CHANGES_A_TABLE = {"dynamodb:CreateTable", "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive"}

BY_STATE = pytest.mark.parametrize("name", sorted(TASK_STATES))


def retried(state: dict[str, Any]) -> list[str]:
    return [error for retrier in state.get("Retry", []) for error in retrier["ErrorEquals"]]


def raised_by(name: str) -> set[str]:
    return errors_raised(reached(function_of(name).module))


@BY_STATE
def test_no_retry_waits_for_an_error_that_does_not_exist(name: str) -> None:
    own = {error for error in retried(TASK_STATES[name]) if not error.startswith(AWS_PREFIXES)}
    assert own <= set(CLASSES)


@BY_STATE
def test_no_retry_waits_for_an_error_that_its_own_function_never_raises(name: str) -> None:
    own = {error for error in retried(TASK_STATES[name]) if error in CLASSES}
    assert own <= raised_by(name) | FROM_PASSING_ERRORS


def test_no_reason_to_wait_is_a_failure_everywhere() -> None:
    assert {error for state in TASK_STATES.values() for error in retried(state)} >= PENDING


@BY_STATE
def test_an_error_that_passes_by_itself_never_ends_a_migration(name: str) -> None:
    assert raised_by(name) & PASSING <= set(retried(TASK_STATES[name]))


def test_the_call_graph_sees_the_errors_of_modules_far_from_the_handler() -> None:
    assert "PutRecordsIncomplete" in raised_by("ScanSegment")
    assert "TipOutOfReach" in raised_by("CompareDigests")
    assert "WritesUnfinished" not in raised_by("ScanSegment")
    assert "DriftFound" in raised_by("DrainChanges")


@BY_STATE
def test_a_refusal_or_drift_is_never_retried_into_silence(name: str) -> None:
    final = {*CLASSES, "States.ALL", "States.TaskFailed"} - PASSING - {"QuotaReached"}
    assert not final & set(retried(TASK_STATES[name]))


@BY_STATE
def test_a_throttled_lambda_never_ends_a_migration(name: str) -> None:
    needed = {
        "Lambda.TooManyRequestsException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.ClientExecutionTimeoutException",
        "AwsUnavailable",
    }
    assert needed <= set(retried(TASK_STATES[name]))


@BY_STATE
def test_a_quota_is_waited_for_where_tables_are_changed_and_never_for_hours(name: str) -> None:
    allowed = {action for grant in grants_of(function_of(name), example()) for action in grant.actions}
    retriers = [found for found in TASK_STATES[name].get("Retry", []) if "QuotaReached" in found["ErrorEquals"]]
    assert bool(retriers) == bool(allowed & CHANGES_A_TABLE)
    for retrier in retriers:
        waits = [
            min(retrier["IntervalSeconds"] * retrier["BackoffRate"] ** tried, retrier["MaxDelaySeconds"])
            for tried in range(retrier["MaxAttempts"])
        ]
        assert 20 * 60 < sum(waits) < 40 * 60, "its message says half an hour"


@BY_STATE
def test_a_killed_or_timed_out_worker_never_ends_a_migration(name: str) -> None:
    died = {"Sandbox.Timedout", "Runtime.ExitError", "Runtime.OutOfMemory", "Lambda.Unknown"}
    assert died <= set(retried(TASK_STATES[name]))
    waits_for_a_person = TASK_STATES[name]["Resource"].endswith(".waitForTaskToken")
    assert ("States.Timeout" in retried(TASK_STATES[name])) != waits_for_a_person, "a person's time is over once"


@BY_STATE
def test_no_error_is_named_in_two_retriers_of_which_only_the_first_counts(name: str) -> None:
    names = retried(TASK_STATES[name])
    assert len(names) == len(set(names))


@BY_STATE
def test_a_wait_of_days_neither_gives_up_nor_fills_the_history(name: str) -> None:
    for retrier in TASK_STATES[name].get("Retry", []):
        assert retrier["BackoffRate"] > 1
        assert retrier["MaxDelaySeconds"] > retrier["IntervalSeconds"], "the language asks for it"
        if PENDING & set(retrier["ErrorEquals"]):
            assert len(retrier["ErrorEquals"]) == 1, "waits of another kind do not use up its attempts"
            assert retrier["MaxAttempts"] == 99_999, "the most that the language takes"
            least = 4 if retrier["ErrorEquals"] == ["TurnPending"] else 30
            assert retrier["MaxDelaySeconds"] >= least


def polls_within(retrier: dict[str, Any], seconds: float) -> int:
    """Return how often a wait is asked for, if no call takes any time."""
    passed, delay, polls = 0.0, retrier["IntervalSeconds"], 0
    while passed < seconds:
        passed += delay
        delay = min(delay * retrier["BackoffRate"], retrier["MaxDelaySeconds"])
        polls += 1
    return polls


WAITS = [
    pytest.param(name, retrier, id=f"{name}-{retrier['ErrorEquals'][0]}")
    for name, state in sorted(TASK_STATES.items())
    for retrier in state.get("Retry", [])
    if (PENDING - {"TurnPending"}) & set(retrier["ErrorEquals"])
]


@pytest.mark.parametrize(("name", "retrier"), WAITS)
def test_no_wait_begins_with_a_pause_in_which_nothing_has_to_be_waited_for(name: str, retrier: dict[str, Any]) -> None:
    """A call looks again itself, and what it leaves is asked for a second later; a scan rests where it is held back."""
    assert retrier["IntervalSeconds"] == (5 if name == "ScanSegment" else 1)


@pytest.mark.parametrize(("name", "retrier"), WAITS)
def test_polls_that_begin_quickly_do_not_fill_a_history(name: str, retrier: dict[str, Any]) -> None:
    """A poll leaves three events. A day is long for AWS or the replicator; data may be waited for over weeks."""
    del name
    days = 14 if retrier["MaxDelaySeconds"] >= 300 else 1
    assert 3 * polls_within(retrier, days * 24 * 3600) < 25_000 * 0.6


def test_moments_that_are_known_are_slept_for_within_one_call() -> None:
    """Else each is polled for, and passed by up to a third."""
    writer = function_of("WritePages").timeout_seconds
    earlier_run = writer + CLOCK_MARGIN_SECONDS
    knobs = Knobs.model_fields
    for name, seconds in {
        "DetachWriter": writer,
        "AttachReplicator": max(earlier_run, knobs["settle_seconds"].default),
        "DrainLateWrites": knobs["quiet_seconds"].default,
    }.items():
        assert PATIENCE_SECONDS + seconds <= MOST_SLEPT_SECONDS
        assert PATIENCE_SECONDS + seconds <= function_of(name).timeout_seconds - RESERVE_SECONDS


def test_a_pause_of_weeks_does_not_fill_a_segments_history() -> None:
    """A segment waits for its turn within its call, and a call leaves three events: scheduled, started, failed."""
    paused = [name for name, state in TASK_STATES.items() if "TurnPending" in retried(state)]
    assert paused == ["ScanSegment", "VerifySegment", "CompareDigests"]
    for name in paused:
        waits_seconds = function_of(name).timeout_seconds - RESERVE_OF_A_TURN_SECONDS
        assert 3 * 14 * 24 * 3600 / waits_seconds < 25_000 * 0.6, "of two weeks"


def test_a_retry_never_stands_on_a_map_where_it_would_run_every_iteration_again() -> None:
    maps = {name: state for name, state in STATES.items() if state["Type"] == "Map"}
    assert set(maps) == {"Backfill", "Verify"}
    for state in maps.values():
        assert "Retry" not in state
        assert "Catch" not in state
        assert "ToleratedFailurePercentage" not in state
        assert "ToleratedFailureCount" not in state


def test_a_failure_is_never_routed_to_where_a_redrive_could_not_go_on() -> None:
    assert not [name for name, state in STATES.items() if state["Type"] in {"Fail", "Succeed"}]
    for state in STATES.values():
        for catch in state.get("Catch", []):
            assert STATES[catch["Next"]]["Type"] != "Fail"


def test_only_tasks_decide_that_something_is_pending() -> None:
    for name, module in modules().items():
        if name.count(".") > 1:
            raised = errors_raised(frozenset((name, node) for node in module.nodes))
            assert not raised & PENDING, name
