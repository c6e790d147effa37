"""How long a copy takes, and what bounds it: its course from what AWS documents, and from a few suspected speeds.

A table on demand takes little at first, and grows while it is used; so does the stream of pages. Segments under way are
spread over the table, but several of them come together in one partition now and then, and since pages are written in
the order in which they come, the fullest partition sets the pace of all. The last segments are fewer, and so slower.

Not in it: the source's users and their changes, keys that are hot, items of very different sizes, partitions that are
split because they are hot. `tests/simulation`, where all calls of a copy happen, takes as long within a tenth.
"""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from tasks.core.model.capacity import (
    PARTITION_BYTES,
    PARTITION_WRITES_PER_SECOND,
    PEAK_SECONDS,
    READ_UNIT_BYTES,
    READ_UNIT_SHARE,
    SHARD_BYTES_PER_SECOND,
    STREAM_BYTES_PER_SECOND,
    STREAM_BYTES_PER_SECOND_MOST,
    STREAM_PEAK_SECONDS,
)
from tasks.core.model.order import spread

SEGMENT_BYTES_PER_SECOND: Final = 5 * 10**6
"""What one segment reads: a page of 1 MB in 0.2 s (suspected)."""
COMPRESSED: Final = 4.0
"""How many times smaller a page is in the stream (measured on made-up items; README, "Limits")."""
WRITERS_A_SHARD: Final = 2
"""Calls of the writer at once, of each shard of the stream of pages."""
WRITER_ITEMS: Final = 6000.0
"""Items a second of one of them, at some 160 µs of CPU an item (measured on another machine)."""
WRITTEN_BY_A_SHARD: Final = WRITERS_A_SHARD * WRITER_ITEMS
"""Items a second."""
ACCOUNT_CALLS: Final = 1000
"""Calls at once, of all functions of an account and Region, by default ("Lambda quotas")."""
STRETCHES: Final = 8
"""Of the segments under way, one after the other: in each it is looked how many of them are in one partition."""


UNEVEN: Final = 1.05
"""Writes come unevenly: a peak is so much more than the average beside it, and what counts for growth is the peak."""


class Kind(StrEnum):
    """What a copy may be bound by."""

    UNITS = "the target's units"
    """Of its table, or of one of its global indexes."""
    PARTITIONS = "one partition of the target"
    """That several segments fill."""
    WRITES_CAP = "the cap of writes"
    READS_CAP = "the cap of reads"
    STREAM = "the stream of pages"
    WRITERS = "the writers"
    SCAN = "the scan"


class Bound(NamedTuple):
    """What bounds a copy for a while."""

    kind: Kind
    part: str = ""
    """Of `UNITS`, whose."""


@dataclass(frozen=True, slots=True)
class Part:
    """The target's table, or one of its global indexes: each has capacity of its own."""

    name: str
    units: float
    """That the copy writes to it."""
    at_once: float
    """That it takes a second when the copy begins."""
    most: float
    """That it grows to while it is used; the same if it does not grow."""
    is_set: bool
    """Whether somebody has set this, provisioned or as the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What is to be copied, into what, and how."""

    items: int
    bytes_an_item: float
    parts: Sequence[Part]
    """The table first."""
    segments: int
    max_concurrency: int
    reads_cap: float | None = None
    """Read units a second of the source."""
    writes_cap: float | None = None
    """Write units a second of the target, indexes included."""
    stream_shards: int | None = None
    """Of a stream of pages that has a fixed number of them; `None` for one on demand, which grows."""


@dataclass(frozen=True, slots=True)
class Duration:
    """How long a copy takes."""

    seconds: float
    bounds: dict[Bound, float]
    """Seconds, by what bounds it then."""
    writer_seconds: float = 0.0
    """For how long calls of the writer run, all together: where the target bounds them, they wait for it."""
    most_shards: int = 0
    """Of the stream of pages, in the end."""

    @property
    def bound(self) -> Bound:
        """What bounds it most of the time."""
        return max(self.bounds, key=lambda bound: self.bounds[bound])


def expect(copy: Copy) -> Duration:
    """Return how long a copy takes. A copy of nothing takes no time, bound by the scan."""
    course = _Course(copy)
    order = spread(copy.segments)
    for first in range(0, copy.segments if copy.items else 0, copy.max_concurrency):
        course.copy_segments(order[first : first + copy.max_concurrency])
    return Duration(course.now, course.bounds or {Bound(Kind.SCAN): 0.0}, course.writer_seconds, course.shards)


def crowding(under_way: Sequence[int], segments: int, partitions: int, *, done: float) -> int:
    """Return how many of the segments under way are in the partition that most of them are in.

    Args:
        under_way: the segments' numbers.
        segments: of the table in all.
        partitions: all of the same width.
        done: which share of each of them is read.
    """
    return max(Counter(int((number + done) / segments * partitions) for number in under_way).values())


@dataclass(slots=True)
class _Growing:
    """What something on demand takes: twice its former peak, once that has stood for a while."""

    takes: float
    most: float
    peak_seconds: float
    highest: float = 0.0
    exceeded_at: float | None = None
    """When it was first asked for more than its former peak, which is half of what it takes."""

    @property
    def grows_at(self) -> float:
        return math.inf if self.exceeded_at is None else self.exceeded_at + self.peak_seconds

    def note(self, rate: float, now: float) -> None:
        """Note that so much is asked of it from now on."""
        if self.takes >= self.most:
            return
        peak = min(self.takes, rate * UNEVEN)
        if self.exceeded_at is None and peak > self.takes / 2:
            self.exceeded_at, self.highest = now, 0.0
        self.highest = max(self.highest, peak)

    def grow(self, now: float) -> bool:
        """Let it grow, if the time for it has come."""
        if now < self.grows_at:
            return False
        self.takes = min(self.most, max(self.takes, 2 * self.highest))
        self.exceeded_at = None
        return True


@dataclass(slots=True)
class _Capacity(_Growing):
    """Of a table, or of an index: its partitions are split as it takes more, and when they are full."""

    partitions: int = 1

    def grow(self, now: float) -> bool:
        has_grown = _Growing.grow(self, now)
        if has_grown:
            while self.partitions * PARTITION_WRITES_PER_SECOND < self.takes:
                self.partitions *= 2
            self._take_what_they_do()
        return has_grown

    def split(self) -> None:
        """Split all partitions."""
        self.partitions *= 2
        self._take_what_they_do()

    def _take_what_they_do(self) -> None:
        """What was split takes what its partitions do, if nobody has set less (suspected)."""
        self.takes = min(self.most, max(self.takes, float(self.partitions * PARTITION_WRITES_PER_SECOND)))


@dataclass(slots=True)
class _Course:
    """A copy under way."""

    copy: Copy
    now: float = 0.0
    bounds: dict[Bound, float] = field(default_factory=dict)
    writer_seconds: float = 0.0
    _copied: float = 0.0
    """Items."""
    _parts: list[_Capacity] = field(init=False)
    _stream: _Growing = field(init=False)

    def __post_init__(self) -> None:
        self._parts = [
            _Capacity(part.at_once, part.most, PEAK_SECONDS, partitions=_partitions_for(part.at_once))
            for part in self.copy.parts
        ]
        begins, most = STREAM_BYTES_PER_SECOND, STREAM_BYTES_PER_SECOND_MOST
        if self.copy.stream_shards is not None:
            begins = most = self.copy.stream_shards * SHARD_BYTES_PER_SECOND
        self._stream = _Growing(begins, most, STREAM_PEAK_SECONDS)

    @property
    def shards(self) -> int:
        """Of the stream of pages: as many as it takes megabytes a second."""
        return math.ceil(self._stream.takes / SHARD_BYTES_PER_SECOND)

    def copy_segments(self, under_way: Sequence[int]) -> None:
        """Copy some segments, all at once, to their ends."""
        for stretch in range(STRETCHES):
            self._copy_stretch(under_way, done=(stretch + 0.5) / STRETCHES)

    def _copy_stretch(self, under_way: Sequence[int], *, done: float) -> None:
        copy, left = self.copy, self.copy.items * len(under_way) / self.copy.segments / STRETCHES
        while left > 0:
            held = crowding(under_way, copy.segments, self._table.partitions, done=done)
            bound, rate = min(self._rates(len(under_way), held), key=lambda one: one[1])
            for part, growing in zip(copy.parts, self._parts, strict=True):
                growing.note(rate * part.units / copy.items, self.now)
            # The scan runs ahead of the writer, and comes in bursts: the stream grows as soon as it can.
            read = self._scanned(len(under_way)) * copy.bytes_an_item / COMPRESSED
            self._stream.note(min(read, self._stream.takes), self.now)
            seconds = min(
                left / rate,
                (self._items_to_split() - self._copied) / rate,
                *(growing.grows_at - self.now for growing in (*self._parts, self._stream)),
            )
            self.bounds[bound] = self.bounds.get(bound, 0.0) + seconds
            self.writer_seconds += seconds * self._writers(bound, rate, len(under_way))
            self.now += seconds
            copied = min(left, rate * seconds)
            left = 0.0 if left - copied < copy.items * 1e-12 else left - copied
            self._copied += copied
            self._grow()

    @property
    def _table(self) -> _Capacity:
        return self._parts[0]

    def _grow(self) -> None:
        for growing in (*self._parts, self._stream):
            growing.grow(self.now)
        while self._copied >= self._items_to_split() * (1 - 1e-9):
            self._table.split()

    def _items_to_split(self) -> float:
        """Return how many items in all the partitions hold before they are split, all about at the same time."""
        return self._table.partitions * PARTITION_BYTES / max(1.0, self.copy.bytes_an_item)

    def _writers(self, bound: Bound, rate: float, under_way: int) -> float:
        """Return how many calls of the writer run at a time: all that there may be, where it waits for the target."""
        most = min(WRITERS_A_SHARD * self.shards, max(1, ACCOUNT_CALLS - under_way))
        return most if bound.kind in {Kind.UNITS, Kind.PARTITIONS} else min(most, rate / WRITER_ITEMS)

    def _scanned(self, under_way: int) -> float:
        """Return how many items a second are read, where nothing holds the scan back."""
        return under_way * SEGMENT_BYTES_PER_SECOND / max(1.0, self.copy.bytes_an_item)

    def _rates(self, under_way: int, held: int) -> Iterator[tuple[Bound, float]]:
        """Yield how many items a second each bound lets through; of two that let the same through the first counts."""
        copy, item_bytes = self.copy, max(1.0, self.copy.bytes_an_item)
        total = sum(part.units for part in copy.parts)
        if copy.writes_cap is not None and total:
            yield Bound(Kind.WRITES_CAP), copy.writes_cap * copy.items / total
        for part, growing in zip(copy.parts, self._parts, strict=True):
            if part.units:
                yield Bound(Kind.UNITS, part.name), growing.takes * copy.items / part.units
        of_partitions = PARTITION_WRITES_PER_SECOND * under_way / held
        yield Bound(Kind.PARTITIONS), of_partitions * copy.items / copy.parts[0].units
        if copy.reads_cap is not None:
            yield Bound(Kind.READS_CAP), copy.reads_cap * READ_UNIT_BYTES / READ_UNIT_SHARE / item_bytes
        yield Bound(Kind.STREAM), self._stream.takes * COMPRESSED / item_bytes
        yield Bound(Kind.WRITERS), self._stream.takes / SHARD_BYTES_PER_SECOND * WRITTEN_BY_A_SHARD
        yield Bound(Kind.SCAN), self._scanned(under_way)


def _partitions_for(units: float) -> int:
    return max(1, math.ceil(units / PARTITION_WRITES_PER_SECOND))
