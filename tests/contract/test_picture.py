"""The committed picture of the state machine is that of the definition. No renderer is needed to see it."""

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from infra.graph import PICTURE, condition_in_words, digest_of, dot
from workflow.definition import iter_states, read_definition

SVG = "{http://www.w3.org/2000/svg}"
DEFINITION = read_definition()
STATES = dict(iter_states(DEFINITION))
Box = tuple[float, float, float, float]


def groups(kind: str) -> dict[str, ET.Element]:
    """Return the picture's groups of a kind (node, edge, cluster) by their id."""
    root = ET.parse(PICTURE).getroot()  # noqa: S314 — our own file
    return {group.attrib["id"]: group for group in root.iter(f"{SVG}g") if group.get("class") == kind}


def said_in(group: ET.Element) -> list[str]:
    return [" ".join("".join(text.itertext()).split()) for text in group.iter(f"{SVG}text")]


def box_of(group: ET.Element) -> Box:
    """Return left, top, right, bottom of a group's frame."""
    frame = next(shape for shape in group.iter() if shape.tag in {f"{SVG}path", f"{SVG}polygon"})
    numbers = [float(number) for number in re.findall(r"-?[\d.]+", frame.get("d") or frame.attrib["points"])]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


def machines(machine: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield machine
    for state in machine["States"].values():
        if state["Type"] == "Map":
            yield from machines(state["ItemProcessor"])


def test_every_state_is_drawn_and_no_other() -> None:
    drawn = (set(groups("node")) | set(groups("cluster"))) - {"Start", "End", "legend"}
    assert drawn == set(STATES)


def test_every_transition_is_drawn_and_no_other() -> None:
    there = {f"Start.to.{DEFINITION['StartAt']}"}
    for machine in machines(DEFINITION):
        for name, state in machine["States"].items():
            targets = [state.get("Next"), state.get("Default"), *(rule["Next"] for rule in state.get("Choices", []))]
            there |= {f"{name}.to.{target}" for target in targets if target}
    there |= {f"{name}.to.End" for name, state in DEFINITION["States"].items() if state.get("End")}
    assert set(groups("edge")) == there


def test_a_picture_of_an_older_definition_is_found() -> None:
    text = PICTURE.read_text(encoding="utf-8")
    assert f"DOT: {digest_of(dot(DEFINITION))} " in text, "the picture is stale: draw it anew with `make graph`"


def test_a_map_is_a_frame_around_its_states() -> None:
    frames, nodes = groups("cluster"), groups("node")
    assert set(frames) == {name for name, state in STATES.items() if state["Type"] == "Map"}
    for name, frame in frames.items():
        left, top, right, bottom = box_of(frame)
        inside = {
            state
            for state, node in nodes.items()
            if state in STATES
            and left < box_of(node)[0] < box_of(node)[2] < right
            and top < box_of(node)[1] < box_of(node)[3] < bottom
        }
        assert inside == set(STATES[name]["ItemProcessor"]["States"])


def test_a_choice_is_a_diamond_and_says_its_conditions() -> None:
    nodes, edges = groups("node"), groups("edge")
    for name, state in STATES.items():
        if state["Type"] != "Choice":
            assert name not in nodes or nodes[name].find(f"{SVG}path") is not None, f"{name}: a rounded box"
            continue
        points = nodes[name].find(f"{SVG}polygon")
        assert points is not None
        assert len(points.attrib["points"].split()) == 5, f"{name}: four corners, and back to the first"
        (rule,) = state["Choices"]
        what = rule["Variable"].split(".")[-1]
        assert said_in(edges[f"{name}.to.{rule['Next']}"]) == [f"{what} is {rule['StringEquals']}"]
        assert said_in(edges[f"{name}.to.{state['Default']}"]) == [f"{what} is not {rule['StringEquals']}"]


def test_a_comparison_that_the_picture_has_no_words_for_is_not_drawn_wrong() -> None:
    with pytest.raises(ValueError, match="NumericGreaterThan"):
        condition_in_words({"Variable": "$.drift", "NumericGreaterThan": 0, "Next": "Elsewhere"})


def test_a_state_that_waits_says_for_what_and_looks_unlike_the_others() -> None:
    fills: dict[str, set[str]] = {}
    for name, node in groups("node").items():
        if name not in STATES or STATES[name]["Type"] == "Choice":
            continue
        retried = [error for retrier in STATES[name].get("Retry", []) for error in retrier["ErrorEquals"]]
        waits = [f"↻ {error}" for error in retried if error.endswith("Pending") or error == "TipOutOfReach"]
        assert [line for line in said_in(node) if line.startswith("↻")] == waits, name
        frame = node.find(f"{SVG}path")
        assert frame is not None
        kind = "waits" if waits else "asks" if name == "ApproveCutOver" else "works"
        fills.setdefault(kind, set()).add(frame.attrib["fill"])
    assert all(len(fill) == 1 for fill in fills.values())
    assert len(set.union(*fills.values())) == 3
    assert "task token, 14 days" in said_in(groups("node")["ApproveCutOver"])


@pytest.mark.parametrize("changed", ["Comment", "Next", "TimeoutSeconds", "Retry"])
def test_no_change_that_shows_leaves_the_picture_as_it_was(changed: str) -> None:
    other = copy.deepcopy(DEFINITION)
    state = other["States"]["ApproveCutOver" if changed == "TimeoutSeconds" else "CreateReplicas"]
    state[changed] = {"Comment": "Other words.", "Next": "AttachWriter", "TimeoutSeconds": 86_400, "Retry": []}[changed]
    assert digest_of(dot(other)) != digest_of(dot(DEFINITION))
