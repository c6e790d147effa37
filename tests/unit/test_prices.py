"""The price list: each line has its source, and sums are those that a bill would have."""

import pytest

from tasks.core.errors import Refused
from tasks.core.forecast import prices
from tasks.core.forecast.prices import PRICES, Price, PriceList, parse_prices, usd_of

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


def test_a_list_of_other_prices_replaces_those_that_it_names_and_no_others() -> None:
    listed = parse_prices(
        '{"dated": "2027-01", "region": "eu-west-1", "source": "a bill", "usd": {"RESTORE_GB": 0.17}}'
    )
    assert (listed.dated, listed.region) == ("2027-01", "eu-west-1")
    assert (listed.of(prices.RESTORE_GB).usd, listed.of(prices.RESTORE_GB).source) == (0.17, "a bill")
    assert listed.of(prices.STREAM_HOUR) == prices.STREAM_HOUR
    assert PriceList().of(prices.RESTORE_GB) == prices.RESTORE_GB


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "cannot be read"),
        ('{"dated": "2027-01", "region": "x", "source": "y", "usd": {"RESTORE_GB": -1}}', "usd.RESTORE_GB"),
        ('{"dated": "2027-01", "region": "x", "source": "y", "usd": {"RESTORE": 1}}', "has RESTORE, and the lines are"),
    ],
)
def test_a_list_that_would_be_misread_is_refused(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse_prices(text)


def test_every_line_can_be_replaced_by_its_name() -> None:
    named = {name: value for name, value in vars(prices).items() if isinstance(value, Price)}
    assert dict(PRICES) == named
