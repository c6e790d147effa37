"""The list of guards is that of the code: `make guards` would else take nothing away, and see nothing fail."""

import ast
from collections import Counter
from pathlib import Path

import pytest

from tests.guards.guard import Guard
from tests.guards.guards import GUARDS
from tests.guards.place import Code, find_place

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.without)
def test_a_guard_stands_where_the_list_says_and_the_code_runs_without_it(guard: Guard) -> None:
    file, without = guard.taken_away(ROOT)
    compile(without, file, "exec")


def test_every_guard_is_told_from_the_others_by_its_words() -> None:
    assert [words for words, count in Counter(guard.without for guard in GUARDS).items() if count > 1] == []


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.without)
def test_a_guard_is_found_again_in_code_of_another_layout_whose_local_variables_are_renamed(guard: Guard) -> None:
    file, name = find_place(ROOT, guard.at)
    source = file.read_text(encoding="utf-8")
    renamed = ast.unparse(Renamed().visit(ast.parse(source)))
    here, there = (guard.by.taken_away(Code(text, name)) for text in (source, renamed))
    assert ast.dump(Renamed(undo=True).visit(ast.parse(there))) == ast.dump(ast.parse(here))


class Renamed(ast.NodeTransformer):
    """Gives the local variables of functions other names, or the old ones back."""

    MARK = "renamed_"

    def __init__(self, *, undo: bool = False) -> None:
        self._is_undone = undo
        self._locals: frozenset[str] = frozenset()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        outer = self._locals
        parts = list(ast.walk(node))
        assigned = {part.id for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
        caught = {part.name for part in parts if isinstance(part, ast.ExceptHandler) and part.name}
        given = {part.arg for part in parts if isinstance(part, ast.arg)}
        self._locals = outer | (assigned | caught) - given
        self.generic_visit(node)
        self._locals = outer
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._name(node.id)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = node.name and self._name(node.name)
        self.generic_visit(node)
        return node

    def _name(self, name: str) -> str:
        if self._is_undone:
            return name.removeprefix(self.MARK)
        return f"{self.MARK}{name}" if name in self._locals else name
