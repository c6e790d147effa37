"""What one call measures: added up while it works, put out once at its end.

Metrics go to stdout as JSON lines in CloudWatch's embedded metric format; CloudWatch Logs makes metrics of them, and no
call to an API is made. `tasks/core/metrics.py` lists them.
"""

import threading
from collections.abc import Mapping
from typing import Final

from aws_lambda_powertools.metrics import EphemeralMetrics

from tasks.core.metrics import BY_MIGRATION, BY_STATE, NAMESPACE, Metric

NO_SERVICE: Final = ""
"""Keeps Powertools from adding a dimension `service`, even where `POWERTOOLS_SERVICE_NAME` is set: dashboard and alarms
name each metric's dimensions, and one more would make it another metric."""


class Sums:
    """The sums of the call under way. Lambda makes one call at a time in a process; a call may have many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Metric, float] = {}

    def add(self, metric: Metric, value: float | None = 1) -> None:
        """Add to a metric, or keep the greater value where a sum makes no sense.

        Args:
            metric: which.
            value: in its unit; `None` if AWS did not say: then nothing is put out, rather than 0.
        """
        if value is None:
            return
        with self._lock:
            before = self._values.get(metric)
            if before is not None:
                value = before + value if metric.statistic == "Sum" else max(before, value)
            self._values[metric] = value

    def has(self, metric: Metric) -> bool:
        """Whether something was added to the metric."""
        return metric in self._values

    def take(self) -> dict[Metric, float]:
        """Return all sums, and begin anew."""
        with self._lock:
            taken, self._values = self._values, {}
        return taken


_sums: Final = Sums()
add: Final = _sums.add
has: Final = _sums.has
take: Final = _sums.take


def put_out(*, migration: str, state: str, shown: Mapping[str, str]) -> None:
    """Write what the call has measured to stdout, one line for each set of dimensions, and begin anew.

    Args:
        migration: of the dimension `migration`.
        state: of the dimension `state`.
        shown: what else stands in the lines, for whoever searches the log; it makes no dimensions.
    """
    sums = take()
    values = {"migration": migration, "state": state}
    for dimensions in (BY_MIGRATION, BY_STATE):
        chosen = {metric: value for metric, value in sums.items() if metric.dimensions == dimensions}
        if not chosen:  # Powertools warns of a line without metrics
            continue
        # One of its own for each line: what Powertools' Metrics is given stays, over objects and calls.
        line = EphemeralMetrics(namespace=NAMESPACE, service=NO_SERVICE)
        for name in dimensions:
            line.add_dimension(name, values[name])
        for name, text in {"state": state, **shown}.items():
            line.add_metadata(name, text)
        for metric, value in chosen.items():
            line.add_metric(metric.name, metric.unit, value)
        line.flush_metrics()
