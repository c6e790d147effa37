"""One name from the console to the traceback: state = module = hole = function."""

import importlib
import inspect
from typing import Any

import pytest

from infra.functions import FUNCTIONS, function_of
from infra.local.deploy import LOCAL_CONCURRENCY, LOCAL_TIMEOUTS
from tests.contract.call_graph import modules, reached, task_modules
from workflow.definition import holes, iter_states, read_definition

TASK_STATES = {name: state for name, state in iter_states(read_definition()) if state["Type"] == "Task"}
DRIVEN_BY_STREAMS = {"WritePages": "pages", "ReplicateChanges": "changes"}


def test_a_red_state_in_the_console_always_says_which_file_to_open() -> None:
    modules_of_states = {function_of(state).module for state in TASK_STATES}
    modules_of_streams = {function_of(state).module for state in DRIVEN_BY_STREAMS}
    assert modules_of_states | modules_of_streams == set(task_modules())
    assert not modules_of_states & modules_of_streams


def test_no_function_is_deployed_that_nothing_calls_and_none_is_missing() -> None:
    assert {function.state for function in FUNCTIONS} == set(TASK_STATES) | set(DRIVEN_BY_STREAMS)
    assert len({function.state for function in FUNCTIONS}) == len(FUNCTIONS)
    by_streams = {f.state: f.driven_by for f in FUNCTIONS if f.driven_by != "state machine"}
    assert by_streams == DRIVEN_BY_STREAMS


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


def test_a_state_never_times_out_before_its_function_does() -> None:
    for name, state in TASK_STATES.items():
        assert state["TimeoutSeconds"] > function_of(name).timeout_seconds, name
    assert all(function.timeout_seconds <= 900 for function in FUNCTIONS), "Lambda's own limit"


def test_every_state_says_in_the_console_what_it_is_for() -> None:
    for name, state in iter_states(read_definition()):
        assert state.get("Comment"), name


def test_the_local_deployment_knows_no_state_that_is_not_there() -> None:
    known = {function.state for function in FUNCTIONS}
    assert set(LOCAL_TIMEOUTS) | set(LOCAL_CONCURRENCY) <= known


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
