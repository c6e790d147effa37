"""The stream of pages: Kinesis on demand, as far as capacity goes, and what waits in it, oldest first."""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

NEW_STREAM_BYTES: Final = 4 * 10**6
"""A second, that a new stream on demand takes ("Quotas and limits", data stream throughput)."""
SHARD_BYTES: Final = 10**6
SHARD_RECORDS: Final = 1000
"""A second, of one shard, in both modes ("Create and manage Kinesis data streams")."""
MOST_BYTES: Final = 200 * 10**6
"""A second, that a stream on demand grows to unless AWS is asked for more (the same page; AWS Big Data Blog, 2023)."""
DOUBLES_SECONDS: Final = 15 * 60
"""It takes twice the former peak, and writes that more than double it within so long are throttled (the same page)."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Of a batch's items, those of one segment."""

    segment: int
    place: float
    share: float
    """Of the batch's items."""


@dataclass(slots=True)
class Batch:
    """What was put within one step."""

    put_at: float
    items: float
    record_bytes: float
    portions: Sequence[Portion] = field(default=())


class PagesStream:
    """The stream, and what its reader has not taken yet.

    Args:
        retention_seconds: after which a record is gone, read or not.
    """

    def __init__(self, *, retention_seconds: float, most_bytes: float = MOST_BYTES) -> None:
        self._retention_seconds = retention_seconds
        self._most_bytes = most_bytes
        self.takes_bytes: float = min(NEW_STREAM_BYTES, most_bytes)
        """A second."""
        self._highest = 0.0
        self._exceeded_at: float | None = None
        self._waiting: deque[Batch] = deque()
        self.items_waiting = 0.0
        self.bytes_waiting = 0.0
        self.items_expired = 0.0

    @property
    def shards(self) -> int:
        """As many as it takes megabytes a second."""
        return math.ceil(self.takes_bytes / SHARD_BYTES)

    def room(self, record_bytes: float) -> float:
        """Return how many bytes a second it takes, in records of a size."""
        return min(self.takes_bytes, SHARD_RECORDS * self.shards * record_bytes)

    def put(self, batch: Batch, seconds: float) -> None:
        """Take what was put over the last `seconds`, which may not be more than there is room for."""
        rate = batch.record_bytes / seconds
        if rate > self.takes_bytes * (1 + 1e-9):
            raise ValueError(f"{rate:.0f} bytes a second put into a stream that takes {self.takes_bytes:.0f}")
        self._grow(rate, batch.put_at)
        if batch.items > 0:
            self._waiting.append(batch)
            self.items_waiting += batch.items
            self.bytes_waiting += batch.record_bytes

    def take(self, items: float) -> list[Batch]:
        """Take so many of the oldest items, or all."""
        taken = []
        while items > 0 and self._waiting:
            head = self._waiting[0]
            part = min(items, head.items)
            whole = part >= head.items
            share = 1.0 if whole else part / head.items
            given = Batch(head.put_at, part, head.record_bytes * share, head.portions)
            if whole:
                self._waiting.popleft()
            else:
                head.items -= part
                head.record_bytes -= given.record_bytes
            self._forget(given)
            taken.append(given)
            items -= part
        return taken

    def peek(self, items: float) -> list[Batch]:
        """Return the oldest items, so many or all, without taking them."""
        seen = []
        for batch in self._waiting:
            if items <= 0:
                break
            seen.append(batch)
            items -= batch.items
        return seen

    def expire(self, now: float) -> list[Batch]:
        """Lose what is older than the stream keeps, and return it."""
        lost = []
        while self._waiting and now - self._waiting[0].put_at > self._retention_seconds:
            batch = self._waiting.popleft()
            self._forget(batch)
            self.items_expired += batch.items
            lost.append(batch)
        return lost

    @property
    def oldest(self) -> float | None:
        """When the oldest record that waits was put."""
        return self._waiting[0].put_at if self._waiting else None

    def oldest_seconds(self, now: float) -> float:
        """Return the age of the oldest record that waits."""
        return now - self._waiting[0].put_at if self._waiting else 0.0

    def _forget(self, batch: Batch) -> None:
        self.items_waiting = max(0.0, self.items_waiting - batch.items)
        self.bytes_waiting = max(0.0, self.bytes_waiting - batch.record_bytes)

    def _grow(self, rate: float, now: float) -> None:
        if rate > self.takes_bytes / 2 and self._exceeded_at is None:
            self._exceeded_at = now
        if self._exceeded_at is None:
            return
        self._highest = max(self._highest, rate)
        if now - self._exceeded_at >= DOUBLES_SECONDS:
            self.takes_bytes = min(self._most_bytes, max(self.takes_bytes, 2 * self._highest))
            self._highest, self._exceeded_at = 0.0, None
