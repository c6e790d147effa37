"""What was set out to be reached, judged by what was measured."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.engine_limit import BATCHES, STATEMENTS
from tests.benchmarks.known import NAIVE, OURS
from tests.benchmarks.on_local import PLAIN, PLAIN_SHAPE
from tests.benchmarks.on_null import OnNull
from tests.benchmarks.results import Results
from tests.benchmarks.shapes import SIZES, Shape

WANTED_RATIO: Final = 20.0
"""The article's CPU for an item, by ours, for items of `RATIO_UP_TO` and below."""
RATIO_UP_TO: Final = "1 KB"
COSTS: Final = {"scan": 3.0, "write": 25.0, "replicate": 30.0, "verify": 15.0}
"""CPU microseconds of each of our functions at the most, for an item or a change of `COST_SHAPE`."""
COST_SHAPE: Final = Shape("500 B")
MINUTES_MOST: Final = 20.0
LINEAR_WITHIN: Final = 0.25
"""CPU an item of the largest table may be so much more than that of the one before it ..."""
FLAT_WITHIN: Final = 0.1
"""... and memory so much more than at `FLAT_FROM`."""
FLAT_FROM: Final = 100_000
LEVEL_WITHIN: Final = 0.1


@dataclass(frozen=True)
class Goal:
    """One of them."""

    name: str
    is_reached: bool
    measured: str
    """The figures that say so."""


def goals(results: Results) -> Iterator[Goal]:
    """Yield all goals. One of which nothing was measured is not reached."""
    yield _exact_at_rest(results)
    yield _exact_under_writes(results)
    yield _ahead_of_every_peer(results)
    yield _ratio_to_the_article(results)
    for part, most in COSTS.items():
        yield _cost(results, part, most)
    for sides in ("scan", "write"):
        yield _growth(results, sides)
    yield _level_with_naive(results)
    yield _in_time(results)


def _exact_at_rest(results: Results) -> Goal:
    real = [copy.is_exact for copy in results.local if copy.copier == OURS and not copy.is_live]
    null = [copy.is_exact for copy in (*results.shapes, *results.growth, *results.besides) if copy.copier == OURS]
    measured = (
        f"{sum(real)} of {len(real)} copies of real tables, with items of all shapes, "
        f"{sum(null)} of {len(null)} into the null engine"
    )
    return Goal("ours is exact on every shape", all([*real, *null]) and bool(real) and bool(null), measured)


def _exact_under_writes(results: Results) -> Goal:
    copies = [copy.is_exact for copy in results.local_by_copier(is_live=True).get(OURS, [])]
    measured = f"{sum(copies)} of {len(copies)} migrations"
    return Goal("ours is exact under live writes", all(copies) and bool(copies), measured)


def _ahead_of_every_peer(results: Results) -> Goal:
    ahead = [results.is_ahead(shape) for shape in results.by_shape()]
    measured = f"on {sum(ahead)} of {len(ahead)} shapes"
    return Goal("ahead of every peer in CPU an item, on every shape", all(ahead) and bool(ahead), measured)


def _ratio_to_the_article(results: Results) -> Goal:
    ratios = [results.ratio(shape) for shape in results.by_shape() if shape.bytes <= SIZES[RATIO_UP_TO]]
    least, most = min(ratios, default=0.0), max(ratios, default=0.0)
    name = f"the article's design takes {WANTED_RATIO:.0f} times our CPU an item or more, up to {RATIO_UP_TO}"
    return Goal(name, least >= WANTED_RATIO, f"{least:.1f} to {most:.1f} times")


def _cost(results: Results, part: str, most: float) -> Goal:
    of_what = {"replicate": "a change", "verify": "an item read"}.get(part, "an item")
    name = f"{part}: {most:.0f} CPU µs {of_what} at the most, at {COST_SHAPE.size}"
    found = results.part(COST_SHAPE, part)
    if found is None:
        return Goal(name, is_reached=False, measured="not measured")
    return Goal(name, found.middle <= most, f"{found.middle:.1f} ({found.least:.1f} to {found.most:.1f})")


def _growth(results: Results, sides: str) -> Goal:
    """Judge one of our sides. What its largest table takes is compared with one that is ten times smaller."""
    name = f"growth of the {sides} side: time linear, memory flat"
    points = {copy.measured.items: copy for copy in results.growth if (copy.copier, copy.sides) == (OURS, sides)}
    large = max(points, default=0)
    if large < 10 * FLAT_FROM or FLAT_FROM not in points:
        return Goal(name, is_reached=False, measured=f"not measured beyond {large:,} items")
    time, memory = _grown(points[large // 10], points[large]), _memory_grown(points[FLAT_FROM], points[large])
    measured = f"up to {large:,} items: CPU an item {time:+.0%}, memory {memory:+.0%}"
    return Goal(name, time <= LINEAR_WITHIN and memory <= FLAT_WITHIN, measured)


def _grown(small: OnNull, large: OnNull) -> float:
    return large.measured.cpu_microseconds_an_item / small.measured.cpu_microseconds_an_item - 1


def _memory_grown(small: OnNull, large: OnNull) -> float:
    return large.measured.peak_bytes / small.measured.peak_bytes - 1


def _level_with_naive(results: Results) -> Goal:
    """Judge our rate at rest; where the engine takes too few INSERTs a second, its own limit stands beside it."""
    name = f"at rest on DynamoDB Local, at {PLAIN_SHAPE.size}: level with the naive copy, if the engine allows it"
    copies = results.local_by_copier(is_live=False, table=PLAIN)
    rates = {
        each: statistics.median([copy.measured.items_a_second for copy in copies.get(each, []) if copy.measured] or [0])
        for each in (OURS, NAIVE)
    }
    limits = {
        way: max(
            (each.items_a_second for each in results.limits if (each.way, each.shape) == (way, PLAIN_SHAPE.name)),
            default=0.0,
        )
        for way in (STATEMENTS, BATCHES)
    }
    measured = (
        f"ours {rates[OURS]:,.0f} items/s, naive {rates[NAIVE]:,.0f}; the engine's own limit: "
        f"{limits[STATEMENTS]:,.0f} by INSERT, {limits[BATCHES]:,.0f} by BatchWriteItem"
    )
    is_level = rates[OURS] >= (1 - LEVEL_WITHIN) * rates[NAIVE] > 0
    return Goal(name, is_level, measured)


def _in_time(results: Results) -> Goal:
    name = f"the bench ends within {MINUTES_MOST:.0f} minutes"
    took = float(results.machine.get("took", "0 minutes").split()[0])
    return Goal(name, 0 < took <= MINUTES_MOST, f"{took:.1f} minutes")
