"""What the command line shows of an execution besides the status line: its phases and its segments."""

import functools
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tasks.core.run.course import ANSWER_WANTED, failure_in_words
from tasks.core.run.phases import Course, Phase, Standing
from workflow.definition import iter_phases, read_definition
from workflow.execution import APPROVAL_STATE
from workflow.resume import Ahead, Prospect
from workflow.status import Status, duration, status_line

BAR_WIDTH = 60
SEGMENTS_SHOWN = 40

_STYLES = {
    Standing.RUNNING: "bold cyan",
    Standing.WAITING: "cyan",
    Standing.DONE: "green",
    Standing.FAILED: "bold red",
    Standing.TIMED_OUT: "bold red",
    Standing.ABORTED: "yellow",
}


def phases_to_come(course: Course) -> list[str]:
    """Return the phases that follow the one under way, if nothing has to be looked at again; none after the end."""
    if course.state.is_over:
        return []
    names = _phase_names()
    if course.phase is not None:
        if course.phase.name not in names:  # an older deployment's
            return []
        names = names[names.index(course.phase.name) + 1 :]
    asks = course.plan is None or course.plan.approval == "required"
    return [name for name in names if asks or name != APPROVAL_STATE]


@functools.cache
def _phase_names() -> tuple[str, ...]:
    return tuple(iter_phases(read_definition()))


def phases_table(course: Course, to_come: Sequence[str] = (), *, whole_reasons: bool = True) -> Table:
    """Return every phase that was entered, in order, with its times and what it waited for.

    Args:
        course: the execution's.
        to_come: phases that are listed below them.
        whole_reasons: a reason takes as many lines as it needs; otherwise what one line has room for.
    """
    table = Table(box=None, pad_edge=False)
    for heading in ("phase", "state", "entered", "took", "waits", "retries"):
        table.add_column(heading, no_wrap=True)
    table.add_column("reason")
    for phase in course.phases:
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
    unfinished = [segment for segment in phase.segments if segment.state is not Standing.DONE]
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
    if status.phase is not None and status.phase.reason == ANSWER_WANTED:
        parts += _to_move(status.course)
    if status.progress is not None:
        bar = Table.grid()  # a bar alone does not end its line
        bar.add_row(ProgressBar(total=max(1, status.progress.total), completed=status.progress.done, width=BAR_WIDTH))
        parts.append(bar)
    # The status line has the reason whole.
    parts.append(phases_table(status.course, phases_to_come(status.course), whole_reasons=False))
    if status.phase is not None and (segments := segments_table(status.phase)) is not None:
        parts.append(segments)
    return Group(*parts)


def history_view(course: Course) -> RenderableType:
    """Return phases, all segments that did not end well, and how the execution ended."""
    parts: list[RenderableType] = [phases_table(course)]
    parts += [table for phase in course.phases if (table := segments_table(phase)) is not None]
    ended = f" at {_clock(course.ended_at)}" if course.ended_at else ""
    if course.plan is not None:
        parts += [Text(f"Notice: {notice}") for notice in course.plan.notices]
    parts += _to_move(course)
    parts.append(Text(f"Execution: {course.state}{ended}", _STYLES[course.state]))
    if course.error or course.cause:
        parts.append(Text(failure_in_words(course.error, course.cause)))
    return Group(*parts)


def _to_move(course: Course) -> list[RenderableType]:
    things = () if course.plan is None else course.plan.to_move
    return [Text(f"To be moved or made anew by its owner: {thing}") for thing in things]


def prospect_view(prospect: Prospect) -> RenderableType:
    """Return what a resume will do: what is done, what is read again, and what remains.

    Only segments that were begun have a line each; there may be thousands of others.
    """
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
        begun = [ahead for ahead in prospect.ahead if ahead.was_begun]
        never = len(prospect.ahead) - len(begun)
        which = f"{len(prospect.ahead)}, of which {never} were never begun" if never else f"{len(begun)}"
        parts.append(Text(f"segments to scan: {which}; pages to read again: {again}"))
        if prospect.ahead and prospect.items_expected is not None:
            kept = prospect.items - sum(max(0, a.reached.items - a.begins_at.items) for a in prospect.ahead)
            remains = max(0, prospect.items_expected - kept)
            parts.append(Text(f"items to read: about {remains} of {prospect.items_expected}"))
        if begun:
            parts.append(_ahead_table(begun))
    parts.append(Text(f"it goes on by a {prospect.way}: {prospect.why}", "bold"))
    return Group(*parts)


def _ahead_table(begun: Sequence[Ahead]) -> Table:
    """Return the segments that had been begun, those first that cost most to read again."""
    table = Table("segment", "begins at page", "had sent", "items so far", "read again", box=None, pad_edge=False)
    for ahead in sorted(begun, key=lambda ahead: -ahead.pages_again)[:SEGMENTS_SHOWN]:
        table.add_row(
            str(ahead.begins_at.segment),
            str(ahead.begins_at.pages),
            str(ahead.reached.pages),
            str(ahead.reached.items),
            f"{ahead.pages_again} pages",
        )
    if len(begun) > SEGMENTS_SHOWN:
        table.add_row(f"and {len(begun) - SEGMENTS_SHOWN} more")
    return table


def _clock(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
