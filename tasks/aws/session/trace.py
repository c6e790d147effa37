"""Traces for X-Ray: one subsegment for each call, with annotations to search by. See ADR 0012."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tasks.aws.session import deployment

if TYPE_CHECKING:
    from aws_lambda_powertools import Tracer


@functools.cache
def tracer() -> "Tracer | None":
    """Return the tracer, `None` where nobody takes traces."""
    if not deployment.is_traced():
        return None
    # Only here: X-Ray's SDK takes as long to import as all the rest of a function.
    from aws_lambda_powertools import Tracer  # noqa: PLC0415

    # Single calls to AWS are not traced (auto_patch): a function makes thousands of them, from threads of its own, in
    # which the SDK finds no segment to hang them on.
    return Tracer(service="tableferry", auto_patch=False)


@contextmanager
def traced(name: str) -> Iterator[None]:
    """Trace a piece of work; of an error only its type is noted.

    Powertools' capture_lambda_handler would do for less, but with capture_error=False, too, an exception that leaves
    the subsegment is recorded with its message, and the message of a foreign error may quote item data. So none leaves
    it: it is raised again behind it.

    Args:
        name: what the trace shows.
    """
    traces = tracer()
    if traces is None:
        yield
        return
    failed: BaseException | None = None
    with traces.provider.in_subsegment(name=f"## {name}"):
        try:
            yield
        except BaseException as error:  # noqa: BLE001 — raised again below
            annotate("error", type(error).__name__)
            failed = error
    if failed is not None:
        raise failed


def annotate(name: str, value: str) -> None:
    """Annotate the call under way: names and numbers, never item data."""
    traces = tracer()
    if traces is not None:
        traces.put_annotation(name, value)
