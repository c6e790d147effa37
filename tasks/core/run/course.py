"""The course of an execution, from the events of its history: pure, so that recorded histories test it.

It is worked out here only: whoever watches an execution, resumes it or answers it looks at the same course.

`tasks/core/run/events.py` says which phase and iteration an event belongs to. The children of a Distributed Map have
histories of their own, of the same events as an iteration: all of them are of one segment, and what they say is the
same as what an inline Map's iteration says.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import Pending
from tasks.core.prove.verification import VerifySlice
from tasks.core.run.document import Document, SegmentDocument, parse_document
from tasks.core.run.events import ENDS, Event, Placed, iter_placed
from tasks.core.run.phases import BACKFILL, VERIFY, Course, Phase, Segment, Standing

PENDING = frozenset(kind.__name__ for kind in Pending.__subclasses__())
"""Error names after which a state asks again."""

ANSWER_WANTED = "a person has to answer: `python -m workflow approve`, or `deny`"

_STATES = {
    "SUCCEEDED": Standing.DONE,
    "FAILED": Standing.FAILED,
    "TIMED_OUT": Standing.TIMED_OUT,
    "ABORTED": Standing.ABORTED,
}


@dataclass(frozen=True, slots=True)
class MapRun:
    """What is known of one run of a Distributed Map."""

    succeeded: int = 0
    """Children that ended well, whether their histories were read or not."""
    children: tuple[tuple[Event, ...], ...] = ()
    """The histories of those children that were read, each whole."""


def course_of(events: Iterable[Event], map_runs: Mapping[str, MapRun] | None = None) -> Course:
    """Return what happened.

    Args:
        events: all of an execution's, or all so far, in the order of their ids, with execution data.
        map_runs: of its Distributed Maps, by ARN, as far as they were read.

    Raises:
        Refused: the execution was run by another version, and would be misread.
    """
    reader = _Reader(map_runs or {})
    for event in iter_placed(events):
        reader.read(event)
    return reader.course()


def segment_of(events: Iterable[Event]) -> Segment:
    """Return what the history of a Distributed Map's child says: its own execution's end is the segment's.

    Args:
        events: all of the child's, in the order of their ids, with execution data.
    """
    return _segment_of_child(events).segment()


def message_of(error: str, cause: str) -> str:
    """Return what a failure says in words: of a function's error its message, of others the cause or the name."""
    try:
        failure = json.loads(cause)
    except ValueError:
        return cause or error
    return str(failure.get("errorMessage") or error) if isinstance(failure, dict) else cause


def failure_in_words(error: str, cause: str) -> str:
    """Return a failure's error and message; nothing if there is neither."""
    message = message_of(error, cause)
    return message if not error or message == error else f"{error}: {message}"


@dataclass(slots=True)
class _Work:
    """A phase or a segment while its events are read."""

    state: Standing = Standing.RUNNING
    reason: str = ""
    error: str = ""
    waits: int = 0
    retries: int = 0
    has_to_retry: bool = False

    def schedule(self) -> None:
        if self.has_to_retry:
            self.retries += 1
            self.has_to_retry = False

    def fail(self, error: str, cause: str) -> None:
        self.error = error
        if error in PENDING:
            self.state, self.reason = Standing.WAITING, message_of(error, cause)
            self.waits += 1
        else:
            self.state, self.reason = Standing.RUNNING, failure_in_words(error, cause)
            self.has_to_retry = True

    def wait(self, reason: str) -> None:
        self.state, self.reason = Standing.WAITING, reason

    def succeed(self) -> None:
        self.state, self.reason, self.error = Standing.RUNNING, "", ""

    def end(self, state: Standing) -> None:
        if not self.state.is_over:
            timed_out = state is Standing.FAILED and self.error == "States.Timeout"
            self.state = Standing.TIMED_OUT if timed_out else state

    def end_with_phase(self, state: Standing) -> None:
        """End a segment with its phase: what it did not come to by itself was ended from outside."""
        if state is Standing.DONE:
            self.end(state)
        elif state is Standing.FAILED and self.error and self.state is not Standing.DONE:
            # Two may fail at once, and only the first ends the Map: the other's error is as true.
            self.state = Standing.RUNNING
            self.end(Standing.FAILED)
        else:
            self.end(Standing.ABORTED)


@dataclass(slots=True)
class _Segment:
    index: int
    work: _Work = field(default_factory=_Work)
    checkpoints: list[Checkpoint | VerifySlice] = field(default_factory=list)

    def look_at(self, text: str) -> None:
        """Take the checkpoint out of a state's input or output."""
        checkpoint = parse_document(SegmentDocument, text).checkpoint
        if checkpoint is not None:
            self.checkpoints.append(checkpoint)

    def segment(self) -> Segment:
        return Segment(
            self.index, self.work.state, tuple(self.checkpoints), reason=self.work.reason, retries=self.work.retries
        )


@dataclass(slots=True)
class _Phase:
    name: str
    entered_at: datetime
    exited_at: datetime | None = None
    work: _Work = field(default_factory=_Work)
    planned: tuple[Checkpoint, ...] | tuple[VerifySlice, ...] = ()
    """What the Map iterates over, where the definition lays it out."""
    total_segments: int | None = None
    succeeded: int = 0
    segments: dict[int, _Segment] = field(default_factory=dict)
    map_runs: list[str] = field(default_factory=list)

    def end(self, state: Standing, at: datetime) -> None:
        for segment in self.segments.values():
            segment.work.end_with_phase(state)
        self.work.end(state)
        self.exited_at = self.exited_at or at

    def redrive(self) -> None:
        """Open the segments again that did not succeed: a redrive runs them once more."""
        for segment in self.segments.values():
            if segment.work.state is not Standing.DONE:
                segment.work.state = Standing.RUNNING

    def phase(self) -> Phase:
        segments = tuple(segment.segment() for _, segment in sorted(self.segments.items()))
        troubled = next((segment for segment in segments if segment.reason), None)
        reason = self.work.reason
        if troubled is not None and not reason:
            reason = f"{troubled.name}: {troubled.reason}"
        return Phase(
            name=self.name,
            state=self.work.state,
            entered_at=self.entered_at,
            exited_at=self.exited_at if self.work.state.is_over else None,
            reason=reason,
            waits=self.work.waits,
            retries=self.work.retries + sum(segment.retries for segment in segments),
            total_segments=self.total_segments,
            succeeded=max(self.succeeded, sum(segment.state is Standing.DONE for segment in segments)),
            segments=segments,
            map_runs=tuple(self.map_runs),
        )

    def add_children(self, run: MapRun) -> None:
        """Take over what a Map Run's children say; of a segment that two had, the later one's."""
        self.succeeded += run.succeeded
        for events in run.children:
            segment = _segment_of_child(events)
            if segment.checkpoints:
                segment.index = _position(segment.checkpoints[-1], self.planned)
                self.segments[segment.index] = segment


_ITERATION_ENDS = {
    "MapIterationSucceeded": Standing.DONE,
    "MapIterationFailed": Standing.FAILED,
    "MapIterationAborted": Standing.ABORTED,
}
_TRIES_FAILED = frozenset({"TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed"})


class _Reader:
    def __init__(self, map_runs: Mapping[str, MapRun]) -> None:
        self._map_runs = map_runs
        self._phases: list[_Phase] = []
        self._state = Standing.RUNNING
        self._started_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._error = self._cause = ""
        self._given: Mapping[str, Any] = {}
        self._handed_on = "{}"

    def read(self, event: Placed) -> None:
        kind, place = event.kind, event.place
        if kind.startswith("Execution"):
            self._read_execution(event)
            return
        if place.visit is None:
            return
        if place.visit == len(self._phases):
            self._phases.append(_Phase(place.state, event.at, planned=self._planned(place.state)))
        phase = self._phases[place.visit]
        if place.iteration is not None:
            self._read_iteration(event, phase.segments.setdefault(place.iteration, _Segment(place.iteration)))
        elif kind == "MapStateStarted":
            # Of a Distributed Map it may say 0: the items are counted in the Map Run.
            phase.total_segments = event.details.get("length") or len(phase.planned)
        elif kind == "MapRunStarted":
            phase.map_runs.append(event.details["mapRunArn"])
        elif kind.endswith("StateExited"):
            phase.work.succeed()
            phase.end(Standing.DONE, event.at)
            self._handed_on = event.details["output"]
        elif kind.startswith("Task"):
            _read_try(kind, event.details, phase.work)

    def course(self) -> Course:
        for phase in self._phases:
            for arn in phase.map_runs:
                phase.add_children(self._map_runs.get(arn, MapRun()))
        if self._ended_at is not None:
            # Only now: calls that were under way may still be answered after the execution's last event.
            for phase in self._phases:
                phase.end(self._state, self._ended_at)
        phases = tuple(phase.phase() for phase in self._phases)
        state = self._state
        if state is Standing.RUNNING and phases and phases[-1].state is Standing.WAITING:
            state = Standing.WAITING
        return Course(
            state=state,
            started_at=self._started_at,
            ended_at=self._ended_at,
            phases=phases,
            error=self._error,
            cause=self._cause,
            given=self._given,
            document=parse_document(Document, self._handed_on),
        )

    def _planned(self, state: str) -> tuple[Checkpoint, ...] | tuple[VerifySlice, ...]:
        """Return what a Map iterates over; nothing for any other state."""
        if state not in {BACKFILL, VERIFY}:
            return ()
        document = parse_document(Document, self._handed_on)
        if state == BACKFILL:
            return () if document.segments is None else document.segments.checkpoints
        return () if document.verify is None else document.verify.state.slices

    def _read_execution(self, event: Placed) -> None:
        if event.kind == "ExecutionStarted":
            self._started_at = event.at
            given = json.loads(event.details.get("input") or "{}")
            self._given = given if isinstance(given, dict) else {}
        elif event.kind == "ExecutionRedriven":
            self._state, self._ended_at, self._error, self._cause = Standing.RUNNING, None, "", ""
            for phase in self._phases:
                phase.redrive()
        elif event.kind in ENDS:
            self._state, self._ended_at = _STATES[ENDS[event.kind]], event.at
            self._error, self._cause = event.details.get("error") or "", event.details.get("cause") or ""

    def _read_iteration(self, event: Placed, segment: _Segment) -> None:
        if event.kind in _ITERATION_ENDS:
            segment.work.end(_ITERATION_ENDS[event.kind])
        else:
            _read_in_segment(event, segment)


def _segment_of_child(events: Iterable[Event]) -> _Segment:
    """Return what a child of a Distributed Map says: its own execution's end is the segment's."""
    segment = _Segment(0)
    for event in iter_placed(events):
        if event.kind == "ExecutionRedriven":
            segment.work.state = Standing.RUNNING
        elif event.kind in ENDS:
            segment.work.end(_STATES[ENDS[event.kind]])
        else:
            _read_in_segment(event, segment)
    return segment


def _read_in_segment(event: Placed, segment: _Segment) -> None:
    if event.kind == "TaskStateEntered":
        segment.look_at(event.details["input"])
    elif event.kind == "TaskStateExited":
        segment.look_at(event.details["output"])
    elif event.kind.startswith("Task"):
        _read_try(event.kind, event.details, segment.work)


def _position(reached: Checkpoint | VerifySlice, planned: Sequence[Checkpoint | VerifySlice]) -> int:
    """Return where a segment stands in what was laid out, as an inline Map counts its iterations."""
    which = _which(reached)
    return next((position for position, item in enumerate(planned) if _which(item) == which), reached.segment)


def _which(segment: Checkpoint | VerifySlice) -> tuple[str, int]:
    return ("" if isinstance(segment, Checkpoint) else segment.table, segment.segment)


def _read_try(kind: str, details: Event, work: _Work) -> None:
    if kind == "TaskScheduled":
        work.schedule()
    elif kind == "TaskSubmitted":
        work.wait(ANSWER_WANTED)
    elif kind == "TaskSucceeded":
        work.succeed()
    elif kind in _TRIES_FAILED:
        work.fail(details.get("error") or kind, details.get("cause") or "")
