"""The policy of the proof: stretches and steps that fit the memory, and what a proof of a live table costs."""

import itertools

import pytest

from tasks.core.prove.digest import plan_buckets, plan_sums
from tasks.core.prove.passes import ITEMS_AT_ONCE, LISTED_MOST, STRETCHES_MOST, Stretch, expect, plan_stretches

TB = 10**12


def buckets_of(stretches: tuple[Stretch, ...]) -> list[tuple[int, int]]:
    """Return (bucket, part) of all steps."""
    return [
        (bucket, step.part)
        for stretch in stretches
        for step in stretch.steps()
        for bucket in range(step.first, step.end)
    ]


def test_a_small_table_is_one_stretch_of_one_step() -> None:
    counts = [500] * 64
    (stretch,) = plan_stretches([0, 3, 40, 63], counts, 64)
    assert (stretch.first, stretch.end, len(stretch.steps())) == (0, 64, 1)
    (stretch,) = plan_stretches([5], counts, 64)
    assert (stretch.first, stretch.end, len(stretch.steps())) == (5, 6, 1)


@pytest.mark.parametrize("items", [10**3, 10**6, 10**7, 10**9, 10**11])
@pytest.mark.parametrize("planned", [0, 1])
def test_no_step_has_more_than_fits_the_memory_whatever_the_table_said_of_its_size(items: int, planned: int) -> None:
    """ItemCount is some hours old: a table that was just filled says 0."""
    buckets = plan_buckets(items * planned)
    sums = plan_sums(buckets)
    stretches = plan_stretches(range(sums), [-(-items // sums)] * sums, buckets)
    assert 1 <= len(stretches) <= 64
    for stretch in stretches:
        for step in stretch.steps()[:3]:
            assert (step.end - step.first) * items / buckets / step.parts <= ITEMS_AT_ONCE + step.parts
    assert sum(stretch.listed_most for stretch in stretches) <= LISTED_MOST


@pytest.mark.parametrize("unequal", [[0], [63], [1, 2, 5], list(range(64)), [0, 63]])
@pytest.mark.parametrize("count", [1, ITEMS_AT_ONCE // 3, ITEMS_AT_ONCE + 1, 5 * ITEMS_AT_ONCE])
def test_every_bucket_of_an_unequal_sum_is_compared_once_and_in_every_part(unequal: list[int], count: int) -> None:
    buckets = 256
    stretches = plan_stretches(unequal, [count] * 64, buckets)
    steps = buckets_of(stretches)
    assert len(set(steps)) == len(steps)
    for one, bucket in itertools.product(unequal, range(4)):
        of_it = [part for found, part in steps if found == one * 4 + bucket]
        (stretch,) = [found for found in stretches if found.first <= one * 4 + bucket < found.end]
        assert of_it == list(range(stretch.parts))


@pytest.mark.parametrize("tables", [1, 3, 30])
def test_however_many_replicas_are_compared_the_stretches_fit_the_state_and_the_keys_the_memory(tables: int) -> None:
    buckets = plan_buckets(10**9)
    stretches = plan_stretches(range(64), [10**9 // 64] * 64, buckets, tables=tables)
    assert tables * len(stretches) <= STRETCHES_MOST
    assert tables * sum(stretch.listed_most for stretch in stretches) <= LISTED_MOST
    assert sorted(buckets_of(stretches)) == [(bucket, 0) for bucket in range(buckets)]
    assert max((step.end - step.first) * 10**9 / buckets for one in stretches for step in one.steps()) <= ITEMS_AT_ONCE


@pytest.mark.parametrize(
    ("size", "writes", "hours"),
    [(10**10, 500, 0.1), (TB, 0, 3), (TB, 500, 3), (TB, 5000, 3), (100 * TB, 500, 40), (100 * TB, 5000, 40)],
)
def test_a_live_table_is_proven_for_half_a_scan_more_and_few_keys_are_listed(
    size: int, writes: int, hours: float
) -> None:
    course = expect(size // 1000, item_bytes=1000, writes_per_second=writes, apart_seconds=hours * 3600)
    assert course.read_units <= 1.5 * course.scan_units
    assert course.listed <= 0.01 * size / 1000
    assert (course.gets == 0) == (writes == 0)


def test_at_a_terabyte_and_500_writes_a_second_half_a_percent_of_the_keys_is_looked_at() -> None:
    course = expect(10**9, item_bytes=1000, writes_per_second=500, apart_seconds=3 * 3600)
    assert 0.005 < course.suspects / 10**9 < 0.0055
    assert course.listed < 10
    assert course.read_units / course.scan_units < 1.03
    assert course.lists == 500
    assert course.list_bytes < 0.16 * TB
