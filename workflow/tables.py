"""What the command line shows of an execution besides the status line: its phases and its segments."""

import functools
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from workflow.definition import iter_phases, read_definition
from workflow.execution import APPROVAL_STATE
from workflow.history import message_of
from workflow.phases import History, Phase, State
from workflow.resume import Prospect
from workflow.status import Status, duration, status_line

BAR_WIDTH = 60
SEGMENTS_SHOWN = 40

_STYLES = {
    State.RUNNING: "bold cyan",
    State.WAITING: "cyan",
    State.DONE: "green",
    State.FAILED: "bold red",
    State.TIMED_OUT: "bold red",
    State.ABORTED: "yellow",
}


def phases_to_come(history: History) -> list[str]:
    """Return the phases that follow the one under way, if nothing has to be looked at again; none after the end."""
    if history.state.is_over:
        return []
    names = _phase_names()
    if history.phase is not None:
        if history.phase.name not in names:  # an older deployment's
            return []
        names = names[names.index(history.phase.name) + 1 :]
    asks = history.plan is None or history.plan.approval == "required"
    return [name for name in names if asks or name != APPROVAL_STATE]


@functools.cache
def _phase_names() -> tuple[str, ...]:
    return tuple(iter_phases(read_definition()))


def phases_table(history: History, to_come: Sequence[str] = (), *, whole_reasons: bool = True) -> Table:
    """Return every phase that was entered, in order, with its times and what it waited for.

    Args:
        history: the execution's.
        to_come: phases that are listed below them.
        whole_reasons: a reason takes as many lines as it needs; otherwise what one line has room for.
    """
    table = Table(box=None, pad_edge=False)
    for heading in ("phase", "state", "entered", "took", "waits", "retries"):
        table.add_column(heading, no_wrap=True)
    table.add_column("reason")
    for phase in history.phases:
        table.add_row(
            phase.name,
            Text(phase.state, _STYLES[phase.state]),
            _clock(phase.entered_at),
            duration(phase.seconds(datetime.now(UTC))),
            str(phase.waits or ""),
            str(phase.retries or ""),
            Text(phase.reason) if whole_reasons else Text(phase.reason, overflow="ellipsis", no_wrap=True),
        )
    for name in to_come:
        table.add_row(Text(name, "dim"), Text("to come", "dim"))
    return table


def segments_table(phase: Phase) -> Table | None:
    """Return the segments of a phase that are not done, with the reason; `None` if all are."""
    unfinished = [segment for segment in phase.segments if segment.state is not State.DONE]
    if not unfinished:
        return None
    table = Table("segment", "state", "pages", "items", "retries", "reason", box=None, pad_edge=False)
    table.title = f"{phase.name}: {phase.succeeded} of {phase.total_segments} segments done"
    table.title_justify = "left"
    for segment in unfinished[:SEGMENTS_SHOWN]:
        reached = segment.reached
        table.add_row(
            segment.name.removeprefix("segment "),
            Text(segment.state, _STYLES[segment.state]),
            "" if reached is None else str(reached.pages),
            "" if reached is None else str(reached.items),
            str(segment.retries or ""),
            Text(segment.reason),
        )
    if len(unfinished) > SEGMENTS_SHOWN:
        table.add_row(f"and {len(unfinished) - SEGMENTS_SHOWN} more")
    return table


def status_view(status: Status) -> RenderableType:
    """Return the status line, a bar, all phases, and segments under way: a low terminal cuts off the last of it."""
    parts: list[RenderableType] = [Text(status_line(status))]
    if status.progress is not None:
        bar = Table.grid()  # a bar alone does not end its line
        bar.add_row(ProgressBar(total=max(1, status.progress.total), completed=status.progress.done, width=BAR_WIDTH))
        parts.append(bar)
    # The status line has the reason whole.
    parts.append(phases_table(status.history, phases_to_come(status.history), whole_reasons=False))
    if status.phase is not None and (segments := segments_table(status.phase)) is not None:
        parts.append(segments)
    return Group(*parts)


def history_view(history: History) -> RenderableType:
    """Return phases, all segments that did not end well, and how the execution ended."""
    parts: list[RenderableType] = [phases_table(history)]
    parts += [table for phase in history.phases if (table := segments_table(phase)) is not None]
    ended = f" at {_clock(history.ended_at)}" if history.ended_at else ""
    parts.append(Text(f"Execution: {history.state}{ended}", _STYLES[history.state]))
    if history.error or history.cause:
        parts.append(Text(f"{history.error}: {message_of(history.error, history.cause)}"))
    return Group(*parts)


def prospect_view(prospect: Prospect) -> RenderableType:
    """Return what a resume will do: what is done, what is read again and what remains, segment by segment."""
    done = prospect.total_segments - len(prospect.ahead)
    parts: list[RenderableType] = [Text(f"{prospect.execution_arn}: {prospect.status} {prospect.reason}".rstrip())]
    if prospect.total_segments:
        parts.append(
            Text(
                f"{done} of {prospect.total_segments} segments need no scan any more; so far {prospect.pages} pages "
                f"with {prospect.items} items were sent"
            )
        )
        again = sum(ahead.pages_again for ahead in prospect.ahead)
        parts.append(Text(f"segments to scan: {len(prospect.ahead)}; pages to read again: {again}"))
        if prospect.ahead and prospect.items_expected is not None:
            begun = prospect.items - sum(max(0, a.reached.items - a.begins_at.items) for a in prospect.ahead)
            remains = max(0, prospect.items_expected - begun)
            parts.append(Text(f"items to read: about {remains} of {prospect.items_expected}"))
        if prospect.ahead:
            parts.append(_ahead_table(prospect))
    parts.append(Text(f"it goes on by a {prospect.way}: {prospect.why}", "bold"))
    return Group(*parts)


def _ahead_table(prospect: Prospect) -> Table:
    table = Table("segment", "begins at page", "had sent", "items so far", "read again", box=None, pad_edge=False)
    for ahead in prospect.ahead[:SEGMENTS_SHOWN]:
        table.add_row(
            str(ahead.begins_at.segment),
            str(ahead.begins_at.pages),
            str(ahead.reached.pages),
            str(ahead.reached.items),
            f"{ahead.pages_again} pages",
        )
    if len(prospect.ahead) > SEGMENTS_SHOWN:
        table.add_row(f"and {len(prospect.ahead) - SEGMENTS_SHOWN} more")
    return table


def _clock(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
