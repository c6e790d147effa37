"""Errors are the protocol: each class name in the definition exists, and what passes by itself is retried."""

import inspect
from typing import Any

import pytest

from infra.functions import function_of
from tasks.core import errors
from tasks.core.errors import Pending, TableferryError
from tests.contract.call_graph import errors_raised, modules, reached
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
    assert own <= raised_by(name) | {"AwsUnavailable"}, "AwsUnavailable comes from `passing_errors`"


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
    final = {
        "Refused",
        "DriftFound",
        "BackfillIncomplete",
        "TableferryError",
        "Pending",
        "States.ALL",
        "States.TaskFailed",
    }
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
def test_a_killed_or_timed_out_worker_never_ends_a_migration(name: str) -> None:
    if TASK_STATES[name]["Resource"].endswith(".waitForTaskToken"):
        assert "States.Timeout" not in retried(TASK_STATES[name]), "a person's time is over once"
        return
    assert {"Sandbox.Timedout", "Runtime.ExitError", "States.Timeout"} <= set(retried(TASK_STATES[name]))


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
            assert retrier["MaxDelaySeconds"] >= 30


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
