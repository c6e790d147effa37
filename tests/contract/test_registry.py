"""What is known of a function stands once: in its entry in the registry."""

import ast
import re
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from infra.aws.functions.function import Function
from infra.aws.functions.registry import FUNCTIONS, emitters_of, function_of
from infra.local.rehearsal.deploy import LOCAL_CONCURRENCY, LOCAL_TIMEOUTS, scaled
from tasks.core.metrics import DONE, WAITS
from tests.contract.call_graph import ROOT

if TYPE_CHECKING:
    from pathlib import Path

STATES = {function.state for function in FUNCTIONS}
CONSTRUCTOR = Function.__name__


def named_in(tree: ast.AST) -> set[str]:
    """Return the states that code names: in a text that is one word, not in a sentence for people."""
    return {
        word
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not re.search(r"\s", node.value)
        for word in re.findall(r"[A-Za-z]+", node.value)
    } & STATES


def test_a_function_is_known_in_one_place_of_the_deployment() -> None:
    """Else one that is added to the first list may be left out of the second."""
    places: dict[str, set[Path]] = defaultdict(set)
    entries: dict[str, int] = defaultdict(int)
    for path in sorted((ROOT / "infra" / "aws").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for state in named_in(tree):
            places[state].add(path)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == CONSTRUCTOR:
                for state in named_in(node):
                    entries[state] += 1
    assert entries == dict.fromkeys(STATES, 1)
    assert {state: len(paths) for state, paths in places.items()} == entries


def test_a_name_in_code_is_told_from_one_in_a_sentence() -> None:
    assert named_in(ast.parse("x = {'CutOver': 1, 'y': f'{a}-ScanSegment'}")) == {"CutOver", "ScanSegment"}
    assert named_in(ast.parse("x = 'look at the log of CutOver'; y = 'ApproveCutOver'")) == {"ApproveCutOver"}


def test_what_is_only_so_on_this_machine_is_of_a_function_that_there_is() -> None:
    assert {*LOCAL_TIMEOUTS, *LOCAL_CONCURRENCY} <= STATES
    with pytest.raises(KeyError, match="no function is named ScanSegmant"):
        scaled(FUNCTIONS, {"ScanSegmant": 1})
    with pytest.raises(KeyError, match="no function is named scan_segment"):
        function_of("scan_segment")


def test_every_function_says_how_its_calls_end_and_not_every_one_waits() -> None:
    assert set(emitters_of(DONE)) == STATES
    assert set(emitters_of(WAITS)) < STATES
