"""The functions of the states before the backfill: look, make the replicas, attach both streams, plan."""

from infra.aws.functions.function import Function, Wait
from infra.aws.functions.grants import (
    ADD_REPLICAS,
    CHILDREN,
    DESCRIBE,
    EXECUTIONS,
    LIST_MAPPINGS,
    MACHINE,
    MAP_RUNS,
    POINTER,
    READ_STREAM,
    SOURCE,
    TARGET,
    Grant,
    attach,
    control,
)
from infra.aws.functions.streams import REPLICATE_CHANGES, WRITE_PAGES
from tasks.core import metrics

PREPARATION = (
    Function(
        state="Preflight",
        timeout_seconds=300,
        names=("MIGRATION_SETTINGS", "CONTROL_TABLE", "REPLICATE_CHANGES_FUNCTION", "STREAM_READS_PER_SECOND"),
        grants=(
            Grant(("dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive"), (SOURCE, TARGET)),
            Grant(("dynamodb:DescribeKinesisStreamingDestination",), (SOURCE,)),
            Grant(("dynamodb:Scan",), (TARGET,)),  # one item at most: is the target empty?
            Grant(("dynamodb:DescribeLimits",), ("*",), "DynamoDB knows no resource for this call"),
            Grant(("lambda:GetAccountSettings",), ("*",), "Lambda knows no resource for this call"),
            Grant(("states:ListExecutions",), (MACHINE,)),
            Grant(
                ("states:DescribeExecution", "states:GetExecutionHistory"),
                (EXECUTIONS,),
                "which execution is resumed is said by the one that resumes it",
            ),
            Grant(("ssm:GetParameter",), (POINTER,)),
            READ_STREAM,
            LIST_MAPPINGS,
            control("GetItem", "Query"),
        ),
        metrics=(metrics.OLDEST_UNAPPLIED,),
        wait=Wait((REPLICATE_CHANGES.state,)),
    ),
    Function(
        state="CreateReplicas",
        names=("CONTROL_TABLE",),
        grants=(
            DESCRIBE,
            Grant(("dynamodb:CreateTable", "dynamodb:TagResource", "dynamodb:UpdateTable"), (TARGET,)),
            control("GetItem"),
            *ADD_REPLICAS,
        ),
        wait=Wait(),
    ),
    Function(
        state="AttachReplicator",
        timeout_seconds=300,
        names=(
            "CONTROL_TABLE",
            "REPLICATE_CHANGES_FUNCTION",
            "WRITE_PAGES_TIMEOUT_SECONDS",
            "REPLICATE_CHANGES_TIMEOUT_SECONDS",
            "STREAM_READS_PER_SECOND",
            "REPLICATE_CHANGES_WINDOW_SECONDS",
        ),
        grants=(
            DESCRIBE,
            Grant(("dynamodb:UpdateTable",), (SOURCE,)),
            Grant(("dynamodb:Scan",), (TARGET,)),  # one item at most: is the target empty?
            READ_STREAM,
            LIST_MAPPINGS,
            *attach(REPLICATE_CHANGES.state),
            control("BatchWriteItem", "GetItem", "PutItem", "Query"),
        ),
        wait=Wait((REPLICATE_CHANGES.state,)),
    ),
    Function(
        state="AttachWriter",
        names=("CONTROL_TABLE", "PAGES_STREAM_ARN", "WRITE_PAGES_FUNCTION", "REJECTS_BUCKET"),
        grants=(LIST_MAPPINGS, *attach(WRITE_PAGES.state), control("BatchWriteItem", "GetItem")),
        wait=Wait(),
    ),
    Function(
        state="PlanSegments",
        timeout_seconds=900,  # a resume reads the history of each child that did not succeed, some twenty a second
        names=("CONTROL_TABLE",),
        grants=(
            Grant(
                ("states:GetExecutionHistory",),
                (EXECUTIONS, CHILDREN),
                "which execution is resumed is said by the one that resumes it; children are named when they start",
            ),
            Grant(("states:ListExecutions",), (MAP_RUNS,), "a Map Run is named when it starts"),
            control("BatchGetItem", "BatchWriteItem", "GetItem", "PutItem", "Query"),
        ),
        metrics=(metrics.SEGMENTS_TOTAL,),
    ),
)
