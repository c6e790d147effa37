"""What a run is made of: pages, records, calls, units and seconds, counted from what is known before it."""

import math
from dataclasses import dataclass, field

from tasks.core.copy.insertion import ITEMS_AT_ONCE
from tasks.core.copy.page import ITEMS_A_PART
from tasks.core.copy.segment import plan_total_segments, plan_verify_segments
from tasks.core.forecast.duration import COMPRESSED, Duration
from tasks.core.forecast.estimate import PART_BYTES, UNIT_BYTES, Estimate, estimate
from tasks.core.forecast.sample import Sample
from tasks.core.forecast.speed import expected, planned_caps
from tasks.core.forecast.work import (
    LAG_SECONDS,
    page_verify_seconds,
)
from tasks.core.model.capacity import (
    PARTITION_BYTES,
    READ_UNIT_BYTES,
    READ_UNIT_SHARE,
)
from tasks.core.model.table_facts import TableFacts
from tasks.core.settings.migration import Migration


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a forecast goes by, besides the settings."""

    source: TableFacts
    target: TableFacts | None = None
    """`None` if it is still to be made."""
    table_write_limit: int | None = None
    """The account's, for one table."""
    writes_per_second: float | None = None
    """Items of the source that its users write; `None` if nobody knows: then none are counted."""
    source_shards: int | None = None
    """Open ones of the source's stream; `None`: as many as the table's size makes partitions of."""
    sample: Sample = field(default_factory=Sample)
    pages_shards: int | None = None
    """Of a stream of pages with a fixed number."""
    window_seconds: float = 5.0
    """For which changes are gathered before the replicator is called."""


@dataclass(slots=True)
class Counted:
    """What a run with these settings is made of."""

    settings: Migration
    seen: Seen
    estimated: Estimate = field(init=False)
    copy: Duration = field(init=False)
    segments: int = field(init=False)
    verify_segments: int = field(init=False)
    pages: int = field(init=False)
    """Of the backfill's scan."""
    verify_pages: int = field(init=False)
    """Of one table in the proof."""

    def __post_init__(self) -> None:
        source = self.seen.source
        self.estimated = estimate(source)
        self.segments = self.settings.total_segments or plan_total_segments(source.size_bytes)
        self.verify_segments = plan_verify_segments(self.segments, tables=self.tables)
        self.pages = _pages(source.size_bytes, self.segments)
        self.verify_pages = _pages(source.size_bytes, self.verify_segments)
        self.copy = expected(
            self.settings,
            source,
            self.seen.target,
            table_write_limit=self.seen.table_write_limit,
            stream_shards=self.seen.pages_shards,
        )

    @property
    def replicas(self) -> int:
        """Replicas that the proof reads too."""
        return len(self.settings.replica_regions)

    @property
    def tables(self) -> int:
        """That the proof reads."""
        return 2 + self.replicas

    @property
    def regions_written(self) -> list[str]:
        """Regions that get each of the backfill's writes once more."""
        there = () if self.seen.target is None else self.seen.target.replica_regions
        first = self.settings.replica_regions if self.settings.add_replicas == "first" else ()
        return sorted({*there, *first})

    @property
    def writes(self) -> float:
        """Items a second that users write to the source; 0 where nobody knows."""
        return self.seen.writes_per_second or 0.0

    @property
    def shards(self) -> int:
        """Of the source's stream."""
        return self.seen.source_shards or max(1, math.ceil(self.seen.source.size_bytes / PARTITION_BYTES))

    @property
    def records(self) -> int:
        """Parts of pages, without those pages that have no items."""
        with_items = min(self.pages, self.estimated.items)
        return with_items * math.ceil(self.estimated.items / with_items / ITEMS_A_PART) if with_items else 0

    @property
    def packed(self) -> float:
        """Bytes of the records in the stream of pages."""
        return self.seen.source.size_bytes / (self.seen.sample.compressed or COMPRESSED)

    def parts(self) -> list[tuple[str, float]]:
        """Return the target's table and indexes, each with the units that the copy writes to it."""
        counted, sampled = self.estimated, self.seen.sample.write_units_an_item
        as_average = max(1, math.ceil(counted.bytes_an_item / UNIT_BYTES))
        # Of items of different sizes each is rounded up by itself, which the average does not tell.
        scale = 1.0 if sampled is None else sampled / as_average
        return [("the table", counted.units * scale), *((f"index {name}", u) for name, u in counted.units_of_indexes)]

    def scan_units(self, pages: int) -> float:
        """Return the read units of a scan of the table in so many pages."""
        # Each page is rounded up to the next 4 KB, half of which it has too much on the average.
        halves = self.seen.source.size_bytes / READ_UNIT_BYTES + 0.5 * pages
        return max(pages, halves) * READ_UNIT_SHARE

    def calls(self) -> dict[str, float]:
        """Return the calls that carry items, by operation."""
        items, with_items = self.estimated.items, min(self.pages, self.estimated.items)
        batches = 0.0
        if with_items:
            parts = self.records
            of_a_part = items / parts
            # The last batch of a part is half full on the average, if there is more than one.
            batches = parts * (1.0 if of_a_part <= 1 else (of_a_part + (ITEMS_AT_ONCE - 1) / 2) / ITEMS_AT_ONCE)
        return {
            # One asks whether the target is empty, before the replicator is attached.
            "Scan": float(self.pages + self.tables * self.verify_pages + 1),
            "PutRecords": float(with_items),
            "BatchExecuteStatement": batches,
        }

    def proof_seconds(self) -> float:
        """Return how long the proof's pass takes: slices in rounds, or as the caps and the tables let it."""
        slices, caps = self.tables * self.verify_segments, planned_caps(self.settings, self.seen.source, None)
        rounds = math.ceil(slices / min(slices, self.settings.max_concurrency))
        seconds = [rounds * self.slice_seconds()]
        units = self.scan_units(self.verify_pages)
        if caps.source_reads is not None:
            seconds.append(units / caps.source_reads)
        if self.settings.read_units_per_second is not None:
            seconds.append((self.tables - 1) * units / self.settings.read_units_per_second)
        return max(seconds) + LAG_SECONDS

    def slice_seconds(self) -> float:
        """Return how long one slice of the proof is read."""
        pages = self.verify_pages / self.verify_segments
        return pages * page_verify_seconds(self.estimated.items / self.verify_pages)


def _pages(size_bytes: int, segments: int) -> int:
    """Return how many pages of 1 MB so many segments have: each has a last one that is not full."""
    return segments * (size_bytes // segments // PART_BYTES + 1)
