"""Caps and pauses that an operator sets while a migration runs."""

import time
from collections.abc import Callable

import boto3

from tasks.aws.books.books import Books
from tasks.core.run.course import course_of
from tasks.core.settings.caps import Caps, Throttle
from workflow import execution
from workflow.machine import Machine
from workflow.refusals import CommandRefused, in_words

NO_CAP = "none"
IN_FORCE_SECONDS = 15
"""So long it takes at most until every call in progress goes by it."""

Change = Callable[[Throttle], Throttle]


def throttled(read_units: str | None, write_units: str | None) -> Change:
    """Return what sets caps; one that is not given stays as it is.

    Raises:
        CommandRefused: neither is given, or one is no number of units.
    """
    if read_units is None and write_units is None:
        raise CommandRefused(
            "nothing is throttled: give --read-units, --write-units or both, each a number of units a second or "
            f"{NO_CAP!r}"
        )
    reads = None if read_units is None else _units(read_units, "--read-units")
    writes = None if write_units is None else _units(write_units, "--write-units")

    def change(throttle: Throttle) -> Throttle:
        caps: Caps = throttle.caps
        caps = caps if read_units is None else caps.with_reads(reads)
        caps = caps if write_units is None else caps.with_writes(writes)
        return throttle.model_copy(update={"caps": caps})

    return change


def paused(throttle: Throttle) -> Throttle:
    """Pause; the caps stay as they are."""
    return throttle.model_copy(update={"is_paused": True})


def unpaused(throttle: Throttle) -> Throttle:
    """End a pause.

    Raises:
        CommandRefused: there is none.
    """
    if not throttle.is_paused:
        raise CommandRefused("the migration is not paused; look at `python -m workflow status` for what it waits for")
    return throttle.model_copy(update={"is_paused": False})


def apply(session: boto3.Session, execution_arn: str, change: Change) -> Throttle:
    """Change what holds of an execution's run, and return it.

    Raises:
        CommandRefused: the execution is over, or has no plan yet.
    """
    course = course_of(execution.read_events(session, execution_arn).all)
    if course.state.is_over:
        raise CommandRefused(
            f"execution {execution_arn} is over ({course.state}), and nothing of it reads or writes; resume it first"
        )
    if course.plan is None:
        raise CommandRefused(
            f"execution {execution_arn} has no plan yet: Preflight makes it; give the command again in a moment"
        )
    machine = Machine.of_execution(execution_arn)
    book = Books(execution.control_table(session, machine), course.plan.run).caps
    with in_words(f"writing to {machine.control_table}"):
        now = book.throttle(course.plan.caps)
        # Each has a number of its own: turns under another cap are counted by another clock.
        changed = change(now).model_copy(update={"revision": now.revision + 1, "since": time.time()})
        book.put(changed)
    return changed


def _units(given: str, option: str) -> float | None:
    if given == NO_CAP:
        return None
    try:
        units = float(given)
    except ValueError:
        units = 0.0
    if not 0 < units < float("inf"):
        raise CommandRefused(f"{option} {given!r} is no number of units a second; give one above 0, or {NO_CAP!r}")
    return units
