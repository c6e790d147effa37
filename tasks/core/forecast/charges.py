"""What each kind of work is charged: the lines of a bill, by amounts. Pure, and the only place that says so.

The plan gives them what a whole run will take; the simulation gives them what one step took.
"""

from collections.abc import Iterator
from typing import Final

from tasks.core.copy.back_pressure import PAGES_KEPT_HOURS, PAGES_KEPT_SECONDS
from tasks.core.forecast.bill import Line
from tasks.core.forecast.prices import (
    LAMBDA_GB_SECOND,
    LAMBDA_REQUEST,
    PUT_PAYLOAD_UNIT,
    READ_REQUEST_UNIT,
    REPLICATED_WRITE_REQUEST_UNIT,
    S3_GB_MONTH,
    S3_GET,
    S3_PUT,
    SHARD_HOUR,
    SHARD_HOUR_KEPT_LONGER,
    STATE_TRANSITION,
    STREAM_GB_IN,
    STREAM_GB_MONTH,
    STREAM_GB_OUT,
    STREAM_HOUR,
    WRITE_REQUEST_UNIT,
)
from tasks.core.forecast.work import (
    DAY_SECONDS,
    GETS_A_SECOND,
    GIGABYTE,
    LAG_SECONDS,
    LISTS_KEPT_MONTHS,
    LOOKS_A_SECOND,
    MEMORY_MB,
    MONTH_SECONDS,
    PASSED_CHANGES,
    PASSING_READS,
    PAYLOAD_BYTES,
    REPLICATOR_BATCH,
    REPLICATOR_CALL_SECONDS,
    REPLICATOR_CHANGES,
    ROWS_A_SECOND,
)
from tasks.core.prove.digest import SUMS_MOST
from tasks.core.prove.passes import Course

SCAN: Final = "scan"
STATE_MACHINE: Final = "state machine"
STREAM: Final = "stream of pages"
BOOKS: Final = "books"
INSERTED: Final = "items inserted"
WRITER: Final = "writer"
REPLICATED: Final = "live writes, replicated"
REPLICATOR: Final = "replicator"
PROOF: Final = "proof"
WAITING: Final = "waiting for the approval"
PURGE: Final = "purge of tombstones"
WARM: Final = "warm target"
REPLICA: Final = "replica"


def of_calls(what: str, state: str, *, calls: float, seconds: float, formula: str = "") -> Iterator[Line]:
    """Yield what calls of a function are charged.

    Args:
        what: they are for.
        state: of the function.
        calls: how many.
        seconds: all of them together.
        formula: how the seconds come about.
    """
    yield Line(what, LAMBDA_REQUEST, calls, f"calls of {state}")
    yield Line(what, LAMBDA_GB_SECOND, seconds * MEMORY_MB[state] / 1024, f"{MEMORY_MB[state]} MB x {formula}")


def of_scan(*, pages: float, units: float, bytes_in: float, calls: float, seconds: float) -> Iterator[Line]:
    """Yield what a scan is charged, and what it sends and notes.

    Args:
        pages: that Scan returned.
        units: that they took.
        bytes_in: that were put into the stream of pages.
        calls: of ScanSegment.
        seconds: all of them together.
    """
    yield Line(SCAN, READ_REQUEST_UNIT, units, "half a unit for each 4 KB of a page, rounded up")
    yield from of_calls(SCAN, "ScanSegment", calls=calls, seconds=seconds, formula="0.2 s a page")
    yield from of_transitions(calls)
    yield Line(STREAM, STREAM_GB_IN, bytes_in / GIGABYTE, "the table's bytes, compressed")
    yield from of_page_books(pages)


def of_page_books(pages: float) -> Iterator[Line]:
    """Yield what is noted of pages."""
    yield Line(BOOKS, WRITE_REQUEST_UNIT, 2 * pages, "a page's entry in the send ledger, and its receipt")
    yield Line(BOOKS, READ_REQUEST_UNIT, 2 * pages, "looks at both")


def of_transitions(calls: float) -> Iterator[Line]:
    """Yield what the state machine is charged for calls of a Map's children."""
    yield Line(STATE_MACHINE, STATE_TRANSITION, 2 * calls, "two transitions a call of a Map's child")


def of_stream(seconds: float, *, shards: int | None = None) -> Iterator[Line]:
    """Yield what the stream of pages is charged for being there.

    Args:
        seconds: that it is there.
        shards: if their number is fixed; else it is on demand.
    """
    if shards is None:
        yield Line(STREAM, STREAM_HOUR, seconds / 3600, "hours until the cut-over")
        return
    for price in (SHARD_HOUR, SHARD_HOUR_KEPT_LONGER):
        yield Line(STREAM, price, shards * seconds / 3600, f"{shards} shards x hours until the cut-over")


def of_pages(*, pages: float, bytes_in: float, kept_seconds: float, shards: int | None) -> Iterator[Line]:
    """Yield what the stream of pages is charged for what goes through it.

    Args:
        pages: that were put.
        bytes_in: of them.
        kept_seconds: beyond a day, on the average (`kept_beyond_a_day`).
        shards: as for `of_stream`. Shards are charged by the hour for keeping more than a day.
    """
    if shards is not None:
        yield Line(STREAM, PUT_PAYLOAD_UNIT, max(pages, bytes_in / PAYLOAD_BYTES), "the table's bytes, compressed")
        return
    gigabytes = bytes_in / GIGABYTE
    yield Line(STREAM, STREAM_GB_IN, gigabytes, "the table's bytes, compressed")
    yield Line(STREAM, STREAM_GB_OUT, gigabytes, "all that was put")
    yield from of_kept(gigabytes, kept_seconds)


def of_kept(gigabytes: float, kept_seconds: float) -> Iterator[Line]:
    """Yield what a stream on demand is charged for keeping what went through it beyond a day (`kept_beyond_a_day`)."""
    if kept_seconds:
        formula = f"all that was put x its time beyond a day until the cut-over, {PAGES_KEPT_HOURS - 24} h at most"
        yield Line(STREAM, STREAM_GB_MONTH, gigabytes * kept_seconds / MONTH_SECONDS, formula)


def kept_beyond_a_day(put_seconds: float, after_seconds: float) -> float:
    """Return for how many seconds beyond a day a stream keeps what was put into it, on the average.

    Args:
        put_seconds: over which it was put, evenly.
        after_seconds: since the last of it.
    """
    longest = PAGES_KEPT_SECONDS - DAY_SECONDS

    def summed(age: float) -> float:
        """Return what all ages up to this one are kept beyond a day, added up."""
        beyond = max(0.0, age - DAY_SECONDS)
        return beyond**2 / 2 if beyond <= longest else longest * (beyond - longest / 2)

    if put_seconds <= 0:
        return min(longest, max(0.0, after_seconds - DAY_SECONDS))
    return (summed(put_seconds + after_seconds) - summed(after_seconds)) / put_seconds


def of_inserts(units: float, *, of: str = "", is_replicated: bool = False) -> Iterator[Line]:
    """Yield what items put into a table, an index or a replica are charged.

    Args:
        units: that they take there.
        of: where.
        is_replicated: whether the table is a global one: then each Region is charged, the first included.
    """
    price = REPLICATED_WRITE_REQUEST_UNIT if is_replicated else WRITE_REQUEST_UNIT
    yield Line(INSERTED, price, units, "items x KB of an item, rounded up", of)


def of_writer(*, calls: float, seconds: float, bytes_out: float) -> Iterator[Line]:
    """Yield what the writer's calls are charged, and what they read of the stream of pages."""
    formula = "time of the copy x calls at once, which wait where the target is full"
    yield from of_calls(WRITER, "WritePages", calls=calls, seconds=seconds, formula=formula)
    yield Line(STREAM, STREAM_GB_OUT, bytes_out / GIGABYTE, "all that was put")


def of_replicated(units: float, *, of: str = "", is_replicated: bool = False) -> Iterator[Line]:
    """Yield what changes of the source are charged at the target; arguments as those of `of_inserts`."""
    price = REPLICATED_WRITE_REQUEST_UNIT if is_replicated else WRITE_REQUEST_UNIT
    yield Line(REPLICATED, price, units, "writes a second x time x KB of an item, rounded up", of)


def of_replicator(what: str, *, calls: float, changes: float, book_reads: float) -> Iterator[Line]:
    """Yield what the calls that bring changes are charged, and the books that they keep."""
    yield from of_replicator_books(what, calls=calls, book_reads=book_reads)
    seconds = calls * REPLICATOR_CALL_SECONDS + changes / REPLICATOR_CHANGES
    formula = "0.05 s a call, and 2 ms a change"
    yield from of_calls(what, "ReplicateChanges", calls=calls, seconds=seconds, formula=formula)


def of_replicator_books(what: str, *, calls: float, book_reads: float) -> Iterator[Line]:
    """Yield what the replicator's calls read and note in the control table."""
    yield Line(what, READ_REQUEST_UNIT, calls * book_reads, "rule and watermark, each call")
    yield Line(what, WRITE_REQUEST_UNIT, calls, "the watermark, each call")


def of_passing(changes: float) -> Iterator[Line]:
    """Yield what passing over the changes of before the run is charged."""
    calls = changes / REPLICATOR_BATCH
    yield Line(REPLICATOR, READ_REQUEST_UNIT, calls * PASSING_READS, "plan, rule and watermark, each call")
    seconds = changes / PASSED_CHANGES
    formula = "0.5 ms a change of the day before the run"
    yield from of_calls(REPLICATOR, "ReplicateChanges", calls=calls, seconds=seconds, formula=formula)


def of_pass(*, units: float, calls: float, seconds: float) -> Iterator[Line]:
    """Yield what the proof's scans are charged."""
    yield Line(PROOF, READ_REQUEST_UNIT, units, "half a unit for each 4 KB of a page, of each table; looks at keys")
    formula = "0.13 s a page and 80 µs an item, of each table"
    yield from of_calls(PROOF, "VerifySegment", calls=calls, seconds=seconds, formula=formula)
    yield from of_transitions(calls)


def comparing_seconds(items: float, course: Course) -> float:
    """Return how long calls compare lists and look at keys, all together."""
    return 2 * items / ROWS_A_SECOND + course.gets / GETS_A_SECOND + course.suspects / LOOKS_A_SECOND


def of_comparison(items: float, course: Course) -> Iterator[Line]:
    """Yield what keeping and comparing the lists of hashes is charged."""
    yield Line(PROOF, S3_PUT, course.lists, "a list for each call of the proof")
    kept = course.list_bytes / GIGABYTE * LISTS_KEPT_MONTHS
    yield Line(PROOF, S3_GB_MONTH, kept, "some 72 bytes an item of each table, for half a month")
    if course.suspects < 1:
        return
    yield Line(PROOF, S3_GET, course.gets, "lists of sums that came out unequal")
    yield Line(PROOF, READ_REQUEST_UNIT, course.look_units, "half a unit for each 4 KB of a page; looks at keys")
    working = comparing_seconds(items, course)
    yield from of_calls(PROOF, "VerifySegment", calls=SUMS_MOST, seconds=working)
    yield from of_calls(PROOF, "CompareDigests", calls=2, seconds=2 * LAG_SECONDS, formula="two looks")


def of_purge(tombstones: float, *, calls: float, seconds: float) -> Iterator[Line]:
    """Yield what the removal of tombstones is charged."""
    yield Line(PURGE, WRITE_REQUEST_UNIT, 2 * tombstones, "a tenth of the copy's live writes, out of target and ledger")
    yield from of_calls(PURGE, "PurgeTombstones", calls=calls, seconds=seconds, formula="5,000 tombstones a second")
