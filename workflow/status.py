"""Where a migration stands: one reading of history and control table, and the one line that says it everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from tasks.core.copy.segment import Checkpoint
from tasks.core.run.course import failure_in_words
from tasks.core.run.phases import BACKFILL, VERIFY, Course, Phase, Segment, Standing
from tasks.core.settings.caps import Throttle
from workflow.execution import Events
from workflow.map_runs import MapRuns

DRAIN = "DrainBackfill"
HELD_BACK = frozenset({BACKFILL, DRAIN, VERIFY, "CompareDigests"})
"""Phases whose work is under caps."""

RATE_SECONDS = 30.0
"""Rates are those of so long ago until now: segments note their progress in strides."""
RATE_SECONDS_LEAST = 3.0
_MINUTE, _HOUR = 60, 3600


@dataclass(frozen=True, slots=True)
class SegmentBooks:
    """What the control table has of one segment."""

    checkpoint: Checkpoint
    receipts: int | None = None
    """Page parts that are in the target; `None` before they were counted."""

    @property
    def backlog(self) -> int | None:
        """Page parts in Kinesis that have no receipt yet."""
        if self.checkpoint.records == 0:
            return 0
        return None if self.receipts is None else max(0, self.checkpoint.records - self.receipts)

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will be noted."""
        return self.checkpoint.state == "done" and self.backlog == 0


@dataclass(frozen=True, slots=True)
class Sample:
    """What an earlier reading counted, for rates."""

    at: float
    """Epoch seconds."""
    items: int
    receipts: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How much of the phase under way is done."""

    done: int
    total: int
    unit: str

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 1.0


@dataclass(frozen=True, slots=True)
class Status:
    """Where an execution stands. What is not known yet is `None`."""

    execution_arn: str
    read_at: float
    """Epoch seconds."""
    course: Course
    total_segments: int = 0
    items: int = 0
    """Items of the source that are in Kinesis."""
    items_expected: int | None = None
    """About how many there are; exact once all segments are scanned."""
    pages: int = 0
    """Page parts that Kinesis took, mostly one a page."""
    receipts: int = 0
    """Page parts that are in the target."""
    backlog_pages: int | None = None
    held: str = ""
    """Why segments of the scan send nothing for now, with their number; nothing if none is held back."""
    inserted: int | None = None
    """Items that the writer put; of drained segments, as the next two."""
    present: int | None = None
    """Items whose key was taken: by a change, a tombstone, or an earlier delivery."""
    rejected: int | None = None
    """Items that the target refused; they are kept with the reason."""
    throttle: Throttle | None = None
    """Caps, or a pause, of what it reads and writes."""
    lag_seconds: float | None = None
    """How far the replicator was behind the source when it last applied changes."""
    items_per_second: float | None = None
    eta_seconds: float | None = None
    """Until the phase under way is done, at its own rate."""
    events: Events = field(default_factory=Events, repr=False)
    map_runs: MapRuns = field(default_factory=MapRuns, repr=False)
    books: Mapping[int, SegmentBooks] = field(default_factory=dict, repr=False)
    """By segment."""
    samples: tuple[Sample, ...] = field(default=(), repr=False)

    @property
    def state(self) -> Standing:
        """The execution's."""
        return self.course.state

    @property
    def phase(self) -> Phase | None:
        """The phase under way, or the last one."""
        return self.course.phase

    @property
    def reason(self) -> str:
        """Why it waits, tries again, or failed; nothing if none of these."""
        if self.state in {Standing.FAILED, Standing.TIMED_OUT, Standing.ABORTED}:
            said = failure_in_words(self.course.error, self.course.cause)
            return said or (self.phase.reason if self.phase else "")
        reason = self.held or (self.phase.reason if self.phase else "")
        return self.throttle.in_words() if self.throttle and self.is_paused else reason

    @property
    def is_paused(self) -> bool:
        """Whether an operator has paused what the phase under way does."""
        is_held_back = self.phase is not None and self.phase.name in HELD_BACK and not self.state.is_over
        return is_held_back and self.throttle is not None and self.throttle.is_paused

    @property
    def progress(self) -> Progress | None:
        """How much of the phase under way is done, of a phase whose work can be counted."""
        phase = self.phase
        if phase is None:
            return None
        if phase.name == BACKFILL and self.items_expected is not None:
            return Progress(self.items, max(self.items, self.items_expected), "items")
        if phase.name == DRAIN and self.backlog_pages is not None:
            return Progress(self.pages - self.backlog_pages, self.pages, "pages")
        if phase.name == VERIFY and phase.total_segments is not None and (phase.segments or phase.map_runs):
            return Progress(phase.succeeded, phase.total_segments, "segments")
        return None

    def seconds(self) -> float:
        """How long the execution took, or has taken so far."""
        began = self.course.started_at
        ended = self.course.ended_at or datetime.fromtimestamp(self.read_at, UTC)
        return (ended - began).total_seconds() if began else 0.0


def with_books(status: Status, books: Mapping[int, SegmentBooks]) -> Status:
    """Return the status with the sums of the segments' books."""
    checkpoints = [entry.checkpoint for entry in books.values()]
    backlogs = [entry.backlog for entry in books.values()]
    done = sum(checkpoint.state == "done" for checkpoint in checkpoints)
    waiting = [checkpoint.waiting for checkpoint in checkpoints if checkpoint.waiting]
    is_scanning = status.phase is not None and status.phase.name == BACKFILL
    items = sum(checkpoint.items for checkpoint in checkpoints)
    return replace(
        status,
        books=books,
        items=items,
        items_expected=items if done == status.total_segments else status.items_expected,
        pages=sum(checkpoint.records for checkpoint in checkpoints),
        receipts=sum(entry.receipts or 0 for entry in books.values()),
        backlog_pages=None if None in backlogs else sum(backlog or 0 for backlog in backlogs),
        held=f"{len(waiting)} of the segments under way send nothing for now: {waiting[0]}"
        if waiting and is_scanning
        else "",
    )


def with_noted(course: Course, noted: Mapping[int, Checkpoint]) -> Course:
    """Return the course with those segments of a distributed backfill whose children were not read.

    Args:
        course: of the execution.
        noted: the control table's checkpoints, by segment.
    """
    phases = list(course.phases)
    place = next((at for at in reversed(range(len(phases))) if phases[at].name == BACKFILL), None)
    if place is None or not phases[place].map_runs:
        return course
    phase = phases[place]
    known = {segment.reached.segment for segment in phase.segments if segment.reached is not None}
    begun = Standing.ABORTED if phase.state.is_over else Standing.RUNNING
    laid_out = () if course.document.segments is None else course.document.segments.checkpoints
    places = {checkpoint.segment: place for place, checkpoint in enumerate(laid_out)}
    others = [
        Segment(
            # A resume lays out only what was not done before it.
            places.get(segment, len(places) + segment),
            Standing.DONE if checkpoint.state == "done" else begun,
            (checkpoint,),
        )
        for segment, checkpoint in noted.items()
        if segment not in known
    ]
    phases[place] = replace(phase, segments=tuple(sorted((*phase.segments, *others), key=lambda one: one.index)))
    return replace(course, phases=tuple(phases))


def with_rates(status: Status, samples: tuple[Sample, ...]) -> Status:
    """Return the status with rates and the time that the phase under way still takes.

    Args:
        status: of now.
        samples: of earlier readings, oldest first.
    """
    now = Sample(status.read_at, status.items, status.receipts)
    recent = tuple(sample for sample in samples if now.at - RATE_SECONDS <= sample.at < now.at)
    status = replace(status, samples=(*recent, now))
    phase, progress = status.phase, status.progress
    if phase is None or phase.state.is_over or (progress is not None and progress.done == progress.total):
        return status
    began = Sample(phase.entered_at.timestamp(), 0, 0)
    if phase.name == BACKFILL:
        plan = status.course.plan
        is_resumed = plan is not None and plan.resume_from is not None
        # What an earlier execution has sent says nothing of this one's pace.
        overall = None if is_resumed else _per_second(now.items, now.at - began.at)
        is_long = bool(recent) and now.at - recent[0].at >= RATE_SECONDS_LEAST
        lately = _per_second(now.items - recent[0].items, now.at - recent[0].at) if is_long else None
        rate = lately or overall
        eta = (progress.total - progress.done) / rate if progress and rate else None
        return replace(status, items_per_second=rate, eta_seconds=eta)
    if phase.name == DRAIN and recent and progress:
        rate = _per_second(now.receipts - recent[0].receipts, now.at - recent[0].at)
        return replace(status, eta_seconds=(progress.total - progress.done) / rate if rate else None)
    if phase.name == VERIFY and progress:
        rate = _per_second(progress.done, now.at - began.at)
        return replace(status, eta_seconds=(progress.total - progress.done) / rate if rate else None)
    return status


def _per_second(count: int, seconds: float) -> float | None:
    return count / seconds if count > 0 and seconds > 0 else None


def status_line(status: Status) -> str:
    """Return where the migration stands in one line, with the reason of a wait or a failure.

    For example `Backfill: 528000/752865 items 70.1%; rate=11830/s; backlog=3 pages; lag=0.4 s; State: running;
    ETA: 19s`.
    """
    if status.state is Standing.DONE:
        parts = [f"Done: {status.items} items"]
    else:
        parts = [status.phase.name if status.phase else "Start"]
        if status.progress:
            progress = status.progress
            parts[0] += f": {progress.done}/{progress.total} {progress.unit} {progress.share:.1%}"
    if status.items_per_second is not None:
        parts.append(f"rate={status.items_per_second:.0f}/s")
    if status.backlog_pages and not status.state.is_over:
        parts.append(f"backlog={status.backlog_pages} pages")
    for name, count in (("inserted", status.inserted), ("present", status.present), ("rejected", status.rejected)):
        if count is not None and (count or name == "rejected"):
            parts.append(f"{name}={count}")
    if status.lag_seconds is not None:
        parts.append(f"lag={status.lag_seconds:.1f} s")
    if status.throttle and not status.is_paused and not status.state.is_over and status.throttle.in_words():
        parts.append(status.throttle.in_words())
    parts.append(f"State: {_state_in_words(status)}")
    if status.eta_seconds is not None:
        parts.append(f"ETA: {duration(status.eta_seconds)}")
    return "; ".join(parts)


def _state_in_words(status: Status) -> str:
    if status.is_paused:
        return status.reason
    if status.state.is_over:
        said = f"{status.state} after {duration(status.seconds())}"
    elif status.held:
        said = str(Standing.WAITING)
    elif status.reason and status.state is Standing.RUNNING:
        said = "retrying"
    else:
        said = str(status.state)
    return f"{said}, {status.reason}" if status.reason else said


def duration(seconds: float) -> str:
    """Return a time span as a person reads it: `4.2s`, `1m17s`, `3h05m`."""
    if seconds < _MINUTE:
        return f"{seconds:.1f}s" if seconds < 10 else f"{seconds:.0f}s"  # noqa: PLR2004 — two digits say enough
    if seconds < _HOUR:
        return f"{int(seconds) // _MINUTE}m{int(seconds) % _MINUTE:02}s"
    return f"{int(seconds) // _HOUR}h{int(seconds) % _HOUR // _MINUTE:02}m"
