"""What a run will take: time, calls, units and money, before anything is started. Every number has its formula.

The copy's time is that of `duration`, all that is counted is in `counted`, and the bill's lines are in `lines`: by
`charges`, by which the simulation bills what it lets happen.
"""

from dataclasses import dataclass
from typing import Final

from tasks.core.forecast import charges
from tasks.core.forecast.bill import Bill
from tasks.core.forecast.calls import FunctionCalls, calls_of_functions
from tasks.core.forecast.counted import Counted, Seen
from tasks.core.forecast.duration import Duration
from tasks.core.forecast.lines import Lines
from tasks.core.forecast.work import (
    DAY_SECONDS,
    FENCE_SECONDS,
)
from tasks.core.settings.migration import Migration

COPY_OFF: Final = (0.8, 1.25)
"""How far the simulated copies were off the estimate at the most (docs/scale.md, "What the plan says beforehand")."""
PROOF_OFF: Final = (0.5, 2.0)
"""The proof hangs on suspected speeds only."""
ATTACH_SECONDS: Final = 90.0
"""Until the replicator is attached and has passed over what was before, besides `settle_seconds` (suspected)."""


@dataclass(frozen=True, slots=True)
class Range:
    """Seconds, from the least to the most that is likely."""

    least: float
    likely: float
    most: float

    def __add__(self, other: "Range") -> "Range":
        return Range(self.least + other.least, self.likely + other.likely, self.most + other.most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a run will take."""

    segments: int
    verify_segments: int
    max_concurrency: int
    copy: Duration
    seconds: dict[str, Range]
    """By phase."""
    bill: Bill
    """Of a run whose question is answered at once."""
    waiting: Bill
    """Of each day that the answer is waited for."""
    calls: dict[str, float]
    """Calls that carry items, by operation."""
    functions: dict[str, FunctionCalls]
    """All calls of those functions whose calls go with pages, by state."""
    units: dict[str, float]
    """Read or write units of items, by the state whose metric counts them."""
    pages: int
    """That the backfill's scan sends, those without items too."""
    records: int
    """That carry them: a page of very many items is sent as several."""
    bytes_sent: float
    """Of these."""

    @property
    def whole(self) -> Range:
        """All phases together."""
        return sum(self.seconds.values(), Range(0.0, 0.0, 0.0))


def forecast(settings: Migration, seen: Seen) -> Forecast:
    """Return what a run with these settings will take."""
    counted = Counted(settings, seen)
    lines = Lines(counted)
    seconds = {
        "until the first page": _about(ATTACH_SECONDS + counted.settings.settle_seconds, PROOF_OFF),
        "copy": _about(counted.copy.seconds, COPY_OFF),
        "proof": _about(counted.proof_seconds(), PROOF_OFF),
        "cut-over": _about(FENCE_SECONDS, PROOF_OFF),
    }
    likely = sum(one.likely for one in seconds.values())
    bill, waiting = Bill(), Bill()
    bill.take(lines.run_lines(likely))
    waiting.take(lines.replication_lines(DAY_SECONDS, charges.WAITING))
    waiting.take(lines.stream_hours(DAY_SECONDS))
    return Forecast(
        segments=counted.segments,
        verify_segments=counted.verify_segments,
        max_concurrency=counted.settings.max_concurrency,
        copy=counted.copy,
        seconds=seconds,
        bill=bill,
        waiting=waiting,
        calls=counted.calls(),
        functions=calls_of_functions(counted),
        pages=counted.pages,
        records=counted.records,
        bytes_sent=counted.packed,
        units={
            "ScanSegment": counted.scan_units(counted.pages),
            "WritePages": sum(units for _, units in counted.parts()),
            "VerifySegment": counted.tables * counted.scan_units(counted.verify_pages),
        },
    )


def _about(seconds: float, off: tuple[float, float]) -> Range:
    return Range(seconds * off[0], seconds, seconds * off[1])
