"""Whoever is on call is told one way out of each error, wherever it is told: remedies are compared, not only names."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.aws.functions.registry import FUNCTIONS
from infra.documents import DOCUMENTS, ERRORS, IN_STREAM_FUNCTIONS, OF_OTHERS
from tasks.core import errors
from tasks.core.errors import Pending, TableferryError
from tests.contract.call_graph import ROOT, errors_raised, reached
from tests.contract.test_documents import DOCUMENTS as ALL_DOCUMENTS
from tests.contract.test_documents import each_document, names_in, rows_of, what_ifs
from workflow.definition import iter_states, read_definition

CLASSES = {
    name: found for name, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, TableferryError)
}
TOLD = {name: found for name, found in CLASSES.items() if found not in {TableferryError, Pending}}

REMEDIES = {
    "redrive": re.compile(r"\bredrive\b", re.IGNORECASE),
    "resume": re.compile(r"\bresume\b", re.IGNORECASE),
    "start a new execution": re.compile(r"\bnew execution\b|\bstart (?:a new one|again)\b", re.IGNORECASE),
    "give the migration up": re.compile(r"\bmake destroy\b"),
    "leave the target alone": re.compile(r"\bleave (?:the target)?\s*alone\b", re.IGNORECASE),
}
"""What somebody may do with an execution or a table, and the words that ask for it."""


def remedies(text: str) -> set[str]:
    return {remedy for remedy, words in REMEDIES.items() if words.search(text)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_no_document_that_is_written_from_the_code_is_stale(document: Path) -> None:
    assert document.read_text(encoding="utf-8") == DOCUMENTS[document](), "write it anew: `make documents`"


@pytest.mark.parametrize("name", TOLD)
def test_every_error_has_its_meaning_and_its_own_way_out(name: str) -> None:
    kind = TOLD[name]
    assert inspect.cleandoc(kind.__doc__ or "").endswith(".")
    if not issubclass(kind, Pending):
        assert "way_out" in vars(kind)
    assert kind.way_out.endswith(".")
    assert ERRORS.read_text(encoding="utf-8").count(f"\n| `{name}` |") == 1


def messages() -> Iterator[tuple[str, str, str]]:
    """Yield (place, class, text) of each error that is made in `tasks`; what is filled in is left out."""
    for file in sorted((ROOT / "tasks").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CLASSES:
                texts = [
                    inner.value
                    for inner in ast.walk(node)
                    if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
                ]
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node.func.id, " ".join(texts)


def test_no_message_tells_another_way_out_than_its_class() -> None:
    made = list(messages())
    assert {name for _, name, _ in made} >= set(TOLD) - {"Refused"}, "each is raised somewhere"
    assert sum(bool(remedies(text)) for _, _, text in made) > 20
    for place, name, text in made:
        if not issubclass(CLASSES[name], Pending):
            assert remedies(text) <= remedies(CLASSES[name].way_out), f"{place}: {name}: {text}"


def test_no_row_of_what_if_tells_another_way_out_than_its_errors() -> None:
    told = 0
    for what, see, _, do, _ in what_ifs():
        named = [CLASSES[name] for name in names_in(see) if name in CLASSES]
        if named and not any(kind in {TableferryError, Pending} for kind in named):
            allowed = set().union(*(remedies(kind.way_out) for kind in named))
            assert remedies(do) <= allowed, f"{what}: {do}"
            told += bool(remedies(do))
    assert told > 10


def test_no_limit_of_the_fine_print_tells_another_way_out_than_its_errors() -> None:
    told = 0
    for limit, consequence, do in rows_of(ROOT / "docs" / "fine-print.md"):
        named = [CLASSES[name] for name in names_in(limit + consequence) if name in CLASSES]
        allowed = set().union(*(remedies(kind.way_out) for kind in named))
        assert not named or remedies(do) <= allowed, f"{limit}: {do}"
        told += bool(named)
    assert told > 5


@each_document
def test_no_other_document_has_a_table_of_errors_of_its_own(document: Path) -> None:
    if document == ERRORS:
        return
    text = document.read_text(encoding="utf-8")
    assert not re.search(r"^\| error \|", text, re.MULTILINE)
    heads = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")]
    assert [head for head in heads if head.strip("`") in TOLD] == []


@pytest.mark.parametrize("document", ["README.md", "docs/console.md", "docs/resume.md"])
def test_whoever_reads_of_failures_is_led_to_the_ways_out(document: str) -> None:
    assert ROOT / document in ALL_DOCUMENTS
    assert "errors.md)" in (ROOT / document).read_text(encoding="utf-8")


def test_what_stops_no_execution_is_raised_by_no_state() -> None:
    by_states = {
        error for function in FUNCTIONS if function.is_state for error in errors_raised(reached(function.module))
    }
    by_streams = {
        error for function in FUNCTIONS if not function.is_state for error in errors_raised(reached(function.module))
    }
    assert set(IN_STREAM_FUNCTIONS) == (by_streams - by_states) & set(TOLD)


def test_the_question_waits_as_long_as_is_told() -> None:
    days = dict(iter_states(read_definition()))["ApproveCutOver"]["TimeoutSeconds"] // 86_400
    assert f"nobody answered for {days} days" in OF_OTHERS["States.Timeout"][0]
