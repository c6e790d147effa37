"""What a run will take: time, calls, units and money, before anything is started. Every number has its formula.

The copy's time is that of `tasks.core.forecast.duration`; the proof's, and what the replicator does meanwhile, are
worked out here. The charges are those of `tasks.core.forecast.charges`, by which the simulation bills what it lets
happen.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from tasks.core.copy.page import ITEMS_A_PART
from tasks.core.copy.segment import GIBIBYTE, plan_total_segments, plan_verify_segments
from tasks.core.forecast import charges
from tasks.core.forecast.bill import Bill, Line
from tasks.core.forecast.duration import COMPRESSED, Duration
from tasks.core.forecast.estimate import PART_BYTES, Estimate, estimate
from tasks.core.forecast.prices import (
    PUT_PAYLOAD_UNIT,
    READ_REQUEST_UNIT,
    REPLICATED_WRITE_REQUEST_UNIT,
    RESTORE_GB,
    SHARD_HOUR,
    SHARD_HOUR_KEPT_LONGER,
    STATE_TRANSITION,
    STREAM_GB_IN,
    STREAM_GB_OUT,
    TRANSFER_GB,
    WARM_READ_UNIT,
    WARM_WRITE_UNIT,
    WRITE_REQUEST_UNIT,
    Price,
)
from tasks.core.forecast.sample import Sample
from tasks.core.forecast.speed import expected, planned_caps
from tasks.core.forecast.work import (
    BOOK_READS,
    DAY_SECONDS,
    DELETES,
    FENCE_SECONDS,
    GIGABYTE,
    LAG_SECONDS,
    PAGE_SECONDS,
    PURGE_CALL_SECONDS,
    PURGES_A_SECOND,
    RECORDS_A_CALL,
    SCAN_CALL_SECONDS,
    UNEVEN,
    VERIFY_CALL_SECONDS,
    calls_for,
    page_verify_seconds,
)
from tasks.core.model.capacity import (
    NEW_TABLE_READS_PER_SECOND,
    NEW_TABLE_WRITES_PER_SECOND,
    PARTITION_BYTES,
    READ_UNIT_BYTES,
    READ_UNIT_SHARE,
)
from tasks.core.model.table_facts import TableFacts
from tasks.core.prove.passes import expect as expect_proof
from tasks.core.settings.migration import Migration

__all__ = ["Forecast", "Range", "Seen", "forecast"]

COPY_OFF: Final = (0.8, 1.25)
"""How far the simulated copies were off the estimate at the most (docs/scale.md, "What the plan says beforehand")."""
PROOF_OFF: Final = (0.5, 2.0)
"""The proof hangs on suspected speeds only."""
ATTACH_SECONDS: Final = 90.0
"""Until the replicator is attached and has passed over what was before, besides `settle_seconds` (suspected)."""
TRANSITIONS: Final = 100
"""Of the states that are no child of a Map, their waits among them (counted in recorded histories)."""
WRITE_BATCH: Final = 25
"""BatchExecuteStatement takes no more."""
PAYLOAD_BYTES: Final = 25 * 1024
PROVISIONED: Final = Price("units that are provisioned, and paid for by the hour anyway", 0.0, "")


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


@dataclass(frozen=True, slots=True)
class Range:
    """Seconds, from the least to the most that is likely."""

    least: float
    likely: float
    most: float

    def __add__(self, other: "Range") -> "Range":
        return Range(self.least + other.least, self.likely + other.likely, self.most + other.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a run will take."""

    segments: int
    verify_segments: int
    max_concurrency: int
    copy: Duration
    seconds: dict[str, Range]
    """By phase."""
    bill: Bill
    """Of a run whose question is answered at once."""
    waiting: Bill
    """Of each day that the answer is waited for."""
    calls: dict[str, float]
    """Calls that carry items, by operation."""
    units: dict[str, float]
    """Read or write units of items, by the state whose metric counts them."""
    pages: int
    """That the backfill's scan sends, those without items too."""
    records: int
    """That carry them: a page of very many items is sent as several."""
    bytes_sent: float
    """Of these."""

    @property
    def whole(self) -> Range:
        """All phases together."""
        return sum(self.seconds.values(), Range(0.0, 0.0, 0.0))


def forecast(settings: Migration, seen: Seen) -> Forecast:
    """Return what a run with these settings will take."""
    return _Forecast(settings, seen).whole()


@dataclass(slots=True)
class _Forecast:
    """A forecast under way."""

    settings: Migration
    seen: Seen
    counted: Estimate = field(init=False)
    copy: Duration = field(init=False)
    segments: int = field(init=False)
    verify_segments: int = field(init=False)
    pages: int = field(init=False)
    """Of the backfill's scan."""
    verify_pages: int = field(init=False)
    """Of one table in the proof."""

    def __post_init__(self) -> None:
        source = self.seen.source
        self.counted = estimate(source)
        self.segments = self.settings.total_segments or plan_total_segments(source.size_bytes)
        self.verify_segments = plan_verify_segments(self.segments)
        self.pages = _pages(source.size_bytes, self.segments)
        self.verify_pages = _pages(source.size_bytes, self.verify_segments)
        self.copy = expected(
            self.settings,
            source,
            self.seen.target,
            table_write_limit=self.seen.table_write_limit,
            stream_shards=self.seen.pages_shards,
        )

    def whole(self) -> Forecast:
        seconds = {
            "until the first page": _about(ATTACH_SECONDS + self.settings.settle_seconds, PROOF_OFF),
            "copy": _about(self.copy.seconds, COPY_OFF),
            "proof": _about(self._proof_seconds(), PROOF_OFF),
            "cut-over": _about(FENCE_SECONDS, PROOF_OFF),
        }
        likely = sum(one.likely for one in seconds.values())
        bill, waiting = Bill(), Bill()
        bill.take(self._run_lines(likely))
        waiting.take(self._replication_lines(DAY_SECONDS, charges.WAITING))
        waiting.take(self._stream_hours(DAY_SECONDS))
        return Forecast(
            segments=self.segments,
            verify_segments=self.verify_segments,
            max_concurrency=self.settings.max_concurrency,
            copy=self.copy,
            seconds=seconds,
            bill=bill,
            waiting=waiting,
            calls=self._calls(),
            pages=self.pages,
            records=self._records,
            bytes_sent=self._packed,
            units={
                "ScanSegment": self._scan_units(self.pages),
                "WritePages": sum(units for _, units in self._parts()),
                "VerifySegment": self._tables * self._scan_units(self.verify_pages),
            },
        )

    @property
    def _replicas(self) -> int:
        """Replicas that the proof reads too."""
        return len(self.settings.replica_regions)

    @property
    def _tables(self) -> int:
        """That the proof reads."""
        return 2 + self._replicas

    @property
    def _regions_written(self) -> list[str]:
        """Regions that get each of the backfill's writes once more."""
        there = () if self.seen.target is None else self.seen.target.replica_regions
        first = self.settings.replica_regions if self.settings.add_replicas == "first" else ()
        return sorted({*there, *first})

    @property
    def _writes(self) -> float:
        return self.seen.writes_per_second or 0.0

    @property
    def _shards(self) -> int:
        """Of the source's stream."""
        return self.seen.source_shards or max(1, math.ceil(self.seen.source.size_bytes / PARTITION_BYTES))

    @property
    def _records(self) -> int:
        """Parts of pages, without those pages that have no items."""
        with_items = min(self.pages, self.counted.items)
        return with_items * math.ceil(self.counted.items / with_items / ITEMS_A_PART) if with_items else 0

    @property
    def _packed(self) -> float:
        """Bytes of the records in the stream of pages."""
        return self.seen.source.size_bytes / (self.seen.sample.compressed or COMPRESSED)

    def _parts(self) -> list[tuple[str, float]]:
        """Return the target's table and indexes, each with the units that the copy writes to it."""
        counted, sampled = self.counted, self.seen.sample.write_units_an_item
        as_average = max(1, math.ceil(counted.bytes_an_item / 1024))
        # Of items of different sizes each is rounded up by itself, which the average does not tell.
        scale = 1.0 if sampled is None else sampled / as_average
        return [("the table", counted.units * scale), *((f"index {name}", u) for name, u in counted.units_of_indexes)]

    def _scan_units(self, pages: int) -> float:
        # Each page is rounded up to the next 4 KB, half of which it has too much on the average.
        halves = self.seen.source.size_bytes / READ_UNIT_BYTES + 0.5 * pages
        return max(pages, halves) * READ_UNIT_SHARE

    def _calls(self) -> dict[str, float]:
        items, with_items = self.counted.items, min(self.pages, self.counted.items)
        batches = 0.0
        if with_items:
            parts = self._records
            of_a_part = items / parts
            # The last batch of a part is half full on the average, if there is more than one.
            batches = parts * (1.0 if of_a_part <= 1 else (of_a_part + (WRITE_BATCH - 1) / 2) / WRITE_BATCH)
        return {
            # One asks whether the target is empty, before the replicator is attached.
            "Scan": float(self.pages + self._tables * self.verify_pages + 1),
            "PutRecords": float(with_items),
            "BatchExecuteStatement": batches,
        }

    def _proof_seconds(self) -> float:
        """Return how long the proof's pass takes: slices in rounds, or as the caps and the tables let it."""
        slices, caps = self._tables * self.verify_segments, planned_caps(self.settings, self.seen.source, None)
        rounds = math.ceil(slices / min(slices, self.settings.max_concurrency))
        seconds = [rounds * self._slice_seconds()]
        units = self._scan_units(self.verify_pages)
        if caps.source_reads is not None:
            seconds.append(units / caps.source_reads)
        if self.settings.read_units_per_second is not None:
            seconds.append((self._tables - 1) * units / self.settings.read_units_per_second)
        return max(seconds) + LAG_SECONDS

    def _slice_seconds(self) -> float:
        pages = self.verify_pages / self.verify_segments
        return pages * page_verify_seconds(self.counted.items / self.verify_pages)

    def _run_lines(self, seconds: float) -> Iterator[Line]:
        """Yield the lines of a run that takes so long."""
        counted, copied = self.counted, self.copy.seconds
        yield from self._warm_lines()
        packed = self._packed
        working = self.pages * PAGE_SECONDS
        scan = charges.of_scan(
            pages=self.pages,
            units=self._scan_units(self.pages),
            bytes_in=packed,
            calls=max(self.segments, working / SCAN_CALL_SECONDS),
            seconds=working,
        )
        yield from (self._as_charged(line, self.seen.source) for line in scan if line.what != charges.STREAM)
        yield Line(charges.STATE_MACHINE, STATE_TRANSITION, TRANSITIONS, "two transitions a call of a Map's child")
        calls = self.pages / RECORDS_A_CALL
        writer = charges.of_writer(calls=calls, seconds=self.copy.writer_seconds, bytes_out=packed)
        yield from (line for line in writer if line.what != charges.STREAM)
        yield from self._stream_lines(packed, seconds)
        yield from self._written(charges.of_inserts, 1.0)
        yield from self._restore_lines()
        yield from self._replication_lines(seconds, charges.REPLICATOR)
        if self.seen.source.stream_arn is not None:
            yield from charges.of_passing(self._writes * DAY_SECONDS)
        yield from self._proof_lines(counted.items)
        tombstones = DELETES * self._writes * copied
        purging = tombstones / PURGES_A_SECOND
        yield from charges.of_purge(tombstones, calls=purging / PURGE_CALL_SECONDS + 1, seconds=purging)

    def _warm_lines(self) -> Iterator[Line]:
        warm, made = self.settings.warm_throughput, (1 + len(self.counted.units_of_indexes)) * (1 + self._replicas)
        if warm is None or self.seen.target is not None:
            return
        formula = f"units beyond those of a new table, x {made} tables, indexes and replicas"
        if warm.write_units is not None:
            yield Line("warm target", WARM_WRITE_UNIT, (warm.write_units - NEW_TABLE_WRITES_PER_SECOND) * made, formula)
        if warm.read_units is not None:
            yield Line("warm target", WARM_READ_UNIT, (warm.read_units - NEW_TABLE_READS_PER_SECOND) * made, formula)

    def _stream_hours(self, seconds: float) -> Iterator[Line]:
        shards = self.seen.pages_shards
        if shards is None:
            yield from charges.of_stream(seconds)
            return
        for price in (SHARD_HOUR, SHARD_HOUR_KEPT_LONGER):
            yield Line(charges.STREAM, price, shards * seconds / 3600, f"{shards} shards x hours until the cut-over")

    def _stream_lines(self, packed: float, seconds: float) -> Iterator[Line]:
        yield from self._stream_hours(seconds)
        if self.seen.pages_shards is not None:
            payloads = max(self.pages, packed / PAYLOAD_BYTES)
            yield Line(charges.STREAM, PUT_PAYLOAD_UNIT, payloads, "the table's bytes, compressed")
            return
        yield Line(charges.STREAM, STREAM_GB_IN, packed / GIGABYTE, "the table's bytes, compressed")
        yield Line(charges.STREAM, STREAM_GB_OUT, packed / GIGABYTE, "all that was put")

    def _written(self, lines_of: Callable[..., Iterator[Line]], times: float) -> Iterator[Line]:
        """Yield what writes are charged: in the table, each index, and each replica.

        Args:
            lines_of: `of_inserts` or `of_replicated`.
            times: that the whole table is written.
        """
        parts, regions = self._parts(), self._regions_written
        for name, units in parts:
            for line in lines_of(units * times, of=name, is_replicated=bool(regions)):
                yield line if self.seen.target is None else self._as_charged(line, self.seen.target)
        together = sum(units for _, units in parts)
        for region in regions:
            yield from lines_of(together * times, of=f"replica {region}", is_replicated=True)

    def _as_charged(self, line: Line, table: TableFacts) -> Line:
        """Return a line as it is charged for this table: of a provisioned one no request is."""
        by_request = {READ_REQUEST_UNIT, WRITE_REQUEST_UNIT, REPLICATED_WRITE_REQUEST_UNIT}
        is_of_items = line.what in {charges.SCAN, charges.INSERTED, charges.REPLICATED}
        return (
            replace(line, price=PROVISIONED)
            if table.is_provisioned and is_of_items and line.price in by_request
            else line
        )

    def _restore_lines(self) -> Iterator[Line]:
        there = () if self.seen.target is None else self.seen.target.replica_regions
        if self.settings.add_replicas == "first":
            return
        source = self.seen.source
        size = source.size_bytes + sum(index.size_bytes for index in source.indexes if index.can_be_copied)
        for region in self.settings.replica_regions:
            if region not in there:
                formula = "GB of the table and its indexes, as a restore"
                yield Line("replica", RESTORE_GB, size / GIBIBYTE, formula, region)

    def _replication_lines(self, seconds: float, what: str) -> Iterator[Line]:
        changes = self._writes * seconds
        yield from self._written(charges.of_replicated, changes / max(1, self.counted.items))
        polls = 1 / self.seen.window_seconds if self.seen.window_seconds else 4.0
        calls = calls_for(changes, shards=self._shards, polls_a_second=polls, seconds=seconds)
        yield from charges.of_replicator(what, calls=calls, changes=changes, book_reads=BOOK_READS)

    def _proof_lines(self, items: int) -> Iterator[Line]:
        tables = (self.seen.source, self.seen.target)
        free = sum(table is not None and table.is_provisioned for table in tables)
        working = self._tables * self.verify_segments * self._slice_seconds()
        units = self._scan_units(self.verify_pages)
        calls = max(self._tables * self.verify_segments, working / VERIFY_CALL_SECONDS)
        yield from charges.of_pass(units=(self._tables - free) * units, calls=calls, seconds=working)
        if self._replicas:
            read = self._replicas * self.seen.source.size_bytes / GIGABYTE
            yield Line(charges.PROOF, TRANSFER_GB, read, "the bytes of each replica, read in its Region")
        if not items:
            return
        course = expect_proof(
            items,
            item_bytes=max(1, round(self.counted.bytes_an_item)),
            writes_per_second=self._writes,
            apart_seconds=UNEVEN * self._slice_seconds(),
            lag_seconds=LAG_SECONDS,
        )
        more, looks = self._tables / 2, float(self._tables - 1)
        course = course.model_copy(
            update={
                "lists": max(course.lists * more, self._tables * self.verify_segments),
                "list_bytes": course.list_bytes * more,
                "gets": course.gets * more,
                "suspects": course.suspects * looks,
                "look_units": course.look_units * looks,
            }
        )
        yield from charges.of_comparison(items, course)


def _pages(size_bytes: int, segments: int) -> int:
    """Return how many pages of 1 MB so many segments have: each has a last one that is not full."""
    return segments * (size_bytes // segments // PART_BYTES + 1)


def _about(seconds: float, off: tuple[float, float]) -> Range:
    return Range(seconds * off[0], seconds, seconds * off[1])
