"""Whether AWS's own ways do what is asked is said for this very table, with a price and what they cannot do."""

import dataclasses

import pytest

from tasks.core.forecast.other_ways import Way, other_ways
from tasks.core.forecast.prices import PriceList
from tasks.core.forecast.sample import Sample
from tasks.core.model.table_facts import Index, TableFacts
from tasks.core.settings.migration import Migration
from tests.unit.orders import ORDERS, SETTINGS

GIBIBYTE = 1024**3
SOURCE = dataclasses.replace(
    ORDERS, item_count=10, size_bytes=80 * GIBIBYTE, indexes=(Index("by-day", ("day",), size_bytes=20 * GIBIBYTE),)
)
WITH_REPLICA = SETTINGS.model_copy(update={"replica_regions": ("eu-central-1",)})


def ways(
    settings: Migration = SETTINGS,
    source: TableFacts = SOURCE,
    target: TableFacts | None = None,
    sample: Sample = Sample(),  # noqa: B008 — it is frozen
) -> dict[str, Way]:
    found = other_ways(settings, source, target, sample, PriceList())
    assert all(way.why and way.costs and way.cannot for way in found)
    return {way.name.split("(")[0].strip(): way for way in found}


def test_a_region_in_place_is_possible_where_a_replica_is_asked_for_and_costs_a_restore_of_table_and_indexes() -> None:
    assert not ways()["adding a Region in place"].is_possible
    way = ways(WITH_REPLICA)["adding a Region in place"]
    assert way.is_possible
    assert way.usd == pytest.approx(100 * 0.15)
    there = dataclasses.replace(SOURCE, replica_regions=("eu-central-1",))
    assert not ways(WITH_REPLICA, there)["adding a Region in place"].is_possible, "it is there"


@pytest.mark.parametrize("replicas", [(), ("eu-central-1",)])
def test_no_other_account_and_no_replica_taken_out_makes_a_second_table_beside_the_source(
    replicas: tuple[str, ...],
) -> None:
    found = ways(source=dataclasses.replace(SOURCE, replica_regions=replicas))
    assert not found["multi-account global table"].is_possible
    assert not found["disassociating a replica"].is_possible


def test_an_import_makes_a_new_table_and_is_paid_by_the_json_that_it_reads() -> None:
    sample = Sample(items=1, bytes=1000, json_bytes=1500)
    way = ways(sample=sample)["export to S3 and import"]
    assert way.is_possible
    assert way.usd == pytest.approx(80 * 0.10 + 80 * 1.5 * 0.15)
    target = dataclasses.replace(SOURCE, name="orders-new")
    assert not ways(target=target)["export to S3 and import"].is_possible


def test_a_bulk_put_does_not_write_to_a_global_table_and_its_price_is_not_made_up() -> None:
    assert ways()["bulk put from S3"].is_possible
    assert ways()["bulk put from S3"].usd is None
    assert not ways(WITH_REPLICA)["bulk put from S3"].is_possible
    later = WITH_REPLICA.model_copy(update={"add_replicas": "after-backfill"})
    assert ways(later)["bulk put from S3"].is_possible
    target = dataclasses.replace(SOURCE, name="orders-new", replica_regions=("eu-central-1",))
    assert not ways(later, target=target)["bulk put from S3"].is_possible
