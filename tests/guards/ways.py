"""The ways in which a guard can be taken away, each an operation on the syntax tree.

There are few, and each finds exactly one node or says that it does not: see `Code` for how a node is named.
"""

import ast
import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping

from tests.guards.place import Code, GuardLostError

WILDCARD = "any_"
WHAT_WAS = "_"


class Way(ABC):
    """One way to take a guard away."""

    @abstractmethod
    def taken_away(self, code: Code) -> str:
        """Return the module's source without the guard.

        Raises:
            GuardLostError: what is to be taken away is not there, or not only once.
        """


class InTurn(Way):
    """Several ways, one after the other."""

    def __init__(self, *ways: Way) -> None:
        self._ways = ways

    def taken_away(self, code: Code) -> str:
        for way in self._ways[:-1]:
            code = Code(way.taken_away(code), code.name)
        return self._ways[-1].taken_away(code)


class Drop(Way):
    """Drop the statement that calls a function, be it in its condition; or a `break`.

    Args:
        call: the function, or `break`.
        beside: what another statement of the same block mentions.
        last: the last one of several.
    """

    def __init__(self, call: str, *, beside: str | None = None, last: bool = False) -> None:
        self._call = call
        self._beside = beside
        self._is_last = last

    def taken_away(self, code: Code) -> str:
        statements = code.nodes(ast.stmt)
        found: list[ast.stmt] = [node for node in statements if isinstance(node, ast.Break)]
        if self._call != "break":
            found = code.calling([node for node in statements if node is not code.place], self._call)
        if self._beside is not None:
            found = [node for node in found if code.mentioning(_others(code, node), self._beside)]
        beside = f" beside {self._beside}" if self._beside else ""
        return code.dropped(code.only(found, f"statement with {self._call}{beside}", last=self._is_last))


class _Decide(Way):
    """Decide a condition once and for all.

    A condition is what an `if`, a `while`, a conditional expression or a comprehension goes by; or, in a table of
    conditions, the first of two members.

    Args:
        mentions: what it mentions.
        over: a function that is called only if it holds.
        paired_with: what the table of conditions pairs it with.
    """

    holds: bool

    def __init__(self, *mentions: str, over: str | None = None, paired_with: str | None = None) -> None:
        self._mentions = mentions
        self._over = over
        self._paired_with = paired_with

    def taken_away(self, code: Code) -> str:
        if self._over is not None:
            blocks = [(statement, node.test) for node in code.nodes(ast.If) for statement in node.body]
            over = code.calling([statement for statement, _ in blocks], self._over)
            conditions = [test for statement, test in blocks if statement in over]
        elif self._paired_with is not None:
            rows = _rows(code)
            behind = code.mentioning([row.elts[1] for row in rows], self._paired_with)
            conditions = [row.elts[0] for row in rows if any(row.elts[1] is node for node in behind)]
        else:
            conditions = _conditions(code)
        if self._mentions:
            conditions = code.mentioning(conditions, *self._mentions)
        what = " and ".join(filter(None, [*self._mentions, self._over, self._paired_with]))
        return code.replaced(code.only(conditions, f"condition with {what}"), ast.Constant(self.holds))


class Never(_Decide):
    """Let a condition never hold."""

    holds = False


class Always(_Decide):
    """Let a condition always hold."""

    holds = True


class LeaveOut(Way):
    """Leave out one operand of `and` or `or`, one member of a tuple, list or set, or one of the managers of a `with`.

    Args:
        mentions: what it mentions.
    """

    def __init__(self, *mentions: str) -> None:
        self._mentions = mentions

    def taken_away(self, code: Code) -> str:
        around = {id(member): node for node in code.nodes(ast.AST) for member in _members(node)}
        among = [member for node in code.nodes(ast.AST) for member in _members(node)]
        member = code.only(code.mentioning(among, *self._mentions), f"member with {' and '.join(self._mentions)}")
        node = around[id(member)]
        if isinstance(node, ast.BoolOp):
            node.values.remove(member)
            return code.replaced(node, node.values[0]) if len(node.values) == 1 else code.respelled(node)
        if isinstance(node, ast.With):
            node.items = [item for item in node.items if item.context_expr is not member]
            return code.respelled(node)
        assert isinstance(node, ast.Tuple | ast.List | ast.Set)
        node.elts.remove(member)
        return code.respelled(node)


class Omit(Way):
    """Leave out keyword arguments, or keys of a dictionary with their values.

    Args:
        names: of the arguments or keys.
    """

    def __init__(self, *names: str) -> None:
        self._names = names

    def taken_away(self, code: Code) -> str:
        holders = {id(holder): holder for holder in (_entry(code, name)[0] for name in self._names)}
        if len(holders) != 1:
            raise GuardLostError(f"{', '.join(self._names)} do not stand in one call or dictionary of {code.name}")
        (holder,) = holders.values()
        if isinstance(holder, ast.Call):
            holder.keywords = [keyword for keyword in holder.keywords if keyword.arg not in self._names]
        else:
            left = [
                (key, value)
                for key, value in zip(holder.keys, holder.values, strict=True)
                if not (isinstance(key, ast.Constant) and key.value in self._names)
            ]
            holder.keys, holder.values = [key for key, _ in left], [value for _, value in left]
        return code.respelled(holder)


class Put(Way):
    """Put another expression in place of one.

    Args:
        expression: what is put there, in which `_` stands for what was there.
        mentions: of what it replaces, a call if what is called mentions it; without any, what the constant is assigned,
            or what the function returns.
        key: of the keyword argument or the dictionary's key whose value it replaces.
        argument: which of the arguments of the call that was found it replaces, 0-based.
    """

    def __init__(self, expression: str, *mentions: str, key: str | None = None, argument: int | None = None) -> None:
        self._expression = expression
        self._mentions = mentions
        self._key = key
        self._argument = argument

    def taken_away(self, code: Code) -> str:
        old = self._old(code)
        new = ast.parse(self._expression, mode="eval").body
        return code.replaced(old, _Filled({WHAT_WAS: copy.deepcopy(old)}).visit(new))

    def _old(self, code: Code) -> ast.expr:
        if self._key is not None:
            return _entry(code, self._key)[1]
        if not self._mentions:
            values = (
                [code.place.value]
                if isinstance(code.place, ast.Assign | ast.AnnAssign)
                else [node.value for node in code.nodes(ast.Return)]
            )
            return code.only([value for value in values if value is not None], "value")
        what = f"expression with {' and '.join(self._mentions)}"
        found = code.callee(code.only(code.mentioning(code.nodes(ast.expr), *self._mentions), what))
        if self._argument is None:
            return found
        if not isinstance(found, ast.Call) or len(found.args) <= self._argument:
            raise GuardLostError(f"{what} of {code.name} has no argument {self._argument}")
        return found.args[self._argument]


class MoveBehind(Way):
    """Move the statement that calls a function behind a later one of its block.

    Args:
        call: the function.
        other: the function that the other statement calls.
    """

    def __init__(self, call: str, other: str) -> None:
        self._call = call
        self._other = other

    def taken_away(self, code: Code) -> str:
        statement = code.only(code.calling(_inner(code), self._call), f"statement with {self._call}")
        block = code.block_of(statement)
        later = block[block.index(statement) + 1 :]
        other = code.only(code.calling(later, self._other), f"statement with {self._other} behind {self._call}")
        return code.moved(statement, behind=other)


class CopyBefore(Way):
    """Do what a statement does once more, before an earlier one of its block.

    Args:
        call: the function that the statement calls.
        other: a function that the other statement calls.
        keywords: what the copy gives for keyword arguments instead.
    """

    def __init__(self, call: str, other: str, keywords: Mapping[str, str] | None = None) -> None:
        self._call = call
        self._other = other
        self._keywords = keywords or {}

    def taken_away(self, code: Code) -> str:
        statement = code.only(code.calling(_inner(code), self._call), f"statement with {self._call}")
        block = code.block_of(statement)
        earlier = block[: block.index(statement)]
        other = code.only(code.calling(earlier, self._other), f"statement with {self._other} before {self._call}")
        again = copy.deepcopy(statement)
        keywords = {node.arg: node for node in ast.walk(again) if isinstance(node, ast.keyword)}
        for name, value in self._keywords.items():
            if name not in keywords:
                raise GuardLostError(f"{self._call} gets no {name} in {code.name}")
            keywords[name].value = ast.parse(value, mode="eval").body
        return code.inserted(again, before=other)


class Rewrite(Way):
    """Put another expression in place of one of a given form, where no other way serves.

    Args:
        form: the expression, in which a name `any_…` stands for any expression, and the same one each time.
        instead: what is put there, with the same names in it.
        everywhere: in all places that have the form.
    """

    def __init__(self, form: str, instead: str, *, everywhere: bool = False) -> None:
        self._form = form
        self._instead = instead
        self._is_everywhere = everywhere

    def taken_away(self, code: Code) -> str:
        form = ast.parse(self._form, mode="eval").body
        found = [(node, bound) for node in code.nodes(ast.expr) if (bound := _bound(form, node)) is not None]
        if self._is_everywhere and len(found) > 1:
            node, bound = found[-1]
            return self.taken_away(Code(code.replaced(node, self._filled(bound)), code.name))
        node = code.only([node for node, _ in found], f"expression like {self._form}")
        return code.replaced(node, self._filled(found[0][1]))

    def _filled(self, bound: Mapping[str, ast.expr]) -> ast.expr:
        filled = _Filled(bound).visit(ast.parse(self._instead, mode="eval").body)
        assert isinstance(filled, ast.expr)
        return filled


class _Filled(ast.NodeTransformer):
    """Puts expressions in place of names."""

    def __init__(self, bound: Mapping[str, ast.expr]) -> None:
        self._bound = bound

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._bound.get(node.id, node)


def _bound(form: ast.expr, node: ast.expr) -> dict[str, ast.expr] | None:
    """Return what the wildcards of a form stand for, `None` if an expression has another form."""
    bound: dict[str, ast.expr] = {}

    def fits(wanted: object, there: object) -> bool:
        if isinstance(wanted, ast.Name) and wanted.id.startswith(WILDCARD) and isinstance(there, ast.expr):
            return ast.unparse(bound.setdefault(wanted.id, there)) == ast.unparse(there)
        if isinstance(wanted, ast.expr_context):
            return True
        if isinstance(wanted, ast.AST):
            return type(wanted) is type(there) and all(
                fits(getattr(wanted, field), getattr(there, field)) for field in wanted._fields
            )
        if isinstance(wanted, list):
            return isinstance(there, list) and len(wanted) == len(there) and all(map(fits, wanted, there))
        return type(wanted) is type(there) and wanted == there

    return bound if fits(form, node) else None


def _members(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.BoolOp):
        return node.values
    if isinstance(node, ast.With):
        return [item.context_expr for item in node.items]
    return node.elts if isinstance(node, ast.Tuple | ast.List | ast.Set) else []


def _inner(code: Code) -> list[ast.stmt]:
    return [node for node in code.nodes(ast.stmt) if node is not code.place]


def _others(code: Code, statement: ast.stmt) -> list[ast.stmt]:
    return [other for other in code.block_of(statement) if other is not statement]


def _rows(code: Code) -> list[ast.Tuple]:
    """Return the rows of tables of conditions: pairs that stand in a list, tuple or set."""
    tables = [node for node in code.nodes(ast.AST) if isinstance(node, ast.List | ast.Tuple | ast.Set)]
    return [row for table in tables for row in table.elts if isinstance(row, ast.Tuple) and len(row.elts) == 2]


def _conditions(code: Code) -> list[ast.expr]:
    tests = [node.test for node in code.nodes(ast.AST) if isinstance(node, ast.If | ast.While | ast.IfExp)]
    filters = [test for node in code.nodes(ast.comprehension) for test in node.ifs]
    return tests + filters + [row.elts[0] for row in _rows(code)]


def _entry(code: Code, name: str) -> tuple[ast.Call | ast.Dict, ast.expr]:
    """Return the one call or dictionary with an argument or a key of a name, and its value."""
    found: list[tuple[ast.Call | ast.Dict, ast.expr]] = [
        (call, keyword.value) for call in code.nodes(ast.Call) for keyword in call.keywords if keyword.arg == name
    ]
    found += [
        (holder, value)
        for holder in code.nodes(ast.Dict)
        for key, value in zip(holder.keys, holder.values, strict=True)
        if isinstance(key, ast.Constant) and key.value == name
    ]
    value = code.only([value for _, value in found], f"argument or key {name}")
    return next(pair for pair in found if pair[1] is value)
