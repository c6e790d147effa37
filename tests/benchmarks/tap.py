"""Stands between a copier and the local AWS, and counts what goes by: calls by operation, bytes, units.

The local AWS's own gateway counts calls only, and DynamoDB says what a call took only where it is asked. Here units are
reckoned from the items themselves, in one way for every copier. It costs time, so what is counted is not timed.
"""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

from infra.local.emulator.limits.sizes import item_bytes, read_units, write_units
from tests.benchmarks.canned import BOOKS, items_of
from tests.benchmarks.counts import Count, Counts, put_units

WITHIN_SECONDS: Final = 60.0
WRITES: Final = ("BatchExecuteStatement", "BatchWriteItem", "ExecuteStatement", "PutItem")
OF_THE_BENCH: Final = ("DescribeStream", "GetRecords", "GetShardIterator", "ListShards")
"""What Lambda's mappings would call, and the bench does in their place."""
NOT_PASSED_ON: Final = ("connection", "content-length", "transfer-encoding", "date", "server")


class Tap:
    """What goes by, counted since the source was first asked for.

    Attributes:
        endpoint_url: of the tap, to give to a copier.
        counts: so far.
    """

    def __init__(self, endpoint_url: str, source: str) -> None:
        self.endpoint_url = ""
        self.counts = Counts()
        self._behind = urlsplit(endpoint_url).netloc
        self._source = f'"{source}"'.encode()
        self._is_warm = False
        self._lock = threading.Lock()

    def connection(self) -> http.client.HTTPConnection:
        """Return a new connection to what is behind the tap."""
        return http.client.HTTPConnection(self._behind, timeout=WITHIN_SECONDS)

    def note(self, operation: str, body: bytes, answered: bytes) -> None:
        """Count a call that was answered."""
        with self._lock:
            if not self._is_warm and operation in {"Scan", "DescribeTable"} and self._source in body:
                self._is_warm, self.counts = True, Counts()
            if operation not in OF_THE_BENCH:
                name, count = counted(operation, body, answered)
                self.counts.of(name).add(count)


def counted(operation: str, body: bytes, answered: bytes) -> tuple[str, Count]:
    """Return under which name a call is counted, and what it took.

    Args:
        operation: its name.
        body: of the request.
        answered: the body of its answer, without an error.
    """
    count = Count(calls=1, bytes_in=len(body), bytes_out=len(answered))
    if f'"{BOOKS}"'.encode() in body:
        _reckon_books(count, operation, json.loads(body), json.loads(answered))
        return f"{operation} (books)", count
    if operation == "Scan":
        request, items = json.loads(body), json.loads(answered)["Items"]
        read = sum(map(item_bytes, items))
        count.items = len(items)
        count.read_units = read_units(read, is_consistent=bool(request.get("ConsistentRead")))
    elif operation in WRITES:
        items = items_of(operation, json.loads(body))
        count.items, count.write_units = len(items), _units_of(items)
    elif operation == "PutRecords":
        count.put_units = put_units(json.loads(body)["Records"])
    return operation, count


def _reckon_books(count: Count, operation: str, request: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    if operation in WRITES:
        count.write_units = _units_of(items_of(operation, request))
    elif operation == "GetItem":
        count.read_units = read_units(item_bytes(answer.get("Item", {})), is_consistent=True)
    elif operation == "BatchGetItem":
        keys, found = request["RequestItems"][BOOKS]["Keys"], answer["Responses"].get(BOOKS, [])
        sizes = [*map(item_bytes, found), *[0] * (len(keys) - len(found))]
        count.read_units = sum(read_units(size, is_consistent=True) for size in sizes)
    elif operation == "Query":
        count.read_units = read_units(sum(map(item_bytes, answer["Items"])), is_consistent=True)


def _units_of(items: list[Any]) -> float:
    return sum(write_units(item_bytes(item)) for item in items)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    tap: Tap

    def setup(self) -> None:
        super().setup()
        self._behind = self.tap.connection()

    def finish(self) -> None:
        self._behind.close()
        super().finish()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._behind.request(self.command, self.path, body, dict(self.headers.items()))
        answer = self._behind.getresponse()
        answered = answer.read()
        operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        if operation and answer.status == http.client.OK:
            self.tap.note(operation, body, answered)
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in NOT_PASSED_ON:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answered)))
        self.end_headers()
        self.wfile.write(answered)

    do_POST = do_PUT = do_GET = do_HEAD = do_DELETE = _pass_on  # noqa: N815 — the library's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def tap(endpoint_url: str, source: str) -> Iterator[Tap]:
    """Stand before an endpoint, and count from when a table is first asked for.

    Args:
        endpoint_url: of what is behind.
        source: the table; what comes before has only warmed a copier up.
    """
    made = Tap(endpoint_url, source)
    handler = type("Handler", (_Handler,), {"tap": made})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        made.endpoint_url = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        serving.start()
        try:
            yield made
        finally:
            server.shutdown()
            serving.join()
