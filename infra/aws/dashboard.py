"""The dashboard of a migration: where it is, how fast it goes, what waits, what went wrong, and what it cost so far."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.aws.functions.registry import emitters_of
from infra.aws.functions.streams import REPLICATE_CHANGES
from infra.aws.measured import Measured
from infra.aws.migration_stack import MigrationStack
from tasks.core import metrics
from tasks.core.forecast.prices import READ_REQUEST_UNIT, WRITE_REQUEST_UNIT

MILLION = 1_000_000
READ_PRICE = round(READ_REQUEST_UNIT.usd * MILLION, 6)
WRITE_PRICE = round(WRITE_REQUEST_UNIT.usd * MILLION, 6)
"""USD for a million request units on demand, by the list of prices."""
STREAM_KEEPS_SECONDS = 24 * 3600
WIDTH = 24


def add_dashboard(stack: MigrationStack, alarms: Sequence[cloudwatch.Alarm]) -> cloudwatch.Dashboard:
    """Add the dashboard."""
    dashboard = cloudwatch.Dashboard(
        stack,
        "Dashboard",
        dashboard_name=stack.names.state_machine,
        period_override=cloudwatch.PeriodOverride.INHERIT,
        default_interval=cdk.Duration.hours(12),
    )
    measured = Measured(stack.settings.migration.migration)
    dashboard.add_widgets(cloudwatch.TextWidget(markdown=_words(stack), width=WIDTH, height=3))
    dashboard.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=WIDTH, height=3))
    dashboard.add_widgets(
        _graph("Phase: calls that ended well, by state", [_by_state(stack, metrics.DONE)], stacked=True),
        _graph("Waits, by state", [_by_state(stack, metrics.WAITS)], stacked=True),
    )
    dashboard.add_widgets(
        _graph(
            "Backfill: items",
            [
                measured.own(metric)
                for metric in (
                    metrics.ITEMS_SCANNED,
                    metrics.ITEMS_ATTEMPTED,
                    metrics.ITEMS_INSERTED,
                    metrics.ITEMS_PRESENT,
                    metrics.ITEMS_REJECTED,
                )
            ],
        ),
        _graph("Backfill: backlog of pages", [_backlog(measured), measured.own(metrics.BACKLOG_PAGES)]),
    )
    dashboard.add_widgets(
        _graph(
            "Replicator: lag, seconds",
            _lag(stack, measured),
            limits=[
                (stack.settings.migration.lag_limit_seconds, "lag_limit_seconds"),
                (STREAM_KEEPS_SECONDS, "the stream forgets"),
            ],
        ),
        _graph(
            "Replicator: changes",
            [
                measured.own(metric)
                for metric in (
                    metrics.CHANGES_APPLIED,
                    metrics.DELETES_APPLIED,
                    metrics.CHANGES_REJECTED,
                    metrics.CHANGES_OVERRULED,
                )
            ],
        ),
    )
    dashboard.add_widgets(
        _graph("Throttles, by state", [_by_state(stack, metrics.THROTTLES)]),
        _graph(
            "Consumed capacity, units",
            [_by_state(stack, metrics.READ_UNITS), _by_state(stack, metrics.WRITE_UNITS)],
        ),
    )
    dashboard.add_widgets(
        _graph(
            "Failures, by state, and streams that drive no function",
            [_by_state(stack, metrics.FAILURES), measured.own(metrics.MAPPINGS_DOWN)],
        ),
        _graph(
            "Proof",
            [
                measured.own(metric)
                for metric in (metrics.ITEMS_VERIFIED, metrics.SUSPECTS, metrics.UNEQUAL_BUCKETS, metrics.DRIFT)
            ],
        ),
    )
    dashboard.add_widgets(
        cloudwatch.SingleValueWidget(
            title="In the time shown",
            metrics=[
                measured.own(metric)
                for metric in (
                    metrics.ITEMS_SCANNED,
                    metrics.ITEMS_INSERTED,
                    metrics.ITEMS_PRESENT,
                    metrics.ITEMS_REJECTED,
                    metrics.CHANGES_APPLIED,
                    metrics.SEGMENTS_SCANNED,
                    metrics.SPENT_USD,
                )
            ],
            set_period_to_time_range=True,
            width=WIDTH * 3 // 4,
            height=4,
        ),
        cloudwatch.SingleValueWidget(
            title="Cost so far, in the time shown: DynamoDB requests, USD of us-east-1",
            metrics=[_cost(stack, measured)],
            set_period_to_time_range=True,
            width=WIDTH // 4,
            height=4,
        ),
    )
    return dashboard


def _words(stack: MigrationStack) -> str:
    migration, region = stack.settings.migration, stack.settings.deployment.region
    console = f"https://{region}.console.aws.amazon.com/states/home?region={region}#/statemachines/view"
    return (
        f"# {migration.migration}: {migration.source_table} to {migration.target_table}\n"
        f"[Executions]({console}/{stack.machine.state_machine_arn}) · counts are sums of five minutes; a call of "
        "minutes shows at its end · `python -m workflow status` says the phase and the reason of a wait · what each "
        "metric means is in docs/metrics.md"
    )


def _graph(
    title: str,
    lines: Sequence[cloudwatch.IMetric],
    *,
    stacked: bool = False,
    limits: Sequence[tuple[int, str]] = (),
) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(
        title=title,
        left=list(lines),
        stacked=stacked,
        left_annotations=[cloudwatch.HorizontalAnnotation(value=value, label=label) for value, label in limits],
        left_y_axis=cloudwatch.YAxisProps(min=0, show_units=False),
        width=WIDTH // 2,
        height=6,
    )


def _by_state(stack: MigrationStack, metric: metrics.Metric) -> cloudwatch.MathExpression:
    """Return one line for each state that put the metric out."""
    where = f"{{{metrics.NAMESPACE},{','.join(metric.dimensions)}}}"
    search = f'{where} MetricName="{metric.name}" migration="{stack.settings.migration.migration}"'
    return cloudwatch.MathExpression(
        expression=f"SEARCH('{search}', '{metric.statistic}', 300)",
        using_metrics={},
        label="${PROP('Dim.state')} " + metric.name,
        period=cdk.Duration.minutes(5),
    )


def _backlog(measured: Measured) -> cloudwatch.MathExpression:
    return measured.summed(
        {"sent": measured.own(metrics.PARTS_SENT), "written": measured.own(metrics.PARTS_WRITTEN)},
        "RUNNING_SUM(FILL(sent, 0) - FILL(written, 0))",
        label="parts sent, less parts written, in the time shown",
    )


def _lag(stack: MigrationStack, measured: Measured) -> list[cloudwatch.IMetric]:
    age = measured.of_service(
        "Lambda", "IteratorAge", {"FunctionName": stack.names.function(REPLICATE_CHANGES.state)}, statistic="Maximum"
    )
    return [
        measured.own(metrics.REPLICATOR_LAG),
        measured.own(metrics.OLDEST_UNAPPLIED),
        measured.summed({"age": age}, "age / 1000", label="IteratorAge of ReplicateChanges"),
    ]


def _cost(stack: MigrationStack, measured: Measured) -> cloudwatch.MathExpression:
    reads = {
        f"r{number}": measured.own(metrics.READ_UNITS, state)
        for number, state in enumerate(emitters_of(metrics.READ_UNITS))
    }
    writes = {
        f"w{number}": measured.own(metrics.WRITE_UNITS, state)
        for number, state in enumerate(emitters_of(metrics.WRITE_UNITS))
    }
    # Every write is made once more in each replica's Region.
    copies = 1 + len(stack.settings.migration.replica_regions)

    def total(parts: dict[str, cloudwatch.Metric]) -> str:
        return " + ".join(f"FILL({name}, 0)" for name in parts)

    return measured.summed(
        reads | writes,
        f"({total(reads)}) * {READ_PRICE} / 1000000 + ({total(writes)}) * {WRITE_PRICE} * {copies} / 1000000",
        label="USD",
    )
