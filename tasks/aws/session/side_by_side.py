"""Calls side by side of which each counts by itself: what is done stays done, whichever of the others fails."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

ThingT = TypeVar("ThingT")


def settle(
    threads: ThreadPoolExecutor, work: Callable[[ThingT], object], things: Iterable[ThingT]
) -> tuple[list[ThingT], BaseException | None]:
    """Do a piece of work for each thing, and wait for all of them.

    Args:
        threads: as many as calls may be under way at once.
        work: may raise.
        things: to work on.

    Returns:
        Those whose work did not fail, in their order, and the first failure. Whoever has noted what is done raises it.
    """
    calls = [(thing, threads.submit(work, thing)) for thing in things]
    failures = [call.exception() for _, call in calls]
    first = next((failure for failure in failures if failure is not None), None)
    return [thing for thing, call in calls if call.exception() is None], first
