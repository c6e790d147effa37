"""The functions of the states that copy what is in the source: scan, drain, let the writer go, purge, add replicas."""

from infra.aws.functions.function import Function, Wait
from infra.aws.functions.grants import (
    ADD_REPLICAS,
    COUNT_GIVEN_UP,
    COUNT_REJECTS,
    DESCRIBE,
    LIST_MAPPINGS,
    PAGES,
    READ_AGAIN,
    READ_STREAM,
    SOURCE,
    SOURCE_STREAM,
    STREAM_LABEL,
    TARGET,
    Grant,
    control,
    detach,
)
from infra.aws.functions.streams import WRITE_PAGES
from tasks.core import metrics
from tasks.core.forecast.work import MEMORY_MB

BACKFILL = (
    Function(
        state="ScanSegment",
        timeout_seconds=300,
        memory_mb=MEMORY_MB["ScanSegment"],
        names=("CONTROL_TABLE", "PAGES_STREAM_ARN", "REJECTS_BUCKET"),
        grants=(
            Grant(("dynamodb:DescribeTable", "dynamodb:Scan"), (SOURCE,)),
            COUNT_GIVEN_UP,
            Grant(("kinesis:PutRecords",), (PAGES,)),
            control("BatchGetItem", "GetItem", "PutItem", "Query", "UpdateItem"),
        ),
        metrics=(
            metrics.ITEMS_SCANNED,
            metrics.PAGES_SENT,
            metrics.PARTS_SENT,
            metrics.BYTES_SENT,
            metrics.SEGMENTS_SCANNED,
            metrics.THROTTLES,
            metrics.READ_UNITS,
            metrics.PROGRESS,
        ),
        # For the writer, for days where the target is slow: where it stands still, `PagesOld` says so. Or for its turn,
        # under a cap that somebody has set, or a pause.
        wait=Wait((WRITE_PAGES.state, "ScanSegment"), alarm=None),
    ),
    Function(
        state="DrainBackfill",
        timeout_seconds=300,
        memory_mb=1024,
        names=("CONTROL_TABLE", "REJECTS_BUCKET", "REPLICATE_CHANGES_FUNCTION", "STREAM_READS_PER_SECOND"),
        grants=(
            DESCRIBE,
            LIST_MAPPINGS,
            READ_STREAM,
            COUNT_GIVEN_UP,
            COUNT_REJECTS,
            *READ_AGAIN,
            control("GetItem", "PutItem", "Query"),
        ),
        metrics=(
            metrics.BACKLOG_PAGES,
            metrics.SEGMENTS_DRAINED,
            metrics.SEGMENTS_TOTAL,
            metrics.OLDEST_UNAPPLIED,
            metrics.THROTTLES,
            metrics.READ_UNITS,
            metrics.PROGRESS,
        ),
        # It fails after a quarter of an hour without a receipt, and waits for days while there are some. Where it reads
        # refused keys again it waits for the replicator, whose own alarms say that it stands still.
        wait=Wait((WRITE_PAGES.state, "DrainBackfill"), alarm=None),
        throttles_alarm=False,  # it reads a few refused keys again
    ),
    Function(
        state="DetachWriter",
        timeout_seconds=180,  # it sleeps for the writer's own
        names=("CONTROL_TABLE", "PAGES_STREAM_ARN", "WRITE_PAGES_FUNCTION", "WRITE_PAGES_TIMEOUT_SECONDS"),
        grants=(LIST_MAPPINGS, detach(WRITE_PAGES.state), control("GetItem", "PutItem")),
        wait=Wait(),
    ),
    Function(
        state="PurgeTombstones",
        timeout_seconds=300,
        memory_mb=MEMORY_MB["PurgeTombstones"],
        names=("CONTROL_TABLE", "REPLICATE_CHANGES_TIMEOUT_SECONDS"),
        grants=(
            Grant(("dynamodb:PartiQLDelete",), (TARGET,)),
            Grant(("dynamodb:DescribeStream",), (SOURCE_STREAM,), STREAM_LABEL),
            control("BatchWriteItem", "GetItem", "Query"),
        ),
        metrics=(metrics.TOMBSTONES_PURGED, metrics.THROTTLES, metrics.WRITE_UNITS, metrics.PROGRESS),
        wait=Wait(("PurgeTombstones",)),
    ),
    Function(
        state="AddReplicas",
        names=("CONTROL_TABLE",),
        grants=(
            Grant(("dynamodb:DescribeTable", "dynamodb:UpdateTable"), (TARGET,)),
            control("GetItem"),
            *ADD_REPLICAS,
        ),
        wait=Wait(),
    ),
)
