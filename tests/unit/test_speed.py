"""How fast a copy may go: half of what is provisioned by default, and a warm target is offered with its price."""

from dataclasses import replace
from typing import Any

import pytest

from tasks.core.errors import Refused
from tasks.core.model.capacity import WarmThroughput
from tasks.core.model.table_facts import Index
from tasks.core.run.plan import Plan
from tasks.core.settings.caps import Caps
from tasks.core.settings.migration import parse_migration
from tests.unit.test_plan import FACTS, STREAMING, TARGET, plan_of

MILLION = 1_000_000
KIB = 1024
PROVISIONED = replace(STREAMING, is_provisioned=True, read_units=1000, write_units=400, item_count=MILLION)


def caps(target: Any = None, source: Any = PROVISIONED, **settings: Any) -> Caps:  # noqa: ANN401 — facts of a table
    return plan_of(replace(FACTS, source=source, target=target), **settings).caps


def test_half_of_what_is_provisioned_is_left_to_the_users_and_to_the_replicator() -> None:
    target = replace(TARGET, is_provisioned=True, read_units=3000, write_units=2000)
    assert caps() == Caps(source_reads=500)
    assert caps(target) == Caps(source_reads=500, target_reads=1500, target_writes=1000)


def test_tables_on_demand_have_no_cap_even_where_somebody_has_set_a_most() -> None:
    on_demand = replace(STREAMING, read_units=1000)
    assert caps(replace(TARGET, read_units=50, write_units=2000), on_demand) == Caps()


def test_a_cap_that_is_set_holds_for_both_tables() -> None:
    target = replace(TARGET, is_provisioned=True, read_units=3000, write_units=2000)
    given = caps(target, read_units_per_second=700, write_units_per_second=90)
    assert given == Caps(source_reads=700, target_reads=700, target_writes=90)


def test_the_tightest_index_decides_how_much_may_be_written() -> None:
    """Units are counted as AWS bills them: those of the table and of its indexes together."""
    by_city = Index("by-city", ("city",), item_count=MILLION, size_bytes=MILLION * 2 * KIB)
    source = replace(PROVISIONED, size_bytes=MILLION * 3 * KIB, indexes=(by_city,))
    indexed = replace(
        TARGET, is_provisioned=True, read_units=1, write_units=3000, indexes=(replace(by_city, write_units=500),)
    )
    # An item takes 3 units of the table and 2 of the index, whose 250 let 125 items a second through.
    assert caps(indexed, source).target_writes == 125 * 5


def test_a_plan_says_about_what_a_page_and_an_item_take() -> None:
    by_city = Index("by-city", ("city",), item_count=MILLION // 2, size_bytes=MILLION // 2 * KIB)
    source = replace(STREAMING, item_count=MILLION, size_bytes=MILLION * 2 * KIB, indexes=(by_city,))
    plan = plan_of(replace(FACTS, source=source))
    assert (plan.page_read_units, plan.item_write_units) == (128, 2.5)
    small = plan_of(replace(FACTS, source=replace(STREAMING, item_count=10, size_bytes=500)))
    assert (small.page_read_units, small.item_write_units) == (0.5, 1)


@pytest.mark.parametrize(
    ("indexes", "replicas", "usd"), [(0, (), 16), (2, (), 47), (2, ("us-east-1", "ap-northeast-1"), 140)]
)
def test_a_warm_target_is_offered_with_its_price_where_the_copy_takes_hours(
    indexes: int, replicas: tuple[str, ...], usd: int
) -> None:
    others = tuple(Index(f"by-{n}", ("a",), item_count=100 * MILLION, size_bytes=1) for n in range(indexes))
    source = replace(STREAMING, item_count=100 * MILLION, indexes=others)
    notice = plan_of(replace(FACTS, source=source), replica_regions=replicas).notices[-1]
    assert "It takes about 2.4 h, most of the time bound by the 4000 units a second which the table of a new" in notice
    # 100 million in an hour: 28,000 units a second instead of 4,000, at 0.00065 USD each
    assert f"; warm_throughput: {{write_units: 28000}} makes that 1.7 h, for about {usd} USD once" in notice


def test_what_would_take_less_than_an_hour_is_not_offered_more() -> None:
    source = replace(STREAMING, item_count=10 * MILLION)
    assert plan_of(replace(FACTS, source=source)).notices == ()
    slow = replace(STREAMING, item_count=100 * MILLION)
    warm = plan_of(replace(FACTS, source=slow), warm_throughput=WarmThroughput(write_units=28_000))
    notice, time = warm.notices
    assert notice.startswith("warm_throughput costs about 16 USD once")
    assert "It takes about 1.7 h, most of the time bound by single partitions of the target" in time
    assert "warm_throughput:" not in time, "it is as warm as would be offered"


def test_a_target_that_is_there_is_made_warmer_by_its_owner() -> None:
    slow = replace(FACTS, source=replace(STREAMING, item_count=100 * MILLION), target=TARGET)
    assert "--table-name new-airports --warm-throughput WriteUnitsPerSecond=28000" in plan_of(slow).notices[-1]
    told = plan_of(slow, warm_throughput=WarmThroughput(write_units=10_000)).notices
    assert any("is there and stays as it is" in notice for notice in told)
    warm = replace(slow, target=replace(TARGET, warm_write_units=28_000))
    assert plan_of(warm, warm_throughput=WarmThroughput(write_units=10_000)).notices == plan_of(warm).notices


def test_a_cap_that_makes_the_copy_long_is_what_the_notice_names() -> None:
    source = replace(FACTS, source=replace(STREAMING, item_count=10 * MILLION))
    (notice,) = plan_of(source, write_units_per_second=100).notices
    assert "It takes about 28 h, most of the time bound by the 100 units a second, indexes included, to which" in notice


def test_more_segments_at_once_are_offered_where_they_help_and_the_sources_users_are_thought_of() -> None:
    source = replace(STREAMING, item_count=1000 * MILLION, size_bytes=1000 * MILLION * 1000)
    facts = replace(FACTS, source=source)
    notice = plan_of(facts).notices[-1]
    assert (
        "max_concurrency: 80, with read_units_per_second, so that the source's users keep their part, makes" in notice
    )
    assert "max_concurrency: 20 makes that" in plan_of(facts, max_concurrency=10).notices[-1]
    assert "max_concurrency:" not in plan_of(facts, max_concurrency=300).notices[-1], "no use"


def test_a_cap_of_reads_that_makes_the_copy_long_is_what_the_notice_names() -> None:
    source = replace(STREAMING, item_count=1000 * MILLION, size_bytes=1000 * MILLION * 1000)
    (notice,) = plan_of(replace(FACTS, source=source), read_units_per_second=1000).notices
    assert "It takes about 34 h, most of the time bound by the 1000 units a second to which reads of the" in notice
    assert "raise read_units_per_second" in notice


def test_no_more_is_offered_or_taken_than_the_account_allows_one_table() -> None:
    source = replace(STREAMING, item_count=1000 * MILLION, size_bytes=1000 * MILLION * 1000)
    facts = replace(FACTS, source=source, table_write_limit=40_000)
    assert "warm_throughput: {write_units: 40000}" in plan_of(facts).notices[-1]
    (_, notice) = plan_of(facts, warm_throughput=WarmThroughput(write_units=40_000), max_concurrency=300).notices
    assert "It takes about 7.7 h, most of the time bound by the 40000 units a second which the table of a new" in notice
    assert "have that quota raised" in notice
    with pytest.raises(Refused, match="50000 write units a second, and this account allows one table 40000"):
        plan_of(facts, warm_throughput=WarmThroughput(write_units=50_000))


@pytest.mark.parametrize(
    ("warm", "why"),
    [({}, "neither"), ({"write_units": 3999}, "4000"), ({"read_units": 100}, "12000"), ({"writes": 1}, "writes")],
)
def test_a_warmth_that_means_nothing_is_refused_by_name(warm: dict[str, int], why: str) -> None:
    with pytest.raises(Refused, match=f"warm_throughput.*{why}"):
        parse_migration({"migration": "x", "source_table": "old", "target_table": "new", "warm_throughput": warm})


def test_the_plan_with_its_caps_travels_as_json() -> None:
    plan = plan_of(replace(FACTS, source=PROVISIONED), warm_throughput=WarmThroughput(write_units=10_000))
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_the_scan_never_takes_all_of_lambdas_concurrency_unseen() -> None:
    facts = replace(FACTS, source=STREAMING)
    (notice,) = plan_of(replace(facts, concurrency_left=10)).notices
    assert "at most 10 calls at once" in notice
    assert "scan and proof make 40: other functions may be throttled" in notice
    assert plan_of(replace(facts, concurrency_left=89)).notices
    for enough in (90, 1000, None):
        assert plan_of(replace(facts, concurrency_left=enough)).notices == ()
    assert plan_of(replace(facts, concurrency_left=100), max_concurrency=51).notices
