"""A plan beside the run: how many, how long, how much. Pure: what was read of both comes in."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tasks.core import metrics
from tasks.core.forecast import charges
from tasks.core.forecast.bill import Bill
from tasks.core.forecast.forecast import Range
from tasks.core.forecast.prices import DATED, REGION
from tasks.core.forecast.spent import Basis
from tasks.core.forecast.taken import Taken
from tasks.core.forecast.work import DAY_SECONDS
from tasks.core.run.phases import Course
from workflow.refusals import CommandRefused

PHASES: Final[Mapping[str, tuple[str, ...]]] = {
    "until the first page": ("Preflight", "CreateReplicas", "AttachReplicator", "AttachWriter", "PlanSegments"),
    "copy": ("Backfill", "DrainBackfill"),
    "proof": ("PlanVerify", "Verify", "CompareDigests"),
    "cut-over": ("ProtectTarget", "DrainChanges", "CutOver"),
}
"""The states of each phase of a plan."""
APPROVAL: Final = "ApproveCutOver"
WAITED: Final = "waiting for the approval"
OTHERS: Final = "other states"
COUNTED: Final = "all that is counted"


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True)


class PredictedLine(_Read):
    """One line of the plan's bill."""

    purpose: str
    what: str
    usd: float


class PredictedBill(_Read):
    """What the plan says that the run costs."""

    class Prices(_Read):
        """By which list."""

        dated: str = DATED
        region: str = REGION

    prices: Prices = Prices()
    usd: float = 0.0
    lines: tuple[PredictedLine, ...] = ()
    lines_a_day_of_waiting: tuple[PredictedLine, ...] = ()


class PredictedNumbers(_Read):
    """What the plan says that is counted."""

    items: float
    pages: float
    """Of the backfill's scan."""
    records: float
    """That carry them."""
    bytes_sent: float
    units: Mapping[str, float]


class Predicted(_Read):
    """The part of a plan's JSON that is compared."""

    predicted: PredictedNumbers
    seconds: Mapping[str, Range] = Field(default_factory=dict)
    """By phase, and `whole`."""
    bill: PredictedBill = PredictedBill()
    basis: Basis = Basis()
    pages_shards: int | None = None


@dataclass(frozen=True, slots=True)
class Compared:
    """One number, before and after."""

    name: str
    predicted: float | None
    """`None` where the plan says nothing of it."""
    taken: float | None
    """`None` where no metric says it."""

    @property
    def off(self) -> float | None:
        """How far what was taken is off the prediction, as a share of it."""
        return None if self.taken is None or not self.predicted else self.taken / self.predicted - 1


@dataclass(frozen=True, slots=True)
class Timed:
    """One phase, before and after, in seconds."""

    name: str
    predicted: Range | None
    taken: float | None
    """`None` where it was not reached."""


def parse_plan_file(file: Path) -> Predicted:
    """Return what a plan predicted: of the file that `python -m workflow plan --json` was written to.

    Raises:
        CommandRefused: it cannot be read, or is no such plan.
    """
    try:
        return Predicted.model_validate(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        why = str(error).splitlines()[0]
        raise CommandRefused(
            f"the plan {file} cannot be read ({why}); write one before the run: python -m workflow plan --json > {file}"
        ) from None


def counted(plan: Predicted, taken: Taken) -> list[Compared]:
    """Return each number that the plan predicted and a metric tells of."""
    said, of = plan.predicted, taken.of_migration
    return [
        Compared("items scanned", said.items, of[metrics.ITEMS_SCANNED]),
        Compared("pages scanned", said.pages, of[metrics.PAGES_SENT]),
        Compared("records put into the stream", said.records, of[metrics.PARTS_SENT]),
        Compared("bytes put into the stream", said.bytes_sent, of[metrics.BYTES_SENT]),
        Compared("read units of the scan", said.units["ScanSegment"], taken.read_units.get("ScanSegment")),
        Compared("read units of the proof", said.units["VerifySegment"], taken.read_units.get("VerifySegment")),
        Compared("write units of pages", said.units["WritePages"], taken.write_units.get("WritePages")),
    ]


def timed(plan: Predicted, courses: Sequence[Course], now: datetime) -> list[Timed]:
    """Return how long each phase took, in all executions together, beside the plan's range."""
    rows = [Timed(name, plan.seconds.get(name), seconds_in(courses, states, now)) for name, states in PHASES.items()]
    taken = [row.taken for row in rows if row.taken is not None]
    known = {APPROVAL, *(state for states in PHASES.values() for state in states)}
    others = {phase.name for course in courses for phase in course.phases} - known
    return [
        *rows,
        Timed("all of these", plan.seconds.get("whole"), sum(taken) if taken else None),
        Timed(WAITED, None, seconds_in(courses, (APPROVAL,), now)),
        Timed(OTHERS, None, seconds_in(courses, others, now)),
    ]


def seconds_in(courses: Iterable[Course], states: Iterable[str], now: datetime) -> float | None:
    """Return how long executions were in states, `None` if none was in any of them."""
    wanted = set(states)
    found = [phase.seconds(now) for course in courses for phase in course.phases if phase.name in wanted]
    return sum(found) if found else None


def billed(plan: Predicted, spent: Bill, *, waited_seconds: float) -> list[Compared]:
    """Return what each kind of work cost by what was counted of it, beside the plan's lines.

    Args:
        plan: whose bill is of a run that is approved at once.
        spent: at the plan's prices.
        waited_seconds: for the approval: what the plan says of a day of it is added.
    """
    days = waited_seconds / DAY_SECONDS
    said = _summed(
        [
            *((line, line.usd) for line in plan.bill.lines),
            *((line, line.usd * days) for line in plan.bill.lines_a_day_of_waiting),
        ]
    )
    found: dict[tuple[str, str], float] = {}
    for line in spent.lines():
        key = (line.what, line.price.what)
        found[key] = found.get(key, 0.0) + line.usd
    rows = [Compared(", ".join(key), said.get(key), found.get(key)) for key in {**said, **found}]
    both = [row for row in rows if row.predicted is not None and row.taken is not None]
    return [*rows, *_totals(rows, both)]


def _summed(lines: Iterable[tuple[PredictedLine, float]]) -> dict[tuple[str, str], float]:
    said: dict[tuple[str, str], float] = {}
    for line, usd in lines:
        # While an answer is waited for the replicator's calls have a line of their own, which no metric tells apart.
        key = (charges.REPLICATOR if line.purpose == charges.WAITING else line.purpose, line.what)
        said[key] = said.get(key, 0.0) + usd
    return said


def _totals(rows: Iterable[Compared], both: Sequence[Compared]) -> Iterator[Compared]:
    yield Compared(COUNTED, sum(row.predicted or 0.0 for row in both), sum(row.taken or 0.0 for row in both))
    yield Compared("all", sum(row.predicted or 0.0 for row in rows), None)
