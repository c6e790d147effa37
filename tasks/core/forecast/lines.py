"""The lines of a run's bill, from what it is made of."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from tasks.core.forecast import charges
from tasks.core.forecast.bill import Line
from tasks.core.forecast.counted import Counted
from tasks.core.forecast.prices import (
    READ_REQUEST_UNIT,
    REPLICATED_WRITE_REQUEST_UNIT,
    RESTORE_GB,
    STATE_TRANSITION,
    TRANSFER_GB,
    WARM_READ_UNIT,
    WARM_WRITE_UNIT,
    WRITE_REQUEST_UNIT,
    Price,
)
from tasks.core.forecast.replicas import restored_gigabytes
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
)
from tasks.core.model.capacity import (
    NEW_TABLE_READS_PER_SECOND,
    NEW_TABLE_WRITES_PER_SECOND,
)
from tasks.core.model.table_facts import TableFacts
from tasks.core.prove.passes import expect as expect_proof

TRANSITIONS: Final = 100
"""Of the states that are no child of a Map, their waits among them (counted in recorded histories)."""
PROVISIONED: Final = Price("units that are provisioned, and paid for by the hour anyway", 0.0, "")


class Lines:
    """Of one run."""

    def __init__(self, counted: Counted) -> None:
        self._counted = counted

    def run_lines(self, seconds: float) -> Iterator[Line]:
        """Yield the lines of a run that takes so long."""
        yield from self.warm_lines()
        packed = self._counted.packed
        working = self._counted.pages * PAGE_SECONDS
        scan = charges.of_scan(
            pages=self._counted.pages,
            units=self._counted.scan_units(self._counted.pages),
            bytes_in=packed,
            calls=max(self._counted.segments, working / SCAN_CALL_SECONDS),
            seconds=working,
        )
        yield from (self._as_charged(line, self._counted.seen.source) for line in scan if line.what != charges.STREAM)
        yield Line(charges.STATE_MACHINE, STATE_TRANSITION, TRANSITIONS, "two transitions a call of a Map's child")
        calls = self._counted.pages / RECORDS_A_CALL
        writer = charges.of_writer(calls=calls, seconds=self._counted.copy.writer_seconds, bytes_out=packed)
        yield from (line for line in writer if line.what != charges.STREAM)
        yield from self._stream_lines(packed, seconds)
        yield from self._written(charges.of_inserts, 1.0)
        yield from self.restore_lines()
        yield from self.replication_lines(seconds, charges.REPLICATOR)
        if self._counted.seen.source.stream_arn is not None:
            yield from charges.of_passing(self._counted.writes * DAY_SECONDS)
        yield from self._proof_lines(self._counted.estimated.items)
        tombstones = DELETES * self._counted.writes * self._counted.copy.seconds
        purging = tombstones / PURGES_A_SECOND
        yield from charges.of_purge(tombstones, calls=purging / PURGE_CALL_SECONDS + 1, seconds=purging)

    def warm_lines(self) -> Iterator[Line]:
        """Yield what it costs, once, to make the target warm."""
        warm = self._counted.settings.warm_throughput
        made = (1 + len(self._counted.estimated.units_of_indexes)) * (1 + self._counted.replicas)
        if warm is None or self._counted.seen.target is not None:
            return
        formula = f"units beyond those of a new table, x {made} tables, indexes and replicas"
        if warm.write_units is not None:
            yield Line(charges.WARM, WARM_WRITE_UNIT, (warm.write_units - NEW_TABLE_WRITES_PER_SECOND) * made, formula)
        if warm.read_units is not None:
            yield Line(charges.WARM, WARM_READ_UNIT, (warm.read_units - NEW_TABLE_READS_PER_SECOND) * made, formula)

    def stream_hours(self, seconds: float) -> Iterator[Line]:
        """Yield the lines of a stream of pages that is there for so long."""
        return charges.of_stream(seconds, shards=self._counted.seen.pages_shards)

    def _stream_lines(self, packed: float, seconds: float) -> Iterator[Line]:
        yield from self.stream_hours(seconds)
        after = self._counted.proof_seconds() + FENCE_SECONDS
        yield from charges.of_pages(
            pages=self._counted.pages,
            bytes_in=packed,
            kept_seconds=charges.kept_beyond_a_day(self._counted.copy.seconds, after),
            shards=self._counted.seen.pages_shards,
        )

    def _written(self, lines_of: Callable[..., Iterator[Line]], times: float) -> Iterator[Line]:
        """Yield what writes are charged: in the table, each index, and each replica.

        Args:
            lines_of: `of_inserts` or `of_replicated`.
            times: that the whole table is written.
        """
        parts, regions = self._counted.parts(), self._counted.regions_written
        for name, units in parts:
            for line in lines_of(units * times, of=name, is_replicated=bool(regions)):
                yield line if self._counted.seen.target is None else self._as_charged(line, self._counted.seen.target)
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

    def restore_lines(self) -> Iterator[Line]:
        """Yield what replicas cost that are added behind the backfill."""
        there = () if self._counted.seen.target is None else self._counted.seen.target.replica_regions
        if self._counted.settings.add_replicas == "first":
            return
        for region in self._counted.settings.replica_regions:
            if region not in there:
                formula = "GB of the table and its indexes, as a restore"
                yield Line(charges.REPLICA, RESTORE_GB, restored_gigabytes(self._counted.seen.source), formula, region)

    def replication_lines(self, seconds: float, what: str) -> Iterator[Line]:
        """Yield the lines of what users write in so much time, and of the replicator under that name."""
        changes = self._counted.writes * seconds
        yield from self._written(charges.of_replicated, changes / max(1, self._counted.estimated.items))
        polls = 1 / self._counted.seen.window_seconds if self._counted.seen.window_seconds else 4.0
        calls = calls_for(changes, shards=self._counted.shards, polls_a_second=polls, seconds=seconds)
        yield from charges.of_replicator(what, calls=calls, changes=changes, book_reads=BOOK_READS)

    def _proof_lines(self, items: int) -> Iterator[Line]:
        tables = (self._counted.seen.source, self._counted.seen.target)
        free = sum(table is not None and table.is_provisioned for table in tables)
        working = self._counted.tables * self._counted.verify_segments * self._counted.slice_seconds()
        units = self._counted.scan_units(self._counted.verify_pages)
        calls = max(self._counted.tables * self._counted.verify_segments, working / VERIFY_CALL_SECONDS)
        yield from charges.of_pass(units=(self._counted.tables - free) * units, calls=calls, seconds=working)
        if self._counted.replicas:
            read = self._counted.replicas * self._counted.seen.source.size_bytes / GIGABYTE
            yield Line(charges.PROOF, TRANSFER_GB, read, "the bytes of each replica, read in its Region")
        if not items:
            return
        course = expect_proof(
            items,
            item_bytes=max(1, round(self._counted.estimated.bytes_an_item)),
            writes_per_second=self._counted.writes,
            apart_seconds=UNEVEN * self._counted.slice_seconds(),
            lag_seconds=LAG_SECONDS,
        )
        more, looks = self._counted.tables / 2, float(self._counted.tables - 1)
        course = course.model_copy(
            update={
                "lists": max(course.lists * more, self._counted.tables * self._counted.verify_segments),
                "list_bytes": course.list_bytes * more,
                "gets": course.gets * more,
                "suspects": course.suspects * looks,
                "look_units": course.look_units * looks,
            }
        )
        yield from charges.of_comparison(items, course)
