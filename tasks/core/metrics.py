"""What the functions measure: every metric, as data. Dashboard, alarms and docs/metrics.md are made from this list.

Each function adds up what it did in one call and puts the sums out once, at the call's end. No metric is of an item:
there are only counts, bytes, capacity and seconds. The names of states are the values of the dimension `state`.
Which function puts out what stands in its entry in infra/aws/functions.
"""

from dataclasses import dataclass
from typing import Final, Literal

NAMESPACE: Final = "tableferry"
"""Of all metrics in CloudWatch. There is no dimension `service`: it would say the same once more."""

BY_MIGRATION: Final = ("migration",)
BY_STATE: Final = ("migration", "state")
"""A metric has exactly one of these two sets of dimensions."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    unit: Literal["Count", "Bytes", "Seconds", "None"]
    """CloudWatch's own name; it has none of money."""
    means: str
    dimensions: tuple[str, ...] = BY_MIGRATION
    statistic: Literal["Sum", "Maximum"] = "Sum"
    """The one that makes sense over a period. Within one call, values are put together in the same way."""


ITEMS_SCANNED: Final = Metric(
    "ItemsScanned",
    "Count",
    "items of pages that Kinesis took; a page that is sent again counts again",
)
PAGES_SENT: Final = Metric("PagesSent", "Count", "pages that Kinesis took, those without items too")
PARTS_SENT: Final = Metric("PartsSent", "Count", "records that these pages were sent as")
BYTES_SENT: Final = Metric("BytesSent", "Bytes", "size of these records, compressed")
SEGMENTS_SCANNED: Final = Metric("SegmentsScanned", "Count", "segments whose last page Kinesis took")

PARTS_WRITTEN: Final = Metric("PartsWritten", "Count", "parts that got their receipt")
ITEMS_ATTEMPTED: Final = Metric(
    "ItemsAttempted", "Count", "items that were to be inserted, each time that their part came"
)
ITEMS_INSERTED: Final = Metric("ItemsInserted", "Count", "items that were absent, by the receipts written")
ITEMS_PRESENT: Final = Metric("ItemsPresent", "Count", "items whose key was taken already, by the receipts written")
ITEMS_REJECTED: Final = Metric("ItemsRejected", "Count", "items that the target refused, by the receipts written")

BACKLOG_PAGES: Final = Metric(
    "BacklogPages",
    "Count",
    "pages without a receipt in the segment that the drain waits for; the whole backlog is PartsSent less PartsWritten",
    statistic="Maximum",
)
SEGMENTS_DRAINED: Final = Metric(
    "SegmentsDrained", "Count", "segments whose every page has its receipt", statistic="Maximum"
)
SEGMENTS_TOTAL: Final = Metric("SegmentsTotal", "Count", "segments that there are", statistic="Maximum")

CHANGES_APPLIED: Final = Metric("ChangesApplied", "Count", "changes that a watermark has passed, deletes among them")
DELETES_APPLIED: Final = Metric("DeletesApplied", "Count", "deletes that a watermark has passed")
CHANGES_REJECTED: Final = Metric(
    "ChangesRejected", "Count", "changes that the target refused; they are kept as rejects"
)
CHANGES_OVERRULED: Final = Metric(
    "ChangesOverruled",
    "Count",
    "late changes that a write to the target came before; they are kept as rejects",
)
REPLICATOR_LAG: Final = Metric(
    "ReplicatorLag",
    "Seconds",
    "how far behind the source the last change under a watermark was when it was applied",
    statistic="Maximum",
)
OLDEST_UNAPPLIED: Final = Metric(
    "OldestUnapplied",
    "Seconds",
    "age of the oldest change that is not applied, 0 if all are; looked at every five minutes while a replicator is "
    "attached, by states that wait for it, and by a resume",
    statistic="Maximum",
)
MAPPINGS_DOWN: Final = Metric(
    "MappingsDown",
    "Count",
    "streams that drive no function while a replicator is attached: the source's (its mapping is not Enabled, or gone, "
    "or the stream itself is), and that of pages (its mapping is there and not Enabled); 0 if all is well",
    statistic="Maximum",
)

SPENT_USD: Final = Metric(
    "SpentUsd",
    "None",
    "US dollars that the run has cost so far, by what is counted of it and the list of prices; looked at every five "
    "minutes while a replicator is attached",
    statistic="Maximum",
)
OVER_COST_USD: Final = Metric(
    "OverCostUsd",
    "None",
    "US dollars by which that is more than max_cost_usd, 0 if it is not; absent where none is set",
    statistic="Maximum",
)

ITEMS_VERIFIED: Final = Metric("ItemsVerified", "Count", "items read for the proof, of all tables")
SUSPECTS: Final = Metric("Suspects", "Count", "keys that differed between the lists of hashes, and still at a look")
UNEQUAL_BUCKETS: Final = Metric(
    "UnequalBuckets",
    "Count",
    "unequal sums of 64 a table that is compared with the source; 0 if none",
    statistic="Maximum",
)
DRIFT: Final = Metric("Drift", "Count", "keys that are proven to differ, 0 if none", statistic="Maximum")
TOMBSTONES_PURGED: Final = Metric("TombstonesPurged", "Count", "ledger entries that were dealt with")

THROTTLES: Final = Metric(
    "Throttles",
    "Count",
    "calls, statements, writes and records that were answered with too much; each is tried again",
    BY_STATE,
)
READ_UNITS: Final = Metric(
    "ReadUnits",
    "Count",
    "read capacity that DynamoDB says the items took",
    BY_STATE,
)
WRITE_UNITS: Final = Metric(
    "WriteUnits",
    "Count",
    "write capacity that DynamoDB says the items took at the target, without its replicas",
    BY_STATE,
)

DONE: Final = Metric("Done", "Count", "calls in which nothing failed and nothing was waited for", BY_STATE)
WAITS: Final = Metric("Waits", "Count", "calls that said: not yet", BY_STATE)
FAILURES: Final = Metric(
    "Failures",
    "Count",
    "calls that failed, those that are tried again among them; of WritePages records, and of ReplicateChanges batches, "
    "that come again",
    BY_STATE,
)
PROGRESS: Final = Metric(
    "Progress",
    "Count",
    "steps that bring the migration on: a page sent, a part written, a watermark moved, a segment "
    "drained, a page verified, keys read again, tombstones purged",
    BY_STATE,
)
