"""A parallel scan under way: slices of tables, some at a time, each at its place."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.simulation.table import Load, Table

READ_UNIT_BYTES = 8 * 1024
"""Read eventually consistently, a unit is two reads of 4 KB."""


@dataclass(slots=True)
class Slice:
    """One segment of one table."""

    number: int
    table: Table
    begin: float
    end: float
    """Places."""
    items: float
    slowness: float = 1.0
    """How much longer it takes than others."""
    done: float = 0.0
    """Items that were read."""
    behind: float = 0.0
    """Items that were read and are not where they are to go."""
    arrived: float = 0.0
    """Of these, those that came there within the last step."""
    most_behind: float = math.inf
    """It is read only so far ahead."""
    is_held: bool = False
    """Whether it has to wait with reading."""
    began_at: float = 0.0
    ended_at: float = 0.0

    @property
    def is_read(self) -> bool:
        """Whether all of it is read."""
        return self.done >= self.items * (1 - 1e-12)

    @property
    def place(self) -> float:
        """Where it has come to."""
        width = self.end - self.begin
        return self.begin + width * min(self.done / self.items, 1 - 1e-6)


def slices_of(table: Table, order: Iterable[int], *, segments: int, items: float) -> list[Slice]:
    """Return a table's segments, in the order in which they are begun."""
    return [Slice(number, table, number / segments, (number + 1) / segments, items / segments) for number in order]


class Scan:
    """Slices in the order in which they are begun.

    Args:
        slices: in that order.
        at_once: how many run side by side.
        items_a_second: of one of them, where nothing refuses it.
        item_bytes: of one item.
        may_end: whether the next slice may begin in the place of one that is read to its end.
    """

    def __init__(
        self,
        slices: Sequence[Slice],
        *,
        at_once: int,
        items_a_second: float,
        item_bytes: float,
        may_end: Callable[[Slice], bool] = lambda _: True,
    ) -> None:
        self._waiting = list(reversed(slices))
        self._under_way: list[Slice] = []
        self._at_once = at_once
        self._speed = items_a_second
        self._item_bytes = item_bytes
        self._may_end = may_end

    @property
    def is_done(self) -> bool:
        """Whether all is read."""
        return not self._under_way and not self._waiting

    @property
    def under_way(self) -> Sequence[Slice]:
        """The slices that are begun and not done."""
        return self._under_way

    @property
    def reading(self) -> int:
        """How many of them are read right now: they are not held back, nor read to their ends."""
        return sum(not piece.is_held and not piece.is_read for piece in self._under_way)

    @property
    def speed(self) -> float:
        """Items a second, where nothing refuses them."""
        pieces = (piece for piece in self._under_way if not piece.is_held and not piece.is_read)
        return sum(self._speed / piece.slowness for piece in pieces)

    def pace_for(self, cap: float | None) -> float:
        """Return at which share of its full speed it keeps to so many read units a second."""
        full = self.units(self.speed)
        return 1.0 if cap is None or full <= cap else cap / full

    def units(self, items: float) -> float:
        """Return how many read units it takes to read so many items."""
        return items * self._item_bytes / READ_UNIT_BYTES

    def asks(self, table: Table, pace: float) -> dict[int, Load]:
        """Return what it asks of a table, by partition, at a share of its full speed."""
        asked: dict[int, Load] = {}
        for piece in self._under_way:
            if piece.table is table and not piece.is_held:
                partition = table.partition_at(piece.place)
                asked.setdefault(partition, Load()).reads += self.units(self._speed * pace / piece.slowness)
        return asked

    def read(
        self, table: Table, shares: Mapping[int, float], pace: float, seconds: float
    ) -> list[tuple[Slice, float, float]]:
        """Read on for some seconds, as far as each partition allows; return each slice, its place, and items read."""
        came: list[tuple[Slice, float, float]] = []
        for piece in self._under_way:
            if piece.table is not table or piece.is_held:
                continue
            place = piece.place
            share = shares.get(table.partition_at(place), 1.0)
            # Within a long step as many arrive as in the last one, or a window of seconds would hold it back.
            ahead = max(0.0, piece.most_behind - piece.behind + piece.arrived)
            items = min(self._speed * pace * share / piece.slowness * seconds, piece.items - piece.done, ahead)
            piece.done += items
            came.append((piece, place, items))
        return came

    def begin_more(self, now: float) -> None:
        """Put the next slices in the place of those that are read to their ends."""
        for piece in self._under_way:
            if not piece.is_read:
                piece.ended_at = now
        self._under_way = [piece for piece in self._under_way if not (piece.is_read and self._may_end(piece))]
        while self._waiting and len(self._under_way) < self._at_once:
            piece = self._waiting.pop()
            piece.began_at = piece.ended_at = now
            self._under_way.append(piece)
