"""What a few pages tell: sizes as they are billed, and items that the target would refuse."""

import dataclasses
from typing import Any

import pytest

from tasks.core.forecast.sample import ITEM_BYTES_MOST, Sample, item_bytes, look_at
from tasks.core.model.item import KeySchema
from tasks.core.model.table_facts import Index
from tests.unit.orders import ORDERS

INDEXES = (
    Index("by-day", ("day",), ("HASH S",)),
    Index("by-size", ("kind", "size"), ("HASH S", "RANGE N")),
    Index("gone", ("day",), ("HASH N",), status="DELETING"),
)
SOURCE = dataclasses.replace(
    ORDERS,
    key=KeySchema("id", "S", "part", "N"),
    item_count=10,
    size_bytes=1000,
    indexes=INDEXES,
    ttl_status="ENABLED",
    ttl_attribute="until",
)


def looked(*items: dict[str, Any]) -> Sample:
    return look_at(list(items), SOURCE, now=1000.0, pages=1, read_units=0.5, packed_bytes=100)


def item(key: str = "a", **more: dict[str, Any]) -> dict[str, Any]:
    return {"id": {"S": key}, "part": {"N": "1"}, **more}


@pytest.mark.parametrize(
    ("attributes", "size"),
    [
        ({"ab": {"S": "xyz"}}, 5),
        ({"a": {"S": "ü"}}, 3),
        ({"a": {"N": "1234"}}, 4),
        ({"a": {"B": "AAAA"}}, 4),
        ({"a": {"BOOL": True}}, 2),
        ({"a": {"NULL": True}}, 2),
        ({"a": {"SS": ["x", "yz"]}}, 4),
        ({"a": {"L": [{"S": "x"}, {"S": "y"}]}}, 1 + 3 + 2 * 2),
        ({"a": {"M": {"b": {"S": "x"}}}}, 1 + 3 + 2 + 1),
    ],
)
def test_sizes_are_those_that_the_guide_gives(attributes: dict[str, Any], size: int) -> None:
    assert item_bytes(attributes) == size


def test_each_item_is_rounded_up_by_itself() -> None:
    found = looked(item(text={"S": "x" * 1000}), item(text={"S": "x" * 1024}))
    assert found.write_units == 1 + 2
    assert found.write_units_an_item == 1.5


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({}, {}),
        ({"day": {"S": "2026-11-30"}}, {}),
        ({"day": {"S": ""}}, {"by-day": 1}),
        ({"day": {"NULL": True}}, {"by-day": 1}),
        ({"day": {"N": "5"}}, {"by-day": 1}),
        ({"day": {"S": "x" * 2049}}, {"by-day": 1}),
        ({"kind": {"S": "k"}, "size": {"S": "5"}}, {"by-size": 1}),
    ],
)
def test_an_item_that_an_index_cannot_take_is_found_before_the_target_refuses_it(
    more: dict[str, Any], refused: dict[str, int]
) -> None:
    assert looked(item(**more)).refused == refused


def test_large_and_expired_items_and_the_fullest_partition_key_are_counted() -> None:
    large = item("b", text={"S": "x" * (ITEM_BYTES_MOST - 100)})
    found = looked(item("a", until={"N": "999"}), item("b", until={"N": "1001"}), large)
    assert (found.large, found.expired, found.of_one_key) == (1, 1, 2)
    assert found.largest_bytes > 0.99 * ITEM_BYTES_MOST


def test_of_no_items_nothing_is_told() -> None:
    found = looked()
    assert (found.items, found.write_units_an_item, found.of_one_key) == (0, None, 0)
