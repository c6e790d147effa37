"""The functions of the states from the approval to the end: protect, drain, move traffic, and let the replicator go."""

from infra.aws.functions.function import Function, Wait
from infra.aws.functions.grants import (
    COUNT_REJECTS,
    DESCRIBE,
    DESCRIBE_REPLICAS,
    LIST_MAPPINGS,
    POINTER,
    READ_AGAIN,
    READ_STREAM,
    REPLICAS,
    SOURCE,
    TARGET,
    TELL,
    Grant,
    control,
    detach,
)
from infra.aws.functions.streams import REPLICATE_CHANGES
from tasks.core import metrics

_FOR_REPLICATOR = Wait((REPLICATE_CHANGES.state,), alarm="ReplicatorStuck")

CUT_OVER = (
    Function(
        state="ApproveCutOver",
        names=("CONTROL_TABLE", "REPLICATE_CHANGES_FUNCTION"),
        grants=(DESCRIBE, LIST_MAPPINGS, TELL, control("GetItem", "PutItem")),
    ),
    Function(
        state="ProtectTarget",
        timeout_seconds=300,
        memory_mb=1024,
        names=("CONTROL_TABLE", "REPLICATE_CHANGES_FUNCTION", "STREAM_READS_PER_SECOND"),
        grants=(DESCRIBE, LIST_MAPPINGS, READ_STREAM, control("GetItem", "PutItem", "Query")),
        metrics=(metrics.OLDEST_UNAPPLIED,),
        wait=_FOR_REPLICATOR,
    ),
    Function(
        state="DrainChanges",
        timeout_seconds=300,
        memory_mb=1024,
        names=("CONTROL_TABLE", "REJECTS_BUCKET", "REPLICATE_CHANGES_FUNCTION", "STREAM_READS_PER_SECOND"),
        grants=(
            DESCRIBE,
            LIST_MAPPINGS,
            READ_STREAM,
            COUNT_REJECTS,
            *READ_AGAIN,
            control("GetItem", "PutItem", "Query"),
        ),
        metrics=(metrics.OLDEST_UNAPPLIED, metrics.THROTTLES, metrics.READ_UNITS, metrics.PROGRESS),
        wait=_FOR_REPLICATOR,
    ),
    Function(
        state="CutOver",
        timeout_seconds=300,
        memory_mb=1024,
        names=(
            "CONTROL_TABLE",
            "REJECTS_BUCKET",
            "REPLICATE_CHANGES_FUNCTION",
            "REPLICATE_CHANGES_TIMEOUT_SECONDS",
            "STREAM_READS_PER_SECOND",
        ),
        grants=(
            Grant(("dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"), (SOURCE, TARGET)),
            Grant(("dynamodb:UpdateTimeToLive",), (TARGET,)),
            LIST_MAPPINGS,
            READ_STREAM,
            COUNT_REJECTS,
            *READ_AGAIN,
            Grant(("ssm:GetParameter", "ssm:PutParameter"), (POINTER,)),
            TELL,
            control("GetItem", "PutItem", "Query"),
            # The setting is one of all replicas.
            Grant(("dynamodb:UpdateTimeToLive",), (REPLICAS,), for_replicas=True),
            DESCRIBE_REPLICAS,
        ),
        metrics=(metrics.OLDEST_UNAPPLIED, metrics.THROTTLES, metrics.READ_UNITS, metrics.PROGRESS),
        wait=_FOR_REPLICATOR,
    ),
    Function(
        state="DrainLateWrites",
        timeout_seconds=300,
        memory_mb=1024,
        names=("CONTROL_TABLE", "REJECTS_BUCKET", "REPLICATE_CHANGES_FUNCTION", "STREAM_READS_PER_SECOND"),
        grants=(DESCRIBE, LIST_MAPPINGS, READ_STREAM, COUNT_REJECTS, control("GetItem", "PutItem", "Query")),
        metrics=(metrics.OLDEST_UNAPPLIED,),
        wait=Wait((REPLICATE_CHANGES.state,)),
    ),
    Function(
        state="DetachReplicator",
        names=("CONTROL_TABLE", "REPLICATE_CHANGES_FUNCTION"),
        grants=(
            Grant(("dynamodb:DescribeTable", "dynamodb:UpdateTable"), (SOURCE,)),
            LIST_MAPPINGS,
            detach(REPLICATE_CHANGES.state),
            control("BatchWriteItem", "GetItem"),
        ),
        wait=Wait(),
    ),
)
