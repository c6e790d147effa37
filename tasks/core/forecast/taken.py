"""What a run has taken, as CloudWatch tells of it: which metrics are asked for, and what they say together.

WatchReplicator asks while a run is under way, `python -m workflow report` afterwards. The functions' own metrics are of
a migration, and Lambda's of a function: those count that lie within the run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from tasks.core import metrics
from tasks.core.forecast.work import DAY_SECONDS, MEMORY_MB
from tasks.core.metrics import NAMESPACE, Metric
from tasks.core.model.names import function_name

LAMBDA: Final = "AWS/Lambda"


class Asked(NamedTuple):
    """One metric, whose sum is asked for."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


Sums = Mapping[Asked, float | None]
"""What was asked, and its sum; `None` where nobody put it out."""

OF_MIGRATION: Final = (
    metrics.ITEMS_SCANNED,
    metrics.PAGES_SENT,
    metrics.PARTS_SENT,
    metrics.BYTES_SENT,
    metrics.PARTS_WRITTEN,
    metrics.CHANGES_APPLIED,
    metrics.TOMBSTONES_PURGED,
)
READERS: Final = ("ScanSegment", "DrainBackfill", "VerifySegment", "CompareDigests", "ReplicateChanges")
WRITERS: Final = ("WritePages", "ReplicateChanges", "PurgeTombstones")
"""States whose units are counted."""
REPLICAS_ADDED: Final = "AddReplicas"


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run has taken. `None`, and what is missing by state, is what no metric tells of."""

    of_migration: Mapping[Metric, float | None]
    read_units: Mapping[str, float]
    write_units: Mapping[str, float]
    """At the target, its indexes included, its replicas not."""
    calls: Mapping[str, float]
    """Of functions, by state."""
    seconds: Mapping[str, float]
    """Of these."""
    has_added_replicas: bool = False
    """Behind the backfill."""

    def of(self, metric: Metric) -> float:
        """Return what a metric of the migration says, 0 if nothing."""
        return self.of_migration[metric] or 0.0


def own(migration: str, metric: Metric, state: str | None = None) -> Asked:
    """Return how a metric of ours is asked for."""
    of_state = () if state is None else (("state", state),)
    return Asked(NAMESPACE, metric.name, (("migration", migration), *of_state))


def of_function(migration: str, name: str, state: str) -> Asked:
    """Return how a metric that Lambda keeps of a function is asked for."""
    return Asked(LAMBDA, name, (("FunctionName", function_name(migration, state)),))


def asked_of(migration: str) -> list[Asked]:
    """Return all metrics that tell what a run takes."""
    return [
        *(own(migration, metric) for metric in OF_MIGRATION),
        *(own(migration, metrics.READ_UNITS, state) for state in READERS),
        *(own(migration, metrics.WRITE_UNITS, state) for state in WRITERS),
        own(migration, metrics.DONE, REPLICAS_ADDED),
        *(of_function(migration, name, state) for state in MEMORY_MB for name in ("Invocations", "Duration")),
    ]


def taken_of(migration: str, sums: Sums) -> Taken:
    """Return what the sums say together."""

    def by_state(states: Mapping[str, Asked], *, each: float = 1.0) -> dict[str, float]:
        return {state: sum_ * each for state, one in states.items() if (sum_ := sums.get(one)) is not None}

    return Taken(
        of_migration={metric: sums.get(own(migration, metric)) for metric in OF_MIGRATION},
        read_units=by_state({state: own(migration, metrics.READ_UNITS, state) for state in READERS}),
        write_units=by_state({state: own(migration, metrics.WRITE_UNITS, state) for state in WRITERS}),
        calls=by_state({state: of_function(migration, "Invocations", state) for state in MEMORY_MB}),
        seconds=by_state({state: of_function(migration, "Duration", state) for state in MEMORY_MB}, each=0.001),
        has_added_replicas=bool(sums.get(own(migration, metrics.DONE, REPLICAS_ADDED))),
    )


def period_seconds(seconds: float, *, age_seconds: float) -> int:
    """Return over how long each value is taken, so that an answer has not too many of them.

    CloudWatch keeps values of a minute for 15 days, of five for 63, of an hour for more than a year.

    Args:
        seconds: that are asked for.
        age_seconds: since they began.
    """
    least = 60 if age_seconds < 15 * DAY_SECONDS else 300 if age_seconds < 63 * DAY_SECONDS else 3600
    wanted = seconds / POINTS_MOST
    return next((one for one in (60, 300, 900, 3600) if one >= max(least, wanted)), 3600)


POINTS_MOST: Final = 1440
"""Of one metric in an answer, but of a run of months: longer periods would begin hours before it did."""
