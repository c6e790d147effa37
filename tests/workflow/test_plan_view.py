"""What the plan shows: every part of it, and nothing that looks like markup is swallowed."""

import dataclasses
import json
from pathlib import Path

import pytest
from rich.console import Console

from infra.aws.functions.registry import FUNCTIONS
from tasks.core.forecast.counted import Seen
from tasks.core.forecast.prices import PriceList
from tasks.core.forecast.sample import Sample
from tasks.core.run.outlook import Outlook, outlook
from tasks.core.run.plan import Facts
from tests.unit.orders import FACTS, ORDERS, SETTINGS
from workflow.execution import with_max_cost
from workflow.plan_view import CENT, plan_view
from workflow.planning import read_prices, subject_of_file
from workflow.refusals import CommandRefused
from workflow.settings import EXAMPLE
from workflow.waits import calls_a_minute_of_waiting

SOURCE = ORDERS


def said(seen: Seen, facts: Facts = FACTS) -> Outlook:
    return outlook(SETTINGS, seen, facts, PriceList())


def shown(found: Outlook) -> str:
    console = Console(width=300, highlight=False)
    with console.capture() as captured:
        console.print(plan_view(found))
    return captured.get()


def test_a_plan_shows_segments_times_bounds_every_dear_line_and_the_other_ways() -> None:
    found = said(Seen(source=SOURCE, writes_per_second=5.0))
    text = shown(found)
    assert "16, 40 at once; the proof 16" in text
    assert f"Bound by {found.bound}." in text
    dear = {line.name for line in (*found.bill.lines(), *found.waiting.lines()) if line.usd >= CENT}
    assert {"scan", "items inserted: the table", "writer", "proof", "live writes, replicated: the table"} <= dear
    assert all(f"{name} " in text for name in dear)
    assert f"{found.bill.total:,.2f}" in text
    assert "Preflight would let it begin." in text
    for way in found.ways:
        assert way.name in text


def test_a_plan_says_all_calls_and_of_states_that_wait_how_many_a_minute() -> None:
    text = shown(said(Seen(source=SOURCE)))
    assert "ScanSegment 16 times: DescribeTable 16, GetItem 48" in text
    waits = calls_a_minute_of_waiting()
    assert f"DrainBackfill {waits['DrainBackfill'].most:.3g} to {waits['DrainBackfill'].least:.2g}" in text
    assert set(waits) == {function.state for function in FUNCTIONS if function.wait} - {"Preflight", "VerifySegment"}
    assert all(0 < one.least <= one.most <= 60 for one in waits.values())


def test_brackets_of_a_way_out_are_shown_and_not_taken_for_markup() -> None:
    found = said(Seen(source=SOURCE, sample=Sample(items=10, pages=1, refused={"by-day": 1})))
    assert "without_indexes: [by-day]" in shown(found)


def test_what_preflight_would_refuse_is_shown_and_that_live_writes_are_unknown() -> None:
    text = shown(said(Seen(source=SOURCE), dataclasses.replace(FACTS, active_table="others")))
    assert "Preflight would refuse it: the pointer says others" in text
    assert "unknown: none are counted" in text
    assert "give --writes-per-second" in text


def test_the_json_has_every_line_with_its_formula_price_and_source() -> None:
    found = json.loads(json.dumps(said(Seen(source=SOURCE, writes_per_second=5.0)).as_json()))
    lines = found["bill"]["lines"]
    assert sum(line["usd"] for line in lines) == pytest.approx(found["bill"]["usd"])
    for line in lines:
        assert line["usd"] == pytest.approx(line["amount"] * line["usd_of_one"])
        assert line["formula"]
        assert line["source"].startswith("aws.amazon.com/")
    assert found["seconds"]["whole"]["least"] < found["seconds"]["whole"]["most"]
    assert found["bound_by"]["kind"] == "the target's units"
    assert len(found["other_ways"]) == 5


def test_a_plan_is_made_from_a_settings_file_with_overrides_before_anything_is_deployed() -> None:
    subject = subject_of_file(EXAMPLE, {"max_concurrency": 7})
    assert (subject.settings.migration, subject.settings.max_concurrency) == ("orders", 7)
    assert (subject.region, subject.pages_shards, subject.window_seconds) == ("eu-west-1", None, 5.0)
    assert subject.machine is None
    with pytest.raises(CommandRefused, match="cannot be overridden"):
        subject_of_file(EXAMPLE, {"source_table": "another"})


def test_a_list_of_prices_that_cannot_be_read_is_refused_with_its_name(tmp_path: Path) -> None:
    assert read_prices(None) == PriceList()
    with pytest.raises(CommandRefused, match=r"none\.json cannot be read"):
        read_prices(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("[]", encoding="utf-8")
    with pytest.raises(CommandRefused, match=r"bad\.json: the list of prices cannot be read"):
        read_prices(tmp_path / "bad.json")


def test_the_most_that_a_run_may_cost_is_given_once_and_is_an_amount_of_money() -> None:
    assert with_max_cost({"approval": "automatic"}, 500) == {"approval": "automatic", "max_cost_usd": 500}
    with pytest.raises(CommandRefused, match="keep one of them"):
        with_max_cost({"max_cost_usd": 1}, 500)
    with pytest.raises(CommandRefused, match="max_cost_usd: Input should be greater than 0"):
        with_max_cost({}, -1)
