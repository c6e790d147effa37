"""The course of an execution: its phases, the segments of those that are a Map, and what the states handed on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from tasks.core.copy.segment import Checkpoint
from tasks.core.prove.verification import Verification, VerifySlice
from tasks.core.run.document import Document
from tasks.core.run.plan import Plan

BACKFILL: Final = "Backfill"
VERIFY: Final = "Verify"
"""The states that are a Map."""


class Standing(StrEnum):
    """Where an execution, a phase or a segment stands."""

    RUNNING = "running"
    WAITING = "waiting"
    """For something outside: a `…Pending` was answered, or a person is asked."""
    DONE = "done"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    ABORTED = "aborted"
    """Stopped from outside, or by another segment's failure."""

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens here unless the execution is redriven."""
        return self not in {Standing.RUNNING, Standing.WAITING}


@dataclass(frozen=True, slots=True)
class Segment:
    """One iteration of a Map."""

    index: int
    """Of the iteration: where it stands among those that were laid out, which says nothing of the segment's number."""
    state: Standing
    checkpoints: tuple[Checkpoint | VerifySlice, ...] = ()
    """Where it began, and then what its completed calls returned, in order."""
    reason: str = ""
    """Why its last try did not succeed, and nothing once one did."""
    retries: int = 0

    @property
    def reached(self) -> Checkpoint | VerifySlice | None:
        """How far it has come, as its last completed call returned it."""
        return self.checkpoints[-1] if self.checkpoints else None

    @property
    def name(self) -> str:
        """What a message calls it."""
        if isinstance(self.reached, VerifySlice):
            return f"segment {self.reached.segment} of the {self.reached.table}"
        return f"iteration {self.index}" if self.reached is None else f"segment {self.reached.segment}"


@dataclass(frozen=True, slots=True)
class Phase:
    """One visit of a state."""

    name: str
    state: Standing
    entered_at: datetime
    exited_at: datetime | None = None
    """When it was over, one way or the other; `None` before."""
    reason: str = ""
    """What it waits for, or why its last try did not succeed; nothing once one did."""
    waits: int = 0
    """How often it was answered that it has to wait."""
    retries: int = 0
    """Tries after a failure, those of its segments included."""
    total_segments: int | None = None
    """Iterations of a Map that are planned; `None` for other states."""
    succeeded: int = 0
    """Iterations that ended well, whether or not they are among `segments`."""
    segments: tuple[Segment, ...] = ()
    """Iterations of a Map that were begun; of a Distributed Map those whose histories were read."""
    map_runs: tuple[str, ...] = ()
    """ARNs of the runs of a Distributed Map."""

    def seconds(self, now: datetime) -> float:
        """How long it took, or has taken so far."""
        return ((self.exited_at or now) - self.entered_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Course:
    """What an execution's history says of it so far."""

    state: Standing
    started_at: datetime | None
    ended_at: datetime | None
    phases: tuple[Phase, ...]
    """Every visit of a state in the order of entry; choices are left out."""
    error: str = ""
    """With which it failed; of a timeout or a stop what Step Functions says, if anything."""
    cause: str = ""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The execution's input; empty if it is no object."""
    document: Document = field(default_factory=Document)
    """What the last phase that was done handed on: the plan and the results so far."""

    @property
    def phase(self) -> Phase | None:
        """The phase under way, or the last one."""
        return self.phases[-1] if self.phases else None

    @property
    def plan(self) -> Plan | None:
        """What Preflight resolved; `None` before."""
        return self.document.plan

    @property
    def verification(self) -> Verification | None:
        """What the proof has found so far; `None` before it was laid out."""
        return None if self.document.verify is None else self.document.verify.state

    @property
    def backfill_runs(self) -> tuple[str, ...]:
        """ARNs of the backfill's Map Runs; none of an inline Map."""
        return tuple(arn for phase in self.phases if phase.name == BACKFILL for arn in phase.map_runs)

    def last_visit(self, name: str) -> Phase | None:
        """Return the last visit of a state, `None` if it was not entered."""
        return next((phase for phase in reversed(self.phases) if phase.name == name), None)

    def scanned(self) -> dict[int, list[Checkpoint]]:
        """Return by segment each checkpoint of the backfill that was laid out, and then those that were reached."""
        planned = () if self.document.segments is None else self.document.segments.checkpoints
        reached = (
            checkpoint
            for phase in self.phases
            if phase.name == BACKFILL
            for segment in phase.segments
            for checkpoint in segment.checkpoints
        )
        found: dict[int, list[Checkpoint]] = {}
        for checkpoint in (*planned, *reached):
            if isinstance(checkpoint, Checkpoint):
                found.setdefault(checkpoint.segment, []).append(checkpoint)
        return found
