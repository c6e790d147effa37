"""What an execution is made of, as an operator sees it: phases, and the segments of those that are a Map."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from tasks.core.plan import Plan
from tasks.core.segment import Checkpoint
from tasks.core.verification import Verification, VerifySlice


class State(StrEnum):
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
        return self not in {State.RUNNING, State.WAITING}


@dataclass(frozen=True, slots=True)
class Segment:
    """One iteration of a Map."""

    index: int
    state: State
    reached: Checkpoint | VerifySlice | None
    """How far it has come, as its last completed call returned it."""
    reason: str = ""
    """Why its last try did not succeed, and nothing once one did."""
    error: str = ""
    cause: str = ""
    """Of the last failure, as Step Functions has it."""
    retries: int = 0

    @property
    def name(self) -> str:
        """What a message calls it."""
        if isinstance(self.reached, VerifySlice):
            return f"segment {self.reached.segment} of the {self.reached.table}"
        return f"segment {self.index if self.reached is None else self.reached.segment}"


@dataclass(frozen=True, slots=True)
class Phase:
    """One visit of a state."""

    name: str
    state: State
    entered_at: datetime
    exited_at: datetime | None = None
    """When it was over, one way or the other; `None` before."""
    reason: str = ""
    """What it waits for, or why its last try did not succeed; nothing once one did."""
    error: str = ""
    cause: str = ""
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
class History:
    """An execution so far."""

    state: State
    started_at: datetime | None
    ended_at: datetime | None
    phases: tuple[Phase, ...]
    """Every visit of a state in the order of entry; choices are left out."""
    error: str = ""
    cause: str = ""
    document: Mapping[str, Any] = field(default_factory=dict)
    """What the last phase that was done handed on: the plan and the results so far."""

    @property
    def phase(self) -> Phase | None:
        """The phase under way, or the last one."""
        return self.phases[-1] if self.phases else None

    @property
    def plan(self) -> Plan | None:
        """What Preflight resolved; `None` before."""
        return Plan.model_validate(self.document["plan"]) if "plan" in self.document else None

    @property
    def verification(self) -> Verification | None:
        """What the proof has found so far; `None` before it was laid out."""
        found = self.document.get("verify")
        return None if found is None else Verification.model_validate(found["state"])

    def last_visit(self, name: str) -> Phase | None:
        """Return the last visit of a state, `None` if it was not entered."""
        return next((phase for phase in reversed(self.phases) if phase.name == name), None)
