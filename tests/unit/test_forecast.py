"""What a plan predicts, in numbers that can be worked out by hand."""

import dataclasses

import pytest

from tasks.core.forecast import charges, prices
from tasks.core.forecast.counted import Seen
from tasks.core.forecast.duration import Kind
from tasks.core.forecast.forecast import Forecast, forecast
from tasks.core.forecast.lines import PROVISIONED
from tasks.core.forecast.prices import Price, PriceList
from tasks.core.forecast.sample import Sample
from tasks.core.model.capacity import WarmThroughput
from tasks.core.model.table_facts import Index
from tasks.core.settings.migration import Migration
from tests.unit.orders import ORDERS

MEGABYTE = 1024 * 1024
SETTINGS = Migration(migration="orders", source_table="orders", target_table="orders-new", total_segments=10)
SOURCE = dataclasses.replace(ORDERS, item_count=100_000, size_bytes=100_000 * 1000)
"""Of 10 MB in each of ten segments, short of ten full pages."""


def amounts(found: Forecast, what: str) -> dict[tuple[str, Price], float]:
    return {(line.of, line.price): line.amount for line in found.bill.lines() if line.what == what}


def test_calls_are_counted_page_by_page_and_batch_by_batch() -> None:
    found = forecast(SETTINGS, Seen(source=SOURCE))
    # Each segment of 10,000,000 bytes has nine full pages of 1 MB, and a last one; the proof reads both tables.
    assert found.calls["Scan"] == 10 * 10 + 2 * 10 * 10 + 1
    assert found.calls["PutRecords"] == 100
    # A page has 1,000 items: 40 batches, and on the average half of one more.
    assert found.calls["BatchExecuteStatement"] == pytest.approx(100 * (1000 + 12) / 25)


def test_units_are_half_a_unit_for_4_kb_with_each_page_rounded_up_and_one_for_each_item_of_a_kilobyte() -> None:
    found = forecast(SETTINGS, Seen(source=SOURCE))
    a_scan = (1e8 / 4096 + 100 * 0.5) / 2
    assert found.units == {
        "ScanSegment": pytest.approx(a_scan),
        "VerifySegment": pytest.approx(2 * a_scan),
        "WritePages": 100_000,
    }


def test_items_of_different_sizes_are_rounded_up_one_by_one_as_the_sample_has_them() -> None:
    sample = Sample(items=4, write_units=10)
    assert forecast(SETTINGS, Seen(source=SOURCE, sample=sample)).units["WritePages"] == 250_000


def test_a_table_without_items_takes_no_copy_and_a_page_of_each_segment() -> None:
    found = forecast(SETTINGS, Seen(source=dataclasses.replace(SOURCE, item_count=0, size_bytes=0)))
    assert found.copy.seconds == 0
    assert found.calls == {"Scan": 31, "PutRecords": 0, "BatchExecuteStatement": 0}
    assert found.bill.total < 0.1


def test_every_index_and_every_replica_has_a_line_of_its_own() -> None:
    index = Index("by-day", ("day",), item_count=50_000, size_bytes=50_000 * 3000)
    settings = SETTINGS.model_copy(update={"replica_regions": ("eu-central-1", "us-east-1")})
    found = forecast(settings, Seen(source=dataclasses.replace(SOURCE, indexes=(index,))))
    replicated = prices.REPLICATED_WRITE_REQUEST_UNIT
    assert amounts(found, charges.INSERTED) == {
        ("the table", replicated): 100_000,
        ("index by-day", replicated): 150_000,
        ("replica eu-central-1", replicated): 250_000,
        ("replica us-east-1", replicated): 250_000,
    }
    assert found.calls["Scan"] == 10 * 10 + 4 * 10 * 10 + 1, "the proof reads each replica too"
    assert amounts(found, charges.PROOF)["", prices.TRANSFER_GB] == pytest.approx(2 * 0.1), "out of its Region"


def test_replicas_behind_the_backfill_cost_a_restore_and_no_writes() -> None:
    settings = SETTINGS.model_copy(update={"replica_regions": ("eu-central-1",), "add_replicas": "after-backfill"})
    found = forecast(settings, Seen(source=dataclasses.replace(SOURCE, size_bytes=10 * 1024**3)))
    assert amounts(found, "replica") == {("eu-central-1", prices.RESTORE_GB): pytest.approx(10)}
    assert set(amounts(found, charges.INSERTED)) == {("the table", prices.WRITE_REQUEST_UNIT)}


def test_what_is_provisioned_is_paid_for_by_the_hour_and_no_request_of_it() -> None:
    source = dataclasses.replace(SOURCE, is_provisioned=True, read_units=1000, write_units=100)
    target = dataclasses.replace(SOURCE, name="orders-new", is_provisioned=True, read_units=1000, write_units=1000)
    found = forecast(SETTINGS, Seen(source=source, target=target))
    assert ("the table", PROVISIONED) in amounts(found, charges.INSERTED)
    assert ("", PROVISIONED) in amounts(found, charges.SCAN)
    assert amounts(found, charges.PROOF)["", prices.READ_REQUEST_UNIT] == 0


def test_live_writes_cost_for_as_long_as_the_run_takes_and_a_day_of_waiting_a_days() -> None:
    found = forecast(SETTINGS, Seen(source=SOURCE, writes_per_second=10))
    (during,) = amounts(found, charges.REPLICATED).values()
    assert during == pytest.approx(10 * found.whole.likely)
    waiting = {line.what: line.amount for line in found.waiting.lines() if line.price is prices.WRITE_REQUEST_UNIT}
    assert waiting[charges.REPLICATED] == pytest.approx(10 * 86_400)
    nobody_writes = forecast(SETTINGS, Seen(source=SOURCE))
    assert nobody_writes.waiting.total == pytest.approx(24 * 0.04), "the stream of pages is there"


def test_a_warm_target_is_paid_once_for_the_table_each_index_and_each_replica() -> None:
    index = Index("by-day", ("day",), item_count=10, size_bytes=1000)
    settings = SETTINGS.model_copy(
        update={"warm_throughput": WarmThroughput(write_units=10_000), "replica_regions": ("eu-central-1",)}
    )
    found = forecast(settings, Seen(source=dataclasses.replace(SOURCE, indexes=(index,))))
    assert amounts(found, "warm target") == {("", prices.WARM_WRITE_UNIT): 4 * 6000}


def test_a_stream_of_a_fixed_number_of_shards_is_paid_by_them_and_bounds_the_copy() -> None:
    source = dataclasses.replace(SOURCE, item_count=10**8, size_bytes=10**11)
    settings = SETTINGS.model_copy(update={"warm_throughput": WarmThroughput(write_units=40_000)})
    found = forecast(settings, Seen(source=source, pages_shards=1))
    assert found.copy.bound.kind is Kind.STREAM
    assert found.copy.seconds == pytest.approx(10**11 / 4 / 10**6)
    lines = {price for _, price in amounts(found, charges.STREAM)}
    assert lines == {prices.SHARD_HOUR, prices.SHARD_HOUR_KEPT_LONGER, prices.PUT_PAYLOAD_UNIT}


def test_a_duration_is_a_range_around_what_is_likely_and_the_whole_is_its_phases() -> None:
    found = forecast(SETTINGS, Seen(source=SOURCE))
    copy = found.seconds["copy"]
    assert copy.least == pytest.approx(0.8 * copy.likely)
    assert copy.most == pytest.approx(1.25 * copy.likely)
    assert found.whole.likely == pytest.approx(sum(one.likely for one in found.seconds.values()))
    assert found.whole.least < found.whole.likely < found.whole.most


def test_a_cap_of_reads_makes_the_proof_longer() -> None:
    found = forecast(SETTINGS.model_copy(update={"read_units_per_second": 10}), Seen(source=SOURCE))
    assert found.seconds["proof"].likely == pytest.approx(found.units["VerifySegment"] / 2 / 10 + 2)


def test_other_prices_change_the_bill_and_nothing_else() -> None:
    found = forecast(SETTINGS, Seen(source=SOURCE))
    dearer = dataclasses.replace(prices.WRITE_REQUEST_UNIT, usd=2 * prices.WRITE_REQUEST_UNIT.usd)
    other = found.bill.at(PriceList(replaced={prices.WRITE_REQUEST_UNIT: dearer}))
    assert other.by_purpose()[charges.INSERTED] == pytest.approx(2 * found.bill.by_purpose()[charges.INSERTED])
    assert other.by_purpose()[charges.SCAN] == pytest.approx(found.bill.by_purpose()[charges.SCAN])


def test_all_calls_of_a_function_are_those_of_its_pages_records_and_calls() -> None:
    found = forecast(SETTINGS, Seen(source=SOURCE))
    scan, write, proof = (found.functions[state] for state in ("ScanSegment", "WritePages", "VerifySegment"))
    assert scan.in_all["Scan"] == scan.in_all["PutRecords"] == found.pages, "each page has items"
    assert scan.in_all["PutItem"] == found.pages + 2 * scan.calls, "its entry; the claim and the checkpoint of a call"
    assert write.in_all["BatchGetItem"] == found.records, "receipt and progress of a record, at once"
    assert write.in_all["BatchExecuteStatement"] == found.calls["BatchExecuteStatement"]
    assert scan.in_all["Scan"] + proof.in_all["Scan"] == found.calls["Scan"] - 1, "one asks whether the target is empty"
