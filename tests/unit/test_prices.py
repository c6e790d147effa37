"""The price list: each line has its source, and sums are those that a bill would have."""

import pytest

from tasks.core.run import prices
from tasks.core.run.prices import Price, usd_of

LINES = [value for value in vars(prices).values() if isinstance(value, Price)]


@pytest.mark.parametrize("price", LINES, ids=lambda price: price.what)
def test_no_price_stands_there_without_its_source(price: Price) -> None:
    assert price.usd > 0
    assert price.source.startswith("aws.amazon.com/")


def test_no_two_lines_of_a_bill_read_alike() -> None:
    assert len({price.what for price in LINES}) == len(LINES) > 20


def test_a_billion_items_cost_what_the_list_says() -> None:
    assert usd_of({prices.WRITE_REQUEST_UNIT: 1e9}) == pytest.approx(625)
    assert usd_of({prices.READ_REQUEST_UNIT: 1e9, prices.RESTORE_GB: 1000}) == pytest.approx(125 + 150)
