"""Writers on a target that takes less than they bring, in virtual time: the product's own policy, every call of it.

The target is partitions of 1,000 write units a second each, with what they did not use kept for a while. A statement
takes one unit, also one that finds its key taken; one that finds no unit is throttled and takes none. Writers are calls
of Lambda as the mapping makes them: four records each, with half of the time-out to begin a record, and what was not
done comes again. All that is decided is decided by `tasks.core.copy.insertion`.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Protocol

from tasks.core.copy.insertion import LANES, Insertion, Outcome, Pace, Progress

PARTITION_UNITS = 1000
CALL_SECONDS = (0.015, 0.025)
"""Of one BatchExecuteStatement, its whole way."""
RECORDS_AT_ONCE = 4
ITEMS_A_PAGE = 1000
PAGE_SECONDS = 0.03
"""To read a page and its receipt, and to write that."""
AGAIN_SECONDS = 1.0
"""Until Lambda sends again what was reported as not done."""
TIMEOUT_SECONDS = 120.0
BEGIN_SECONDS = 60.0
GO_ON_SECONDS = 90.0
"""How long after its beginning a call begins a page, and goes on with one: see `tasks/write_pages.py`."""


class Signal:
    """Several processes have to end before another one goes on."""

    def __init__(self) -> None:
        self.expected = 0
        self.waiting: Process | None = None


class Gate:
    """Only one process is behind it at a time; the others wait in the order in which they came."""

    def __init__(self) -> None:
        self.is_taken = False
        self.waiting: deque[Process] = deque()


Process = Generator["float | Signal | Gate", None, None]
"""A process in virtual time yields how long it waits, or for what."""
Granted = Generator["float | Signal | Gate", None, bool]
"""A part of one, which says whether it got what it waited for."""


class Sold(Protocol):
    """Turns of one call, under a cap."""

    def take(self, pieces: int) -> Granted:
        """Wait for a turn for so many items; return whether there was one."""

    def settle(self, pieces: int, took: int) -> None:
        """Set off what they took."""


class Clock:
    """Virtual time, and the processes in it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._order = itertools.count()
        self._queue: list[tuple[float, int, Process]] = []

    def begin(self, process: Process) -> None:
        """Let a process begin now."""
        heapq.heappush(self._queue, (self.now, next(self._order), process))

    def run(self, until: float) -> None:
        """Let time pass."""
        while self._queue and self._queue[0][0] <= until:
            self.now, _, process = heapq.heappop(self._queue)
            try:
                wait = next(process)
            except StopIteration:
                continue
            if isinstance(wait, Signal):
                wait.waiting = process
            elif isinstance(wait, Gate):
                wait.waiting.append(process)
            else:
                heapq.heappush(self._queue, (self.now + wait, next(self._order), process))
        self.now = until


@dataclass
class Partition:
    """Write units as they come and go."""

    burst_seconds: float
    units: float = 0.0
    at: float = 0.0

    def take(self, now: float) -> bool:
        """Take one unit, if there is one."""
        most = max(1.0, self.burst_seconds * PARTITION_UNITS)
        self.units = min(most, self.units + (now - self.at) * PARTITION_UNITS)
        self.at = now
        if self.units < 1:
            return False
        self.units -= 1
        return True


@dataclass
class Target:
    """A table that takes so many units a second, and what became of the statements that it was sent."""

    units_per_second: int
    burst_seconds: float
    useful: int = 0
    repeated: int = 0
    throttled: int = 0
    calls: int = 0
    items: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        count = max(1, self.units_per_second // PARTITION_UNITS)
        self.partitions = [Partition(self.burst_seconds) for _ in range(count)]

    def insert(self, item: int, partition: int, now: float) -> Outcome:
        """Carry out one statement."""
        if not self.partitions[partition % len(self.partitions)].take(now):
            self.throttled += 1
            return Outcome.NOT_NOW
        if item in self.items:
            self.repeated += 1
            return Outcome.PRESENT
        self.items.add(item)
        self.useful += 1
        return Outcome.INSERTED


@dataclass
class Page:
    """A part of a page, as Kinesis keeps it, with what the control table says of it."""

    number: int
    is_together: bool
    """Whether all of its keys are of one partition, as those of a table that is alike are."""
    progress: Progress = field(default_factory=Progress)
    has_receipt: bool = False

    def partition_of(self, item: int) -> int:
        """Return the partition that an item belongs to, before it is taken modulo."""
        first = self.number * 2_654_435_761 >> 7 & 0xFFFF
        return first if self.is_together else first + item


@dataclass
class World:
    """A target and its writers."""

    target: Target
    are_pages_together: bool = False
    keeps_progress: bool = True
    seed: int = 1
    turns_of_a_call: Callable[[float], Sold] | None = None
    """Returns those of a call which begins then; `None` where no cap is set."""
    next_page: Callable[[], int | None] | None = None
    """Returns the number of the next page that was put into the stream; `None` where there is always one."""
    pages: int = 0
    """That have their receipt."""

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.chance = random.Random(self.seed)
        self._numbers = itertools.count()

    def begin(self, writers: int) -> None:
        """Let so many writers begin."""
        for _ in range(writers):
            self.clock.begin(self._writer())

    def _writer(self) -> Process:
        """One lane of a shard: batch after batch, in an environment of its own, which keeps its pace."""
        pace = Pace()
        yield self.chance.random()
        while True:
            records = self._records()
            if not records:
                yield AGAIN_SECONDS
            while not all(page.has_receipt for page in records):
                began = self.clock.now
                turns = None if self.turns_of_a_call is None else self.turns_of_a_call(began)
                for number, page in enumerate(records):
                    if number and self.clock.now - began > BEGIN_SECONDS:
                        break
                    if not page.has_receipt:
                        yield from self._write(page, pace, turns, deadline=began + GO_ON_SECONDS)
                if not all(page.has_receipt for page in records):
                    yield AGAIN_SECONDS

    def _records(self) -> list[Page]:
        numbers: list[int | None]
        if self.next_page is None:
            numbers = [next(self._numbers) for _ in range(RECORDS_AT_ONCE)]
        else:
            numbers = [self.next_page() for _ in range(RECORDS_AT_ONCE)]
        return [Page(number, self.are_pages_together) for number in numbers if number is not None]

    def _write(self, page: Page, pace: Pace, turns: Sold | None, *, deadline: float) -> Process:
        yield PAGE_SECONDS
        insertion = Insertion(ITEMS_A_PAGE, pace, deadline=deadline, progress=page.progress)
        done = Signal()
        lanes = [self._lane(page, insertion, turns, done) for _ in range(LANES)]
        done.expected = LANES
        for lane in lanes:
            self.clock.begin(lane)
        yield done
        page.has_receipt = not insertion.left
        self.pages += page.has_receipt
        if self.keeps_progress:
            page.progress = insertion.progress()

    def _lane(self, page: Page, insertion: Insertion, turns: Sold | None, done: "Signal") -> Process:
        while (batch := insertion.next_batch(self.clock.now, self.chance.random)) is not None:
            yield batch.wait_seconds
            if turns is not None and not (yield from turns.take(len(batch.numbers))):
                insertion.stop()  # the page comes again
                break
            seconds = self.chance.uniform(*CALL_SECONDS)
            yield seconds / 2
            self.target.calls += 1
            outcomes = [
                self.target.insert(page.number * ITEMS_A_PAGE + item, page.partition_of(item), self.clock.now)
                for item in batch.numbers
            ]
            yield seconds / 2
            if turns is not None:
                turns.settle(len(outcomes), len(outcomes) - outcomes.count(Outcome.NOT_NOW))
            insertion.take(batch, outcomes, self.clock.now)
        done.expected -= 1
        if not done.expected and done.waiting is not None:
            self.clock.begin(done.waiting)


@dataclass(frozen=True)
class Measured:
    """What became of a target's units, a second."""

    writers: int
    units: int
    useful: float
    repeated: float
    throttled: float
    """Statements, which take no units."""
    calls: float
    pages: int
    """In all."""

    def __str__(self) -> str:
        return (
            f"{self.writers:4} writers on {self.units:6,} units/s: {self.useful:8,.0f} useful, {self.repeated:6,.0f} "
            f"repeated, {self.throttled:7,.0f} statements throttled, {self.calls:6,.0f} calls"
        )


def measure(
    writers: int,
    units: int,
    warm_seconds: float,
    seconds: float,
    *,
    burst_seconds: float = 1.0,
    are_pages_together: bool = False,
    keeps_progress: bool = True,
) -> Measured:
    """Let writers write, and count what became of the units after they have found their pace.

    Args:
        writers: how many.
        units: what the target takes, a second.
        warm_seconds: before it is counted.
        seconds: for which it is counted.
        burst_seconds: for which a partition keeps what it did not use. DynamoDB keeps five minutes, at its best.
        are_pages_together: whether all keys of a page are of one partition.
        keeps_progress: whether what a call has put is noted.
    """
    target = Target(units, burst_seconds)
    world = World(target, are_pages_together, keeps_progress)
    world.begin(writers)
    world.clock.run(warm_seconds)
    before = (target.useful, target.repeated, target.throttled, target.calls)
    world.clock.run(warm_seconds + seconds)
    after = (target.useful, target.repeated, target.throttled, target.calls)
    useful, repeated, throttled, calls = ((now - then) / seconds for now, then in zip(after, before, strict=True))
    return Measured(writers, units, useful, repeated, throttled, calls, world.pages)
