"""What `python -m workflow report` says: what a plan predicted beside what the run took, by the run's own metrics.

Metrics are of a migration and a state, not of a run: those count that lie between an execution's beginning and its end.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import boto3
from pydantic import BaseModel, ConfigDict, ValidationError
from rich.table import Table

from tasks.core.metrics import (
    BYTES_SENT,
    ITEMS_SCANNED,
    NAMESPACE,
    PAGES_SENT,
    PARTS_SENT,
    READ_UNITS,
    WRITE_UNITS,
    Metric,
)
from workflow import execution
from workflow.machine import Machine
from workflow.refusals import CommandRefused, in_words

POINTS_MOST: Final = 1440
"""That one answer of GetMetricStatistics has."""


class Predicted(BaseModel):
    """The part of a plan's JSON that is compared."""

    model_config = ConfigDict(frozen=True)

    items: float
    pages: float
    """Of the backfill's scan."""
    records: float
    """That carry them."""
    bytes_sent: float
    units: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Compared:
    """One number, before and after."""

    name: str
    predicted: float
    taken: float | None
    """`None` where no metric says it."""

    @property
    def off(self) -> float | None:
        """How far what was taken is off the prediction, as a share of it."""
        return None if self.taken is None or not self.predicted else self.taken / self.predicted - 1


def parse_plan_file(file: Path) -> Predicted:
    """Return what a plan predicted: of the file that `python -m workflow plan --json` was written to.

    Raises:
        CommandRefused: it cannot be read, or is no such plan.
    """
    try:
        return Predicted.model_validate(json.loads(file.read_text(encoding="utf-8"))["predicted"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        why = str(error).splitlines()[0]
        raise CommandRefused(
            f"the plan {file} cannot be read ({why}); write one before the run: python -m workflow plan --json > {file}"
        ) from None


def read_report(session: boto3.Session, execution_arn: str, predicted: Predicted) -> list[Compared]:
    """Return each number that the plan predicted and a metric tells of.

    Args:
        session: of the SDK.
        execution_arn: of the run; of one that was resumed by another execution only its own part is counted.
        predicted: by the plan.

    Raises:
        CommandRefused: the execution or its metrics cannot be read.
    """
    machine = Machine.of_execution(execution_arn)
    with in_words(f"reading execution {execution_arn}"):
        described = execution.stepfunctions(session, machine.region).describe_execution(executionArn=execution_arn)
    begun, ended = described["startDate"], described.get("stopDate") or datetime.now(UTC)
    metrics = _Metrics(session, machine, begun, ended)
    rows: list[tuple[str, float, Metric, str | None]] = [
        ("items scanned", predicted.items, ITEMS_SCANNED, None),
        ("pages scanned", predicted.pages, PAGES_SENT, None),
        ("records put into the stream", predicted.records, PARTS_SENT, None),
        ("bytes put into the stream", predicted.bytes_sent, BYTES_SENT, None),
        ("read units of the scan", predicted.units["ScanSegment"], READ_UNITS, "ScanSegment"),
        ("read units of the proof", predicted.units["VerifySegment"], READ_UNITS, "VerifySegment"),
        ("write units of pages", predicted.units["WritePages"], WRITE_UNITS, "WritePages"),
    ]
    with in_words(f"reading the metrics of {machine.migration}"):
        return [Compared(name, number, metrics.total(metric, state)) for name, number, metric, state in rows]


class _Metrics:
    """The metrics of a migration, between two moments."""

    def __init__(self, session: boto3.Session, machine: Machine, begun: datetime, ended: datetime) -> None:
        self._client: Any = session.client("cloudwatch", region_name=machine.region)
        self._migration = machine.migration
        # A point is of a whole minute, and stands at its beginning.
        self._begin = begun.replace(second=0, microsecond=0)
        self._end = ended + timedelta(minutes=1)
        minutes = math.ceil((self._end - self._begin).total_seconds() / 60 / POINTS_MOST)
        self._period = 60 * max(1, minutes)

    def total(self, metric: Metric, state: str | None) -> float | None:
        """Return a metric's sum; `None` if it was not put out."""
        dimensions = {"migration": self._migration} | ({} if state is None else {"state": state})
        points = self._client.get_metric_statistics(
            Namespace=NAMESPACE,
            MetricName=metric.name,
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=self._begin,
            EndTime=self._end,
            Period=self._period,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points)) if points else None


def report_table(rows: list[Compared]) -> Table:
    """Return the report as a table."""
    table = Table("", "the plan", "the run", "off", box=None, pad_edge=False)
    for row in rows:
        taken = "no metric says it" if row.taken is None else f"{row.taken:,.0f}"
        table.add_row(row.name, f"{row.predicted:,.0f}", taken, "" if row.off is None else f"{row.off:+.1%}")
    return table
