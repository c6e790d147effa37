"""How the items of a page's part get into a target that may take only some of them: the writer's policy.

Who drives it makes the calls; what is sent next, in which batch, how long to wait, and when to leave the rest to the
page's next delivery is decided here, with the clock and chance passed in. So the simulation in tests/simulation drives
the very objects that Lambda drives.

A statement that is throttled costs no write units, an insert that finds its key taken does. So what was throttled is
tried again until the call's time is over, and what a call has put is noted, and is not put again by the next.
"""

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

ITEMS_AT_ONCE: Final = 25
"""BatchExecuteStatement takes no more."""
LANES: Final = 8
"""Calls side by side. A call takes some 20 ms, so eight bring 10,000 items a second."""

FIRST_RATE: Final = 1000.0
"""Items a second that a writer begins with: what one partition takes."""
LEAST_RATE: Final = 0.5
MOST_RATE: Final = 50_000.0
"""More than eight calls side by side ever bring. A rate beyond it would only take longer to come down."""
FASTER: Final = 1.05
"""By so much after each batch that was taken as a whole: forty small steps a second, so that few are too many."""
STEP: Final = 0.5
"""And by so many items a second: from next to nothing a factor alone would take minutes."""
LONG_SECONDS: Final = 0.25
"""A lane that would wait so long while others are under way is one too many: they are enough for the pace."""
SLOWER: Final = 0.5
"""Of the rate, for a batch that was throttled as a whole; less for one that was throttled in part."""


class Outcome(StrEnum):
    """What became of one item of a batch."""

    INSERTED = "inserted"
    PRESENT = "present"
    """Its key is taken, and the conflict rule leaves what is there."""
    REJECTED = "rejected"
    """The target will never take it; whoever drives this keeps it."""
    ALONE = "alone"
    """It has to be put in a call of its own, which has the last word."""
    NOT_NOW = "not now"
    """Throttled, or another failure that passes: nothing was written."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the deliveries of a part have come.

    It is a receipt for a part of the part: each item that it names was answered for before it was noted, and it is for
    these bytes only. Rejects are not among them: they are kept together with the receipt, by the call that writes it.
    """

    inserted: int = 0
    present: int = 0
    done: int = 0
    """Of the items inserted or present, by their place in the part: bit 0 is the first."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is sent in one call."""

    numbers: tuple[int, ...]
    """Places of the items in their part."""
    is_alone: bool
    """Whether it is one item, in a call of its own."""
    wait_seconds: float
    """How long to wait before it is sent."""
    at: float
    """When it is sent."""


class Pace:
    """How fast one writer sends, in items a second: found out from what the target takes, and kept from page to page.

    A batch that is taken as a whole makes it faster, one that is throttled slower, by the share that was throttled. So
    many writers on a small target together send little more than it takes, and nobody waits while it is idle.
    """

    def __init__(self) -> None:
        self.rate = FIRST_RATE
        self._next_at = -math.inf
        self._slowed_at = -math.inf

    def size(self) -> int:
        """Return how many statements the next batch may have: no more than a second's."""
        return max(1, min(ITEMS_AT_ONCE, int(self.rate)))

    def wait(self, now: float) -> float:
        """Return the seconds to wait before the next batch."""
        return max(0.0, self._next_at - now)

    def send(self, items: int, at: float, random: Callable[[], float]) -> None:
        """Count so many items as sent then."""
        # By chance half as long to half as long again, so that writers do not come together.
        self._next_at = at + items / self.rate * (0.5 + random())

    def hear(self, batch: Batch, throttled: int, now: float) -> None:
        """Go by what a batch was answered with."""
        if not throttled:
            self.rate = min(MOST_RATE, self.rate * FASTER + STEP)
        elif batch.at >= self._slowed_at:
            # Those under way when it slowed down were sent at the rate before: they say nothing new.
            self.rate = max(LEAST_RATE, self.rate * (1 - SLOWER * throttled / len(batch.numbers)))
            self._slowed_at = now


class Insertion:
    """The items of one part, on their way into the target. Not safe for threads by itself.

    Args:
        count: of items in the part.
        pace: the writer's.
        deadline: by the clock that `now` is of; no batch is begun behind it.
        progress: of earlier deliveries.
    """

    def __init__(self, count: int, pace: Pace, *, deadline: float, progress: Progress | None = None) -> None:
        progress = progress or Progress()
        self._pace = pace
        self._deadline = deadline
        self._count = count
        self._inserted, self._present, self._done = progress.inserted, progress.present, progress.done
        self._rejected = 0
        self._waiting = deque(self.undone())
        self._alone: deque[int] = deque()
        self._under_way = 0
        self._is_over = False

    @property
    def left(self) -> int:
        """How many items are neither in the target nor rejected."""
        return self._count - (self._done | self._rejected).bit_count()

    def undone(self) -> list[int]:
        """Return the places of the items that are not in the target, as far as is known."""
        return [number for number in range(self._count) if not self._done >> number & 1]

    def progress(self) -> Progress:
        """Return what is dealt with, but for rejects."""
        return Progress(self._inserted, self._present, self._done)

    def next_batch(self, now: float, random: Callable[[], float]) -> Batch | None:
        """Return what to send next, and when; `None` ends the lane that asks.

        It ends when nothing is left to begin, when the time is over, and when other lanes are enough. Items that are
        under way are nobody else's: the lane that has sent them goes on with those of them that come back.
        """
        queue, size = (self._alone, 1) if self._alone else (self._waiting, self._pace.size())
        if self._is_over or not queue:
            return None
        wait = self._pace.wait(now)
        if self._under_way and wait > LONG_SECONDS:
            return None
        if now + wait > self._deadline:
            self.stop()
            return None
        size = min(size, len(queue))
        self._pace.send(size, now + wait, random)
        self._under_way += 1
        return Batch(tuple(queue.popleft() for _ in range(size)), queue is self._alone, wait, now + wait)

    def take(self, batch: Batch, outcomes: Sequence[Outcome], now: float) -> None:
        """Note what became of a batch's items, each in its place."""
        self._under_way -= 1
        for number, outcome in zip(batch.numbers, outcomes, strict=True):
            if outcome is Outcome.NOT_NOW:
                # Behind the others: what is throttled may be of one partition, and they of another.
                (self._alone if batch.is_alone else self._waiting).append(number)
            elif outcome is Outcome.ALONE:
                self._alone.append(number)
            else:
                self.settle(number, outcome)
        self._pace.hear(batch, outcomes.count(Outcome.NOT_NOW), now)

    def settle(self, number: int, outcome: Outcome) -> None:
        """Note that an item was inserted, is present, or was rejected."""
        if outcome is Outcome.REJECTED:
            self._rejected |= 1 << number
        elif not self._done >> number & 1:
            self._done |= 1 << number
            self._inserted += outcome is Outcome.INSERTED
            self._present += outcome is Outcome.PRESENT

    def stop(self) -> None:
        """Begin no further batch: the time is over, or something failed."""
        self._is_over = True
