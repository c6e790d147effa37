"""The order of a scan's segments: those under way together are never a stretch of the table, whatever their number."""

import random
from collections.abc import Sequence

import pytest

from tasks.core.copy.segment import plan_checkpoints
from tasks.core.model.order import spread, spread_out
from tasks.core.prove.verification import plan_slices

AT_ONCE = (8, 40, 100)
"""Segments under way at the same time."""
ODD_MOST = 3.5
"""So many more or fewer than their fair share of the segments under way may be in any stretch of the keys."""
COUNTS = (16, 17, 41, 100, 932, 1024, 4096, 10_000)

each_count = pytest.mark.parametrize("count", COUNTS)


def worst(order: Sequence[int], at_once: int) -> float:
    """Return by how many the segments under way depart from their share, in the worst stretch at the worst moment.

    Of the sorted places x of a window of n, a stretch from one to another of them holds up to j + 1 more points than
    lie between them; n times the stretch's length is their share.

    Args:
        order: the numbers from 0 to n - 1, each once, in the order of their beginning.
        at_once: how many are under way at the same time.
    """
    count, most = len(order), 0.0
    # Every window of a long order would be a minute's work; these begin all over it, and at its end.
    begins = range(0, count - at_once + 1, max(1, count // 500))
    for first in (*begins, max(0, count - at_once)):
        places = sorted(order[first : first + at_once])
        departures = [rank - len(places) * (place + 0.5) / count for rank, place in enumerate(places)]
        # From just before one point to just behind another, and from just behind to just before.
        most = max(most, max(departures) - min(departures) + 1)
    return most


def in_turn(count: int) -> tuple[int, ...]:
    """Return the order that a scan without a thought has."""
    return tuple(range(count))


@each_count
def test_every_segment_is_begun_once(count: int) -> None:
    assert sorted(spread(count)) == list(range(count))
    assert [*spread(0), *spread(1)] == [0]


@pytest.mark.parametrize("at_once", AT_ONCE)
@each_count
def test_segments_under_way_together_are_spread_over_the_whole_table(count: int, at_once: int) -> None:
    assert worst(spread(count), at_once) <= ODD_MOST


@pytest.mark.parametrize("count", [932, 4096, 10_000])
def test_the_measure_sees_that_neighbours_are_begun_one_after_the_other(count: int) -> None:
    assert worst(in_turn(count), 40) > 30, "nearly all of them are in a twentieth of the keys"


def test_one_partition_of_the_target_takes_its_share_of_the_writes_and_not_all_of_them() -> None:
    """932 segments, 40 at once, a target of four partitions: in turn, one of them has all of it for hours."""

    def most_in_one(order: Sequence[int], partitions: int) -> int:
        windows = (order[first : first + 40] for first in range(len(order) - 39))
        return max(max(_counts(window, len(order), partitions)) for window in windows)

    assert most_in_one(in_turn(932), 4) == 40
    assert most_in_one(spread(932), 4) <= 12
    # The source, of 310 partitions of three segments each.
    assert most_in_one(in_turn(932), 310) >= 3
    assert most_in_one(spread(932), 310) == 1


def _counts(window: Sequence[int], count: int, partitions: int) -> list[int]:
    counts = [0] * partitions
    for place in window:
        counts[place * partitions // count] += 1
    return counts


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
@pytest.mark.parametrize("count", [932, 4096, 10_000])
def test_what_a_resume_has_left_is_spread_as_well(count: int, share: float, seed: int) -> None:
    left = sorted(random.Random(seed).sample(range(count), int(count * share)))
    order = spread_out(left)
    assert sorted(order) == left
    among = {segment: rank for rank, segment in enumerate(left)}
    assert worst([among[segment] for segment in order], min(40, len(left))) <= ODD_MOST


def test_a_first_run_begins_its_segments_in_that_order() -> None:
    assert [checkpoint.segment for checkpoint in plan_checkpoints(932)] == list(spread(932))


def test_the_proof_reads_source_and_target_in_turn_and_each_of_them_spread() -> None:
    slices = plan_slices(64, ("source", "target"))
    assert [part.table for part in slices] == ["source", "target"] * 64
    for table in ("source", "target"):
        assert [part.segment for part in slices if part.table == table] == list(spread(64))
