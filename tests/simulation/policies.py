"""What the migration decides, as the simulation asks for it: by the product's own code, and as it was before.

`BEFORE` is history, told by parameters: the product has that code no more.
"""

import bisect
import functools
import math
from typing import Final

from tasks.attach_writer import SIDE_BY_SIDE
from tasks.aws.books.control import SHELVES
from tasks.core.copy.back_pressure import (
    PARTS_AHEAD_AT_THE_END,
    PARTS_AHEAD_MOST,
    PARTS_AHEAD_TO_GO_ON,
    Ahead,
    why_wait,
)
from tasks.core.copy.insertion import ITEMS_AT_ONCE, LANES
from tasks.core.copy.segment import plan_checkpoints
from tasks.core.forecast.charges import REPLICATOR
from tasks.core.forecast.prices import WRITE_REQUEST_UNIT
from tasks.core.forecast.work import BOOK_READS
from tasks.core.replicate.horizon import horizon_of
from tasks.core.replicate.tombstones import STATEMENTS_AT_ONCE
from tests.simulation import ending, proof
from tests.simulation.functions import CALL_SECONDS, POLLS_A_SECOND, WRITER_ITEMS
from tests.simulation.old_stream import old_stream
from tests.simulation.policy import Policy
from tests.simulation.replication import Replicator
from tests.simulation.writers import Measured, measure
from workflow.settings import Placement

_MONTE_CARLO: Final = ((5.0, 1.0), (10.0, 0.986), (40.0, 0.31), (160.0, 0.107), (640.0, 0.1))
"""Of writers that try a batch eight times and then begin the whole page anew: how many times more than the target takes
they could write, and which share of its units went into useful inserts (a Monte Carlo of that policy)."""


def as_planned(segments: int) -> list[int]:
    """Return the segments in the product's order."""
    return [checkpoint.segment for checkpoint in plan_checkpoints(segments)]


def one_after_the_other(segments: int) -> range:
    """Return the segments in the order of their numbers."""
    return range(segments)


def eight_tries(excess: float) -> float:
    """Return the useful share of a writer that begins a page anew after eight tries."""
    at = bisect.bisect([point for point, _ in _MONTE_CARLO], excess)
    if at == 0:
        return 1.0
    if at == len(_MONTE_CARLO):
        return _MONTE_CARLO[-1][1]
    (low, before), (high, after) = _MONTE_CARLO[at - 1], _MONTE_CARLO[at]
    return before + (after - before) * (excess - low) / (high - low)


def apply_all(replicator: Replicator, old_changes: float) -> None:
    """Apply the changes from before the run, as they come."""
    replicator.waiting += old_changes


def pass_over(replicator: Replicator, old_changes: float) -> None:
    """Have the changes from before the run passed over up to the product's horizon, and apply those beyond it."""
    found = old_stream(replicator.shards, old_changes)
    tips = horizon_of(found.shards, found.seen)
    passed = sum(map(int, tips.values()))
    replicator.passing += passed
    replicator.waiting += found.records - passed
    replicator.world.bill.add(REPLICATOR, WRITE_REQUEST_UNIT, len(tips))  # a watermark at the horizon
    late = [found.open_for[shard] for shard, records in found.open_records.items() if records and shard not in tips]
    counts = replicator.world.counts
    counts.most_lag_seconds = max(counts.most_lag_seconds, *late, 0.0)


BEFORE: Final = Policy(
    name="before",
    order=one_after_the_other,
    useful=eight_tries,
    reached=lambda _: 1.0,
    writer_items=WRITER_ITEMS,
    writers_a_shard=2,
    most_writers=1000,
    gives_up_seconds=1800.0,
    waits=lambda *_: False,
    parts_most=0,
    parts_to_go_on=0,
    parts_at_the_end=0,
    begin=apply_all,
    compare=proof.list_unequal_buckets,
    polls_a_second=POLLS_A_SECOND,
    log_share=1.0,
    traced=0.05,
    book_reads=3,
    purges_a_second=150.0,
    purges_behind_fence=True,
)


def waits(parts: float, oldest: float | None, parts_most: int, now: float) -> bool:
    """Whether a segment sends nothing now: the product has a reason in words, or none."""
    return bool(why_wait(Ahead(parts=math.ceil(parts), oldest=oldest), parts_most=parts_most, now=now))


MEASURED_UNITS: Final = 1000
MOST_MEASURED: Final = 128
PACED_ITEMS: Final = min(LANES * ITEMS_AT_ONCE / CALL_SECONDS * 0.8, 6000.0)
"""A second, of one writer: so many calls side by side, as far as one CPU gets (159 µs an item, measured here)."""


@functools.cache
def measured(writers: int) -> Measured:
    """Return what so many writers make of a partition's units, in a simulation of each call of theirs."""
    return measure(writers, MEASURED_UNITS, 30, 30)


def _measured(excess: float) -> Measured:
    wanted = excess * MEASURED_UNITS / PACED_ITEMS
    return measured(min(MOST_MEASURED, 2 ** max(0, round(math.log2(max(1.0, wanted))))))


def paced_useful(excess: float) -> float:
    """Return the useful share of the units that writers at their pace use."""
    found = _measured(excess)
    return found.useful / (found.useful + found.repeated)


def paced_reached(excess: float) -> float:
    """Return which share of what the target takes they use."""
    found = _measured(excess)
    return min(1.0, (found.useful + found.repeated) / MEASURED_UNITS)


WINDOW_SECONDS: Final[int] = Placement.model_fields["replicator_window_seconds"].default

AFTER: Final = Policy(
    name="after",
    order=as_planned,
    useful=paced_useful,
    reached=paced_reached,
    writer_items=PACED_ITEMS,
    writers_a_shard=SIDE_BY_SIDE,
    most_writers=1000,
    gives_up_seconds=None,  # a delivery goes on where the last one stopped
    waits=waits,
    parts_most=PARTS_AHEAD_MOST,
    parts_to_go_on=PARTS_AHEAD_TO_GO_ON,
    parts_at_the_end=PARTS_AHEAD_AT_THE_END,
    begin=pass_over,
    compare=proof.compare_lists,
    polls_a_second=1 / WINDOW_SECONDS,
    log_share=0.0,
    traced=0.0,
    book_reads=BOOK_READS,
    purges_a_second=len(SHELVES) * STATEMENTS_AT_ONCE / ending.DELETE_SECONDS,
    purges_behind_fence=False,
)
