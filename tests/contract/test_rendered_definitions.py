"""The one definition, rendered for each engine: nothing is added, dropped or left open on the way."""

import json
from typing import Any

import pytest

from infra.aws.functions.registry import FUNCTIONS
from workflow.definition import (
    DEFINITION_FILE,
    INLINE_CONCURRENCY,
    Engine,
    HoleUnfilled,
    holes,
    iter_states,
    read_definition,
    render,
)

ARNS = {
    function.hole: f"arn:aws:lambda:eu-central-1:123456789012:function:{function.function_name('m')}"
    for function in FUNCTIONS
    if function.is_state
}
ENGINES = pytest.mark.parametrize("engine", list(Engine))


def maps(definition: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: state for name, state in iter_states(definition) if state["Type"] == "Map"}


def without_steps(state: dict[str, Any]) -> dict[str, Any]:
    steps = {"BackoffRate", "MaxDelaySeconds", "JitterStrategy"}
    retry = [{name: value for name, value in r.items() if name not in steps} for r in state.get("Retry", [])]
    return {**state, "Retry": retry}


@ENGINES
def test_no_engine_gets_another_machine_than_the_one_that_was_reviewed(engine: Engine) -> None:
    reviewed, rendered = read_definition(), render(engine, ARNS)
    assert [name for name, _ in iter_states(rendered)] == [name for name, _ in iter_states(reviewed)]
    for (_, state), (_, original) in zip(iter_states(rendered), iter_states(reviewed), strict=True):
        if state["Type"] != "Map":
            text = json.dumps(original)
            for hole, arn in ARNS.items():
                text = text.replace(f"${{{hole}}}", arn)
            expected = json.loads(text)
            if engine is Engine.STEP_FUNCTIONS_LOCAL:
                # It waits in equal steps: what is tried again, and how often, stays.
                state, expected = without_steps(state), without_steps(expected)  # noqa: PLW2901 - compared without
            assert state == expected
    assert rendered["StartAt"] == reviewed["StartAt"]


@ENGINES
def test_no_hole_is_left_open(engine: Engine) -> None:
    rendered = render(engine, ARNS)
    assert holes(rendered) == set()
    assert "${" not in json.dumps(rendered)
    functions = [state["Parameters"]["FunctionName"] for _, state in iter_states(rendered) if state["Type"] == "Task"]
    assert sorted(functions) == sorted(ARNS.values())


@ENGINES
def test_a_missing_or_surplus_function_is_named_and_not_rendered(engine: Engine) -> None:
    missing = {hole: arn for hole, arn in ARNS.items() if hole != "ScanSegmentArn"}
    with pytest.raises(HoleUnfilled, match="ScanSegmentArn"):
        render(engine, missing)
    with pytest.raises(HoleUnfilled, match="NobodyArn"):
        render(engine, {**ARNS, "NobodyArn": "x"})


def test_an_arn_with_a_quote_does_not_break_the_json() -> None:
    odd = 'a"b\\c'
    rendered = render(Engine.AWS, {**ARNS, "PreflightArn": odd})
    assert rendered["States"]["Preflight"]["Parameters"]["FunctionName"] == odd


def test_on_aws_a_map_has_children_and_histories_of_its_own() -> None:
    rendered = render(Engine.AWS, ARNS)
    for name, state in maps(rendered).items():
        assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        assert state["Label"] == name
        assert state["MaxConcurrencyPath"] == "$.plan.max_concurrency"
    assert rendered["QueryLanguage"] == "JSONPath"


def test_the_embedded_engine_gets_inline_maps() -> None:
    for state in maps(render(Engine.EMBEDDED, ARNS)).values():
        assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "INLINE"}
        assert "Label" not in state, "only a distributed Map takes one"


def test_step_functions_local_gets_no_field_that_it_does_not_know() -> None:
    rendered = render(Engine.STEP_FUNCTIONS_LOCAL, ARNS)
    assert "QueryLanguage" not in rendered
    for state in maps(rendered).values():
        assert not {"ItemProcessor", "ItemSelector", "Label", "MaxConcurrencyPath"} & set(state)
        assert "ProcessorConfig" not in state["Iterator"]
        assert state["MaxConcurrency"] == INLINE_CONCURRENCY
        assert state["Parameters"]["plan.$"] == "$.plan"


@pytest.mark.parametrize("most_seconds", [None, 2])
def test_no_wait_grows_without_end_where_the_longest_delay_is_not_known(most_seconds: int | None) -> None:
    reviewed = dict(iter_states(read_definition()))
    for name, state in iter_states(render(Engine.STEP_FUNCTIONS_LOCAL, ARNS, most_poll_seconds=most_seconds)):
        for retrier, original in zip(state.get("Retry", []), reviewed[name].get("Retry", []), strict=True):
            assert "MaxDelaySeconds" in original, "else the backoff would have to stay"
            assert retrier["BackoffRate"] == 1
            assert retrier["IntervalSeconds"] <= original["IntervalSeconds"]
            assert retrier["MaxAttempts"] == original["MaxAttempts"]


@ENGINES
def test_rendering_for_one_engine_leaves_nothing_behind_for_the_next(engine: Engine) -> None:
    before = DEFINITION_FILE.read_bytes()
    for other in Engine:
        render(other, ARNS, most_poll_seconds=1)
    assert render(engine, ARNS) == render(engine, ARNS)
    assert DEFINITION_FILE.read_bytes() == before


@pytest.mark.parametrize("most_seconds", [1, 2, 10, 1000])
def test_watched_runs_poll_often_and_waits_for_throttling_stay(most_seconds: int) -> None:
    plain = dict(iter_states(render(Engine.EMBEDDED, ARNS)))
    for name, state in iter_states(render(Engine.EMBEDDED, ARNS, most_poll_seconds=most_seconds)):
        for retrier, original in zip(state.get("Retry", []), plain[name].get("Retry", []), strict=True):
            assert retrier["ErrorEquals"] == original["ErrorEquals"]
            if any(error.endswith("Pending") for error in retrier["ErrorEquals"]):
                assert retrier["IntervalSeconds"] <= most_seconds
                assert retrier["MaxDelaySeconds"] > retrier["IntervalSeconds"], "the language asks for it"
                assert retrier["MaxDelaySeconds"] <= most_seconds + 1
            else:
                assert retrier == original
