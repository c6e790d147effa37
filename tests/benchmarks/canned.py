"""The answers of the null engine, prepared once for a shape, and what it counts while it gives them.

It keeps nothing but the books (the control table). A table is called `source-<items>`: a Scan is answered with the same
prepared items, page after page, until so many were sent. A write is answered as if it had been carried out, and the
first of them are compared with what was sent. What is done before a copier first asks for its source is not counted: by
then it has only warmed up, on a table called `warm-<items>`.
"""

import functools
import json
import re
from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Any, Final

from infra.local.emulator.limits.sizes import read_units
from tasks.core.model.item import TOMBSTONE_ATTRIBUTE
from tests.benchmarks.counts import Count, Counts, put_units
from tests.benchmarks.judge import canonical
from tests.benchmarks.shapes import KEY_LENGTH, Shape

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BOOKS: Final = "books"
"""The control table's name."""
STREAM_ARN: Final = "arn:aws:dynamodb:eu-west-1:123456789012:table/source/stream/1"
LOOKED_AT: Final = 50
"""So many written items are compared: enough to see a type that is damaged, and a cost that is not noticed."""
_INSERT = re.compile(r"""INSERT INTO "([^"]+)" VALUE \{(.*)\}""", re.DOTALL)
_NAME = re.compile(r"'((?:[^']|'')*)': \?")
_HEAD_BYTES: Final = 200
"""A table's name is within so many bytes of a batch's beginning."""

Request = dict[str, Any]


class NullEngine:
    """DynamoDB and Kinesis as they answer when nothing is in the way.

    Args:
        shape: of the source's items.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.counts = Counts()
        self._items = shape.items(shape.items_a_page)
        self._known = {item["pk"]["S"]: canonical(item) for item in self._items}
        self._books: dict[str, dict[str, Any]] = {}
        self._order: dict[str, list[str]] = {}
        self._is_warm = False
        self._array = functools.cache(self._items_as_json)
        self._answers: dict[str, Callable[[bytes], tuple[str, bytes]]] = {
            "Scan": self._scan,
            "BatchWriteItem": self._batch_write_item,
            "BatchExecuteStatement": self._batch_execute_statement,
            "ExecuteStatement": self._execute_statement,
            "PutItem": self._put_item,
            "GetItem": self._get_item,
            "BatchGetItem": self._batch_get_item,
            "Query": self._query,
            "DescribeTable": self._describe_table,
            "PutRecords": self._put_records,
            "PutObject": self._put_object,
        }

    def reset(self) -> None:
        """Begin to count anew, with empty books."""
        self.counts = Counts()
        self._books, self._order = {}, {}
        self._is_warm = False

    def answer(self, operation: str, body: bytes) -> bytes:
        """Answer a call.

        Raises:
            KeyError: no copier has needed that operation so far.
        """
        if not self._is_warm and operation in {"Scan", "DescribeTable"} and b'"source-' in body:
            self._is_warm, self.counts = True, Counts()
        name, answered = self._answers[operation](body)
        self.counts.of(name).add(Count(calls=1, bytes_in=len(body), bytes_out=len(answered)))
        return answered

    # What copies read.

    def _scan(self, body: bytes) -> tuple[str, bytes]:
        request = json.loads(body)
        start, end = self._segment(request)
        if "ExclusiveStartKey" in request:
            start = int(request["ExclusiveStartKey"]["pk"]["S"].removeprefix("key-"))
        count = min(end - start, self.shape.items_a_page, request.get("Limit", end - start))
        units = read_units(count * self.shape.bytes, is_consistent=bool(request.get("ConsistentRead")))
        answer: list[bytes] = [b"{"]
        if "ReturnConsumedCapacity" in request:
            answer.append(b'"ConsumedCapacity":%s,' % _consumed(request["TableName"], units))
        answer.append(b'"Count":%d,"Items":%s,' % (count, self._array(count)))
        if start + count < end:
            answer.append(b'"LastEvaluatedKey":{"pk":{"S":"key-%0*d"}},' % (KEY_LENGTH - 4, start + count))
        answer.append(b'"ScannedCount":%d}' % count)
        self.counts.of("Scan").add(Count(items=count, read_units=units))
        return "Scan", b"".join(answer)

    def _segment(self, request: Request) -> tuple[int, int]:
        """Return the numbers of the first item of a segment, and of the first behind it."""
        items = int(request["TableName"].rpartition("-")[2])
        segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
        return items * segment // segments, items * (segment + 1) // segments

    def _items_as_json(self, count: int) -> bytes:
        return json.dumps(self._items[:count], separators=(",", ":"), ensure_ascii=False).encode()

    # What copies write.

    def _batch_write_item(self, body: bytes) -> tuple[str, bytes]:
        if b'"%s"' % BOOKS.encode() in body[:_HEAD_BYTES]:
            return self._batch_write_books(json.loads(body)["RequestItems"][BOOKS])
        puts, deletes = body.count(b'"PutRequest"'), body.count(b'"DeleteRequest"')
        name = self._written("BatchWriteItem", body, puts + deletes)
        # A tombstone has hardly more than its key, whatever the size of the item that it stands for.
        spared = body.count(b'"%s"' % TOMBSTONE_ATTRIBUTE.encode()) * (self.shape.write_units - 1)
        self.counts.of(name).write_units -= spared
        return name, b'{"UnprocessedItems":{}%s}' % self._told(body, puts + deletes, as_list=True)

    def _batch_execute_statement(self, body: bytes) -> tuple[str, bytes]:
        items = body.count(b'"Statement"')
        name = self._written("BatchExecuteStatement", body, items)
        each = b",".join([b'{"TableName":"target"}'] * items)
        return name, b'{"Responses":[%s]%s}' % (each, self._told(body, items, as_list=True))

    def _execute_statement(self, body: bytes) -> tuple[str, bytes]:
        name = self._written("ExecuteStatement", body, 1)
        return name, b'{"Items":[]%s}' % self._told(body, 1)

    def _put_item(self, body: bytes) -> tuple[str, bytes]:
        if b'"document"' in body:  # only the books have such an attribute
            self._put_book(json.loads(body)["Item"])
            self.counts.of("PutItem (books)").add(Count(write_units=1 + len(body) // 1024))
            return "PutItem (books)", b"{}"
        name = self._written("PutItem", body, 1)
        return name, b"{%s}" % self._told(body, 1).removeprefix(b",")

    def _written(self, operation: str, body: bytes, items: int) -> str:
        self.counts.of(operation).add(Count(items=items, write_units=items * self.shape.write_units))
        if self.counts.looked_at < LOOKED_AT:
            self._look_at(items_of(operation, json.loads(body)))
        return operation

    def _look_at(self, items: list[Any]) -> None:
        for item in items:
            if TOMBSTONE_ATTRIBUTE in item:
                continue
            self.counts.looked_at += 1
            self.counts.differing += canonical(item) != self._known.get(item["pk"]["S"])

    def _told(self, body: bytes, items: int, *, as_list: bool = False) -> bytes:
        """Return the units that a call took as a further field, if it asks for them."""
        if b'"ReturnConsumedCapacity"' not in body:
            return b""
        consumed = _consumed("target", items * self.shape.write_units)
        return b',"ConsumedCapacity":%s' % (b"[%s]" % consumed if as_list else consumed)

    def _put_records(self, body: bytes) -> tuple[str, bytes]:
        records = json.loads(body)["Records"]
        self.counts.of("PutRecords").add(Count(put_units=put_units(records)))
        taken = b",".join([b'{"SequenceNumber":"1","ShardId":"shardId-000000000000"}'] * len(records))
        return "PutRecords", b'{"FailedRecordCount":0,"Records":[%s]}' % taken

    def _put_object(self, body: bytes) -> tuple[str, bytes]:
        del body
        return "PutObject", b""

    # The books, which are kept.

    def _batch_write_books(self, requests: list[Request]) -> tuple[str, bytes]:
        name = "BatchWriteItem (books)"
        for request in requests:
            if "PutRequest" in request:
                self._put_book(request["PutRequest"]["Item"])
        self.counts.of(name).add(Count(write_units=len(requests)))
        return name, b'{"UnprocessedItems":{}}'

    def _put_book(self, item: dict[str, Any]) -> None:
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        if sk not in self._books.setdefault(pk, {}):
            insort(self._order.setdefault(pk, []), sk)
        self._books[pk][sk] = item
        if sk.startswith("sent#"):
            # The writer is played: what is sent has its receipt at once, so that the scan never waits for it.
            page = sk.partition("#")[2]
            for part, digest in enumerate(json.loads(item["document"]["S"])["digests"]):
                receipt = {"S": '{"inserted":1,"present":0,"rejected":0}'}
                sk_of_receipt = {"S": f"receipt#{page}#{part:04}#{digest}"}
                self._put_book({"pk": item["pk"], "sk": sk_of_receipt, "document": receipt})

    def _get_item(self, body: bytes) -> tuple[str, bytes]:
        key = json.loads(body)["Key"]
        found = self._books.get(key["pk"]["S"], {}).get(key["sk"]["S"])
        self.counts.of("GetItem (books)").add(Count(read_units=1))
        return "GetItem (books)", _as_json({} if found is None else {"Item": found})

    def _batch_get_item(self, body: bytes) -> tuple[str, bytes]:
        """Find nothing: the writer asks for receipts of its parts, and the same part comes many times here."""
        keys = json.loads(body)["RequestItems"][BOOKS]["Keys"]
        self.counts.of("BatchGetItem (books)").add(Count(read_units=len(keys)))
        return "BatchGetItem (books)", _as_json({"Responses": {BOOKS: []}, "UnprocessedKeys": {}})

    def _query(self, body: bytes) -> tuple[str, bytes]:
        values = {name: value["S"] for name, value in json.loads(body)["ExpressionAttributeValues"].items()}
        kept, order = self._books.get(values[":pk"], {}), self._order.get(values[":pk"], [])
        first = values.get(":first", values.get(":prefix", ""))
        last = values.get(":last", first + "~")
        found = [kept[sk] for sk in order[bisect_left(order, first) : bisect_left(order, last)]]
        answered = _as_json({"Items": found, "Count": len(found), "ScannedCount": len(found)})
        self.counts.of("Query (books)").add(Count(read_units=1 + len(answered) // 4096))
        return "Query (books)", answered

    def _describe_table(self, body: bytes) -> tuple[str, bytes]:
        table = json.loads(body)["TableName"]
        described = {
            "TableName": table,
            "TableStatus": "ACTIVE",
            "TableId": f"{table}-id",
            "TableArn": f"arn:aws:dynamodb:eu-west-1:123456789012:table/{table}",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
            "ProvisionedThroughput": {"ReadCapacityUnits": 0, "WriteCapacityUnits": 0},
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            "LatestStreamArn": STREAM_ARN,
        }
        return "DescribeTable", _as_json({"Table": described})


def items_of(operation: str, request: "Mapping[str, Any]") -> list[Any]:
    """Return the items that a write brings, in typed JSON."""
    if operation == "PutItem":
        return [request["Item"]]
    if operation == "BatchWriteItem":
        writes = (each for of_table in request["RequestItems"].values() for each in of_table)
        return [each["PutRequest"]["Item"] for each in writes if "PutRequest" in each]
    return [_item_of(statement) for statement in request.get("Statements", [request])]


def _item_of(statement: Request) -> dict[str, Any]:
    matched = _INSERT.fullmatch(statement["Statement"])
    if matched is None:
        raise ValueError(f"no INSERT that is known here: {statement['Statement'][:200]}")
    names = [name.replace("''", "'") for name in _NAME.findall(matched[2])]
    return dict(zip(names, statement["Parameters"], strict=True))


def _consumed(table: str, units: float) -> bytes:
    return b'{"CapacityUnits":%.1f,"TableName":"%s"}' % (units, table.encode())


def _as_json(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()
