"""What the functions measure: every metric, as data. Dashboard, alarms and docs/metrics.md are made from this list.

Each function adds up what it did in one call and puts the sums out once, at the call's end. No metric tells of an item:
there are only counts, bytes, capacity and seconds. The names of states are the values of the dimension `state`.
"""

from dataclasses import dataclass
from typing import Final, Literal

NAMESPACE: Final = "tableferry"
"""Of all metrics in CloudWatch. There is no dimension `service`: it would say the same once more."""

BY_MIGRATION: Final = ("migration",)
BY_STATE: Final = ("migration", "state")
"""A metric has exactly one of these two sets of dimensions."""

EVERY_FUNCTION: Final = (
    "Preflight",
    "CreateReplicas",
    "AttachReplicator",
    "AttachWriter",
    "PlanSegments",
    "ScanSegment",
    "DrainBackfill",
    "DetachWriter",
    "PlanVerify",
    "VerifySegment",
    "CompareDigests",
    "ApproveCutOver",
    "FenceSource",
    "DrainChanges",
    "PurgeTombstones",
    "CutOver",
    "DrainLateWrites",
    "DetachReplicator",
    "WritePages",
    "ReplicateChanges",
)

PROGRESS_OF: Final = {
    "Preflight": ("ReplicateChanges",),
    "CreateReplicas": (),
    "AttachReplicator": ("ReplicateChanges",),
    "AttachWriter": (),
    "DrainBackfill": ("WritePages", "DrainBackfill"),
    "DetachWriter": (),
    "CompareDigests": ("CompareDigests",),
    "FenceSource": ("ReplicateChanges",),
    "DrainChanges": ("ReplicateChanges",),
    "PurgeTombstones": ("PurgeTombstones",),
    "CutOver": ("ReplicateChanges",),
    "DrainLateWrites": ("ReplicateChanges",),
    "DetachReplicator": (),
}
"""Every state that can wait, and whose `Progress` its wait is for. `()`: for AWS, or for a time to pass; there only the
length of the wait tells that it is stuck. AttachReplicator and DrainLateWrites wait for a time to pass too, and a
source that nobody writes to brings no progress of ReplicateChanges."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    unit: Literal["Count", "Bytes", "Seconds"]
    """CloudWatch's own name."""
    means: str
    emitted_by: tuple[str, ...]
    """The functions that put it out, by their state's name: the values of the dimension `state`, where it has one."""
    dimensions: tuple[str, ...] = BY_MIGRATION
    statistic: Literal["Sum", "Maximum"] = "Sum"
    """The one that makes sense over a period. Within one call, values are put together in the same way."""


ITEMS_SCANNED: Final = Metric(
    "ItemsScanned",
    "Count",
    "items of pages that Kinesis took; a page that is sent again counts again",
    ("ScanSegment",),
)
PAGES_SENT: Final = Metric("PagesSent", "Count", "pages that Kinesis took, those without items too", ("ScanSegment",))
PARTS_SENT: Final = Metric("PartsSent", "Count", "records that these pages were sent as", ("ScanSegment",))
BYTES_SENT: Final = Metric("BytesSent", "Bytes", "size of these records, compressed", ("ScanSegment",))
SEGMENTS_SCANNED: Final = Metric("SegmentsScanned", "Count", "segments whose last page Kinesis took", ("ScanSegment",))

PARTS_WRITTEN: Final = Metric("PartsWritten", "Count", "parts that got their receipt", ("WritePages",))
ITEMS_ATTEMPTED: Final = Metric(
    "ItemsAttempted", "Count", "items that were to be inserted, each time that their part came", ("WritePages",)
)
ITEMS_INSERTED: Final = Metric(
    "ItemsInserted", "Count", "items that were absent, by the receipts written", ("WritePages",)
)
ITEMS_PRESENT: Final = Metric(
    "ItemsPresent", "Count", "items whose key was taken already, by the receipts written", ("WritePages",)
)
ITEMS_REJECTED: Final = Metric(
    "ItemsRejected", "Count", "items that the target refused, by the receipts written", ("WritePages",)
)

BACKLOG_PAGES: Final = Metric(
    "BacklogPages",
    "Count",
    "pages without a receipt in the segment that the drain waits for; the whole backlog is PartsSent less PartsWritten",
    ("DrainBackfill",),
    statistic="Maximum",
)
SEGMENTS_DRAINED: Final = Metric(
    "SegmentsDrained", "Count", "segments whose every page has its receipt", ("DrainBackfill",), statistic="Maximum"
)
SEGMENTS_TOTAL: Final = Metric(
    "SegmentsTotal", "Count", "segments that there are", ("PlanSegments", "DrainBackfill"), statistic="Maximum"
)

CHANGES_APPLIED: Final = Metric(
    "ChangesApplied", "Count", "changes that a watermark has passed, deletes among them", ("ReplicateChanges",)
)
DELETES_APPLIED: Final = Metric("DeletesApplied", "Count", "deletes that a watermark has passed", ("ReplicateChanges",))
CHANGES_REJECTED: Final = Metric(
    "ChangesRejected", "Count", "changes that the target refused; they are kept as rejects", ("ReplicateChanges",)
)
CHANGES_OVERRULED: Final = Metric(
    "ChangesOverruled",
    "Count",
    "late changes that a write to the target came before; they are kept as rejects",
    ("ReplicateChanges",),
)
REPLICATOR_LAG: Final = Metric(
    "ReplicatorLag",
    "Seconds",
    "how far behind the source the last of up to a hundred changes was when they were applied",
    ("ReplicateChanges",),
    statistic="Maximum",
)
OLDEST_UNAPPLIED: Final = Metric(
    "OldestUnapplied",
    "Seconds",
    "age of the oldest change that is not applied, 0 if all are; looked at by states that wait for the replicator, "
    "and by a resume",
    ("Preflight", "DrainBackfill", "FenceSource", "DrainChanges", "CutOver", "DrainLateWrites"),
    statistic="Maximum",
)

ITEMS_VERIFIED: Final = Metric(
    "ItemsVerified", "Count", "items read for the proof, of both tables and in both passes", ("VerifySegment",)
)
SUSPECTS: Final = Metric("Suspects", "Count", "keys listed because their bucket is unequal", ("VerifySegment",))
UNEQUAL_BUCKETS: Final = Metric(
    "UnequalBuckets", "Count", "buckets that came out unequal, 0 if none", ("CompareDigests",), statistic="Maximum"
)
DRIFT: Final = Metric(
    "Drift", "Count", "keys that are proven to differ, 0 if none", ("CompareDigests",), statistic="Maximum"
)
TOMBSTONES_PURGED: Final = Metric(
    "TombstonesPurged", "Count", "ledger entries that were dealt with", ("PurgeTombstones",)
)

THROTTLES: Final = Metric(
    "Throttles",
    "Count",
    "calls, statements, writes and records that were answered with too much; each is tried again",
    ("ScanSegment", "VerifySegment", "CompareDigests", "PurgeTombstones", "WritePages", "ReplicateChanges"),
    BY_STATE,
)
READ_UNITS: Final = Metric(
    "ReadUnits",
    "Count",
    "read capacity that DynamoDB says the items took",
    ("ScanSegment", "VerifySegment", "CompareDigests", "ReplicateChanges"),
    BY_STATE,
)
WRITE_UNITS: Final = Metric(
    "WriteUnits",
    "Count",
    "write capacity that DynamoDB says the items took at the target, without its replicas",
    ("PurgeTombstones", "WritePages", "ReplicateChanges"),
    BY_STATE,
)

DONE: Final = Metric(
    "Done", "Count", "calls in which nothing failed and nothing was waited for", EVERY_FUNCTION, BY_STATE
)
WAITS: Final = Metric("Waits", "Count", "calls that said: not yet", tuple(PROGRESS_OF), BY_STATE)
FAILURES: Final = Metric(
    "Failures",
    "Count",
    "calls that failed, those that are tried again among them; of WritePages records, and of ReplicateChanges batches, "
    "that come again",
    EVERY_FUNCTION,
    BY_STATE,
)
PROGRESS: Final = Metric(
    "Progress",
    "Count",
    "steps that bring the migration on: a page sent, a part written, up to a hundred changes applied, a segment "
    "drained, a page verified, keys read again, tombstones purged",
    (
        "ScanSegment",
        "DrainBackfill",
        "VerifySegment",
        "CompareDigests",
        "PurgeTombstones",
        "WritePages",
        "ReplicateChanges",
    ),
    BY_STATE,
)

METRICS: Final = (
    ITEMS_SCANNED,
    PAGES_SENT,
    PARTS_SENT,
    BYTES_SENT,
    SEGMENTS_SCANNED,
    PARTS_WRITTEN,
    ITEMS_ATTEMPTED,
    ITEMS_INSERTED,
    ITEMS_PRESENT,
    ITEMS_REJECTED,
    BACKLOG_PAGES,
    SEGMENTS_DRAINED,
    SEGMENTS_TOTAL,
    CHANGES_APPLIED,
    DELETES_APPLIED,
    CHANGES_REJECTED,
    CHANGES_OVERRULED,
    REPLICATOR_LAG,
    OLDEST_UNAPPLIED,
    ITEMS_VERIFIED,
    SUSPECTS,
    UNEQUAL_BUCKETS,
    DRIFT,
    TOMBSTONES_PURGED,
    THROTTLES,
    READ_UNITS,
    WRITE_UNITS,
    DONE,
    WAITS,
    FAILURES,
    PROGRESS,
)
