"""The article's design, written out: a stream that copies changes, a scan into Kinesis, a writer with a condition.

- One function is driven by the source's DynamoDB stream: it puts the new image of a change, and deletes what was
  deleted.
- One scans the source with boto3, and puts every item as one record into Kinesis (PutRecords, 500 a call at most).
- One is driven by Kinesis, and puts each item with PutItem, on the condition that the target has none of that key, or
  an older one by `updatedAt`.

Items keep DynamoDB's own types on the way, by boto3's client; its table resource, with a Decimal for each number, would
cost more. `python -m tests.benchmarks.copiers.article TASK`.
"""

import base64
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import boto3

from tests.benchmarks.canned import NullEngine
from tests.benchmarks.copiers.pages import StreamReader, canned_events, in_events
from tests.benchmarks.copiers.task import Task
from tests.benchmarks.measure import Meter, keep_stdout_for_the_result, say
from tests.benchmarks.shapes import Shape, shape_of

RECORDS_A_CALL = 500
BYTES_A_CALL = 4 * 1024 * 1024
"""PutRecords takes 5 MB, keys included."""
RECORDS_AN_EVENT = 100
"""Lambda's default for a stream."""
BYTES_AN_EVENT = 4 * 1024 * 1024
"""Lambda takes 6 MB, in which records are base64."""
RECORDS_OF_ANY_SIZE = 8
"""Of one event, where some may be of 400 KB."""
EMPTY_ROUNDS = 5
"""So many reads without records, one after the other, are the end of a stream that nobody writes to."""


class Functions:
    """The three functions."""

    def __init__(self, stream_arn: str) -> None:
        self._dynamodb = boto3.client("dynamodb")
        self._kinesis = boto3.client("kinesis")
        self._stream_arn = stream_arn

    def scan(self, source: str) -> int:
        """Scan a table into Kinesis, and return how many items it has."""
        sent = 0
        for page in self._dynamodb.get_paginator("scan").paginate(TableName=source):
            self._put_records([_to_json(item) for item in page["Items"]])
            sent += len(page["Items"])
        return sent

    def _put_records(self, texts: list[str]) -> None:
        entries = [{"Data": text.encode(), "PartitionKey": str(number)} for number, text in enumerate(texts)]
        for some in lots(entries, lambda entry: len(entry["Data"]), RECORDS_A_CALL, BYTES_A_CALL):
            waiting = some
            while waiting:
                answer = self._kinesis.put_records(StreamARN=self._stream_arn, Records=waiting)
                results = zip(waiting, answer["Records"], strict=True)
                waiting = [entry for entry, result in results if "ErrorCode" in result]

    def write(self, event: dict[str, Any], target: str) -> None:
        """Put the items of a batch where they are newer."""
        for record in event["Records"]:
            item = _from_json(base64.b64decode(record["kinesis"]["data"]))
            try:
                self._dynamodb.put_item(
                    TableName=target,
                    Item=item,
                    ConditionExpression="attribute_not_exists(#pk) OR #updatedAt < :updatedAt",
                    ExpressionAttributeNames={"#pk": "pk", "#updatedAt": "updatedAt"},
                    ExpressionAttributeValues={":updatedAt": item["updatedAt"]},
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                continue  # the stream was first

    def replicate(self, records: Iterable[Any], target: str) -> None:
        """Carry out changes of the stream, in their order."""
        for record in records:
            if record["eventName"] == "REMOVE":
                self._dynamodb.delete_item(TableName=target, Key=record["dynamodb"]["Keys"])
            else:
                self._dynamodb.put_item(TableName=target, Item=record["dynamodb"]["NewImage"])


def main() -> None:
    task = Task.given()
    keep_stdout_for_the_result()
    copier = Copier(task)
    with copier.following(task.source, task.target) if task.follows else nullcontext():
        copier.copy(task.warm, task.warm_target, Meter())
        meter = Meter()
        say(meter.measured(copier.copy(task.source, task.target, meter)))


class Copier:
    """The functions, and what drives them."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._functions = Functions(task.stream_arn)
        self._reader = StreamReader(boto3.client("kinesis"), task.stream_arn) if task.is_real else None

    def copy(self, source: str, target: str, meter: Meter) -> int:
        """Copy a table once, and return how many items it has."""
        with meter.on("scan"):
            items = self._functions.scan(source)
        if self._reader is None:
            events = _canned(shape_of(self._task.shape), items)
        else:
            events = in_events(self._reader.iter_all(items), at_once=RECORDS_OF_ANY_SIZE)
        for event in events:
            with meter.on("write"):
                self._functions.write(json.loads(event), target)
        return items

    @contextmanager
    def following(self, source: str, target: str) -> Iterator[None]:
        """Follow the stream beside the copy, as Lambda does it by another function; then on, until nobody writes."""
        is_over = threading.Event()
        thread = threading.Thread(target=_follow, args=(self._functions, Changes(source), target, is_over))
        thread.start()
        try:
            yield
            sys.stdin.read()
        finally:
            is_over.set()
            thread.join()


def _canned(shape: Shape, items: int) -> Iterator[str]:
    """Return the events of the null engine's items, each a record as the scan puts it."""
    count = min(items, shape.items_a_page)
    page = json.loads(NullEngine(shape).answer("Scan", json.dumps({"TableName": f"source-{count}"}).encode()))
    records = [json.dumps(item).encode() for item in page["Items"]]
    at_once = max(1, min(RECORDS_AN_EVENT, BYTES_AN_EVENT // (max(map(len, records)) * 4 // 3)))
    return canned_events(records, count=items, at_once=at_once)


def _follow(functions: Functions, changes: "Changes", target: str, is_over: threading.Event) -> None:
    empty = 0
    while empty < EMPTY_ROUNDS:
        records = changes.read()
        functions.replicate(records, target)
        empty = 0 if records or not is_over.is_set() else empty + 1
        if not records:
            time.sleep(0.1)


class Changes:
    """Reads a table's stream from its beginning, shard by shard."""

    def __init__(self, table: str) -> None:
        self._client = boto3.client("dynamodbstreams")
        arn = boto3.client("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
        shards = self._client.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
        self._iterators = [
            self._client.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")[
                "ShardIterator"
            ]
            for shard in shards
        ]

    def read(self) -> list[Any]:
        """Return the changes that have come since the last time."""
        records: list[Any] = []
        for place, iterator in enumerate(self._iterators):
            answer = self._client.get_records(ShardIterator=iterator)
            self._iterators[place] = answer["NextShardIterator"]
            records += answer["Records"]
        return records


def lots(things: list[Any], size: Callable[[Any], int], most: int, most_bytes: int) -> Iterator[list[Any]]:
    """Yield things in lots of so many at most, and of so many bytes."""
    lot: list[Any] = []
    room = most_bytes
    for thing in things:
        if lot and (len(lot) == most or size(thing) > room):
            yield lot
            lot, room = [], most_bytes
        lot.append(thing)
        room -= size(thing)
    if lot:
        yield lot


def _to_json(item: dict[str, Any]) -> str:
    return json.dumps(item, default=lambda binary: base64.b64encode(binary).decode())


def _from_json(text: bytes) -> dict[str, Any]:
    return {name: _as_boto3_has_it(value) for name, value in json.loads(text).items()}


def _as_boto3_has_it(value: dict[str, Any]) -> dict[str, Any]:
    """Return a value with its binaries as bytes."""
    ((kind, content),) = value.items()
    match kind:
        case "B":
            return {"B": base64.b64decode(content)}
        case "BS":
            return {"BS": [base64.b64decode(member) for member in content]}
        case "L":
            return {"L": [_as_boto3_has_it(member) for member in content]}
        case "M":
            return {"M": {name: _as_boto3_has_it(member) for name, member in content.items()}}
    return value


if __name__ == "__main__":
    main()
