"""What DynamoDB Local takes as most of each way to write, by a client that does nothing else.

Requests are made beforehand, down to their last byte, and sent over open connections side by side; of an answer only
its status is looked at. So what is found is the engine's own limit on this machine: no copier that writes in that way
can be faster, and what one stays below it is its own.
"""

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from tests.benchmarks.copiers.task import REGION
from tests.benchmarks.on_local import LocalTables
from tests.benchmarks.shapes import Item, Shape
from tests.statements import insert_of

MEASURED: Final = ((Shape("500 B"), 8), (Shape("1 KB"), 1), (Shape("1 KB"), 8), (Shape("10 KB"), 8))
"""Shape, and connections side by side. Eight is what our writer has."""
LIMIT_SECONDS: Final = 2.0
WARM_SECONDS: Final = 0.5
ITEMS_MOST: Final = 20_000
BYTES_MOST: Final = 40 << 20
A_CALL: Final = 25
STATEMENTS, PUTS, BATCHES = "BatchExecuteStatement, INSERT", "PutItem, with a condition", "BatchWriteItem"
WAYS: Final = (STATEMENTS, PUTS, BATCHES)
WITHIN_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Limit:
    """Of one way to write."""

    way: str
    shape: str
    lanes: int
    items_a_second: float


def limits(tables: LocalTables, *, seconds: float = LIMIT_SECONDS) -> Iterator[Limit]:
    """Measure every way to write, in turn; each into a new table."""
    for shape, lanes in MEASURED:
        items = shape.items(min(ITEMS_MOST, BYTES_MOST // shape.bytes))
        for way in WAYS:
            table = tables.empty()
            requests = list(requests_of(way, table, items))
            rate = most(tables.aws.endpoint_url, requests, lanes=lanes, seconds=seconds)
            tables.delete(table)
            yield Limit(way, shape.name, lanes, rate * len(items) / len(requests))


def requests_of(way: str, table: str, items: Sequence[Item]) -> Iterator[bytes]:
    """Yield the HTTP requests that write these items in one way."""
    if way == PUTS:
        condition = {"ConditionExpression": "attribute_not_exists(pk)"}
        for item in items:
            yield _request("PutItem", {"TableName": table, "Item": item, **condition})
        return
    for start in range(0, len(items), A_CALL):
        lot = items[start : start + A_CALL]
        if way == BATCHES:
            yield _request(
                "BatchWriteItem", {"RequestItems": {table: [{"PutRequest": {"Item": each}} for each in lot]}}
            )
        else:
            yield _request("BatchExecuteStatement", {"Statements": [insert_of(table, item) for item in lot]})


def _request(operation: str, request: dict[str, Any]) -> bytes:
    body = json.dumps(request, separators=(",", ":")).encode()
    head = (
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-amz-json-1.0\r\n"
        f"X-Amz-Target: DynamoDB_20120810.{operation}\r\nX-Amz-Date: 20260101T000000Z\r\n"
        f"Authorization: AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/dynamodb/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=00\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def most(endpoint_url: str, requests: Sequence[bytes], *, lanes: int, seconds: float) -> float:
    """Send requests side by side, and return how many were answered a second once the engine was warm.

    Args:
        endpoint_url: of the engine.
        requests: none is sent twice.
        lanes: connections side by side.
        seconds: for how long; it ends before that when all are sent.

    Raises:
        RuntimeError: one was not carried out.
    """
    waiting, lock = iter(requests), threading.Lock()
    answered_at: list[float] = []
    failures: list[BaseException] = []
    begun = time.perf_counter()

    def send() -> None:
        try:
            with _connected(endpoint_url) as connection, connection.makefile("rb") as answers:
                while time.perf_counter() - begun < WARM_SECONDS + seconds:
                    with lock:
                        request = next(waiting, None)
                    if request is None:
                        return
                    connection.sendall(request)
                    _read_answer(answers)
                    answered_at.append(time.perf_counter())
        except BaseException as error:  # noqa: BLE001 — it is raised by whoever waits for the thread
            failures.append(error)

    threads = [threading.Thread(target=send) for _ in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    answered_at.sort()
    counted = [at for at in answered_at if at - begun >= WARM_SECONDS] or answered_at
    return len(counted) / (counted[-1] - min(begun + WARM_SECONDS, *counted))


def _connected(endpoint_url: str) -> socket.socket:
    address = urlsplit(endpoint_url)
    connection = socket.create_connection((address.hostname, address.port), timeout=WITHIN_SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _read_answer(answers: Any) -> None:  # noqa: ANN401 — a buffered reader of whatever kind
    status, length = answers.readline(), 0
    while (line := answers.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    body = answers.read(length)
    if b" 200 " not in status or b'"Error"' in body or b'"Put' in body:
        raise RuntimeError(f"a write was not carried out: {status!r} {body[:300]!r}")
