"""Whole runs: what is conserved, what is bounded, and what each decision of the product is worth."""

import dataclasses

import pytest

from tasks.core.copy.back_pressure import PAGES_KEPT_HOURS, PARTS_AHEAD_AT_THE_END, PARTS_AHEAD_MOST
from tasks.core.copy.segment import plan_total_segments
from tasks.core.forecast.prices import READ_REQUEST_UNIT
from tests.simulation.backfill import Backfill
from tests.simulation.draw import draw, totals
from tests.simulation.pipeline import Run, migrate
from tests.simulation.policies import AFTER, BEFORE, as_planned, one_after_the_other
from tests.simulation.policy import Policy
from tests.simulation.replication import Replicator
from tests.simulation.scan import Scan, slices_of
from tests.simulation.scenarios import MIDDLE, SMALL
from tests.simulation.table import PARTITION_READS, Table
from tests.simulation.world import World, world_of


@pytest.fixture(scope="module")
def small() -> Run:
    return migrate(SMALL, AFTER)


def backfill_of_a_terabyte(policy: Policy, *, hours: float) -> World:
    """Run the first hours of a large backfill, whose stream was off before: nothing but the order counts."""
    world = world_of(MIDDLE, retention_seconds=72 * 3600)
    backfill = Backfill(world, policy, Replicator(world))
    while world.now < hours * 3600:
        backfill.step()
    return world


def test_a_small_table_ends_with_every_item_inserted_once_and_none_lost(small: Run) -> None:
    world = small.world
    assert small.failure is None
    assert world.pages.items_expired == 0
    assert world.counts.inserted == pytest.approx(SMALL.items, abs=1)
    assert world.target.stored_bytes == pytest.approx(SMALL.bytes, rel=1e-6)


def test_a_small_table_ends_within_its_bounds(small: Run) -> None:
    assert small.phases["copy"] < 3600
    assert small.wasted_share < 0.05
    assert small.world.users.refused == 0
    assert small.world.bill.total < 30


def test_the_same_run_gives_the_same_numbers_and_the_same_picture(small: Run) -> None:
    again = migrate(SMALL, AFTER)
    assert totals([again]) == totals([small])
    assert draw([again]) == draw([small])


def test_the_lines_of_a_runs_bill_add_up(small: Run) -> None:
    bill = small.world.bill
    assert bill.total == pytest.approx(sum(bill.by_purpose().values()))
    paid = {line.what: line.amount for line in bill.lines() if line.what == "items inserted"}
    assert paid == {"items inserted": pytest.approx(SMALL.items, abs=1)}


def test_a_scan_reads_every_item_once_wherever_it_is_throttled() -> None:
    table = Table(stored_bytes=1e11)
    scan = Scan(
        slices_of(table, as_planned(93), segments=93, items=1e8), at_once=40, items_a_second=5000, item_bytes=1000
    )
    scan.begin_more(0.0)
    read, now = 0.0, 0.0
    while not scan.is_done:
        asked = scan.asks(table, 1.0)
        shares = {partition: min(1.0, PARTITION_READS / 2 / load.reads) for partition, load in asked.items()}
        read += sum(items for _, _, items in scan.read(table, shares, 1.0, 10))
        now += 10
        scan.begin_more(now)
    assert read == pytest.approx(1e8)


def test_segments_one_after_the_other_throttle_users_and_spread_ones_do_not() -> None:
    spread = dataclasses.replace(BEFORE, order=as_planned)
    by_number = dataclasses.replace(BEFORE, order=one_after_the_other)
    refused = [backfill_of_a_terabyte(policy, hours=1).users.refused for policy in (spread, by_number)]
    assert refused[0] == 0
    assert refused[1] > 5000


def test_segments_one_after_the_other_fill_one_partition_of_the_target_and_spread_ones_all() -> None:
    # Nobody wastes anything here: the order alone makes the difference.
    spread = dataclasses.replace(BEFORE, order=as_planned, useful=lambda _: 1.0)
    by_number = dataclasses.replace(spread, order=one_after_the_other)
    inserted = [backfill_of_a_terabyte(policy, hours=0.4).counts.inserted for policy in (spread, by_number)]
    assert inserted[0] > 2.5 * inserted[1]


def test_a_run_without_back_pressure_lets_pages_expire() -> None:
    assert migrate(dataclasses.replace(MIDDLE, step_seconds=300), BEFORE).failure == "pages expire unread"


def test_a_global_index_that_takes_less_than_its_table_holds_the_writer_back() -> None:
    warm = dataclasses.replace(SMALL, warm_writes=40_000)
    indexed = dataclasses.replace(SMALL, warm_writes=40_000, indexes=1)
    world = world_of(indexed, retention_seconds=3600)
    world.indexes[0] = Table()
    Backfill(world, AFTER, Replicator(world)).run()
    alone = migrate(warm, AFTER)
    assert world.now > 1.5 * alone.phases["copy"]


@pytest.fixture(scope="module")
def terabyte() -> Run:
    return migrate(dataclasses.replace(MIDDLE, step_seconds=60), AFTER)


def test_a_terabyte_is_migrated_without_a_refused_user_or_a_wasted_unit(terabyte: Run) -> None:
    world = terabyte.world
    assert terabyte.failure is None
    assert world.users.refused == 0
    assert terabyte.wasted_share < 0.05
    assert world.counts.inserted == pytest.approx(MIDDLE.items, rel=1e-9)
    assert terabyte.phases["copy"] < 16 * 3600
    assert world.bill.total < 1200


def test_back_pressure_keeps_pages_far_younger_than_the_stream_does(terabyte: Run) -> None:
    assert 0 < terabyte.world.counts.oldest_page_seconds < PAGES_KEPT_HOURS * 3600 / 10
    pages = terabyte.world.counts.most_backlog_items / MIDDLE.items_a_page
    segments = plan_total_segments(int(MIDDLE.bytes))
    assert pages <= MIDDLE.max_concurrency * (PARTS_AHEAD_MOST + 1) + segments * PARTS_AHEAD_AT_THE_END


def test_the_proof_of_a_terabyte_under_writes_lists_few_keys_and_costs_little_more_than_two_scans(
    terabyte: Run,
) -> None:
    bill, counts = terabyte.world.bill, terabyte.world.counts
    reads = sum(line.usd for line in bill.lines() if line.what == "proof" and line.price is READ_REQUEST_UNIT)
    two_scans = 2 * MIDDLE.bytes / 8192 * READ_REQUEST_UNIT.usd
    assert counts.listed_keys <= 0.01 * MIDDLE.items
    assert reads <= 1.5 * two_scans
    assert bill.by_purpose()["proof"] <= 1.8 * two_scans, "functions and lists included"


def test_a_days_approval_costs_little_beside_the_writes_themselves(terabyte: Run) -> None:
    assert terabyte.world.source.partitions == 100
    assert terabyte.world.bill.by_purpose()["waiting for the approval"] < 20
