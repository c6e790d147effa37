"""One name from the console to the traceback: state = module = hole = function."""

import ast
import importlib
import inspect
from typing import Any

import pytest

from infra.aws.functions.function import Function
from infra.aws.functions.grants import CONTROL, PROOFS
from infra.aws.functions.registry import FUNCTIONS, function_of
from infra.aws.permissions import grants_of
from tasks.aws.dynamodb.table_reads import LOTS_SIDE_BY_SIDE
from tasks.aws.prove import recheck
from tests.contract.call_graph import modules, reached, task_modules
from tests.infra.synthesized import example
from workflow.definition import holes, iter_states, read_definition

TASK_STATES = {name: state for name, state in iter_states(read_definition()) if state["Type"] == "Task"}
NO_STATES = {"WritePages": "pages", "ReplicateChanges": "changes", "WatchReplicator": "schedule"}
"""The functions that no state calls, and what does."""
ANSWER_MEGABYTES = 16
"""BatchGetItem sends no more (DynamoDB API Reference)."""
KEY_KILOBYTES = 3
"""A key has no more (DynamoDB, "Quotas")."""
TIMES_IN_MEMORY = 4
"""What an item takes as text, parsed, and as canonical bytes, over its size."""


def test_a_red_state_in_the_console_always_says_which_file_to_open() -> None:
    modules_of_states = {function_of(state).module for state in TASK_STATES}
    modules_of_others = {function_of(state).module for state in NO_STATES}
    assert modules_of_states | modules_of_others == set(task_modules())
    assert not modules_of_states & modules_of_others


def test_no_function_is_deployed_that_nothing_calls_and_none_is_missing() -> None:
    assert {function.state for function in FUNCTIONS} == set(TASK_STATES) | set(NO_STATES)
    assert len({function.state for function in FUNCTIONS}) == len(FUNCTIONS)
    assert {f.state: f.driven_by for f in FUNCTIONS if not f.is_state} == NO_STATES


def test_whoever_reads_keys_again_has_the_memory_for_the_answers_that_are_held_and_the_keys() -> None:
    reading = [found for found in FUNCTIONS if (recheck.__name__, "recheck") in reached(found.module)]
    assert {function.state for function in reading} >= {"DrainBackfill", "CompareDigests", "DrainChanges", "CutOver"}
    of_answers = LOTS_SIDE_BY_SIDE * ANSWER_MEGABYTES * TIMES_IN_MEMORY
    of_keys = recheck.KEYS_AT_ONCE * KEY_KILOBYTES * TIMES_IN_MEMORY // 1024
    least = of_answers + of_keys
    assert [function.state for function in reading if function.memory_mb < least] == []


def test_no_hole_is_left_unfilled_or_filled_with_another_states_function() -> None:
    definition = read_definition()
    assert holes(definition) == {function_of(state).hole for state in TASK_STATES}
    for name, state in TASK_STATES.items():
        assert state["Parameters"]["FunctionName"] == f"${{{name}Arn}}"


def test_no_two_states_share_a_name_even_inside_a_map() -> None:
    names = [name for name, _ in iter_states(read_definition())]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: str(function.state))
def test_every_handler_is_there_under_the_name_that_lambda_calls(function: Any) -> None:  # noqa: ANN401 — a function
    module, entry = function.handler.rsplit(".", 1)
    assert entry in modules()[module].nodes
    words = function.module.split("_")
    assert "".join(word.capitalize() for word in words) == function.state


@pytest.mark.parametrize("module", task_modules())
def test_no_handler_leaves_out_what_it_reads_what_it_writes_and_why_twice_is_safe(module: str) -> None:
    text = inspect.getdoc(importlib.import_module(f"tasks.{module}")) or ""
    assert "Reads" in text, "what it reads"
    assert "rites" in text, "what it writes"
    assert "again" in text or "twice" in text, "why running it twice is safe"
    assert reached(module)


READS = ("BatchGet", "Describe", "Get", "List", "PartiQLSelect", "Query", "Scan")


def changes(action: str) -> bool:
    service, _, call = action.partition(":")
    return service not in {"logs", "xray"} and not call.startswith(READS)


OWN_BOOKS = {(CONTROL,), (PROOFS,)}
"""What a call writes there is under its own run, and in the bucket under a name that no other call gives."""
CHANGING = [
    function
    for function in FUNCTIONS
    if function.is_state
    for grant in grants_of(function, example())
    if grant.resources not in OWN_BOOKS and any(map(changes, grant.actions))
]
ASKS = {"check_latest", "check_run"}


@pytest.mark.parametrize("function", dict.fromkeys(CHANGING), ids=lambda function: str(function.state))
def test_a_state_that_changes_something_asks_first_whether_a_later_execution_has_taken_over(function: Function) -> None:
    """An old execution can be redriven at any state, and a later one may be at work by then."""
    (handler,) = modules()[f"tasks.{function.module}"].nodes["handler"]
    known = modules()[f"tasks.{function.module}"].modules
    calls = sorted(
        (call.lineno, call.col_offset, call.func.attr)
        for call in ast.walk(handler)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
        if {name.id for name in ast.walk(call.func) if isinstance(name, ast.Name)} & {*known, "books", "record"}
        or call.func.attr in ASKS
    )
    first = next(name for _, _, name in calls if name != "cut_over_at")  # noted: then it changes nothing any more
    assert first in ASKS


def test_the_states_that_change_something_are_known() -> None:
    assert {function.state for function in CHANGING} >= {"CreateReplicas", "AttachReplicator", "CutOver", "ScanSegment"}


def test_a_state_never_times_out_before_its_function_does() -> None:
    for name, state in TASK_STATES.items():
        assert state["TimeoutSeconds"] > function_of(name).timeout_seconds, name
    assert all(function.timeout_seconds <= 900 for function in FUNCTIONS), "Lambda's own limit"


def test_every_state_says_in_the_console_what_it_is_for() -> None:
    for name, state in iter_states(read_definition()):
        assert state.get("Comment"), name


def test_every_phase_can_be_reached_from_the_start_and_leads_to_the_end() -> None:
    for machine in machines(read_definition()):
        states = machine["States"]
        forward = walk({machine["StartAt"]}, {name: set(targets(state)) for name, state in states.items()})
        assert forward == set(states)
        backward: dict[str, set[str]] = {name: set() for name in states}
        for name, state in states.items():
            for target in targets(state):
                backward[target].add(name)
        assert walk({name for name, state in states.items() if state.get("End")}, backward) == set(states)


def machines(definition: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [state["ItemProcessor"] for state in definition["States"].values() if "ItemProcessor" in state]
    return [definition, *inner]


def targets(state: dict[str, Any]) -> list[str]:
    choices = [choice["Next"] for choice in state.get("Choices", [])]
    catches = [catch["Next"] for catch in state.get("Catch", [])]
    return [target for target in [state.get("Next"), state.get("Default"), *choices, *catches] if target]


def walk(begin: set[str], edges: dict[str, set[str]]) -> set[str]:
    found, waiting = set(), list(begin)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += edges[name]
    return found
