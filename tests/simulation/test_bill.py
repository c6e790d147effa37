"""A bill is its lines, at the product's prices."""

import pytest

from tasks.core.forecast import charges
from tasks.core.forecast.bill import Bill
from tasks.core.forecast.prices import LAMBDA_GB_SECOND, LAMBDA_REQUEST, WRITE_REQUEST_UNIT


def test_a_bill_is_the_sum_of_its_lines_and_of_its_purposes() -> None:
    bill = Bill()
    bill.add("items", WRITE_REQUEST_UNIT, 4e6)
    bill.add("books", WRITE_REQUEST_UNIT, 1e6)
    bill.add("items", WRITE_REQUEST_UNIT, 1e6)
    assert bill.by_purpose() == {"items": pytest.approx(3.125), "books": pytest.approx(0.625)}
    assert bill.total == pytest.approx(sum(line.usd for line in bill.lines())) == pytest.approx(3.75)
    assert [line.amount for line in bill.lines()] == [5e6, 1e6]


def test_nothing_is_paid_back() -> None:
    with pytest.raises(ValueError, match="items: -1"):
        Bill().add("items", WRITE_REQUEST_UNIT, -1)


def test_a_functions_calls_are_paid_by_the_memory_that_it_is_deployed_with() -> None:
    bill = Bill()
    bill.take(charges.of_calls("writer", "WritePages", calls=1e6, seconds=1e6))
    amounts = {line.price: line.amount for line in bill.lines()}
    assert amounts == {LAMBDA_REQUEST: 1e6, LAMBDA_GB_SECOND: pytest.approx(1e6 * 1769 / 1024)}
