"""Every path in the definition leads to something that an earlier state has made, and every payload fits its task.

The machine is walked along all its ways with the shape of its data: dicts of known keys, and pydantic models. A join of
two ways keeps what both have.
"""

import ast
import importlib
import re
import typing
from typing import Any

import pytest
from pydantic import BaseModel

from infra.aws.functions.registry import function_of
from tasks.aws.session.handler import Request
from tasks.core.copy.segment import Checkpoint
from tasks.core.prove.verification import Verification, VerifySlice
from tests.contract.call_graph import ROOT, modules
from tests.one_migration_at_a_time import UNDER_LOAD
from workflow.definition import read_definition

Shape = Any
"""A dict of keys to shapes, a pydantic model, or `ANY` for data whose keys are not known here."""

ANY = object()
DUMPED: dict[str, type[BaseModel]] = {"PlanVerify": Verification, "CompareDigests": Verification}
"""These return a model's `model_dump`, which their annotation does not tell; each dict literal is read instead."""
ITEMS: dict[str, type[BaseModel]] = {"$.segments.checkpoints": Checkpoint, "$.verify.state.slices": VerifySlice}
"""What a Map iterates over."""
CONTEXT = {
    "$$.Execution.Name",
    "$$.Execution.Id",
    "$$.Execution.StartTime",
    "$$.StateMachine.Id",
    "$$.State.EnteredTime",
    "$$.Task.Token",
    "$$.Map.Item.Value",
}


def resolve(path: str, data: Shape) -> Shape:
    """Return the shape at a path; fail where there is nothing."""
    assert re.fullmatch(r"\$(\.\w+)*", path), f"{path}: only plain paths are used"
    for step in path.split(".")[1:]:
        if data is ANY:
            return ANY
        if isinstance(data, dict):
            assert step in data, f"{path}: nothing has made {step!r}; there is {sorted(data)}"
            data = data[step]
        else:
            assert step in data.model_fields, f"{path}: {data.__name__} has no {step!r}"
            data = _model_of(data.model_fields[step].annotation)
    return data


def _model_of(annotation: Any) -> Shape:  # noqa: ANN401 — any annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else ANY


def shape_of(template: dict[str, Any], data: Shape) -> dict[str, Shape]:
    """Return the shape of a payload template, checking each of its paths."""
    shape: dict[str, Shape] = {}
    for key, value in template.items():
        if not key.endswith(".$"):
            shape[key] = shape_of(value, data) if isinstance(value, dict) else ANY
        elif value.startswith("$$"):
            assert value in CONTEXT, value
            shape[key[:-2]] = ANY
        else:
            shape[key[:-2]] = resolve(value, data)
    return shape


def request_model(state: str) -> type[BaseModel]:
    """Return the model that a state's handler parses its payload by."""
    handler = importlib.import_module(f"tasks.{function_of(state).module}").handler
    first: type[BaseModel] = next(iter(typing.get_type_hints(handler.__wrapped__).values()))
    assert issubclass(first, BaseModel)
    return first


def returned(state: str) -> Shape:
    """Return the shape of what a handler answers: its model, or the keys of the dicts it returns."""
    module = function_of(state).module
    handler = importlib.import_module(f"tasks.{module}").handler
    annotation = typing.get_type_hints(handler.__wrapped__)["return"]
    if _model_of(annotation) is not ANY:
        return annotation
    if state in DUMPED:
        return DUMPED[state]
    (definition,) = modules()[f"tasks.{module}"].nodes["handler"]
    keys = [
        {str(key.value) for key in node.value.keys if isinstance(key, ast.Constant)}
        for node in ast.walk(definition)
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Dict)
    ]
    return dict.fromkeys(set.intersection(*keys), ANY) if keys else {}


def after(name: str, state: dict[str, Any], data: Shape) -> Shape:
    """Return the data behind a state, checking all it takes on the way."""
    if state["Type"] == "Choice":
        for choice in state["Choices"]:
            resolve(choice["Variable"], data)
        return data
    if state["Type"] == "Pass":
        return shape_of(state["Parameters"], data)
    if state["Type"] == "Map":
        item = ITEMS[state["ItemsPath"]]
        resolve(state["ItemsPath"], data)
        resolve(state["MaxConcurrencyPath"], data)
        inner = shape_of(state["ItemSelector"], data)
        for value in inner.values():
            if isinstance(value, dict):
                value.update({key: item for key, found in value.items() if found is ANY})
        walk(state["ItemProcessor"], inner)
        assert state["ResultPath"] is None, "the joined output of a large Map does not fit"
        return data
    assert state["Type"] == "Task"
    payload = shape_of(state["Parameters"]["Payload"], data)
    check_payload(name, payload)
    if state["ResultPath"] is None:
        return data
    result = shape_of(state["ResultSelector"], {"Payload": returned(name)})
    if state["ResultPath"] == "$":
        return result
    (key,) = re.fullmatch(r"\$\.(\w+)", state["ResultPath"]).groups()  # type: ignore[union-attr] # or the test fails
    assert isinstance(data, dict)
    return {**data, key: result}


def check_payload(name: str, payload: dict[str, Shape]) -> None:
    """A payload has what its task needs, nothing that its task refuses, and models where it wants them."""
    model = request_model(name)
    required = {key for key, found in model.model_fields.items() if found.is_required()}
    assert required <= set(payload) <= set(model.model_fields), name
    for key, value in payload.items():
        wanted = _model_of(model.model_fields[key].annotation)
        if wanted is not ANY:
            assert value is wanted, f"{name}: {key} is not a {wanted.__name__}"


def walk(machine: dict[str, Any], data: Shape) -> dict[str, Shape]:
    """Go through a machine until nothing new is learned; return the data before each state."""
    before: dict[str, Shape] = {}
    waiting: list[tuple[str, Shape]] = [(machine["StartAt"], data)]
    while waiting:
        name, data = waiting.pop()
        if name in before:
            known = before[name]
            data = {key: known[key] for key in known if key in data} if isinstance(known, dict) else data
            if data == known:
                continue
        before[name] = data
        state = machine["States"][name]
        left = after(name, state, data)
        choices = [choice["Next"] for choice in state.get("Choices", [])]
        waiting += [(target, left) for target in [state.get("Next"), state.get("Default"), *choices] if target]
    return before


def test_no_path_leads_to_what_no_earlier_state_has_made() -> None:
    definition = read_definition()
    before = walk(definition, ANY)
    assert set(before) == set(definition["States"])
    assert set(before["DetachReplicator"]) == {
        "plan",
        "replicator",
        "segments",
        "backfill",
        "verify",
        "cut_over",
        "late_writes",
    }


@pytest.mark.parametrize(
    ("state", "path"),
    [
        ("CompareDigests", "$.replicator.stream_arm"),
        ("CutOver", "$.verify.verdict"),
        ("DrainChanges", "$.late_writes"),
        ("Verify", "$.verify.state.slice"),
    ],
)
def test_a_wrong_path_would_be_noticed(state: str, path: str) -> None:
    before = walk(read_definition(), ANY)
    with pytest.raises(AssertionError, match=r"nothing has made|has no"):
        resolve(path, before[state])


def test_a_payload_that_a_task_would_refuse_would_be_noticed() -> None:
    with pytest.raises(AssertionError):
        check_payload("DrainChanges", {"plan": Request.model_fields["plan"].annotation, "stream_arn": ANY})
    with pytest.raises(AssertionError):
        check_payload("ProtectTarget", {"plan": ANY})


def test_every_task_parses_its_payload_by_a_model_that_refuses_unknown_fields() -> None:
    for name in ("Preflight", "ScanSegment", "VerifySegment", "CutOver", "ApproveCutOver"):
        assert request_model(name).model_config.get("extra") == "forbid"


def test_the_two_dumped_models_are_what_their_handlers_return() -> None:
    for state, model in DUMPED.items():
        module = modules()[f"tasks.{function_of(state).module}"]
        (definition,) = module.nodes["handler"]
        assert "return verification.model_dump(mode='json')" in ast.unparse(definition)
        assert f"{model.__name__}(" in ast.unparse(module.tree)


def test_every_file_of_migrations_under_load_is_there() -> None:
    """One that was renamed would run beside another again, and both would starve."""
    assert [file for file in UNDER_LOAD if not (ROOT / file).is_file()] == []
