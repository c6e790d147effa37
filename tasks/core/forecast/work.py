"""How long the functions' work takes, and the memory that they are paid for by.

Speeds are those of the machine that this was written on, and of experience with the real AWS; none was measured there.
Each says which. `tasks.core.forecast.duration` has those that decide how long a copy takes.
"""

from collections.abc import Mapping
from typing import Final

MEMORY_MB: Final[Mapping[str, int]] = {
    "ScanSegment": 1024,
    "WritePages": 1769,
    "ReplicateChanges": 1769,
    "VerifySegment": 1769,
    "CompareDigests": 1769,
    "PurgeTombstones": 1024,
}
"""By state, of those functions whose time is on the bill: they are deployed with it. 1,769 MB are one full CPU."""

GIGABYTE: Final = 10**9
DAY_SECONDS: Final = 86_400.0
MONTH_SECONDS: Final = 30 * DAY_SECONDS
PAYLOAD_BYTES: Final = 25 * 1024
"""A payload unit of Kinesis has so many, and a record takes one at least."""

PAGE_BYTES: Final = 10**6
"""What one Scan call returns at most is 1 MB ("Scan")."""
PAGE_SECONDS: Final = 0.2
"""Suspected: a page is read in some 130 ms, is compressed in 5 (measured: 3 µs an item), is put into Kinesis in 40 and
is noted in the send ledger in 10, one after the other."""
SCAN_CALL_SECONDS: Final = 150.0
"""A call of ScanSegment works for half of its timeout."""
RECORDS_A_CALL: Final = 4
"""Parts of pages that one call of the writer gets."""

VERIFY_READ_SECONDS: Final = 0.13
"""Of a page, for the proof (suspected)."""
VERIFIED_ITEMS: Final = 12_500
"""A second, of one call: 80 µs of parsing and hashing an item on one CPU (measured on that machine)."""
VERIFY_CALL_SECONDS: Final = 450.0
"""A call of VerifySegment works for half of its timeout."""
UNEVEN: Final = 0.1
"""Slices are not alike: one takes so much longer than another, more or less (suspected)."""
ROWS_A_SECOND: Final = 1_000_000
"""Hashes that one call compares (measured on that machine: 1.5 million, without the reads)."""
GETS_A_SECOND: Final = 300
"""Of lists, by one call with eight threads (suspected)."""
LOOKS_A_SECOND: Final = 4000
"""Keys that one call reads on both sides, 100 a call, four calls at once (suspected)."""
LISTS_KEPT_MONTHS: Final = 0.5
"""How long the lists stay in the bucket."""

LAG_SECONDS: Final = 2.0
"""Of a replicator that has nothing to catch up (suspected)."""
REPLICATOR_CHANGES: Final = 500
"""A second, of one shard: 25 changes a call, one call after the other, and the books (suspected)."""
REPLICATOR_BATCH: Final = 500
"""Records a call at most: the mapping's batch size."""
REPLICATOR_CALL_SECONDS: Final = 0.05
"""Of a call, besides what it applies (suspected)."""
BOOK_READS: Final = 2.0
"""Read units of a call: rule and watermark."""
PASSED_CHANGES: Final = 2000
"""A second, of one shard, where changes are read and not applied (suspected)."""
PASSING_READS: Final = 3.0
"""Read units of a call all of whose changes are passed over: plan, rule and watermark (ADR 0029)."""

DELETES: Final = 0.1
"""Of the users' writes, so many are deletes (a guess)."""
FENCE_SECONDS: Final = 120.0
"""Of the cut-over: tips, the drain of changes, the flip, each some polls."""
PURGES_A_SECOND: Final = 16 * 25 / 0.08
"""Sixteen shelves side by side, each a call of 25 deletes in 80 ms (suspected)."""
PURGE_CALL_SECONDS: Final = 600.0


def page_verify_seconds(items_a_page: float) -> float:
    """Return how long the proof works on one page."""
    return VERIFY_READ_SECONDS + items_a_page / VERIFIED_ITEMS


def calls_for(changes: float, *, shards: int, polls_a_second: float, seconds: float) -> float:
    """Return how many calls bring so many changes: of each shard, as often as it is polled, in full batches if many."""
    if changes <= 0:
        return 0.0
    # A poll that finds nothing calls nobody: of the polls of a shard with few changes most do not.
    in_use = min(changes, shards * polls_a_second * seconds)
    return max(in_use, changes / REPLICATOR_BATCH)
