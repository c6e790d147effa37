"""The price list: each line has its source, and sums are those that a bill would have."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import Refused
from tasks.core.forecast import prices
from tasks.core.forecast.prices import PRICES, Price, PriceList, parse_prices, usd_of

OWN = Path(prices.__file__).with_name(prices.FILE)
LINES = [value for value in vars(prices).values() if isinstance(value, Price)]


def written(lines: list[dict[str, Any]]) -> str:
    return json.dumps({"dated": "2027-01", "region": "eu-west-1", "prices": lines})


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
    listed = parse_prices(written([{"name": "RESTORE_GB", "usd": 0.17, "source": "a bill"}]))
    assert (listed.dated, listed.region) == ("2027-01", "eu-west-1")
    assert (listed.of(prices.RESTORE_GB).usd, listed.of(prices.RESTORE_GB).source) == (0.17, "a bill")
    assert listed.of(prices.STREAM_HOUR) == prices.STREAM_HOUR
    assert PriceList().of(prices.RESTORE_GB) == prices.RESTORE_GB


def test_the_projects_own_list_can_be_copied_edited_and_handed_in() -> None:
    copied = parse_prices(OWN.read_text(encoding="utf-8"))
    assert (copied.dated, copied.region) == (prices.DATED, prices.REGION)
    assert set(copied.replaced.values()) == set(PRICES.values()), "as it is it changes nothing"
    edited = parse_prices(OWN.read_text(encoding="utf-8").replace('"usd": 0.625, "per": 1000000', '"usd": 0.705'))
    assert edited.of(prices.WRITE_REQUEST_UNIT).usd == pytest.approx(0.705), "of one, where it says no more"


def test_a_price_of_many_is_said_as_the_page_that_it_stands_on_says_it() -> None:
    listed = parse_prices(written([{"name": "STATE_TRANSITION", "usd": 0.03, "per": 1000, "source": "a bill"}]))
    assert listed.of(prices.STATE_TRANSITION).usd == pytest.approx(0.00003)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[]", "cannot be read"),
        (written([{"name": "RESTORE_GB", "usd": -1, "source": "y"}]), r"prices\.0\.usd"),
        (written([{"name": "RESTORE_GB", "usd": 1, "per": 0, "source": "y"}]), r"prices\.0\.per"),
        (written([{"name": "RESTORE_GB", "usd": 1}]), r"prices\.0\.source"),
        (written([{"name": "RESTORE", "usd": 1, "source": "y"}]), "has RESTORE, and the lines are"),
        (written([{"name": "RESTORE_GB", "usd": 1, "source": "y"}] * 2), "RESTORE_GB more than once"),
        (written([{"name": "RESTORE_GB", "usd": 1, "source": "y", "pre": 1000}]), r"prices\.0\.pre"),
    ],
)
def test_a_list_that_would_be_misread_is_refused(text: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse_prices(text)


def test_every_line_can_be_replaced_by_its_name() -> None:
    named = {name: value for name, value in vars(prices).items() if isinstance(value, Price)}
    assert dict(PRICES) == named
