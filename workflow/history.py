"""What happened in an execution, from the events of its history: pure, so that recorded histories test it.

Which phase or segment an event belongs to follows from `previousEventId`: walking it back, the first
MapIterationStarted names the iteration, and before any the last state entered is the phase. Events come in order of
their ids, so the walk is made forwards: each event takes over the scope of its previous one.

The children of a Distributed Map have histories of their own, of the same events as an iteration: their scope is one
segment from the first event to the last.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tasks.core.errors import Pending
from tasks.core.segment import Checkpoint
from tasks.core.verification import VerifySlice
from workflow.phases import History, Phase, Segment, State

Event = Mapping[str, Any]
"""One event as boto3 returns it; `timestamp` is a datetime with its time zone."""

PENDING = frozenset(kind.__name__ for kind in Pending.__subclasses__())
"""Error names after which a state asks again."""

ANSWER_WANTED = "a person has to answer: `python -m workflow approve`, or `deny`"

_NO_PHASES = frozenset({"ChoiceStateEntered", "PassStateEntered"})
"""States that take no time; they are read in the definition, not in a status."""


def parse_history(events: Iterable[Event]) -> History:
    """Return what happened.

    Args:
        events: all of an execution's, in the order of their ids, with execution data.
    """
    reader = _Reader()
    for event in events:
        reader.read(event)
    return reader.history()


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
    total_segments: int | None = None
    segments: dict[int, _Segment] = field(default_factory=dict)

    def end(self, state: State, at: datetime) -> None:
        for segment in self.segments.values():
            # The failure of one segment ends the others.
            segment.work.end(State.ABORTED if state is State.FAILED and not segment.work.error else state)
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
            segments=segments,
        )


@dataclass(frozen=True, slots=True)
class _Scope:
    """What an event belongs to."""

    phase: _Phase | None = None
    segment: _Segment | None = None

    @property
    def work(self) -> _Work | None:
        if self.segment is not None:
            return self.segment.work
        return None if self.phase is None else self.phase.work


_OUTSIDE = _Scope()

_ENDS = {
    "ExecutionSucceeded": State.DONE,
    "ExecutionFailed": State.FAILED,
    "ExecutionTimedOut": State.TIMED_OUT,
    "ExecutionAborted": State.ABORTED,
}
_ITERATION_ENDS = {
    "MapIterationSucceeded": State.DONE,
    "MapIterationFailed": State.FAILED,
    "MapIterationAborted": State.ABORTED,
}
_TRIES_FAILED = frozenset({"TaskFailed", "TaskTimedOut", "TaskStartFailed", "TaskSubmitFailed"})


class _Reader:
    def __init__(self) -> None:
        self._scopes: dict[int, _Scope] = {}
        self._phases: list[_Phase] = []
        self._state = State.RUNNING
        self._started_at: datetime | None = None
        self._ended_at: datetime | None = None
        self._error = self._cause = ""
        self._document = "{}"

    def read(self, event: Event) -> None:
        kind: str = event["type"]
        details = _details(event)
        scope = self._scopes.get(event.get("previousEventId", 0), _OUTSIDE)
        if kind.startswith("Execution"):
            self._read_execution(kind, event["timestamp"], details)
        elif kind.endswith("StateEntered"):
            scope = self._enter(kind, event["timestamp"], details, scope)
        elif kind.startswith("MapState"):
            # It follows the event that ended the last iteration, and is the phase's own.
            scope = self._read_map(kind, event["timestamp"], details, _Scope(scope.phase))
        elif kind.startswith("MapIteration"):
            scope = self._read_iteration(kind, details, scope)
        elif kind.endswith("StateExited"):
            self._exit(kind, event["timestamp"], details, scope)
        elif kind.startswith("Task") and scope.work is not None:
            _read_try(kind, details, scope.work)
        self._scopes[event["id"]] = scope

    def history(self) -> History:
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
            document=json.loads(self._document),
        )

    def _read_execution(self, kind: str, at: datetime, details: Event) -> None:
        if kind == "ExecutionStarted":
            self._started_at = at
        elif kind == "ExecutionRedriven":
            self._state, self._ended_at, self._error, self._cause = State.RUNNING, None, "", ""
            for phase in self._phases:
                phase.redrive()
        elif kind in _ENDS:
            self._state, self._ended_at = _ENDS[kind], at
            self._error, self._cause = details.get("error") or "", details.get("cause") or ""

    def _enter(self, kind: str, at: datetime, details: Event, scope: _Scope) -> _Scope:
        if scope.segment is not None:
            if kind == "TaskStateEntered":
                scope.segment.look_at(details["input"])
            return scope
        if kind in _NO_PHASES:
            return _OUTSIDE
        self._phases.append(_Phase(details["name"], at))
        return _Scope(self._phases[-1])

    def _exit(self, kind: str, at: datetime, details: Event, scope: _Scope) -> None:
        if scope.segment is not None:
            if kind == "TaskStateExited":
                scope.segment.look_at(details["output"])
        elif scope.phase is not None:
            scope.phase.work.succeed()
            scope.phase.end(State.DONE, at)
            self._document = details["output"]

    def _read_map(self, kind: str, at: datetime, details: Event, scope: _Scope) -> _Scope:
        if kind == "MapStateStarted" and scope.phase is not None:
            scope.phase.total_segments = details["length"]
        elif kind == "MapStateExited":
            self._exit(kind, at, details, scope)
        return scope

    def _read_iteration(self, kind: str, details: Event, scope: _Scope) -> _Scope:
        phase = scope.phase
        if phase is None:
            return scope
        segment = phase.segments.setdefault(details["index"], _Segment(details["index"]))
        if kind in _ITERATION_ENDS:
            segment.work.end(_ITERATION_ENDS[kind])
        return _Scope(phase, segment)


def _read_try(kind: str, details: Event, work: _Work) -> None:
    if kind == "TaskScheduled":
        work.schedule()
    elif kind == "TaskSubmitted":
        work.wait(ANSWER_WANTED)
    elif kind == "TaskSucceeded":
        work.succeed()
    elif kind in _TRIES_FAILED:
        work.fail(details.get("error") or kind, details.get("cause") or "")


def _details(event: Event) -> Event:
    """Return the details, which AWS keeps under a name made of the event's type."""
    details: Event = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
    return details
