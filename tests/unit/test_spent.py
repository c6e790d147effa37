"""What a run has cost so far: what is counted of it, at the prices, in the lines of its plan's bill."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.aws.run.spending import read_sums
from tasks.core import metrics
from tasks.core.forecast import charges
from tasks.core.forecast.counted import Counted, Seen
from tasks.core.forecast.forecast import forecast
from tasks.core.forecast.spent import Basis, basis_of, spent
from tasks.core.forecast.taken import Asked, Sums, asked_of, of_function, own, period_seconds, taken_of
from tasks.core.settings.migration import Migration
from tests.unit import orders

HOUR = 3600.0
DAY = 24 * HOUR
SOURCE = dataclasses.replace(orders.ORDERS, item_count=100_000_000, size_bytes=10**11, indexes=())
SETTINGS: dict[str, Any] = {"migration": "orders", "source_table": "orders", "target_table": "orders-new"}
REGIONS = ("eu-central-1", "ap-northeast-1")


def sums_of(values: dict[Asked, float]) -> Sums:
    asked = asked_of("orders")
    assert values.keys() <= set(asked)
    return {one: values.get(one) for one in asked}


def usd(values: dict[Asked, float], basis: Basis | None = None, *, seconds: float = 0.0) -> dict[str, float]:
    taken = taken_of("orders", sums_of(values))
    return spent(taken, basis or Basis(), seconds=seconds, pages_shards=None).by_purpose()


def units(metric: metrics.Metric, state: str) -> Asked:
    return own("orders", metric, state)


def test_a_run_that_went_as_planned_has_cost_what_its_plan_said() -> None:
    """Every line but those that nobody counts: lists of hashes, polls of the states."""
    settings = Migration(**SETTINGS)
    seen = Seen(source=SOURCE)
    said = forecast(settings, seen)
    planned = said.bill.by_purpose()
    lines = {(line.what, line.price.what): line.amount for line in said.bill.lines()}
    calls, work = "calls of Lambda functions", "GB-seconds of Lambda on arm64"
    memory = {"ScanSegment": (charges.SCAN, 1.0), "WritePages": (charges.WRITER, 1769 / 1024)}
    values = {
        own("orders", metrics.PAGES_SENT): float(said.pages),
        own("orders", metrics.BYTES_SENT): said.bytes_sent,
        units(metrics.READ_UNITS, "ScanSegment"): said.units["ScanSegment"],
        units(metrics.READ_UNITS, "VerifySegment"): said.units["VerifySegment"],
        units(metrics.WRITE_UNITS, "WritePages"): said.units["WritePages"],
        **{of_function("orders", "Invocations", state): lines[what, calls] for state, (what, _) in memory.items()},
        **{
            of_function("orders", "Duration", state): lines[what, work] / gigabytes * 1000
            for state, (what, gigabytes) in memory.items()
        },
    }
    found = usd(values, basis_of(Counted(settings, seen)), seconds=said.whole.likely)
    for what in (charges.SCAN, charges.WRITER, charges.INSERTED, charges.BOOKS):
        assert found[what] == pytest.approx(planned[what]), what
    assert found[charges.STREAM] == pytest.approx(planned[charges.STREAM], rel=0.01)
    assert sum(found.values()) == pytest.approx(said.bill.total, rel=0.05)


def test_every_replica_is_charged_for_what_is_written_while_it_is_there() -> None:
    values = {units(metrics.WRITE_UNITS, "WritePages"): 1e6, units(metrics.WRITE_UNITS, "ReplicateChanges"): 1e6}
    assert usd(values)[charges.INSERTED] == pytest.approx(0.625)
    first = usd(values, Basis(regions_written=REGIONS))
    assert first[charges.INSERTED] == first[charges.REPLICATED] == pytest.approx(3 * 0.625)
    behind = Basis(regions_added=REGIONS, restored_gigabytes=100)
    assert charges.REPLICA not in usd(values, behind), "they are not there yet"
    added = usd({**values, own("orders", metrics.DONE, "AddReplicas"): 1.0}, behind)
    assert added[charges.REPLICA] == pytest.approx(2 * 100 * 0.15)
    assert added[charges.INSERTED] == pytest.approx(0.625)
    assert added[charges.REPLICATED] == pytest.approx(3 * 0.625)


def test_what_is_provisioned_is_paid_for_anyway() -> None:
    values = {units(metrics.WRITE_UNITS, "WritePages"): 1e6, units(metrics.READ_UNITS, "ScanSegment"): 1e6}
    found = usd(values, Basis(source_is_free=True, target_is_free=True))
    assert (found[charges.INSERTED], found[charges.SCAN]) == (0, 0)


def test_preflight_knows_by_what_units_become_money() -> None:
    warm = {"read_units": 12_000, "write_units": 10_000}
    settings = Migration(**SETTINGS, replica_regions=REGIONS, add_replicas="after-backfill", warm_throughput=warm)
    basis = basis_of(Counted(settings, Seen(source=SOURCE)))
    assert basis.regions_written == ()
    assert set(basis.regions_added) == set(REGIONS)
    assert basis.restored_gigabytes == pytest.approx(10**11 / 2**30)
    assert (basis.warm_write_units, basis.warm_read_units) == (3 * 6000, 0), "of the table and two replicas"
    assert usd({}, basis)[charges.WARM] == pytest.approx(3 * 6000 * 0.00065)
    first = basis_of(Counted(settings.model_copy(update={"add_replicas": "first"}), Seen(source=SOURCE)))
    assert (set(first.regions_written), first.regions_added) == (set(REGIONS), ())


def test_a_wait_of_days_costs_the_stream_and_the_replicators_calls() -> None:
    values = {of_function("orders", "Invocations", "ReplicateChanges"): 1e6}
    found = usd(values, seconds=7 * DAY)
    assert found[charges.STREAM] == pytest.approx(7 * 24 * 0.04)
    assert found[charges.REPLICATOR] == pytest.approx(0.2 + 0.625 + 2 * 0.125)


def test_shards_that_are_fixed_are_paid_for_by_the_hour() -> None:
    taken = taken_of("orders", sums_of({}))
    found = spent(taken, Basis(), seconds=10 * HOUR, pages_shards=4).by_purpose()
    assert found == {charges.STREAM: pytest.approx(10 * 4 * 0.035)}


@pytest.mark.parametrize(
    ("put", "after", "kept"),
    [
        (HOUR, HOUR, 0),
        (0, 2 * DAY, DAY),
        (HOUR, 30 * DAY, 2 * DAY),
        (2 * DAY, 0, DAY / 4),
        (30 * DAY, 0, (DAY * 2 / 2 * 2 + 27 * DAY * 2) / 30),
    ],
)
def test_what_a_stream_keeps_beyond_a_day_is_counted_for_the_time_that_it_does(
    put: float, after: float, kept: float
) -> None:
    assert charges.kept_beyond_a_day(put, after) == pytest.approx(kept)


def test_a_copy_of_days_pays_for_pages_that_are_kept() -> None:
    slow = Migration(**SETTINGS, write_units_per_second=250)
    said = forecast(slow, Seen(source=SOURCE))
    assert said.copy.seconds > 4 * DAY
    (months,) = [line.amount for line in said.bill.lines() if "beyond a day" in line.price.what]
    assert 0 < months < said.bytes_sent / 1e9 * 2 / 30, "none is kept for more than two days beyond the first"
    quick = forecast(Migration(**SETTINGS), Seen(source=SOURCE))
    assert not [line for line in quick.bill.lines() if "beyond a day" in line.price.what]


@pytest.mark.parametrize(
    ("seconds", "age", "period"),
    [
        (HOUR, HOUR, 60),
        (2 * DAY, 2 * DAY, 300),
        (14 * DAY, 14 * DAY, 900),
        (HOUR, 16 * DAY, 300),
        (HOUR, 64 * DAY, 3600),
        (90 * DAY, 90 * DAY, 3600),
    ],
)
def test_a_period_is_one_that_cloudwatch_still_keeps_and_none_has_too_many(
    seconds: float, age: float, period: int
) -> None:
    assert period_seconds(seconds, age_seconds=age) == period
    assert seconds / period <= 1440 or period == 3600, "an hour at the most may come before the run"


class Answers:
    """A CloudWatch that answers in two pages."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def get_paginator(self, _: str) -> "Answers":
        return self

    def paginate(self, **asked: Any) -> list[dict[str, Any]]:  # noqa: ANN401 — as it comes
        self.asked = asked
        answered = [{"Id": "m0", "Values": [1.0, 2.0]}, {"Id": "m1", "Values": []}]
        return [{"MetricDataResults": answered}, {"MetricDataResults": [{"Id": "m0", "Values": [4.0]}]}]


def test_a_metric_that_nobody_put_out_has_no_sum_and_pages_add_up() -> None:
    answers, begun = Answers(), datetime(2026, 11, 30, 12, 0, 31, tzinfo=UTC)
    asked = asked_of("orders")[:3]
    ended = begun + timedelta(minutes=10)
    assert read_sums(answers, asked, begun, ended, now=ended) == {asked[0]: 7.0, asked[1]: None, asked[2]: None}
    assert answers.asked["StartTime"] == begun.replace(second=0), "a value stands at the beginning of its period"
    assert answers.asked["EndTime"] > ended
