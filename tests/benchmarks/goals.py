"""What was set out to be reached, judged by what was measured."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.benchmarks.known import OURS
from tests.benchmarks.results import Results
from tests.benchmarks.shapes import SIZES

WANTED_RATIO: Final = 20.0
"""The article's CPU for an item, by ours, for items of `RATIO_UP_TO` and below."""
RATIO_UP_TO: Final = "1 KB"


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


def _exact_at_rest(results: Results) -> Goal:
    real = [copy.is_exact for copy in results.local_by_copier(is_live=False).get(OURS, [])]
    null = [copy.is_exact for copy in (*results.shapes, *results.growth) if copy.copier == OURS]
    measured = (
        f"{sum(real)} of {len(real)} copies of a real table with items of all shapes, "
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
