"""CloudWatch metrics as the dashboard and the alarms name them: our own list, and those of the services."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch

from infra.aws.functions.registry import emitters_of
from tasks.core.metrics import BY_STATE, NAMESPACE, Metric

FIVE_MINUTES = cdk.Duration.minutes(5)


class Measured:
    """The metrics of one migration.

    Args:
        migration: its name.
        period: over which each value is taken.
    """

    def __init__(self, migration: str, period: cdk.Duration = FIVE_MINUTES) -> None:
        self._migration = migration
        self._period = period

    def own(self, metric: Metric, state: str | None = None, *, label: str | None = None) -> cloudwatch.Metric:
        """Return a metric of `tasks/core/metrics.py`; one by state needs the state.

        Raises:
            ValueError: the metric is not put out so.
        """
        emitters = emitters_of(metric)
        if (metric.dimensions == BY_STATE) != (state is not None) or (state or emitters[0]) not in emitters:
            raise ValueError(f"{metric.name} is not put out for the state {state}")
        dimensions = {"migration": self._migration} | ({} if state is None else {"state": state})
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=metric.name,
            dimensions_map=dimensions,
            statistic=metric.statistic,
            period=self._period,
            label=label or (metric.name if state is None else f"{metric.name} {state}"),
        )

    def of_service(
        self, service: str, name: str, dimensions: Mapping[str, str], *, statistic: str = "Sum", label: str = ""
    ) -> cloudwatch.Metric:
        """Return a metric that an AWS service puts out itself, such as `Lambda`'s `IteratorAge`."""
        return cloudwatch.Metric(
            namespace=f"AWS/{service}",
            metric_name=name,
            dimensions_map=dict(dimensions),
            statistic=statistic,
            period=self._period,
            label=label or name,
        )

    def summed(
        self, metrics: Mapping[str, cloudwatch.Metric], expression: str, *, label: str
    ) -> cloudwatch.MathExpression:
        """Return an expression over metrics by their ids."""
        return cloudwatch.MathExpression(
            expression=expression, using_metrics=dict(metrics), label=label, period=self._period
        )
