"""The functions of the states that prove the target equal to the source."""

from infra.aws.functions.function import Function, Wait
from infra.aws.functions.grants import (
    DESCRIBE_REPLICAS,
    KEEP_PROOF,
    LIST_MAPPINGS,
    READ_STREAM,
    REPLICAS,
    SOURCE,
    TARGET,
    Grant,
    control,
)
from tasks.core import metrics
from tasks.core.forecast.work import MEMORY_MB

PROOF = (
    Function(state="PlanVerify", grants=(DESCRIBE_REPLICAS,)),
    Function(
        state="VerifySegment",
        timeout_seconds=900,
        memory_mb=MEMORY_MB["VerifySegment"],
        names=("CONTROL_TABLE", "REJECTS_BUCKET"),
        grants=(
            Grant(("dynamodb:Scan", "dynamodb:BatchGetItem"), (SOURCE, TARGET)),
            Grant(("dynamodb:Scan", "dynamodb:BatchGetItem"), (REPLICAS,), for_replicas=True),
            KEEP_PROOF,
            control("GetItem", "PutItem", "UpdateItem"),
        ),
        metrics=(
            metrics.ITEMS_VERIFIED,
            metrics.SUSPECTS,
            metrics.THROTTLES,
            metrics.READ_UNITS,
            metrics.PROGRESS,
        ),
        wait=Wait(("VerifySegment",), alarm=None),  # for its turn, as a scan of the backfill
    ),
    Function(
        state="CompareDigests",
        timeout_seconds=600,
        memory_mb=MEMORY_MB["CompareDigests"],
        names=("CONTROL_TABLE", "REPLICATE_CHANGES_FUNCTION", "STREAM_READS_PER_SECOND", "REJECTS_BUCKET"),
        grants=(
            KEEP_PROOF,
            Grant(("dynamodb:BatchGetItem", "dynamodb:DescribeTable"), (SOURCE, TARGET)),
            Grant(("dynamodb:BatchGetItem",), (REPLICAS,), for_replicas=True),
            DESCRIBE_REPLICAS,
            LIST_MAPPINGS,
            READ_STREAM,
            control("GetItem", "PutItem", "Query", "UpdateItem"),
        ),
        metrics=(
            metrics.UNEQUAL_BUCKETS,
            metrics.DRIFT,
            metrics.THROTTLES,
            metrics.READ_UNITS,
            metrics.PROGRESS,
        ),
        wait=Wait(("CompareDigests",)),
    ),
)
