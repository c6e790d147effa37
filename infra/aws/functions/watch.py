"""The function that a schedule calls: it looks at both streams and at the money while nobody else does."""

from infra.aws.functions.function import Function
from infra.aws.functions.grants import LIST_MAPPINGS, PAGES, READ_STREAM, SOURCE, Grant, control
from tasks.core import metrics

WATCH_MINUTES = 5
"""Between two looks: as long as a period of the alarms that they feed."""

WATCH_REPLICATOR = Function(
    state="WatchReplicator",
    driven_by="schedule",
    timeout_seconds=300,
    names=(
        "CONTROL_TABLE",
        "PAGES_STREAM_ARN",
        "STREAM_READS_PER_SECOND",
        "WRITE_PAGES_FUNCTION",
        "REPLICATE_CHANGES_FUNCTION",
    ),
    grants=(
        Grant(("dynamodb:DescribeTable",), (SOURCE,)),
        LIST_MAPPINGS,
        READ_STREAM,
        Grant(("cloudwatch:GetMetricData",), ("*",), "CloudWatch knows no resource for this call"),
        Grant(("kinesis:DescribeStreamSummary",), (PAGES,)),
        control("GetItem", "Query"),
    ),
    metrics=(metrics.MAPPINGS_DOWN, metrics.OLDEST_UNAPPLIED, metrics.SPENT_USD, metrics.OVER_COST_USD),
)

WATCH = (WATCH_REPLICATOR,)
