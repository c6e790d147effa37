"""What may go wrong is said where it may, with a way out, and nowhere else."""

import dataclasses

import pytest

from tasks.core.forecast.counted import Seen
from tasks.core.forecast.forecast import forecast
from tasks.core.forecast.sample import Sample
from tasks.core.model.item import KeySchema
from tasks.core.run.plan import Facts
from tasks.core.run.risks import Risk, risks_of
from tasks.core.settings.migration import Migration
from tests.unit import orders
from tests.unit.orders import SETTINGS

SOURCE = dataclasses.replace(orders.ORDERS, key=KeySchema("customer", "S", "order", "S"))
FACTS = dataclasses.replace(orders.FACTS, source=SOURCE)


def risks(seen: Seen, facts: Facts = FACTS, settings: Migration = SETTINGS) -> dict[str, Risk]:
    found = risks_of(settings, seen, facts, forecast(settings, seen))
    assert all(risk.way_out for risk in found)
    return {risk.name: risk for risk in found}


def test_a_plain_table_has_none() -> None:
    assert risks(Seen(source=SOURCE, sample=Sample(items=1000, write_units=1000, of_one_key=3))) == {}


def test_a_key_that_most_items_are_of_is_told_with_the_time_that_one_partition_takes_for_it() -> None:
    hot = Sample(items=1000, write_units=2000, of_one_key=360)
    # 36 % of ten million items of two units, at 1,000 a second.
    assert "7,200,000 write units" in risks(Seen(source=SOURCE, sample=hot))["hot partition key"].what
    assert "2.0 h" in risks(Seen(source=SOURCE, sample=hot))["hot partition key"].what
    assert risks(Seen(source=SOURCE, sample=dataclasses.replace(hot, items=99, of_one_key=99))) == {}, "too few to tell"
    alone = dataclasses.replace(SOURCE, key=KeySchema("customer", "S"))
    assert risks(Seen(source=alone, sample=hot)) == {}, "without a range key each item has a key of its own"


def test_items_that_an_index_refuses_are_told_unless_the_target_is_made_without_it() -> None:
    seen = Seen(source=SOURCE, sample=Sample(items=10, refused={"by-day": 2}))
    assert risks(seen)["index that would refuse items"].way_out.startswith("without_indexes: [by-day]")
    assert risks(seen, settings=SETTINGS.model_copy(update={"without_indexes": ("by-day",)})) == {}
    target = dataclasses.replace(SOURCE, name="orders-new")
    assert risks(dataclasses.replace(seen, target=target)) == {}, "the target has no such index"


def test_items_near_400_kb_and_items_that_expire_are_told() -> None:
    source = dataclasses.replace(SOURCE, ttl_status="ENABLED", ttl_attribute="until")
    found = risks(Seen(source=source, sample=Sample(items=10, large=1, largest_bytes=409_000, expired=4)))
    assert "the largest 399 KB" in found["items near 400 KB"].what
    assert "4 of the 10 items looked at are over already" in found["items that expire"].what


def test_a_run_that_takes_longer_than_the_stream_keeps_changes_is_told() -> None:
    slow = SETTINGS.model_copy(update={"write_units_per_second": 100})
    assert "24 hours of the stream" in risks(Seen(source=SOURCE), settings=slow)
    assert "24 hours of the stream" not in risks(Seen(source=SOURCE))


@pytest.mark.parametrize(("writes", "is_told"), [(900.0, False), (1100.0, True), (None, False)])
def test_more_writes_than_half_of_what_the_replicator_applies_are_told(writes: float | None, *, is_told: bool) -> None:
    found = risks(Seen(source=SOURCE, source_shards=4, writes_per_second=writes))
    assert ("replicator's pace" in found) is is_told


def test_another_reader_of_the_stream_and_a_small_quota_of_lambda_are_told() -> None:
    facts = dataclasses.replace(FACTS, other_stream_readers=("search",), concurrency_left=60)
    assert set(risks(Seen(source=SOURCE), facts)) == {"stream's readers", "quota of Lambda"}
    refused = dataclasses.replace(facts, other_stream_readers=("search", "audit"), concurrency_left=1000)
    assert risks(Seen(source=SOURCE), refused) == {}, "Preflight refuses it"
