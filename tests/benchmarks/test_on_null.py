"""What would take too long is left out: of the growth, where that is said, and of the rounds."""

import collections
import itertools
from pathlib import Path

import pytest

from tests.benchmarks import on_null
from tests.benchmarks.counts import Counts
from tests.benchmarks.install import Installed
from tests.benchmarks.known import ARTICLE, NAIVE, NAMES, OURS
from tests.benchmarks.measure import Measured
from tests.benchmarks.null_engine import NullEngineProcess
from tests.benchmarks.on_null import GROWTH, SERIES, LeftOut, OnNull, every_shape, growth
from tests.benchmarks.shapes import SHAPES, Shape

ENGINE = NullEngineProcess(0)
NOT_INSTALLED = Installed(Path(), Path(), Path(), Path())


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Microseconds an item of each copier, by the clock of a copy that is not made."""
    cost: dict[str, float] = {}

    def copy(
        engine: NullEngineProcess, installed: Installed, name: str, shape: Shape, *, items: int, sides: str = "both"
    ) -> OnNull:
        del engine, installed
        seconds = items * cost.get(name, 10.0) / 1e6
        return OnNull(name, shape, Measured(items, seconds, seconds, 1 << 26), Counts(), sides)

    monkeypatch.setattr(on_null, "copy", copy)
    return cost


def test_a_round_more_goes_as_far_as_time_allows_from_the_smallest_items_on(copies: dict[str, float]) -> None:
    del copies
    asked = itertools.count(1)
    found = list(every_shape(ENGINE, NOT_INSTALLED, rounds=3, has_time=lambda: next(asked) <= 4))
    of_shape = collections.Counter(each.shape for each in found)
    assert [of_shape[shape] for shape in SHAPES] == [3 * len(NAMES)] * 4 + [2 * len(NAMES)] * (len(SHAPES) - 4)
    assert {each.shape: each.copier for each in reversed(found[: len(SHAPES) * len(NAMES)])} == dict.fromkeys(
        SHAPES, NAMES[0]
    )


def points(*, left: float = 1e6) -> list[OnNull | LeftOut]:
    return list(growth(ENGINE, NOT_INSTALLED, seconds_left=lambda: left))


def sizes(found: list[OnNull | LeftOut], name: str) -> list[int]:
    return [each.measured.items for each in found if isinstance(each, OnNull) and each.copier == name]


@pytest.mark.usefixtures("copies")
def test_whoever_is_fast_is_measured_at_every_size() -> None:
    found = points()
    assert sizes(found, OURS) == [size for size in GROWTH for _ in range(2)]
    assert {(each.copier, each.sides) for each in found if isinstance(each, OnNull)} == set(SERIES)


def test_a_point_that_would_take_too_long_is_left_out_with_all_behind_it_and_said_once(
    copies: dict[str, float],
) -> None:
    copies[ARTICLE] = 5000.0
    found = points()
    assert sizes(found, ARTICLE) == [10_000]
    assert [each for each in found if isinstance(each, LeftOut)] == [LeftOut(ARTICLE, "both", 100_000, 500.0)]


def test_what_is_put_off_for_ours_is_done_at_the_end_if_there_is_time(copies: dict[str, float]) -> None:
    copies[ARTICLE] = 600.0
    found = points()
    assert sizes(found, ARTICLE) == [10_000, 100_000]
    order = [(each.copier, each.measured.items) for each in found if isinstance(each, OnNull)]
    assert order.index((ARTICLE, 100_000)) > order.index((OURS, GROWTH[-1]))
    short = list(growth(ENGINE, NOT_INSTALLED, seconds_left=lambda: 50.0, most=GROWTH[1]))
    assert [each for each in short if isinstance(each, LeftOut)] == [LeftOut(ARTICLE, "both", 100_000, 60.0)]


@pytest.mark.usefixtures("copies")
def test_when_the_time_is_over_only_the_smallest_are_measured() -> None:
    found = points(left=0.0)
    assert sizes(found, NAIVE) == [10_000]
    assert sum(isinstance(each, LeftOut) for each in found) == len(SERIES)
