"""Each function is given exactly the names that its code reads, through whatever module."""

import ast
import typing

import pytest

from infra.aws.functions.function import Function, Name
from infra.aws.functions.registry import FUNCTIONS
from tests.contract.call_graph import environment_names, modules, reached

BY_STATE = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: str(function.state))


@BY_STATE
def test_no_function_asks_for_a_name_that_it_was_not_given_or_holds_one_it_never_reads(function: Function) -> None:
    assert environment_names(reached(function.module)) == set(function.names)


def test_the_names_are_those_that_the_deployment_module_reads() -> None:
    everything = frozenset(
        ("tasks.aws.session.deployment", name) for name in modules()["tasks.aws.session.deployment"].nodes
    )
    assert environment_names(everything) == set(typing.get_args(Name))


def test_nothing_reads_the_environment_past_the_deployment_module() -> None:
    readers = {
        (name, ast.unparse(node))
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers == {("tasks.aws.session.deployment", "os.environ"), ("tasks.aws.session.clients", "os.environ")}
    (variable,) = {
        node.slice.value
        for node in ast.walk(modules()["tasks.aws.session.clients"].tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and ast.unparse(node.value) == "os.environ"
    }
    assert variable == "AWS_REGION", "which Lambda itself gives"


def test_no_name_is_made_at_run_time_where_this_method_could_not_see_it() -> None:
    called = {
        node.func.id
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec", "__import__", "globals", "import_module"}
    with_getattr = {
        name
        for name, module in modules().items()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Name) and node.id == "getattr"
    }
    assert with_getattr <= {"tasks.core.settings.migration"}, "where it reads fields of the model by their names"
