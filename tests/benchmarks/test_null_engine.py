"""The null engine hands out as many items as it says, and counts what it is asked."""

import json
from typing import TYPE_CHECKING, Any

import pytest

from infra.local.emulator.client import LocalSession
from tasks.core.copy.page import decode_items, encode_page, take_apart
from tasks.core.model.item import json_bytes
from tests.benchmarks.canned import BOOKS, NullEngine
from tests.benchmarks.copiers.pages import canned_events
from tests.benchmarks.copiers.task import REGION
from tests.benchmarks.null_engine import null_engine
from tests.benchmarks.shapes import Shape
from tests.statements import insert_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SHAPE = Shape("10 KB", "many")


def scan(engine: NullEngine, items: int, **request: Any) -> list[dict[str, Any]]:  # noqa: ANN401 — a request's fields
    found: list[dict[str, Any]] = []
    body: dict[str, Any] = {"TableName": f"source-{items}", **request}
    while True:
        answer = json.loads(engine.answer("Scan", json.dumps(body).encode()))
        assert answer["Count"] == len(answer["Items"])
        found += answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return found
        body["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


@pytest.mark.parametrize("items", [1, SHAPE.items_a_page, SHAPE.items_a_page + 1, 5 * SHAPE.items_a_page + 7])
def test_a_table_has_as_many_items_as_its_name_says(items: int) -> None:
    engine = NullEngine(SHAPE)
    assert len(scan(engine, items)) == items
    count = engine.counts.operations["Scan"]
    assert count.items == items
    assert count.calls == -(-items // SHAPE.items_a_page)


def test_segments_and_a_limit_leave_nothing_out() -> None:
    engine = NullEngine(SHAPE)
    assert sum(len(scan(engine, 333, Segment=segment, TotalSegments=4)) for segment in range(4)) == 333
    assert len(scan(engine, 333, Limit=25)) == 333


def test_it_counts_items_units_and_bytes_of_every_way_to_write() -> None:
    engine = NullEngine(SHAPE)
    items = SHAPE.items(30)
    batch = {"RequestItems": {"target": [{"PutRequest": {"Item": item}} for item in items[:25]]}}
    statements = {"Statements": [insert_of("target", item) for item in items[25:29]]}
    calls = {
        "BatchWriteItem": json.dumps(batch).encode(),
        "BatchExecuteStatement": json_bytes({**statements, "ReturnConsumedCapacity": "TOTAL"}),
        "PutItem": json.dumps({"TableName": "target", "Item": items[29]}).encode(),
    }
    answers = {operation: json.loads(engine.answer(operation, body)) for operation, body in calls.items()}
    assert answers["BatchExecuteStatement"]["ConsumedCapacity"] == [{"CapacityUnits": 40.0, "TableName": "target"}]
    assert len(answers["BatchExecuteStatement"]["Responses"]) == 4
    assert engine.counts.items_written == 30
    assert engine.counts.total.write_units == 300
    assert engine.counts.total.bytes_in == sum(map(len, calls.values()))
    assert engine.counts.looked_at == 30
    assert engine.counts.differing == 0


@pytest.mark.parametrize("operation", ["PutItem", "BatchWriteItem", "BatchExecuteStatement"])
def test_an_item_that_is_written_otherwise_than_it_was_read_is_seen(operation: str) -> None:
    engine = NullEngine(SHAPE)
    (item,) = SHAPE.items(1)
    item["a00"] = {"S": "another"}
    bodies: dict[str, dict[str, Any]] = {
        "PutItem": {"TableName": "target", "Item": item},
        "BatchWriteItem": {"RequestItems": {"target": [{"PutRequest": {"Item": item}}]}},
        "BatchExecuteStatement": {"Statements": [insert_of("target", item)]},
    }
    engine.answer(operation, json.dumps(bodies[operation]).encode())
    assert engine.counts.differing == 1


def test_what_is_done_to_warm_up_is_not_counted() -> None:
    engine = NullEngine(SHAPE)
    (item,) = SHAPE.items(1)
    engine.answer("Scan", b'{"TableName": "warm-10"}')
    engine.answer("PutItem", json.dumps({"TableName": "target", "Item": item}).encode())
    scan(engine, 10)
    assert engine.counts.total.items == 10
    assert engine.counts.items_written == 0


def test_it_keeps_the_books_and_plays_the_writers_receipts() -> None:
    engine = NullEngine(SHAPE)

    def put(sk: str, document: object) -> None:
        item = {"pk": {"S": "run#0"}, "sk": {"S": sk}, "document": {"S": json.dumps(document)}}
        engine.answer("PutItem", json.dumps({"TableName": BOOKS, "Item": item}).encode())

    put("checkpoint", {"pages": 1})
    for page in range(3):
        put(f"sent#{page:08}", {"digests": ["d"], "count": 1})
    key = {"pk": {"S": "run#0"}, "sk": {"S": "checkpoint"}}
    found = json.loads(engine.answer("GetItem", json.dumps({"TableName": BOOKS, "Key": key}).encode()))
    assert json.loads(found["Item"]["document"]["S"]) == {"pages": 1}
    values = {":pk": {"S": "run#0"}, ":first": {"S": "receipt#00000001"}, ":last": {"S": "receipt#~"}}
    query = json.dumps({"TableName": BOOKS, "ExpressionAttributeValues": values}).encode()
    receipts = json.loads(engine.answer("Query", query))["Items"]
    assert [item["sk"]["S"] for item in receipts] == ["receipt#00000001#0000#d", "receipt#00000002#0000#d"]


def test_its_pages_are_ones_that_our_scan_reads() -> None:
    engine = NullEngine(SHAPE)
    page = take_apart(engine.answer("Scan", b'{"TableName": "source-5", "ReturnConsumedCapacity": "TOTAL"}'))
    assert (page.count, page.cursor, page.read_units) == (5, None, 6.5)
    (record,) = encode_page(page, run="r", segment=0, number=0)
    assert decode_items(record) == SHAPE.items(5)


def test_canned_events_deliver_as_many_records_as_are_wanted() -> None:
    events = [json.loads(event) for event in canned_events([b"a", b"b", b"c"], count=10, at_once=4)]
    assert [len(event["Records"]) for event in events] == [4, 4, 2]


def copy_some(client: "DynamoDBClient") -> None:
    """Read a table of 250 items, write three of them, and make a call that the engine does not know."""
    pages = client.get_paginator("scan").paginate(TableName="source-250")
    items = [item for page in pages for item in page["Items"]]
    assert len(items) == 250
    for item in items[:3]:
        client.put_item(TableName="target", Item=item)
    with pytest.raises(client.exceptions.ClientError, match="KeyError"):
        client.list_tables()


def test_it_serves_boto3_and_says_what_it_counted() -> None:
    with null_engine() as engine:
        engine.prepare(SHAPE)
        client = LocalSession(engine.endpoint_url, REGION).client("dynamodb")
        copy_some(client)
        counts = engine.counts()
        assert counts.operations["PutItem"].calls == 3
        assert (counts.looked_at, counts.differing) == (3, 0)
        engine.prepare(SHAPE)
        assert engine.counts().total.calls == 0
