"""A target that takes too little is refused beforehand, and one that is merely slow is not."""

from dataclasses import replace

import pytest

from tasks.core.copy.back_pressure import PAGES_KEPT_SECONDS, PARTS_AHEAD_MOST
from tasks.core.forecast.estimate import estimate
from tasks.core.forecast.least import capacity_reasons
from tasks.core.model.table_facts import Index, TableFacts
from tasks.core.run.plan import reasons_against
from tests.unit.test_plan import FACTS, STREAMING, TARGET, plan_of, refusal, settings

BY_CITY = Index("by-city", ("city", "icao"), ("HASH S", "RANGE S"))
TERABYTE = replace(STREAMING, item_count=10**9, size_bytes=10**12)
PROVISIONED = replace(TARGET, is_provisioned=True, read_units=1000)


def of(target: TableFacts | None, source: TableFacts = TERABYTE, **changes: int) -> list[str]:
    return capacity_reasons(settings(**changes), source, target)


def test_what_the_scan_sends_ahead_is_put_before_kinesis_drops_it() -> None:
    """40 segments, of each 128 parts and a page of 1,048 items: of half of what is provisioned."""
    ahead = 40 * (PARTS_AHEAD_MOST + 1) * 1048
    least = -(-2 * ahead // PAGES_KEPT_SECONDS)
    (reason,) = of(replace(PROVISIONED, write_units=least - 1))
    assert f"too few write units (new-airports takes {least - 1} a second and needs {least})" in reason
    assert f"sends up to {ahead} items ahead" in reason
    assert "--billing-mode PAY_PER_REQUEST" in reason
    assert of(replace(PROVISIONED, write_units=least)) == []
    assert of(replace(PROVISIONED, write_units=least - 1), max_concurrency=20) == [], "as it says itself"


def test_a_slow_target_of_a_small_table_is_waited_for_and_not_refused() -> None:
    assert of(replace(PROVISIONED, write_units=1), STREAMING) == []
    assert of(replace(PROVISIONED, write_units=1), replace(STREAMING, item_count=0, size_bytes=0)) == []
    plan_of(replace(FACTS, source=STREAMING, target=replace(PROVISIONED, write_units=1)))


@pytest.mark.parametrize("segments", [1, 16, 932, 10_000])
def test_no_more_is_ahead_than_back_pressure_lets_through(segments: int) -> None:
    copy = estimate(TERABYTE)
    ahead = copy.items_ahead(segments=segments, max_concurrency=40)
    assert ahead <= 40 * (PARTS_AHEAD_MOST + 1) * copy.part_items
    assert ahead <= copy.items


def test_segments_so_small_that_none_is_held_back_are_all_ahead() -> None:
    copy = estimate(replace(STREAMING, item_count=10**7, size_bytes=10**10))
    assert copy.items_ahead(segments=10_000, max_concurrency=40) == copy.items
    assert copy.items_ahead(segments=16, max_concurrency=40) < copy.items


def test_a_cap_under_which_pages_would_expire_is_refused_too() -> None:
    message = refusal(replace(FACTS, source=TERABYTE), write_units_per_second=10)
    assert "write_units_per_second is 10, and 21 are needed" in message
    assert "lower max_concurrency" in message
    assert of(None, write_units_per_second=21) == []
    assert of(None, write_units_per_second=10, max_concurrency=10) == []
    assert of(None) == [], "a target on demand takes enough"


def test_a_cap_that_is_set_is_what_counts_and_not_half_of_what_is_provisioned() -> None:
    assert len(of(replace(PROVISIONED, write_units=22))) == 1
    assert of(replace(PROVISIONED, write_units=22), write_units_per_second=22) == []


@pytest.mark.parametrize(
    ("item_bytes", "least"),
    [
        (100, 9),  # 2,000 items of one unit
        (1000, 5),  # 1,048 items of one unit: no part has more bytes than that
        (400_000, 4),  # two of 391 units
    ],
)
def test_a_writer_is_not_taken_for_one_that_stands_still_where_a_page_takes_long(item_bytes: int, least: int) -> None:
    """On demand with a most there is no cap that makes the drain patient: pages have to come within its time."""
    source = replace(STREAMING, size_bytes=28_000 * item_bytes)
    (reason,) = of(replace(TARGET, write_units=least - 1), source, max_concurrency=1)
    assert f"(new-airports takes {least - 1} a second and needs {least})" in reason
    assert of(replace(TARGET, write_units=least), source, max_concurrency=1) == []
    assert of(replace(TARGET, write_units=None), source, max_concurrency=1) == []


@pytest.mark.parametrize(
    ("status", "items", "is_refused"),
    [
        ("ACTIVE", 28_000, True),
        ("CREATING", 28_000, True),
        ("DELETING", 28_000, False),
        ("ACTIVE", 280, False),  # few items have what it is over
        ("ACTIVE", 0, False),
    ],
)
def test_an_index_has_units_of_its_own_and_may_be_the_one_that_holds_everything_up(
    status: str, items: int, *, is_refused: bool
) -> None:
    source = replace(STREAMING, indexes=(replace(BY_CITY, item_count=items, size_bytes=items * 100),))
    slow = replace(BY_CITY, write_units=1, status=status)
    reasons = of(replace(TARGET, write_units=5000, indexes=(slow,)), source)
    assert [reason for reason in reasons if "(index by-city takes 1 a second and needs 9)" in reason] == (
        reasons if is_refused else []
    )
    assert bool(reasons) == is_refused


def test_a_resume_whose_pages_are_written_needs_no_units_for_them() -> None:
    facts = replace(FACTS, source=TERABYTE, target=replace(PROVISIONED, write_units=1))
    assert any("too few write units" in reason for reason in reasons_against(settings(), facts))
    assert not any("too few" in reason for reason in reasons_against(settings(), facts, keeps_items=True))
