"""A DynamoDB table as far as capacity goes: partitions in the order of the keys' hashes, quotas, burst, growth.

A place is a number from 0 to 1: where a key's hash stands among all. It decides the key's partition, and where a scan
comes to the key: a segment reads one stretch of it (awslabs/amazon-dynamodb-tools#90). Two tables with the same key
have the same places; that is suspected, not documented.
"""

import bisect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from tasks.core.model.capacity import NEW_TABLE_READS_PER_SECOND, NEW_TABLE_WRITES_PER_SECOND

PARTITION_WRITES: Final = 1000
PARTITION_READS: Final = 3000
"""Units a second of one partition, or a linear combination of both ("Warm throughput scenarios"; re:Post, "on-demand
table throttling"). Burst does not lift it (re:Post, "spiky workloads in short intervals")."""
PARTITION_BYTES: Final = 10 * 10**9
"""A partition that grows past it is split ("Partitions and data distribution": about 10 GB)."""
BURST_SECONDS: Final = 300
"""Of a provisioned table's unused units are kept ("Burst capacity"). None is counted on for a table on demand."""
PEAK_SECONDS: Final = 30 * 60
"""A table on demand takes twice its former peak; a new peak is one after so long (the same page)."""
QUOTA: Final = 40_000
"""Of a table's write units, and of its read units, by default ("Quotas": table-level, on demand)."""


@dataclass(slots=True)
class Load:
    """Units a second that are asked of a partition or of a table."""

    writes: float = 0.0
    reads: float = 0.0

    def plus(self, other: "Load") -> "Load":
        """Return both together."""
        return Load(self.writes + other.writes, self.reads + other.reads)

    def times(self, factor: float) -> "Load":
        """Return a multiple."""
        return Load(self.writes * factor, self.reads * factor)

    @property
    def share(self) -> float:
        """How much of one partition it takes."""
        return self.writes / PARTITION_WRITES + self.reads / PARTITION_READS


@dataclass(slots=True)
class Peak:
    """What a table on demand takes of one kind of unit, and how that grows: twice the former peak, within a quota."""

    takes: float
    """Units a second that it takes now."""
    highest: float = 0.0
    """Since the last peak was taken for one."""
    exceeded_at: float | None = None
    """When it was first asked for more than the former peak: that is, for more than half of what it takes."""

    def note(self, served: float, now: float) -> bool:
        """Take notice of what was served, and return whether the table takes more from now on."""
        if served > self.takes / 2 and self.exceeded_at is None:
            self.exceeded_at = now
        if self.exceeded_at is None:
            return False
        self.highest = max(self.highest, served)
        if now - self.exceeded_at < PEAK_SECONDS:
            return False
        grown = max(self.takes, 2 * self.highest)
        is_more = grown > self.takes
        self.takes, self.highest, self.exceeded_at = grown, 0.0, None
        return is_more


class Table:
    """A table, or a global index, which has partitions of its own.

    Args:
        stored_bytes: that it holds, evenly.
        warm: what an on-demand table takes at once (warm throughput).
        provisioned: units a second, for a table that is not on demand.
        quota: the most write units and the most read units a second.
    """

    def __init__(
        self,
        *,
        stored_bytes: float = 0.0,
        warm: Load | None = None,
        provisioned: Load | None = None,
        quota: float = QUOTA,
    ) -> None:
        warm = warm or Load(NEW_TABLE_WRITES_PER_SECOND, NEW_TABLE_READS_PER_SECOND)
        self.provisioned = provisioned
        self.quota = quota
        of_units = warm if provisioned is None else provisioned
        count = max(
            math.ceil(of_units.writes / PARTITION_WRITES),
            math.ceil(of_units.reads / PARTITION_READS),
            math.ceil(stored_bytes / PARTITION_BYTES),
            1,
        )
        self._begins = [number / count for number in range(count)]
        self._bytes = [stored_bytes / count] * count
        self._writes = Peak(max(warm.writes, 0.0))
        self._reads = Peak(max(warm.reads, 0.0))
        # Nobody asked the table for anything so far: all of its burst is there.
        self._saved = Load() if provisioned is None else provisioned.times(BURST_SECONDS)

    @property
    def partitions(self) -> int:
        """How many there are."""
        return len(self._begins)

    @property
    def stored_bytes(self) -> float:
        """That it holds."""
        return sum(self._bytes)

    def partition_at(self, place: float) -> int:
        """Return the number of the partition that a place is in."""
        return bisect.bisect_right(self._begins, place) - 1

    def width(self, partition: int) -> float:
        """Return which share of all places a partition has."""
        following = partition + 1
        return (self._begins[following] if following < len(self._begins) else 1.0) - self._begins[partition]

    def limit(self, seconds: float) -> Load:
        """Return what the table as a whole takes a second at most, over the next `seconds`: burst is spread over them.

        On demand it is twice the former peak, or what its partitions take if that is more: a table that was split for
        its size has them (suspected).
        """
        if self.provisioned is not None:
            saved = self._saved
            return Load(
                min(self.provisioned.writes + saved.writes / seconds, PARTITION_WRITES * self.partitions),
                min(self.provisioned.reads + saved.reads / seconds, PARTITION_READS * self.partitions),
            )
        return Load(
            min(self.quota, max(self._writes.takes, PARTITION_WRITES * self.partitions)),
            min(self.quota, max(self._reads.takes, PARTITION_READS * self.partitions)),
        )

    def granted(self, even: Load, at: Mapping[int, Load], seconds: float) -> tuple[float, dict[int, float]]:
        """Return which share of what is asked for is served: where only the even load is, and in each other partition.

        All requests are alike to a table: who asks more often is served more often, and refused more often.

        Args:
            even: asked of the whole table, evenly over its places.
            at: asked besides, by partition.
            seconds: over which.
        """
        asked = even
        for load in at.values():
            asked = asked.plus(load)
        limit = self.limit(seconds)
        of_table = min(1.0, _ratio(limit.writes, asked.writes), _ratio(limit.reads, asked.reads))
        shares = {}
        for partition, load in at.items():
            together = load.plus(even.times(self.width(partition))).share
            shares[partition] = min(of_table, _ratio(1.0, together))
        return min(of_table, _ratio(1.0, even.share / self.partitions)), shares

    def serve(self, served: Load, now: float, seconds: float) -> None:
        """Note what was served a second over the last `seconds`: burst is used up, peaks grow."""
        if self.provisioned is not None:
            self._saved.writes = _kept(self._saved.writes, self.provisioned.writes, served.writes, seconds)
            self._saved.reads = _kept(self._saved.reads, self.provisioned.reads, served.reads, seconds)
            return
        writes_grow = self._writes.note(served.writes, now)
        reads_grow = self._reads.note(served.reads, now)
        if writes_grow or reads_grow:
            limit = self.limit(seconds)
            wanted = max(
                min(self._writes.takes, limit.writes) / PARTITION_WRITES,
                min(self._reads.takes, limit.reads) / PARTITION_READS,
            )
            while self.partitions < wanted:
                self._split_all()

    def store(self, partition: int, added: float) -> None:
        """Add bytes to a partition. Split it with `split_full`, once a step."""
        self._bytes[partition] += added

    def split_full(self) -> bool:
        """Split each partition that is over its size, in the middle; return whether there was one."""
        full = [number for number, held in enumerate(self._bytes) if held > PARTITION_BYTES]
        for partition in reversed(full):
            self._split(partition)
        return bool(full)

    def _split(self, partition: int) -> None:
        middle = self._begins[partition] + self.width(partition) / 2
        self._begins.insert(partition + 1, middle)
        self._bytes[partition] /= 2
        self._bytes.insert(partition + 1, self._bytes[partition])

    def _split_all(self) -> None:
        middles = [begin + self.width(partition) / 2 for partition, begin in enumerate(self._begins)]
        self._begins = sorted([*self._begins, *middles])
        self._bytes = [held / 2 for held in self._bytes for _ in range(2)]


def _ratio(there: float, asked: float) -> float:
    return there / asked if asked > 0 else math.inf


def _kept(saved: float, rate: float, served: float, seconds: float) -> float:
    return min(max(0.0, saved + (rate - served) * seconds), rate * BURST_SECONDS)
