"""The list of guards is that of the code: `make guards` would else take nothing away, and see nothing fail."""

import ast
from pathlib import Path

import pytest

from tests.guards.guards import GUARDS, Guard

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.without)
def test_a_guard_stands_where_the_list_says_and_the_code_runs_without_it(guard: Guard) -> None:
    code = (ROOT / guard.file).read_text(encoding="utf-8")
    assert code.count(guard.text) == 1
    without = code.replace(guard.text, guard.instead)
    assert ast.dump(ast.parse(without)) != ast.dump(ast.parse(code)), "it changes what runs"
