"""The client that finds an engine's limit writes what it says, and takes no refusal for a write."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.benchmarks.canned import NullEngine
from tests.benchmarks.engine_limit import WAYS, most, requests_of
from tests.benchmarks.null_engine import null_engine
from tests.benchmarks.shapes import Shape

SHAPE = Shape("500 B")


@pytest.mark.parametrize("way", WAYS)
def test_every_item_is_written_once_and_as_it_is(way: str) -> None:
    engine, items = NullEngine(SHAPE), SHAPE.items(60)
    requests = list(requests_of(way, "target", items))
    for request in requests:
        head, _, body = request.partition(b"\r\n\r\n")
        operation = head.partition(b"DynamoDB_20120810.")[2].partition(b"\r\n")[0].decode()
        assert f"Content-Length: {len(body)}".encode() in head
        engine.answer(operation, body)
    assert engine.counts.items_written == len(items)
    assert engine.counts.looked_at >= 50
    assert engine.counts.differing == 0
    assert len(requests) == (60 if way.startswith("PutItem") else 3)


def test_it_sends_every_request_and_ends_with_the_last() -> None:
    with null_engine() as engine:
        engine.prepare(SHAPE)
        requests = list(requests_of(WAYS[0], "target", SHAPE.items(200)))
        assert most(engine.endpoint_url, requests, lanes=3, seconds=30) > 0
        assert engine.counts().items_written == 200


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (400, {}),
        (200, {"Responses": [{"Error": {"Code": "DuplicateItem"}}]}),
        (200, {"UnprocessedItems": {"target": [{"PutRequest": {}}]}}),
    ],
)
def test_a_write_that_was_not_carried_out_is_not_counted(status: int, answer: dict[str, object]) -> None:
    requests = list(requests_of(WAYS[0], "target", SHAPE.items(1)))
    with answering(status, json.dumps(answer).encode()) as url, pytest.raises(RuntimeError, match="not carried out"):
        most(url, requests, lanes=1, seconds=30)


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
