"""The reviewed definition with shorter waits: a person's fourteen days become seconds, a retry's minute one second."""

import copy
from collections.abc import Iterator
from typing import Any

from workflow.definition import iter_states

Change = tuple[str, int, int]
"""Where, the reviewed seconds, the test's seconds."""


def shortened(definition: dict[str, Any], *, approval_seconds: int | None = None) -> dict[str, Any]:
    """Return a definition that waits one second before each retry.

    Args:
        definition: as it was rendered; it is not changed.
        approval_seconds: how long ApproveCutOver waits for its answer; by default as long as it was rendered.
    """
    short = copy.deepcopy(definition)
    for name, state in iter_states(short):
        for retrier in state.get("Retry", []):
            retrier["IntervalSeconds"] = 1
        if name == "ApproveCutOver" and approval_seconds is not None:
            state["TimeoutSeconds"] = approval_seconds
    return short


def changes(reviewed: object, short: object, where: str = "") -> Iterator[Change]:
    """Yield each difference of two definitions.

    Raises:
        ValueError: something else than a number of seconds differs.
    """
    if isinstance(reviewed, dict) and isinstance(short, dict) and list(reviewed) == list(short):
        for key in reviewed:
            yield from changes(reviewed[key], short[key], f"{where}/{key}")
    elif isinstance(reviewed, list) and isinstance(short, list) and len(reviewed) == len(short):
        for index, (left, right) in enumerate(zip(reviewed, short, strict=True)):
            yield from changes(left, right, f"{where}/{index}")
    elif reviewed != short:
        if not (where.endswith("Seconds") and isinstance(reviewed, int) and isinstance(short, int)):
            raise ValueError(f"{where}: {reviewed!r} became {short!r}, and only numbers of seconds may differ")
        yield where, reviewed, short
