"""The model of the document that flows through the machine has the definition's own names, all and no others."""

import json
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from tasks.core.errors import Refused
from tasks.core.run.document import Document, Part, SegmentDocument, parse_document
from tests.workflow.recorded_histories import recorded
from workflow.definition import read_definition

DEFINITION = read_definition()


def part_of(model: type[BaseModel], name: str) -> type[BaseModel]:
    (part,) = [
        kind
        for kind in get_args(model.model_fields[name].annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel)
    ]
    return part


def results(machine: dict[str, Any]) -> dict[str, set[str]]:
    """Return what states put into their output: name to the names inside, by `ResultPath` and `ResultSelector`."""
    found: dict[str, set[str]] = {}
    for name, state in machine["States"].items():
        path = state.get("ResultPath", "$") if state["Type"] in {"Task", "Map"} else None
        if path is None:
            continue
        inside = {key.removesuffix(".$") for key in state["ResultSelector"]}
        if path == "$":
            assert name == machine["StartAt"], "another state would take away what the ones before it handed on"
            found |= {key: set() for key in inside}
        else:
            found.setdefault(path.removeprefix("$."), inside)
            assert found[path.removeprefix("$.")] == inside, f"{name} puts another form in the same place"
    return found


def test_the_document_has_every_place_that_a_state_puts_its_result_in() -> None:
    found = results(DEFINITION)
    assert set(Document.model_fields) == set(found)
    for name, inside in found.items():
        if inside:  # the plan comes whole
            assert set(part_of(Document, name).model_fields) == inside, name


def test_a_segments_document_has_every_place_inside_a_map() -> None:
    found: dict[str, set[str]] = {}
    for state in DEFINITION["States"].values():
        if state["Type"] == "Map":
            inner = results(state["ItemProcessor"])
            for name, inside in inner.items():
                given = state["ItemSelector"][name]
                assert {key.removesuffix(".$") for key in given} == inside, "begins in the form in which it goes on"
            found |= inner
    assert set(SegmentDocument.model_fields) == set(found)
    for name, inside in found.items():
        assert set(part_of(SegmentDocument, name).model_fields) == inside, name


def handed_on() -> dict[str, Any]:
    last = [event for event in recorded("succeeded") if event["type"] == "TaskStateExited"][-1]
    found: dict[str, Any] = json.loads(last["stateExitedEventDetails"]["output"])
    return found


def test_what_a_whole_run_handed_on_is_read_whole() -> None:
    document = parse_document(Document, json.dumps(handed_on()))
    assert {name for name in Document.model_fields if getattr(document, name) is None} == set()


@pytest.mark.parametrize("name", list(Document.model_fields))
def test_what_has_not_come_yet_is_none(name: str) -> None:
    cut = {key: value for key, value in handed_on().items() if key != name}
    assert getattr(parse_document(Document, json.dumps(cut)), name) is None


@pytest.mark.parametrize(
    ("model", "document", "where"),
    [
        (Document, {"plan": {"source": "orders", "target": "orders-global"}}, "plan.migration: Field required"),
        (Document, {"replicator": {"mapping_id": "1"}}, "replicator.route: Field required"),
        (Document, [], "it: Input should be an object"),
        (SegmentDocument, {"scan": {"checkpoint": {"segment": 1, "lastKey": {}}}}, "scan.checkpoint.lastKey: Extra"),
    ],
)
def test_what_another_version_handed_on_is_refused_by_name_and_never_misread(
    model: type[Part], document: object, where: str
) -> None:
    with pytest.raises(Refused, match="was run by another version of tableferry") as refused:
        parse_document(model, json.dumps(document))
    assert where in str(refused.value)
    assert "start a new execution" in str(refused.value)
