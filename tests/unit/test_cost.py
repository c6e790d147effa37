"""A run that is dearer than its owner allows is refused before anything is changed."""

import dataclasses

import pytest

from tasks.core.forecast.counted import Seen
from tasks.core.forecast.forecast import forecast
from tasks.core.run.plan import reasons_against
from tasks.core.settings.migration import Migration
from tests.unit import orders

SOURCE = dataclasses.replace(orders.ORDERS, item_count=100_000_000, size_bytes=10**11)
FACTS = dataclasses.replace(orders.FACTS, source=SOURCE)


def settings(most: float | None) -> Migration:
    return Migration(migration="orders", source_table="orders", target_table="orders-new", max_cost_usd=most)


def test_a_run_whose_plan_says_more_than_it_may_cost_is_refused_with_the_dearest_lines() -> None:
    usd = forecast(settings(None), Seen(source=SOURCE)).bill.total
    assert usd > 62.5, "its items alone"
    (reason,) = reasons_against(settings(round(usd) - 1), FACTS)
    assert f"costs about {usd:,.2f} USD (items inserted 62.50" in reason
    assert reasons_against(settings(round(usd) + 1), FACTS) == []
    assert reasons_against(settings(None), FACTS) == []


def test_a_run_that_is_resumed_is_not_refused_for_what_is_spent_already() -> None:
    assert reasons_against(settings(1.0), FACTS, keeps_items=True) == []


def test_the_accounts_own_limit_of_a_table_counts() -> None:
    slow = dataclasses.replace(FACTS, table_write_limit=1000)
    usd = forecast(settings(None), Seen(source=SOURCE, table_write_limit=1000)).bill.total
    assert f"{usd:,.2f} USD" in reasons_against(settings(1.0), slow)[0]


@pytest.mark.parametrize("most", [0, -1, "500"])
def test_what_is_no_amount_of_money_is_refused(most: object) -> None:
    with pytest.raises(ValueError, match="max_cost_usd"):
        Migration.model_validate(
            {"migration": "orders", "source_table": "a-b", "target_table": "c-d", "max_cost_usd": most}
        )
