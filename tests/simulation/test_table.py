"""The simulated table against what AWS documents of one; `table.py` names the source of each number."""

import math

import pytest

from tests.simulation.table import BURST_SECONDS, PARTITION_BYTES, PEAK_SECONDS, QUOTA, Load, Table

NOW = 0.0


def served_writes(table: Table, asked: float, at: dict[int, Load], seconds: float = 1.0) -> float:
    """Ask for writes at single partitions, and return how many a second are served."""
    _, shares = table.granted(Load(asked), at, seconds)
    return sum(load.writes * shares[partition] for partition, load in at.items())


def test_a_new_table_takes_4000_writes_and_12000_reads_over_four_partitions() -> None:
    table = Table()
    limit = table.limit(1)
    assert (table.partitions, limit.writes, limit.reads) == (4, 4000, 12_000)


def test_a_partition_takes_1000_writes_or_3000_reads_or_a_mixture_of_both() -> None:
    table = Table()
    assert served_writes(table, 0, {0: Load(writes=5000)}) == pytest.approx(1000)
    for load in (Load(reads=6000), Load(writes=1000, reads=3000)):
        _, shares = table.granted(Load(), {0: load}, 1)
        assert shares[0] == pytest.approx(0.5)


def test_users_of_a_partition_that_is_asked_too_much_are_refused_like_everybody_and_no_others() -> None:
    table = Table(stored_bytes=1e12)
    even, shares = table.granted(Load(reads=1000), {7: Load(reads=5990)}, 1)
    assert even == 1
    assert shares == {7: pytest.approx(0.5)}


def test_a_table_is_split_by_its_size() -> None:
    assert Table(stored_bytes=1e12).partitions == 100
    table = Table()
    for _ in range(30):
        table.store(table.partition_at(0.3), PARTITION_BYTES / 10)
        table.split_full()
    assert table.partitions > 4
    assert table.stored_bytes == pytest.approx(3 * PARTITION_BYTES)
    assert sum(table.width(partition) for partition in range(table.partitions)) == pytest.approx(1)
    assert table.width(table.partition_at(0.3)) < table.width(table.partition_at(0.9))


def test_a_place_is_in_the_partition_whose_stretch_it_is_in() -> None:
    table = Table(stored_bytes=1e12)
    assert [table.partition_at(place) for place in (0.0, 0.005, 0.0150001, 0.999999)] == [0, 0, 1, 99]


def test_a_table_on_demand_takes_twice_its_former_peak_after_half_an_hour_and_not_before() -> None:
    table, now, limits = Table(), 0.0, []
    while now < 6 * PEAK_SECONDS:
        limits.append(table.limit(10).writes)
        table.serve(Load(writes=limits[-1]), now, 10)
        now += 10
    each = PEAK_SECONDS // 10
    assert limits[:each] == [4000] * each
    assert [limits[round(each * part)] for part in (1.5, 2.5, 3.5, 4.5, 5.5)] == [8000, 16_000, 32_000, QUOTA, QUOTA]
    assert table.partitions * 1000 >= QUOTA


def test_a_table_that_is_hardly_used_does_not_grow() -> None:
    table = Table()
    for step in range(1000):
        table.serve(Load(writes=1900), step * 10.0, 10)
    assert table.limit(10).writes == 4000


def test_a_warm_table_takes_what_it_was_made_for_at_once() -> None:
    table = Table(warm=Load(writes=40_000, reads=12_000))
    assert table.limit(1).writes == 40_000
    assert table.partitions == 40


def test_a_provisioned_table_gives_five_minutes_of_what_was_not_used_and_then_its_units() -> None:
    table, given, now = Table(provisioned=Load(writes=500, reads=500)), 0.0, 0.0
    table.serve(Load(), now, 3600)  # an hour of rest saves no more than five minutes do
    for _ in range(3600):
        rate = min(table.limit(1).writes, 900.0)
        given += rate
        table.serve(Load(writes=rate), now, 1)
        now += 1
    assert given == pytest.approx(500 * 3600 + 500 * BURST_SECONDS, rel=0.01)
    assert rate == pytest.approx(500)


@pytest.mark.parametrize("seconds", [1, 10, 60])
def test_burst_never_lifts_a_partition_above_its_units(seconds: int) -> None:
    table = Table(provisioned=Load(writes=900, reads=0))
    assert table.partitions == 1
    assert table.limit(seconds).writes <= 1000


def test_no_partition_and_no_table_ever_gives_more_than_it_has() -> None:
    table, now, served = Table(), 0.0, 0.0
    for step in range(2000):
        asked = {step % table.partitions: Load(writes=7000.0), (step * 7 + 1) % table.partitions: Load(writes=9000.0)}
        even = Load(writes=2000)
        of_rest, shares = table.granted(even, asked, 5)
        total = 0.0
        for partition, load in asked.items():
            of_partition = (load.writes + even.writes * table.width(partition)) * shares[partition]
            assert of_partition <= 1000 * (1 + 1e-9)
            total += of_partition
        total += even.writes * of_rest * (1 - sum(table.width(partition) for partition in asked))
        assert total <= table.limit(5).writes * (1 + 1e-9)
        table.serve(Load(writes=total), now, 5)
        served += total * 5
        now += 5
    assert served < math.inf
