"""Reading calls and writers that take turns under caps, in virtual time: the product's own turns, every call of it.

The flows of `backfill.py` take it for granted that a cap is kept. Here each call of the scan and each lane of each
writer waits for its turn by `tasks.core.settings.caps`, as `tasks.aws.books.caps` has them do it, while somebody
changes the caps, or pauses.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tasks.core.copy.insertion import Outcome
from tasks.core.forecast.work import PAGE_SECONDS
from tasks.core.settings.caps import Answer, Bought, Buy, Look, Side, Sleep, Step, Throttle, Turns
from tests.simulation.writers import GO_ON_SECONDS, Gate, Granted, Process, Target, World

PAGE_UNITS: Final = 122.0
"""Of a page of 1 MB, read eventually consistently."""
CONTROL_SECONDS: Final = 0.005
"""Of a call to the control table (suspected)."""
SCAN_SECONDS: Final = 150.0
"""A call of ScanSegment works for half of its timeout."""
FIRST_TURN_SECONDS: Final = 270.0
"""So long it waits for the turn of its first page (`tasks.aws.session.budget`)."""
BETWEEN_CALLS_SECONDS: Final = 1.0
AGAIN_SECONDS: Final = 10.0
"""Until the state machine calls again one that had no turn."""


@dataclass(slots=True)
class Booth:
    """Where turns are sold: the control table's entries."""

    throttle: Throttle
    clocks: dict[tuple[Side, int], float] = field(default_factory=dict)

    def answer(self, step: Step) -> tuple[Answer, float]:
        """Return the answer to a step, and how long it takes."""
        match step:
            case Look():
                return self.throttle, CONTROL_SECONDS
            case Buy():
                stood = max(self.clocks.get((step.side, step.revision), 0.0), step.now)
                is_sold = stood <= step.latest
                if is_sold:
                    self.clocks[step.side, step.revision] = stood + step.seconds
                return Bought(is_sold, stood), CONTROL_SECONDS
            case Sleep():
                return None, step.seconds


@dataclass(slots=True)
class TurnsOfACall:
    """The turns of one call, whose lanes wait for them one after the other."""

    booth: Booth
    turns: Turns
    now: Callable[[], float]
    until: float
    begin: Callable[[Process], None]
    _gate: Gate = field(default_factory=Gate)

    def take(self, pieces: int) -> Granted:
        """Wait for a turn for so many items, of one unit each; return whether there was one in time."""
        while self._gate.is_taken:
            yield self._gate
        self._gate.is_taken = True
        granted = yield from taken(self.booth, self.turns, float(pieces), now=self.now, until=self.until)
        self._gate.is_taken = False
        if self._gate.waiting:
            self.begin(self._gate.waiting.popleft())
        return granted

    def settle(self, pieces: int, took: int) -> None:
        """Set off what they took."""
        self.turns.settle(float(pieces), float(took))


def taken(booth: Booth, turns: Turns, units: float, *, now: Callable[[], float], until: float) -> Granted:
    """Run one turn to its end."""
    turn, answer = turns.turn(units, now=now, until=lambda: until), None
    try:
        while True:
            answer, seconds = booth.answer(turn.send(answer))
            yield seconds
    except StopIteration as end:
        return bool(end.value)


@dataclass
class Capped:
    """A scan and its writers under caps."""

    throttle: Throttle
    readers: int = 40
    writers: int = 16
    reads: list[tuple[float, float]] = field(default_factory=list)
    """(when, units)"""
    writes: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.booth = Booth(self.throttle)
        self._pages: deque[int] = deque()
        self._chance = random.Random(1)
        self.target = _Noting(40_000, 1.0)
        self.world = World(
            self.target,
            turns_of_a_call=self._turns_of_a_writer,
            next_page=lambda: self._pages.popleft() if self._pages else None,
        )
        self.target.note = lambda at: self.writes.append((at, 1.0))
        for _ in range(self.readers):
            self.world.clock.begin(self._reader())
        self.world.begin(self.writers)

    @property
    def now(self) -> float:
        """Virtual seconds."""
        return self.world.clock.now

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.world.clock.run(self.now + seconds)

    def a_second(self, used: list[tuple[float, float]], begin: float, seconds: float) -> float:
        """Return the units a second within a while."""
        return sum(units for at, units in used if begin <= at < begin + seconds) / seconds

    def _turns_of_a_writer(self, began: float) -> TurnsOfACall:
        turns = Turns(Side.TARGET_WRITES, self._chance.random)
        return TurnsOfACall(self.booth, turns, lambda: self.now, began + GO_ON_SECONDS, self.world.clock.begin)

    def _reader(self) -> Process:
        """One segment: call after call, in each page after page."""
        yield self._chance.random()
        while True:
            began, guess, pages = self.now, PAGE_UNITS, 0
            turns = Turns(Side.SOURCE_READS, self._chance.random)
            while self.now - began < SCAN_SECONDS:
                until = began + (SCAN_SECONDS if pages else FIRST_TURN_SECONDS)
                if not (yield from taken(self.booth, turns, guess, now=lambda: self.now, until=until)):
                    break
                yield PAGE_SECONDS
                took = PAGE_UNITS * self._chance.uniform(0.9, 1.0)
                turns.settle(guess, took)
                self.reads.append((self.now, took))
                self._pages.append(len(self.reads))
                guess, pages = took, pages + 1
            yield BETWEEN_CALLS_SECONDS if pages else AGAIN_SECONDS


class _Noting(Target):
    """A target that says when it takes a unit."""

    note: Callable[[float], None]

    def insert(self, item: int, partition: int, now: float) -> Outcome:
        """Carry out one statement."""
        outcome = super().insert(item, partition, now)
        if outcome is not Outcome.NOT_NOW:
            self.note(now)
        return outcome
