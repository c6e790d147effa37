"""Writes the documents that are tables of the code: `docs/errors.md` and `docs/states.md`.

`make documents`, or `python -m infra.documents`. They are committed, so that they can be read where nothing runs; a
test finds a stale one.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from infra.aws.functions.function import Function
from infra.aws.functions.registry import FUNCTIONS, function_of
from infra.graph import condition_in_words, waits_of
from infra.install import PROJECT_ROOT
from tasks.core import errors
from tasks.core.errors import Pending, TableferryError
from workflow.definition import State, iter_states, read_definition

ERRORS = PROJECT_ROOT / "docs" / "errors.md"
STATES = PROJECT_ROOT / "docs" / "states.md"

MOST_ATTEMPTS = 99_999
"""What the language takes at most: such a Retry gives up in years."""

IN_STREAM_FUNCTIONS: Final = ("WritesUnfinished",)
"""Errors that no state raises: Lambda brings the records again."""

OF_OTHERS: Final[Mapping[str, tuple[str, str]]] = {
    "States.ExceedToleratedFailureThreshold": (
        "A Map is red because one of its children failed; the child's own error is what counts.",
        "Choose the Map, then its **Map Run**, then the child that failed: do what its error asks for.",
    ),
    "States.Timeout": (
        "In ApproveCutOver: nobody answered for 14 days. Elsewhere: a call never came back, and is tried again.",
        "Redrive: it asks again.",
    ),
    "ApprovalDenied": (
        "Somebody answered the question of ApproveCutOver with no, for the reason that the cause says.",
        "Mend what it was denied for, then redrive: it asks again.",
    ),
    "Lambda.*, Sandbox.Timedout, Runtime.ExitError, Runtime.OutOfMemory": (
        "Lambda could not run the function, or a call ran out of time or died. Each is tried many times over.",
        "Look at quotas and at AWS Health, then redrive: the tries are counted anew.",
    ),
}
"""Errors that are not raised by a task: what each means, and the way out."""

_ERRORS_HEAD = """# Errors

What a failed state shows as its error, or a waiting one in red among the events. Its cause is the message: what, why,
and the way out in this very case; the tables say what holds of the error in every case. Before CutOver has run none of
them moves traffic, and the replicator keeps the target current.

"Redrive" goes on with the same execution; "resume" is `python -m workflow resume`, which redrives where that is enough
and else goes on in a new execution ([resume.md](resume.md)). The console's side of both: [console.md](console.md).

<!-- Written by `make documents` from tasks/core/errors.py and workflow/migration.asl.json: change those. -->"""


_NO_STATES_HEAD = """## Functions that are no states

Streams drive two of them, as long as their mappings stand, and a schedule the third."""


def errors_page() -> str:
    """Return `docs/errors.md`: each class with its meaning, where the machine tries it again, and its way out."""
    order = list(vars(errors))
    found = {
        name: kind
        for name, kind in sorted(inspect.getmembers(errors, inspect.isclass), key=lambda pair: order.index(pair[0]))
        if issubclass(kind, TableferryError) and kind not in {TableferryError, Pending}
    }
    states = dict(iter_states(read_definition()))
    retried = {name: _retried(name, states) for name in found}
    waits = [name for name, kind in found.items() if issubclass(kind, Pending)]
    passing = [name for name in found if retried[name] and name not in waits]
    stopping = [name for name in found if not retried[name] and name not in IN_STREAM_FUNCTIONS]

    def cells(names: Iterable[str], *more: Mapping[str, str]) -> list[tuple[str, ...]]:
        return [(f"`{name}`", meaning_of(found[name]), *(column[name] for column in more)) for name in names]

    way_out = {name: kind.way_out for name, kind in found.items()}
    others = [(_spans(name), *told) for name, told in OF_OTHERS.items()]
    plain = ("error", "means", "way out")
    parts = (
        ("What stops an execution", "", table(plain, cells(stopping, way_out))),
        (
            "What is tried again, and stops an execution only if it lasts",
            "",
            table(("error", "means", "tried again", "way out"), cells(passing, retried, way_out)),
        ),
        ("Waits", Pending.way_out, table(("error", "means", "asked again"), cells(waits, retried))),
        (
            "In the functions that streams drive",
            "These stop no execution; they stand in the functions' logs.",
            table(plain, cells(IN_STREAM_FUNCTIONS, way_out)),
        ),
        ("Errors of others: Step Functions, Lambda, a person", "", table(plain, others)),
    )
    blocks = [
        _ERRORS_HEAD,
        *("\n\n".join(filter(None, (f"## {heading}", said, rows))) for heading, said, rows in parts),
    ]
    return "\n\n".join(blocks) + "\n"


def meaning_of(kind: type[TableferryError]) -> str:
    """Return a class's docstring in one line."""
    return " ".join((kind.__doc__ or "").split())


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a table in Markdown."""
    heads = list(heads)
    return "\n".join(_row(cells) for cells in [heads, ["---"] * len(heads), *rows])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |".replace("| --- ", "|---").replace("--- |", "---|")


def _spans(names: str) -> str:
    return ", ".join(f"`{name}`" for name in names.split(", "))


def _retried(error: str, states: Mapping[str, State]) -> str:
    """Return in which states' Retry the error is, and how often it is tried again there; empty if in none."""
    tries = dict(_tries(error, states))
    if not tries:
        return ""
    tasks = [name for name, state in states.items() if state["Type"] == "Task"]
    where = "every state" if len(tries) == len(tasks) else ", ".join(f"`{name}`" for name in tries)
    most = max(tries.values())
    return f"in {where}, {'until it passes' if most == MOST_ATTEMPTS else f'{most} times'}"


def _tries(error: str, states: Mapping[str, State]) -> Iterator[tuple[str, int]]:
    for name, state in states.items():
        for retrier in state.get("Retry", []):
            if error in retrier["ErrorEquals"]:
                yield name, retrier["MaxAttempts"]


_STATES_HEAD = """# States

Each state of the machine in its order, and when it is done. A state, its module, its function and its hole in the
definition have one name: a red state in the console says which file to open. The whole in a picture:

![The state machine: every state, what it waits for, and where it goes on](migration.svg)

<!-- Written by `make documents` from workflow/migration.asl.json and the docstrings of tasks/: change those. -->"""

DONE = "Done when: "
"""How the paragraph of a task's docstring begins that says when its state is done."""


def states_page() -> str:
    """Return `docs/states.md`: each state with what it does, when it is done, what it waits by and what comes next."""
    states = dict(iter_states(read_definition()))
    maps = {
        inner: name
        for name, state in states.items()
        if state["Type"] == "Map"
        for inner in state["ItemProcessor"]["States"]
    }
    tasks = [
        (
            _linked(function_of(name)) + (f", in the Map `{maps[name]}`" if name in maps else ""),
            state["Comment"],
            done_when(function_of(name)),
            _waits(state),
        )
        for name, state in states.items()
        if state["Type"] == "Task"
    ]
    others = [
        (f"`{name}`, {state['Type']}", state["Comment"], _goes_on(state))
        for name, state in states.items()
        if state["Type"] != "Task"
    ]
    driven = [
        (_linked(function), _first_paragraph(function), function.driven_by)
        for function in FUNCTIONS
        if not function.is_state
    ]
    blocks = (
        _STATES_HEAD,
        table(("state", "does", "done when", "waits with"), tasks),
        "## Between them",
        table(("state", "does", "goes on to"), others),
        _NO_STATES_HEAD,
        table(("function", "does", "driven by"), driven),
    )
    return "\n\n".join(blocks) + "\n"


def done_when(function: Function) -> str:
    """Return when a function's state is done, as its module's docstring says; empty if it does not."""
    found = [paragraph for paragraph in _docstring(function).split("\n\n") if paragraph.startswith(DONE)]
    return " ".join(" ".join(found).removeprefix(DONE).removesuffix(".").split())


def _docstring(function: Function) -> str:
    file = PROJECT_ROOT / "tasks" / f"{function.module}.py"
    return ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""


def _first_paragraph(function: Function) -> str:
    return " ".join(_docstring(function).partition("\n\n")[0].split())


def _linked(function: Function) -> str:
    return f"[`{function.state}`](../tasks/{function.module}.py)"


def _waits(state: State) -> str:
    if state["Resource"].endswith(".waitForTaskToken"):
        return f"a person's answer, {state['TimeoutSeconds'] // 86_400} days at most"
    return ", ".join(f"`{error}`" for error in waits_of(state)) or "nothing"


def _goes_on(state: State) -> str:
    ways = [f"`{rule['Next']}` if {condition_in_words(rule)}" for rule in state.get("Choices", [])]
    if "Default" in state:
        ways.append(f"else `{state['Default']}`")
    if "Next" in state:
        ways.append(f"`{state['Next']}`")
    return ", ".join(ways) or "its child's end"


DOCUMENTS: Final[Mapping[Path, Callable[[], str]]] = {ERRORS: errors_page, STATES: states_page}
"""Each document that is written here, and what writes it."""


def main() -> int:
    """Write each document anew."""
    for document, text in DOCUMENTS.items():
        document.write_text(text(), encoding="utf-8")
        print(f"written: {document}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
