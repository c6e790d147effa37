"""How much a migration may read and write a second: a clock for each side, by which all calls in progress take turns.

The clock stands in the control table and says until when the side's capacity is sold. A call that wants to read or
write so many units moves the clock on by the time that they take at the cap, and begins when it stood before. So nobody
asks in vain, a turn costs one small write however many wait, and turns come in the order in which they were asked for.
Nobody buys a turn that begins more than `HORIZON_SECONDS` from now: a change of the cap would come too late for it.

Nothing here calls AWS, waits, or knows the time: a turn yields what is to be done, and whoever runs it does that. On
AWS that is `tasks.aws.books.caps`; a simulation does it in virtual time.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from tasks.core.prove.digest import SOURCE

HORIZON_SECONDS: Final = 7.0
"""How long before it begins a turn may be bought."""
LOOK_SECONDS: Final = 4.0
"""How old what is known of the caps may get. With the horizon it makes less than the 15 seconds in which a change has
to be in force."""
TURNS_A_SECOND: Final = 40
"""A turn is at least such a part of a second's units: one entry takes this many writes a second, and no more."""
KEPT_SECONDS: Final = 10.0
"""Units of a turn that are left over so long after it are forgotten: many calls could use theirs all at once."""
PAGES_UNDER_WAY: Final = 64
PAGE_UNITS: Final = 2048
"""So many pages may be under way side by side, and so many units they may take each, before the first one is done."""
STUCK_SECONDS: Final = 900
"""Where no cap makes pages rare, no receipt of any segment for so long is no backlog any more: a page takes seconds."""
SOONER: Final = 0.75
MISSES_MOST: Final = 6
"""Who came in vain comes back sooner the next time, and so on: chance is to leave nobody out for long."""


class Side(StrEnum):
    """What has a cap of its own."""

    SOURCE_READS = "source-reads"
    TARGET_READS = "target-reads"
    TARGET_WRITES = "target-writes"


def reads_of(role: str) -> Side:
    """Return under which cap a table is read, by its role in the proof. The target and its replicas share one."""
    return Side.SOURCE_READS if role == SOURCE else Side.TARGET_READS


Units = float


class Caps(BaseModel):
    """The most units a second of each side; `None` for no cap. Writes count as AWS bills them, indexes included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source_reads: Units | None = Field(default=None, gt=0)
    target_reads: Units | None = Field(default=None, gt=0)
    target_writes: Units | None = Field(default=None, gt=0)

    def of(self, side: Side) -> Units | None:
        """Return the cap of one side."""
        return {
            Side.SOURCE_READS: self.source_reads,
            Side.TARGET_READS: self.target_reads,
            Side.TARGET_WRITES: self.target_writes,
        }[side]

    def with_reads(self, units: Units | None) -> "Caps":
        """Return the caps with another one for reads, of either table."""
        return self.model_copy(update={"source_reads": units, "target_reads": units})

    def with_writes(self, units: Units | None) -> "Caps":
        """Return the caps with another one for writes."""
        return self.model_copy(update={"target_writes": units})

    def in_words(self) -> str:
        """Say what they are; nothing if there are none."""
        reads = {self.source_reads, self.target_reads}
        if len(reads) == 1:
            said = [("reads", self.source_reads)]
        else:
            said = [("reads of the source", self.source_reads), ("reads of the target", self.target_reads)]
        said.append(("writes", self.target_writes))
        return ", ".join(f"{what} {units:g}/s" for what, units in said if units is not None)


class Throttle(BaseModel):
    """What holds at a moment: the caps, or a pause. Each change is another one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    caps: Caps
    is_paused: bool = False
    revision: int = 0
    """Of the plan's own caps 0. Each has a clock of its own: under another cap a turn has another length."""
    since: float = 0.0
    """When it was set, epoch seconds."""

    def patience_seconds(self, least: float) -> float:
        """Return after how long without a page at the target something is wrong: a cap makes pages rare.

        Args:
            least: without a cap.
        """
        writes = self.caps.target_writes
        return least if writes is None else least + PAGES_UNDER_WAY * PAGE_UNITS / writes

    def in_words(self) -> str:
        """Say what holds work back; nothing if nothing does."""
        if self.is_paused:
            return "paused by an operator: `python -m workflow unpause` lets it go on"
        caps = self.caps.in_words()
        return f"capped: {caps}" if caps else ""


@dataclass(frozen=True, slots=True)
class Look:
    """Read what stands. The answer is a `Throttle`."""


@dataclass(frozen=True, slots=True)
class Buy:
    """Move a clock on. The answer is a `Bought`."""

    side: Side
    revision: int
    seconds: float
    now: float
    latest: float
    """The clock is left alone if it stands later than this."""
    is_crowded: bool
    """Whether it may well stand too late: then it is better read first, since a write in vain is a write too."""


@dataclass(frozen=True, slots=True)
class Bought:
    """How the clock stood, now at the earliest, and whether it was moved on."""

    is_sold: bool
    stood: float
    """Epoch seconds."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait so many seconds. The answer is `None`."""

    seconds: float


Step = Look | Buy | Sleep
Answer = Throttle | Bought | None
Turn = Generator[Step, Answer, bool]


class Turns:
    """The turns of one call in progress, on one side.

    Args:
        side: which.
        random: returns a number from 0 to 1.
    """

    def __init__(self, side: Side, random: Callable[[], float]) -> None:
        self.side = side
        self._random = random
        self._throttle: Throttle | None = None
        self._looked_at = 0.0
        self._units = 0.0
        """Bought and not used yet; below 0 what was used beyond what was bought."""
        self._kept_until = 0.0
        self._is_crowded = True
        self._misses = 0

    @property
    def throttle(self) -> Throttle | None:
        """What stood when it was last looked at; `None` before that."""
        return self._throttle

    def turn(self, units: Units, *, now: Callable[[], float], until: Callable[[], float]) -> Turn:
        """Wait for a turn of so many units.

        Args:
            units: that the next call is likely to take.
            now: returns the time, epoch seconds.
            until: returns how long to wait at most, epoch seconds; asked only where there is something to wait for.

        Yields:
            What is to be done, answered with what it says.

        Returns:
            Whether the call may be made. It is not to be made where the time was not enough.
        """
        while True:
            throttle = yield from self._known(now)
            cap = throttle.caps.of(self.side)
            if not throttle.is_paused and cap is None:
                self._units = 0.0  # nothing is owed, nor left over, where nothing is counted
                return True
            if not throttle.is_paused and self._take(units, now()):
                return True
            last = until()
            if now() >= last:
                return False
            if throttle.is_paused or cap is None:
                wait = LOOK_SECONDS * (0.5 + self._random() / 2)
            else:
                bought = yield from self._buy(units, cap, throttle.revision, now(), last)
                wait = bought.stood - now()
                if not bought.is_sold:  # come back when there is room, at a moment of one's own: not all at once
                    room_in = min(max(0.0, wait - HORIZON_SECONDS), HORIZON_SECONDS / 2)
                    wait = room_in + self._random() * (HORIZON_SECONDS - room_in) * SOONER**self._misses
            if wait > 0:
                yield Sleep(min(wait, max(0.0, last - now())))

    def settle(self, units: Units, took: Units | None) -> None:
        """Set off what a call really took against the turn that it had.

        Args:
            units: of the turn.
            took: as the answer said; `None` if it did not say.
        """
        is_counted = self._throttle is not None and self._throttle.caps.of(self.side) is not None
        if took is not None and is_counted:
            self._units += units - took

    def _known(self, now: Callable[[], float]) -> Generator[Step, Answer, Throttle]:
        if self._throttle is None or now() - self._looked_at >= LOOK_SECONDS:
            found = yield Look()
            if not isinstance(found, Throttle):
                raise TypeError(f"the answer to a look is a throttle, not {found!r}")
            self._throttle, self._looked_at = found, now()
        return self._throttle

    def _buy(self, units: Units, cap: Units, revision: int, now: float, last: float) -> Generator[Step, Answer, Bought]:
        wanted = max(units - self._units, cap / TURNS_A_SECOND)
        latest = min(now + HORIZON_SECONDS, last)
        answer = yield Buy(self.side, revision, wanted / cap, now, latest, self._is_crowded)
        if not isinstance(answer, Bought):
            raise TypeError(f"the answer to a purchase is what was bought, not {answer!r}")
        self._is_crowded = not answer.is_sold or answer.stood > now + HORIZON_SECONDS / 2
        self._misses = 0 if answer.is_sold else min(self._misses + 1, MISSES_MOST)
        if answer.is_sold:
            self._units += wanted
            self._kept_until = answer.stood + wanted / cap + KEPT_SECONDS
        return answer

    def _take(self, units: Units, now: float) -> bool:
        if self._units > 0 and now > self._kept_until:
            self._units = 0.0
        if self._units < units:
            return False
        self._units -= units
        return True
