"""What goes by between a copier and an engine is counted, and reaches the other side as it was sent."""

import json
from typing import Any

import pytest

from infra.local.emulator.client import LocalSession
from tests.benchmarks.canned import BOOKS
from tests.benchmarks.copiers.task import REGION
from tests.benchmarks.null_engine import null_engine
from tests.benchmarks.shapes import Shape
from tests.benchmarks.tap import counted, tap
from tests.benchmarks.test_null_engine import copy_some

SHAPE = Shape("10 KB", "many", "noise")


def counted_call(operation: str, request: dict[str, Any], answer: dict[str, Any]) -> tuple[str, tuple[Any, ...]]:
    name, count = counted(operation, json.dumps(request).encode(), json.dumps(answer).encode())
    assert count.calls == 1
    assert count.bytes_in > 0
    return name, (count.items, count.read_units, count.write_units, count.put_units)


def test_units_are_reckoned_from_the_items_of_each_way_to_write() -> None:
    items = SHAPE.items(3)
    names = ", ".join(f"'{name}': ?" for name in items[0])
    statements = [
        {"Statement": f'INSERT INTO "target" VALUE {{{names}}}', "Parameters": list(item.values())} for item in items
    ]
    batch = {"RequestItems": {"target": [{"PutRequest": {"Item": item}} for item in items]}}
    assert counted_call("BatchWriteItem", batch, {}) == ("BatchWriteItem", (3, 0.0, 30, 0))
    assert counted_call("BatchExecuteStatement", {"Statements": statements}, {})[1] == (3, 0.0, 30, 0)
    assert counted_call("PutItem", {"TableName": "target", "Item": items[0]}, {})[1] == (1, 0.0, 10, 0)
    assert counted_call("PutRecords", {"Records": [{"Data": "A" * 40_000}, {"Data": "AAAA"}]}, {})[1][3] == 3


@pytest.mark.parametrize(("consistent", "units"), [(False, 2.5), (True, 5.0)])
def test_a_page_is_billed_as_a_whole(consistent: bool, units: float) -> None:  # noqa: FBT001 — a parameter of the test
    request = {"TableName": "source", "ConsistentRead": consistent}
    assert counted_call("Scan", request, {"Items": SHAPE.items(2)}) == ("Scan", (2, units, 0.0, 0))


def test_what_the_books_take_is_told_apart() -> None:
    key = {"pk": {"S": "run#0"}, "sk": {"S": "caps"}}
    found = {**key, "document": {"S": "x" * 5000}}
    assert counted_call("GetItem", {"TableName": BOOKS, "Key": key}, {}) == ("GetItem (books)", (0, 1.0, 0.0, 0))
    assert counted_call("GetItem", {"TableName": BOOKS, "Key": key}, {"Item": found})[1][1] == 2.0
    assert counted_call("PutItem", {"TableName": BOOKS, "Item": found}, {})[1][2] == 5
    keys = {"RequestItems": {BOOKS: {"Keys": [key, key]}}}
    assert counted_call("BatchGetItem", keys, {"Responses": {BOOKS: [found]}})[1][1] == 3.0
    assert counted_call("Query", {"TableName": BOOKS}, {"Items": [found, found]})[1][1] == 3.0


def test_it_counts_what_the_engine_behind_it_counts_and_only_from_the_source_on() -> None:
    with null_engine() as engine:
        engine.prepare(SHAPE)
        with tap(engine.endpoint_url, "source-250") as between:
            client = LocalSession(between.endpoint_url, REGION).client("dynamodb")
            client.scan(TableName="warm-10")
            copy_some(client)
        counts = engine.counts()
        for operation in ("Scan", "PutItem"):
            here, there = between.counts.operations[operation], counts.operations[operation]
            assert (here.calls, here.items) == (there.calls, there.items)
            assert (here.bytes_in, here.bytes_out) == (there.bytes_in, there.bytes_out)
            assert here.write_units == there.write_units
            assert here.read_units == pytest.approx(there.read_units, rel=0.01)
        assert set(between.counts.operations) == {"Scan", "PutItem"}
        assert (counts.looked_at, counts.differing) == (3, 0), "items arrive as they were sent"
