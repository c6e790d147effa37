"""The functions that streams drive: Kinesis brings pages to one, the source's stream brings changes to the other."""

from infra.aws.functions.function import Function
from infra.aws.functions.grants import (
    BUCKET,
    GIVEN_UP,
    PAGES,
    PUT_REJECTS,
    READ_STREAM,
    TARGET,
    Grant,
    control,
)
from tasks.core import metrics
from tasks.core.forecast.work import MEMORY_MB

# One full CPU each (1,769 MB): they are where the items pass.
WRITE_PAGES = Function(
    state="WritePages",
    driven_by="pages",
    timeout_seconds=120,
    memory_mb=MEMORY_MB["WritePages"],
    names=("CONTROL_TABLE", "REJECTS_BUCKET"),
    grants=(
        Grant(("dynamodb:PartiQLInsert", "dynamodb:PutItem"), (TARGET,)),
        PUT_REJECTS,
        control("BatchGetItem", "GetItem", "PutItem", "UpdateItem"),
        # The next two are used by the mapping, which works with the function's role.
        Grant(
            (
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
                "kinesis:SubscribeToShard",
            ),
            (PAGES,),
        ),
        Grant(
            ("s3:PutObject",),
            (GIVEN_UP,),
            "Lambda names the objects of batches that it gives up on, and records their sequence numbers",
        ),
        Grant(("s3:ListBucket",), (BUCKET,)),
    ),
    metrics=(
        metrics.PARTS_WRITTEN,
        metrics.ITEMS_ATTEMPTED,
        metrics.ITEMS_INSERTED,
        metrics.ITEMS_PRESENT,
        metrics.ITEMS_REJECTED,
        metrics.THROTTLES,
        metrics.WRITE_UNITS,
        metrics.PROGRESS,
    ),
)

REPLICATE_CHANGES = Function(
    state="ReplicateChanges",
    driven_by="changes",
    memory_mb=MEMORY_MB["ReplicateChanges"],
    names=("CONTROL_TABLE", "REJECTS_BUCKET"),
    grants=(
        Grant(
            ("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PutItem"), (TARGET,)
        ),
        PUT_REJECTS,
        control("BatchGetItem", "BatchWriteItem", "GetItem", "PutItem"),
        # The mapping reads the stream with the function's role.
        READ_STREAM,
        Grant(("dynamodb:ListStreams",), ("*",), "Lambda asks for it on no stream in particular"),
    ),
    metrics=(
        metrics.CHANGES_APPLIED,
        metrics.DELETES_APPLIED,
        metrics.CHANGES_REJECTED,
        metrics.CHANGES_OVERRULED,
        metrics.REPLICATOR_LAG,
        metrics.THROTTLES,
        metrics.READ_UNITS,
        metrics.WRITE_UNITS,
        metrics.PROGRESS,
    ),
)

STREAMS = (WRITE_PAGES, REPLICATE_CHANGES)
