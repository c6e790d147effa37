"""What is rendered for Step Functions Local stays within what it is known to know.

Amazon's emulator has no list of what it supports, only "does not provide feature parity and is unsupported" [1]. So a
word counts as known if the language had it before December 2022, when Distributed Map came with `ItemProcessor`,
`ItemSelector` and `MaxConcurrencyPath` [2], and the emulator's documents or people who ran 2.0.0 use it [3] [4] [5].
`MaxDelaySeconds` and `JitterStrategy` are of September 2023 [6]; `QueryLanguage` is of November 2024, half a year after
the emulator's last version [5]. Of these no source says that it knows them.

[1] https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local.html
[2] https://github.com/taro-kayo/statelint/pull/33 (the language's own change log, December 1, 2022)
[3] https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-test-sm-exec.html
[4] https://aws.amazon.com/blogs/compute/mocking-service-integrations-with-aws-step-functions-local/
[5] https://github.com/sathwikbairaboina2/durable-multi-agent docs/adr/0001-local-aws-without-localstack.md: 2.0.0 is
    the last, pushed 2024-05-18; run there: `lambda:invoke`, its `.waitForTaskToken` with `$$.Task.Token` and
    `TimeoutSeconds`, Retry, and errors by a function's own names
[6] https://github.com/taro-kayo/statelint/pull/36 (September 7, 2023)
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.aws.functions.registry import FUNCTIONS
from workflow.definition import Engine, iter_states, render

ARNS = {
    function.hole: f"arn:aws:lambda:eu-west-1:123456789012:function:{function.function_name('m')}"
    for function in FUNCTIONS
    if function.is_state
}
DEFINITION = render(Engine.STEP_FUNCTIONS_LOCAL, ARNS)

MACHINE = {"Comment", "StartAt", "States"}
ANY_STATE = {"Type", "Comment", "Next", "End"}
BY_TYPE: dict[str, set[str]] = {
    "Task": {"Resource", "Parameters", "ResultSelector", "ResultPath", "TimeoutSeconds", "Retry"},
    "Map": {"ItemsPath", "MaxConcurrency", "Parameters", "Iterator", "ResultPath"},
    "Choice": {"Choices", "Default"},
    "Pass": {"Parameters"},
}
RETRIER = {"ErrorEquals", "IntervalSeconds", "BackoffRate", "MaxAttempts"}
CHOICE_RULE = {"Variable", "StringEquals", "Next"}
RESOURCES = {"arn:aws:states:::lambda:invoke", "arn:aws:states:::lambda:invoke.waitForTaskToken"}
INVOKE_PARAMETERS = {"FunctionName", "Payload"}
INVOKE_RESULT = "$.Payload"
"""A `lambda:invoke` gives {"StatusCode": 200, "Payload": …} [3]; nothing but the payload is read of it."""
CONTEXT = {
    "$$.Execution.Id",
    "$$.Execution.Name",
    "$$.Execution.StartTime",
    "$$.State.EnteredTime",
    "$$.StateMachine.Id",
    "$$.Map.Item.Value",
    "$$.Task.Token",
}
PATH = re.compile(r"\$(\.[A-Za-z_]\w*)*")
"""Plain paths: no filters, no slices, no wildcards, and no `States.…()` intrinsic function."""
MOST = 99_999_999
"""Seconds of `TimeoutSeconds` and `IntervalSeconds`, and attempts of `MaxAttempts`, at most."""

STATES = pytest.mark.parametrize(("name", "state"), list(iter_states(DEFINITION)), ids=lambda value: str(value)[:40])


def machines(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield definition
    for state in definition["States"].values():
        if "Iterator" in state:
            yield from machines(state["Iterator"])


def paths(value: object, key: str = "") -> Iterator[str]:
    """Yield all paths: values of keys that end with `.$` or `Path`, and variables of choices."""
    if isinstance(value, dict):
        for inner_key, inner in value.items():
            yield from paths(inner, inner_key)
    elif isinstance(value, list):
        for inner in value:
            yield from paths(inner)
    elif isinstance(value, str) and (key.endswith((".$", "Path")) or key == "Variable"):
        yield value


def test_no_machine_has_a_field_that_the_emulator_may_not_know() -> None:
    for machine in machines(DEFINITION):
        assert set(machine) <= MACHINE


@STATES
def test_no_state_has_a_type_or_field_that_the_emulator_may_not_know(name: str, state: dict[str, Any]) -> None:
    assert state["Type"] in BY_TYPE, name
    assert set(state) <= ANY_STATE | BY_TYPE[state["Type"]], name
    for retrier in state.get("Retry", []):
        assert set(retrier) <= RETRIER, name
    for rule in state.get("Choices", []):
        assert set(rule) == CHOICE_RULE, name


@STATES
def test_no_number_is_out_of_the_languages_range(name: str, state: dict[str, Any]) -> None:
    if "TimeoutSeconds" in state:
        assert 1 <= state["TimeoutSeconds"] <= MOST, name
    if state["Type"] == "Map":
        assert 1 <= state["MaxConcurrency"] <= 40, "an inline Map's own limit"
    for retrier in state.get("Retry", []):
        assert 1 <= retrier["IntervalSeconds"] <= MOST, name
        assert 0 <= retrier["MaxAttempts"] <= MOST, name
        assert retrier["BackoffRate"] >= 1, name


@STATES
def test_no_task_calls_what_the_emulator_can_not_call_here(name: str, state: dict[str, Any]) -> None:
    if state["Type"] == "Task":
        assert state["Resource"] in RESOURCES, name
        assert set(state["Parameters"]) == INVOKE_PARAMETERS, name
        for path in paths(state.get("ResultSelector", {})):
            assert path == INVOKE_RESULT or path.startswith(f"{INVOKE_RESULT}."), name


@STATES
def test_no_path_is_more_than_a_plain_one_or_a_known_part_of_the_context(name: str, state: dict[str, Any]) -> None:
    outer = {key: value for key, value in state.items() if key != "Iterator"}
    for path in paths(outer):
        assert path in CONTEXT or PATH.fullmatch(path), f"{name}: {path}"


def test_nothing_of_the_newer_language_hides_anywhere() -> None:
    text = json.dumps(DEFINITION)
    for word in ("{%", "QueryLanguage", "Arguments", "Assign", "ItemProcessor", "ItemSelector", "ProcessorConfig"):
        assert word not in text
    assert not re.search(r"States\.(?:Array|Format|Json|String|Math|Hash|UUID|Base64)", text), "intrinsic functions"


def test_the_list_of_known_words_has_none_that_the_machine_does_not_use() -> None:
    used: dict[str, set[str]] = {}
    for _, state in iter_states(DEFINITION):
        used.setdefault(state["Type"], set()).update(state)
    assert {kind: fields - ANY_STATE for kind, fields in used.items()} == BY_TYPE
    assert set(paths(DEFINITION)) >= CONTEXT
