"""What each handler of `tasks/` may reach, read from the source: which functions, names and errors.

The method, and its limits: a node is a function, a class, a method or a constant of a module in `tasks`; an edge is
any mention of another node's name, called or not, resolved through the module's own imports (`module.name`, `name`).
What an object's attribute is, the source alone does not say. So a method is reached once its class is, and anything
that is reached mentions an attribute of its name; what Python or pydantic calls by itself is reached with the class.
That errs on the side of too much. It would miss names made at run time (`getattr` with a text), of which `tasks/` has
none; a test says so.
"""

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeGuard

TASKS = Path(__file__).resolve().parents[2] / "tasks"
ROOT = TASKS.parent

Node = tuple[str, str]
"""(module, top-level name), or (module, class.method)"""
CALLED_BY_NAME = {"property", "classmethod", "staticmethod", "contextmanager", "cached_property"}
"""Decorators of methods that nobody calls but by their name."""


@dataclass
class Module:
    """One module of `tasks`, as its source says."""

    name: str
    tree: ast.Module
    modules: dict[str, str] = field(default_factory=dict)
    """Local name to module."""
    names: dict[str, Node] = field(default_factory=dict)
    """Local name to what was imported from a module of `tasks`."""
    nodes: dict[str, list[ast.stmt]] = field(default_factory=dict)
    """Top-level name to the statements that define it."""


@functools.cache
def modules() -> dict[str, Module]:
    """Return every module of `tasks` by its dotted name."""
    found = {}
    for path in sorted(TASKS.rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        found[name] = Module(name, ast.parse(path.read_text(encoding="utf-8")))
    for module in found.values():
        _read(module, set(found))
    return found


def task_modules() -> list[str]:
    """Return the modules that are functions: those directly in `tasks`."""
    return sorted(name.removeprefix("tasks.") for name in modules() if name.count(".") == 1 and not _is_package(name))


def _is_package(name: str) -> bool:
    return (ROOT / Path(*name.split("."))).is_dir()


def _read(module: Module, known: set[str]) -> None:
    for statement in module.tree.body:
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("tasks"):
            for alias in statement.names:
                local, full = alias.asname or alias.name, f"{statement.module}.{alias.name}"
                if full in known:
                    module.modules[local] = full
                else:
                    module.names[local] = (statement.module or "", alias.name)
        elif isinstance(statement, ast.FunctionDef):
            module.nodes.setdefault(statement.name, []).append(statement)
        elif isinstance(statement, ast.ClassDef):
            _read_class(module, statement)
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
                if isinstance(target, ast.Name):
                    module.nodes.setdefault(target.id, []).append(statement)


def _read_class(module: Module, statement: ast.ClassDef) -> None:
    methods = [member for member in statement.body if _is_called_by_name(member)]
    rest = [member for member in statement.body if member not in methods] or [ast.Pass()]
    shell = ast.ClassDef(statement.name, statement.bases, statement.keywords, rest, statement.decorator_list)
    module.nodes.setdefault(statement.name, []).append(shell)
    for method in methods:
        module.nodes.setdefault(f"{statement.name}.{method.name}", []).append(method)


def _is_called_by_name(member: ast.stmt) -> TypeGuard[ast.FunctionDef]:
    if not isinstance(member, ast.FunctionDef) or member.name.startswith("__"):
        return False
    return all(ast.unparse(decorator) in CALLED_BY_NAME for decorator in member.decorator_list)


def _mentions(module: Module, statement: ast.AST) -> Iterator[Node]:
    for inner in ast.walk(statement):
        if isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Name) and inner.value.id in module.modules:
            yield module.modules[inner.value.id], inner.attr
        elif isinstance(inner, ast.Name):
            if inner.id in module.nodes:
                yield module.name, inner.id
            elif inner.id in module.names:
                yield module.names[inner.id]


@functools.cache
def reached(task: str, entry: str = "handler") -> frozenset[Node]:
    """Return all nodes that a task's handler may reach."""
    waiting: list[Node] = [(f"tasks.{task}", entry)]
    found: set[Node] = set()
    attributes: set[str] = set()
    while waiting:
        while waiting:
            node = waiting.pop()
            if node in found:
                continue
            found.add(node)
            module = modules()[node[0]]
            if node[1] in module.names:  # imported again under this module's name
                waiting.append(module.names[node[1]])
            for statement in module.nodes.get(node[1], []):
                waiting += _mentions(module, statement)
                attributes |= {inner.attr for inner in ast.walk(statement) if isinstance(inner, ast.Attribute)}
        methods = [method for node in found for method in _methods(node) if method[1].rpartition(".")[2] in attributes]
        waiting = [method for method in methods if method not in found]
    return frozenset(found)


def _methods(node: Node) -> list[Node]:
    module = modules()[node[0]]
    return [(node[0], name) for name in module.nodes if name.startswith(f"{node[1]}.")]


def statements_of(nodes: frozenset[Node]) -> Iterator[tuple[Node, ast.stmt]]:
    """Yield the source of nodes."""
    for node in sorted(nodes):
        for statement in modules()[node[0]].nodes.get(node[1], []):
            yield node, statement


def errors_raised(nodes: frozenset[Node]) -> set[str]:
    """Return the names of the classes that these nodes raise."""
    return {
        raised.exc.func.id
        for _, statement in statements_of(nodes)
        for raised in ast.walk(statement)
        if isinstance(raised, ast.Raise) and isinstance(raised.exc, ast.Call) and isinstance(raised.exc.func, ast.Name)
    }


def environment_names(nodes: frozenset[Node]) -> set[str]:
    """Return the names that these nodes read through `tasks.aws.session.deployment`."""
    return {
        call.args[0].value
        for (module, _), statement in statements_of(nodes)
        if module == "tasks.aws.session.deployment"
        for call in ast.walk(statement)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and call.func.id == "_named"
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }
