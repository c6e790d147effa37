"""A place in the code by its syntax tree: found by name wherever its module stands, and its source with a part changed.

Nothing here goes by lines, by layout or by the names of local variables, so a guard survives that they change.
"""

import ast
import functools
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

FOLDERS = ("tasks", "workflow", "infra")
"""What guards may stand in."""
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
ASSIGNMENTS = (ast.Assign, ast.AnnAssign)
ATOMS = (
    ast.Name,
    ast.Constant,
    ast.JoinedStr,
    ast.Call,
    ast.Attribute,
    ast.Subscript,
    ast.Tuple,
    ast.List,
    ast.Set,
    ast.Dict,
)
"""Expressions that need no parentheses wherever they stand."""

Node = TypeVar("Node", bound=ast.AST)


class GuardLostError(Exception):
    """The list of guards is no longer that of the code; the message says what was not found."""


def find_place(root: Path, at: str) -> tuple[Path, str]:
    """Return the file that a place stands in, and its qualified name in there.

    Args:
        root: of the project, or of a copy.
        at: dotted: the module's name, and the name of a class, a function, a constant or a field in it. Of the packages
            around the module, and of the classes around the name, as much as tells it from others.

    Raises:
        GuardLostError: there is no such place, or more than one.
    """
    words = tuple(at.split("."))
    found = [
        (file, name, cut)
        for folder in FOLDERS
        for file in sorted((root / folder).rglob("*.py"))
        for cut in range(1, len(words))
        if _module(file.relative_to(root))[-cut:] == words[:cut]
        for name, _ in _definitions(ast.parse(file.read_text(encoding="utf-8")))
        if name[cut - len(words) :] == words[cut:]
    ]
    # What is named in full is meant, though a class has something of the same name.
    found = [place for place in found if place[1] == words[place[2] :]] or found
    if not found:
        raise GuardLostError(f"there is no {at} in {', '.join(FOLDERS)}")
    if len(found) > 1:
        places = ", ".join(f"{file.relative_to(root)} ({'.'.join(name)})" for file, name, _ in found)
        raise GuardLostError(f"{at} stands in {places}: put more of what is around it before it")
    file, name, _ = found[0]
    return file, ".".join(name)


def _module(file: Path) -> tuple[str, ...]:
    parts = file.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def _definitions(scope: ast.AST, around: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], ast.stmt]]:
    """Yield all that has a qualified name: classes and functions, and what modules and classes assign."""
    for child in ast.iter_child_nodes(scope):
        if isinstance(child, DEFINITIONS):
            name = (*around, child.name)
            yield name, child
            is_function = not isinstance(child, ast.ClassDef)
            yield from (
                (inner, node)
                for inner, node in _definitions(child, name)
                if not (is_function and isinstance(node, ASSIGNMENTS) and inner[:-1] == name)
            )
            continue
        if isinstance(child, ASSIGNMENTS):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            yield from (((*around, target.id), child) for target in targets if isinstance(target, ast.Name))
        if not isinstance(child, ast.expr):
            yield from _definitions(child, around)


class Code:
    """The source of a module, and one place in it.

    What is looked for in the place is named by **mentions**. A mention is a bit of Python: a name (`behind`, of an
    attribute, a function, a keyword or a constant), a dotted name (`route.check`) or a literal (`'Enabled'`, `None`). A
    node that mentions none of it may do so by way of a local variable: then it counts what that was assigned from.
    """

    def __init__(self, source: str, name: str) -> None:
        """Parse a module.

        Args:
            source: of the module.
            name: qualified name of the place in it.

        Raises:
            GuardLostError: it does not stand there once.
        """
        self._lines = source.encode().splitlines(keepends=True)
        self._tree = ast.parse(source)
        found = [node for defined, node in _definitions(self._tree) if ".".join(defined) == name]
        if len(found) != 1:
            raise GuardLostError(f"{name} is defined {len(found)} times in its module")
        self.name = name
        self.place = found[0]
        self._parents = {child: parent for parent in ast.walk(self._tree) for child in ast.iter_child_nodes(parent)}

    # ---------------------------------------------------------------- what is looked for

    def nodes(self, kind: type[Node]) -> list[Node]:
        """Return all nodes of a kind in the place."""
        return [node for node in ast.walk(self.place) if isinstance(node, kind)]

    def mentioning(self, nodes: Iterable[Node], *mentions: str) -> list[Node]:
        """Return those of some nodes that mention all of something; of nodes within each other the innermost."""
        wanted = [_parsed(mention) for mention in mentions]
        among = list(nodes)
        for parts_of in (ast.walk, self._parts_with_locals):
            found = [node for node in among if _has_all(node, wanted, parts_of)]
            if found:
                return self._innermost(found)
        return []

    def calling(self, nodes: Iterable[Node], function: str) -> list[Node]:
        """Return those of some nodes that call a function, by a `functools.partial` of it too; the innermost."""
        wanted = _parsed(function)
        return self._innermost([node for node in nodes if any(self._is_call(part, wanted) for part in ast.walk(node))])

    def callee(self, node: ast.expr) -> ast.expr:
        """Return the call of what is called, and anything else as it is."""
        parent = self._parents[node]
        return parent if isinstance(parent, ast.Call) and parent.func is node else node

    def block_of(self, statement: ast.stmt) -> list[ast.stmt]:
        """Return the statements that one stands among, itself included."""
        blocks = (value for _, value in ast.iter_fields(self._parents[statement]) if isinstance(value, list))
        return next(block for block in blocks if any(other is statement for other in block))

    def only(self, found: list[Node], what: str, *, last: bool = False) -> Node:
        """Return the one node that was looked for.

        Args:
            found: in the order of the source.
            what: it is, for the message.
            last: there may be several, and the last one is meant.

        Raises:
            GuardLostError: there is none, or more than one.
        """
        if not found:
            raise GuardLostError(f"{self.name} has no {what}")
        if len(found) > 1 and not last:
            lines = ", ".join(str(getattr(node, "lineno", "?")) for node in found)
            raise GuardLostError(f"{self.name} has more than one {what}: lines {lines}")
        return found[-1]

    def _innermost(self, found: list[Node]) -> list[Node]:
        around = {id(outer) for node in found for outer in self._around(node)}
        inner = [node for node in found if id(node) not in around]
        return sorted(inner, key=lambda node: (getattr(node, "lineno", 0), getattr(node, "col_offset", 0)))

    def _around(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self._parents:
            node = self._parents[node]
            yield node

    def _parts_with_locals(self, node: ast.AST) -> Iterator[ast.AST]:
        for part in ast.walk(node):
            yield part
            if isinstance(part, ast.Name):
                for value in self._assigned.get(part.id, []):
                    yield from ast.walk(value)

    @functools.cached_property
    def _assigned(self) -> dict[str, list[ast.expr]]:
        """What each local variable of the place is assigned from."""
        assigned: dict[str, list[ast.expr]] = {}
        for node in ast.walk(self.place):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            value = getattr(node, "value", None)
            if value is None:
                continue
            for target in targets:
                for name, source in _pairs(target, value):
                    assigned.setdefault(name, []).append(source)
        return assigned

    def _is_call(self, node: ast.AST, wanted: ast.expr) -> bool:
        if not isinstance(node, ast.Call):
            return False
        if _is(node.func, wanted):
            return True
        bound = self._assigned.get(node.func.id, []) if isinstance(node.func, ast.Name) else []
        partial = _parsed("partial")
        return any(
            isinstance(value, ast.Call) and _is(value.func, partial) and _is(value.args[0], wanted) for value in bound
        )

    # ---------------------------------------------------------------- what is changed

    def replaced(self, old: ast.expr, new: ast.expr) -> str:
        """Return the source with another expression in place of one."""
        self._put(old, new)
        return self.respelled(new)

    def dropped(self, statement: ast.stmt) -> str:
        """Return the source without a statement."""
        nothing = ast.Pass()
        self._put(statement, nothing)
        return self.respelled(nothing)

    def respelled(self, node: ast.expr | ast.stmt) -> str:
        """Return the source in which a node that was changed is spelled anew; what stands behind keeps its lines."""
        for outer in self._around(node):
            if isinstance(outer, ast.JoinedStr):  # Python 3.11 does not tell where its parts stand
                node = outer
        while isinstance(node, ast.stmt) and self._source_of(node).startswith(b"elif"):
            outer_statement = self._parents[node]
            assert isinstance(outer_statement, ast.If)
            node = outer_statement
        begin, end = self._span(node)
        text = ast.unparse(node)
        room = "\n" * (_line_ends(node) - text.count("\n"))
        if isinstance(node, ast.stmt):
            text = text.replace("\n", "\n" + " " * node.col_offset) + room
        elif room or not isinstance(node, ATOMS):
            text = f"({text}{room})"
        whole = b"".join(self._lines)
        return (whole[:begin] + text.encode() + whole[end:]).decode()

    def moved(self, statement: ast.stmt, *, behind: ast.stmt) -> str:
        """Return the source with a statement behind a later one of its block."""
        (first, last), (_, to) = _rows(statement), _rows(behind)
        lines = self._lines
        return b"".join([*lines[:first], *lines[last:to], *lines[first:last], *lines[to:]]).decode()

    def inserted(self, statement: ast.stmt, *, before: ast.stmt) -> str:
        """Return the source with one more statement, of one line."""
        row, _ = _rows(before)
        line = b" " * before.col_offset + ast.unparse(statement).encode() + b"\n"
        return b"".join([*self._lines[:row], line, *self._lines[row:]]).decode()

    def _put(self, old: ast.expr | ast.stmt, new: ast.expr | ast.stmt) -> None:
        parent = self._parents[old]
        for field, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, field, new)
            elif isinstance(value, list):
                value[:] = [new if member is old else member for member in value]
        ast.copy_location(new, old)
        self._parents[new] = parent

    def _span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        """Return where a node begins and ends, in bytes."""
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        begin = sum(map(len, self._lines[: node.lineno - 1])) + node.col_offset
        return begin, sum(map(len, self._lines[: node.end_lineno - 1])) + node.end_col_offset

    def _source_of(self, node: ast.stmt) -> bytes:
        begin, end = self._span(node)
        return b"".join(self._lines)[begin:end]


def _line_ends(node: ast.expr | ast.stmt) -> int:
    """Return how many line ends a node's source has."""
    return (node.end_lineno or node.lineno) - node.lineno


def _rows(statement: ast.stmt) -> tuple[int, int]:
    return statement.lineno - 1, statement.end_lineno or statement.lineno


def _pairs(target: ast.AST | None, value: ast.expr) -> list[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        return [(target.id, value)]
    if not isinstance(target, ast.Tuple):
        return []
    is_spread = isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts)
    values = value.elts if is_spread and isinstance(value, ast.Tuple) else [value] * len(target.elts)
    return [pair for part, source in zip(target.elts, values, strict=True) for pair in _pairs(part, source)]


def _parsed(mention: str) -> ast.expr:
    return ast.parse(mention, mode="eval").body


def _has_all(node: ast.AST, wanted: Iterable[ast.expr], parts_of: Callable[[ast.AST], Iterator[ast.AST]]) -> bool:
    return all(any(_is(part, mention) for part in parts_of(node)) for mention in wanted)


def _is(node: ast.AST, mention: ast.expr) -> bool:
    """Whether a node is what a mention names."""
    match mention:
        case ast.Constant(value=value):
            return isinstance(node, ast.Constant) and type(node.value) is type(value) and bool(node.value == value)
        case ast.Name(id=name):
            return name in {getattr(node, field, None) for field in ("id", "attr", "arg")}
        case _:
            dotted = ast.unparse(mention)
            return isinstance(node, ast.Attribute) and f".{ast.unparse(node)}".endswith(f".{dotted}")
