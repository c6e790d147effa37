"""The live view of the demonstration: the migration as its operator sees it, and what its application does."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from infra.local.rehearsal.owner.application import Counted
from workflow.status import Status, status_line
from workflow.tables import status_view

EVERY_SECONDS = 2.0
PAUSE_PER_READING = 3
"""How much longer than a reading took the pause is: moto answers with all events, on the cores that do the work too."""
PAUSE_SECONDS_MOST = 8.0
SAY_AGAIN_SECONDS = 10.0


def follow(
    read: Callable[[Status | None], Status],
    counted: Callable[[], Counted],
    console: Console,
    *,
    timeout_seconds: float,
) -> Status:
    """Show the migration until its execution is over, and return where it stood then.

    On a terminal the view is redrawn in place; elsewhere a status line is printed for each new phase and every ten
    seconds. In the end all phases are printed.

    Args:
        read: returns where the execution stands, given what it returned last.
        counted: returns what the application has done.
        console: where to show it.
        timeout_seconds: how long the execution may take.

    Raises:
        TimeoutError: it still runs then; the message says what it waited for.
    """
    deadline = time.monotonic() + timeout_seconds
    status = None
    with _View(console) as view:
        while True:
            began = time.monotonic()
            status = read(status)
            if status.state.is_over:
                break
            view.show(status, counted())
            now = time.monotonic()
            if now > deadline:
                raise TimeoutError(f"the execution still runs after {timeout_seconds:g} s: {status_line(status)}")
            time.sleep(min(PAUSE_SECONDS_MOST, max(EVERY_SECONDS, PAUSE_PER_READING * (now - began))))
    console.print(status_view(status), soft_wrap=True)
    return status


class _View:
    """Redraws on a terminal, prints status lines elsewhere; what was redrawn is gone at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._phase: str | None = None
        self._said = ""
        self._said_at = 0.0

    def show(self, status: Status, counted: Counted) -> None:
        """Show where the migration stands."""
        if self._live:
            self._live.update(render(status, counted), refresh=True)
            return
        phase, line = status.phase.name if status.phase else "", status_line(status)
        is_due = time.monotonic() - self._said_at >= SAY_AGAIN_SECONDS
        if phase != self._phase or (is_due and line != self._said):
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
            self._phase, self._said, self._said_at = phase, line, time.monotonic()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()


def render(status: Status, counted: Counted) -> RenderableType:
    """Return the whole view: the application's line, and the migration's as `python -m workflow status` shows it."""
    return Group(Text(application_line(counted), "dim"), status_view(status))


def application_line(counted: Counted) -> str:
    """Return what the application does in one line."""
    tables = ", ".join(f"{count:,} to {table}" for table, count in counted.tables.items()) or "none yet"
    troubles = "".join(
        f"; {count:,} {name}"
        for name, count in (
            ("refused", counted.refused),
            ("put off", counted.put_off),
            ("uncertain", counted.uncertain),
            ("unsettled", counted.unsettled),
        )
        if count
    )
    return f"application: writes {tables}; {counted.writes_per_second:.0f} writes/s{troubles}"
