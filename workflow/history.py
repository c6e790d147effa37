"""What happened in an execution, from the events of its history: pure, so that recorded histories test it.

`tasks/core/history.py` says which phase and iteration an event belongs to. The children of a Distributed Map have
histories of their own, of the same events as an iteration: all of them are of one segment, and what they tell is the
same as what an inline Map's iteration tells.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from tasks.core.errors import Pending
from tasks.core.history import ENDS, Event, Placed, iter_placed
from tasks.core.segment import Checkpoint
from tasks.core.verification import VerifySlice
from workflow.phases import History, Phase, Segment, State

PENDING = frozenset(kind.__name__ for kind in Pending.__subclasses__())
"""Error names after which a state asks again."""

ANSWER_WANTED = "a person has to answer: `python -m workflow approve`, or `deny`"

_STATES = {
    "SUCCEEDED": State.DONE,
    "FAILED": State.FAILED,
    "TIMED_OUT": State.TIMED_OUT,
    "ABORTED": State.ABORTED,
}


@dataclass(frozen=True, slots=True)
class MapRun:
    """What is known of one run of a Distributed Map."""

    succeeded: int = 0
    """Children that ended well, whether their histories were read or not."""
    children: tuple[tuple[Event, ...], ...] = ()
    """The histories of those children that were read, each whole."""


def parse_history(events: Iterable[Event], map_runs: Mapping[str, MapRun] | None = None) -> History:
    """Return what happened.

    Args:
        events: all of an execution's, in the order of their ids, with execution data.
        map_runs: of its Distributed Maps, by ARN, as far as they were read.
    """
    reader = _Reader(map_runs or {})
    for event in iter_placed(events):
        reader.read(event)
    return reader.history()


def with_noted(history: History, noted: Mapping[int, Checkpoint]) -> History:
    """Return the history with those segments of a distributed backfill whose children were not read.

    Args:
        history: of the execution.
        noted: the control table's checkpoints, by segment.
    """
    phases = list(history.phases)
    place = next((at for at in reversed(range(len(phases))) if phases[at].name == "Backfill"), None)
    if place is None or not phases[place].map_runs:
        return history
    phase = phases[place]
    told = {segment.reached.segment for segment in phase.segments if segment.reached is not None}
    begun = State.ABORTED if phase.state.is_over else State.RUNNING
    others = [
        Segment(segment, State.DONE if checkpoint.state == "done" else begun, checkpoint)
        for segment, checkpoint in noted.items()
        if segment not in told
    ]
    phases[place] = replace(phase, segments=tuple(sorted((*phase.segments, *others), key=lambda one: one.index)))
    return replace(history, phases=tuple(phases))


def message_of(error: str, cause: str) -> str:
    """Return what a failure says in words: of a function's error its message, of others the cause or the name."""
    try:
        failure = json.loads(cause)
    except ValueError:
        return cause or error
    return str(failure.get("errorMessage") or error) if isinstance(failure, dict) else cause


@dataclass(slots=True)
class _Work:
    """A phase or a segment while its events are read."""

    state: State = State.RUNNING
    reason: str = ""
    error: str = ""
    cause: str = ""
    waits: int = 0
    retries: int = 0
    has_to_retry: bool = False

    def schedule(self) -> None:
        if self.has_to_retry:
            self.retries += 1
            self.has_to_retry = False

    def fail(self, error: str, cause: str) -> None:
        self.error, self.cause = error, cause
        message = message_of(error, cause)
        if error in PENDING:
            self.state, self.reason = State.WAITING, message
            self.waits += 1
        else:
            self.state, self.reason = State.RUNNING, message if message == error else f"{error}: {message}"
            self.has_to_retry = True

    def wait(self, reason: str) -> None:
        self.state, self.reason = State.WAITING, reason

    def succeed(self) -> None:
        self.state, self.reason, self.error, self.cause = State.RUNNING, "", "", ""

    def end(self, state: State) -> None:
        if not self.state.is_over:
            timed_out = state is State.FAILED and self.error == "States.Timeout"
            self.state = State.TIMED_OUT if timed_out else state

    def end_with_phase(self, state: State) -> None:
        """End a segment with its phase: what it did not come to by itself was ended from outside."""
        if state is State.DONE:
            self.end(state)
        elif state is State.FAILED and self.error and self.state is not State.DONE:
            # Two may fail at once, and only the first ends the Map: the other's error is as true.
            self.state = State.RUNNING
            self.end(State.FAILED)
        else:
            self.end(State.ABORTED)


@dataclass(slots=True)
class _Segment:
    index: int
    work: _Work = field(default_factory=_Work)
    reached: Checkpoint | VerifySlice | None = None

    def look_at(self, text: str) -> None:
        """Take the checkpoint out of a state's input or output, where the definition keeps it."""
        document = json.loads(text)
        if "scan" in document:
            self.reached = Checkpoint.model_validate(document["scan"]["checkpoint"])
        elif "read" in document:
            self.reached = VerifySlice.model_validate(document["read"]["slice"])

    def segment(self) -> Segment:
        work = self.work
        return Segment(self.index, work.state, self.reached, work.reason, work.error, work.cause, work.retries)


@dataclass(slots=True)
class _Phase:
    name: str
    entered_at: datetime
    exited_at: datetime | None = None
    work: _Work = field(default_factory=_Work)
    planned: tuple[Any, ...] = ()
    """What the Map iterates over, where the definition lays it out."""
    total_segments: int | None = None
    succeeded: int = 0
    segments: dict[int, _Segment] = field(default_factory=dict)
    map_runs: list[str] = field(default_factory=list)

    def end(self, state: State, at: datetime) -> None:
        for segment in self.segments.values():
            segment.work.end_with_phase(state)
        self.work.end(state)
        self.exited_at = self.exited_at or at

    def redrive(self) -> None:
        """Open the segments again that did not succeed: a redrive runs them once more."""
        for segment in self.segments.values():
            if segment.work.state is not State.DONE:
                segment.work.state = State.RUNNING

    def phase(self) -> Phase:
        segments = tuple(segment.segment() for _, segment in sorted(self.segments.items()))
        troubled = next((segment for segment in segments if segment.reason), None)
        reason, error, cause = self.work.reason, self.work.error, self.work.cause
        if troubled is not None and not reason:
            reason = f"{troubled.name}: {troubled.reason}"
            error, cause = troubled.error, troubled.cause
        return Phase(
            name=self.name,
            state=self.work.state,
            entered_at=self.entered_at,
            exited_at=self.exited_at if self.work.state.is_over else None,
            reason=reason,
            error=error,
            cause=cause,
            waits=self.work.waits,
            retries=self.work.retries + sum(segment.retries for segment in segments),
            total_segments=self.total_segments,
            succeeded=max(self.succeeded, sum(segment.state is State.DONE for segment in segments)),
            segments=segments,
            map_runs=tuple(self.map_runs),
        )

    def add_children(self, run: MapRun) -> None:
        """Take over what a Map Run's children tell; of a segment that two had, the later one's."""
        self.succeeded += run.succeeded
        for events in run.children:
            segment = _segment_of_child(events)
            if segment.reached is not None:
                segment.index = _position(segment.reached, self.planned)
                self.segments[segment.index] = segment


_ITERATION_ENDS = {
    "MapIterationSucceeded": State.DONE,
    "MapIterationFailed": State.FAILED,
    "MapIterationAborted": State.ABORTED,
}
_TRIES_FAILED = frozenset({"TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed"})


class _Reader:
    def __init__(self, map_runs: Mapping[str, MapRun]) -> None:
        self._map_runs = map_runs
        self._phases: list[_Phase] = []
        self._state = State.RUNNING
        self._started_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._error = self._cause = ""
        self._document: Mapping[str, Any] = {}

    def read(self, event: Placed) -> None:
        kind, place = event.kind, event.place
        if kind.startswith("Execution"):
            self._read_execution(event)
            return
        if place.visit is None:
            return
        if place.visit == len(self._phases):
            self._phases.append(_Phase(place.state, event.at, planned=_planned(self._document, place.state)))
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
            phase.end(State.DONE, event.at)
            self._document = json.loads(event.details["output"])
        elif kind.startswith("Task"):
            _read_try(kind, event.details, phase.work)

    def history(self) -> History:
        for phase in self._phases:
            for arn in phase.map_runs:
                phase.add_children(self._map_runs.get(arn, MapRun()))
        if self._ended_at is not None:
            # Only now: calls that were under way may still be answered after the execution's last event.
            for phase in self._phases:
                phase.end(self._state, self._ended_at)
        phases = tuple(phase.phase() for phase in self._phases)
        state = self._state
        if state is State.RUNNING and phases and phases[-1].state is State.WAITING:
            state = State.WAITING
        return History(
            state=state,
            started_at=self._started_at,
            ended_at=self._ended_at,
            phases=phases,
            error=self._error,
            cause=self._cause,
            document=self._document,
        )

    def _read_execution(self, event: Placed) -> None:
        if event.kind == "ExecutionStarted":
            self._started_at = event.at
        elif event.kind == "ExecutionRedriven":
            self._state, self._ended_at, self._error, self._cause = State.RUNNING, None, "", ""
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


def _segment_of_child(events: Sequence[Event]) -> _Segment:
    """Return what a child of a Distributed Map tells: its own execution's end is the segment's."""
    segment = _Segment(0)
    for event in iter_placed(events):
        if event.kind == "ExecutionRedriven":
            segment.work.state = State.RUNNING
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


def _planned(document: Mapping[str, Any], state: str) -> tuple[Any, ...]:
    """Return what a Map iterates over, by the names of the definition; nothing for any other state."""
    if state == "Backfill":
        return tuple(document.get("segments", {}).get("checkpoints", ()))
    if state == "Verify":
        return tuple(document.get("verify", {}).get("state", {}).get("slices", ()))
    return ()


def _position(reached: Checkpoint | VerifySlice, planned: Sequence[Any]) -> int:
    """Return where a segment stands in what was laid out, as an inline Map counts its iterations."""
    for position, item in enumerate(planned):
        if item["segment"] == reached.segment and item.get("table") == getattr(reached, "table", None):
            return position
    return reached.segment


def _read_try(kind: str, details: Event, work: _Work) -> None:
    if kind == "TaskScheduled":
        work.schedule()
    elif kind == "TaskSubmitted":
        work.wait(ANSWER_WANTED)
    elif kind == "TaskSucceeded":
        work.succeed()
    elif kind in _TRIES_FAILED:
        work.fail(details.get("error") or kind, details.get("cause") or "")
