"""Serves the null engine on 127.0.0.1: `python -m tests.benchmarks.null_engine`.

It says its port in a line of JSON, and ends when its standard input does. Besides the calls of AWS it takes two of its
own, by the same header: `Bench.Prepare`, with a shape's name, and `Bench.Counts`.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from subprocess import PIPE, Popen, TimeoutExpired
from typing import Any
from urllib.request import Request, urlopen

from infra.local.emulator.client import PROJECT_ROOT
from tests.benchmarks.canned import NullEngine
from tests.benchmarks.counts import Counts
from tests.benchmarks.shapes import Shape, shape_of

STOP_WITHIN_SECONDS = 10.0


class Connection(asyncio.Protocol):
    """One connection: requests one after the other, each with its length."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = bytes(self._received[:end])
            headers = _headers(head)
            whole = end + 4 + int(headers.get(b"content-length", b"0"))
            if len(self._received) < whole:
                if headers.get(b"expect") == b"100-continue" and len(self._received) == end + 4:
                    assert self._transport is not None
                    self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            body = bytes(self._received[end + 4 : whole])
            del self._received[:whole]
            # S3 is the one service that names its calls by method and path.
            target = b"S3.PutObject" if head.startswith(b"PUT ") else headers.get(b"x-amz-target", b"")
            self._answer(target.decode(), body)

    def _answer(self, target: str, body: bytes) -> None:
        assert self._transport is not None
        try:
            status, answered = b"200 OK", self._server.answer(target, body)
        except Exception as error:  # noqa: BLE001 — it goes to the copier, which fails with it
            told = {"__type": "ValidationException", "message": f"{target}: {type(error).__name__}: {error}"}
            status, answered = b"400 Bad Request", json.dumps(told).encode()
        head = b"HTTP/1.1 %s\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: %d\r\n\r\n"
        self._transport.write(head % (status, len(answered)) + answered)


def _headers(head: bytes) -> dict[bytes, bytes]:
    lines = (line.partition(b":") for line in head.split(b"\r\n")[1:])
    return {name.lower(): value.strip() for name, _, value in lines}


class Server:
    """What the connections share."""

    def __init__(self) -> None:
        self._engines: dict[str, NullEngine] = {}
        self._engine: NullEngine | None = None

    def answer(self, target: str, body: bytes) -> bytes:
        """Answer a call of AWS, or one of ours."""
        service, _, operation = target.rpartition(".")
        if service == "Bench":
            return self._answer_us(operation, body)
        if self._engine is None:
            raise RuntimeError("call Bench.Prepare first")
        return self._engine.answer(operation, body)

    def _answer_us(self, operation: str, body: bytes) -> bytes:
        if operation == "Prepare":
            shape: str = json.loads(body)["shape"]
            if shape not in self._engines:
                self._engines.clear()  # one shape's items at a time
                self._engines[shape] = NullEngine(shape_of(shape))
            self._engine = self._engines[shape]
            self._engine.reset()
            return b"{}"
        if operation == "Counts" and self._engine is not None:
            return json.dumps(self._engine.counts.as_json()).encode()
        raise ValueError(f"there is no call {operation}")


class NullEngineProcess:
    """The null engine in a process of its own, as whoever started it sees it."""

    def __init__(self, port: int) -> None:
        self.endpoint_url = f"http://127.0.0.1:{port}"

    def prepare(self, shape: Shape) -> None:
        """Prepare the answers of a shape, and begin to count."""
        self._call("Prepare", {"shape": shape.name})

    def counts(self) -> Counts:
        """Return what was counted since."""
        return Counts.from_json(self._call("Counts", {}))

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        called = Request(  # noqa: S310 — our own server on 127.0.0.1
            self.endpoint_url, json.dumps(request).encode(), {"X-Amz-Target": f"Bench.{operation}"}
        )
        with urlopen(called, timeout=60) as answered:  # noqa: S310 — the same
            answer: dict[str, Any] = json.loads(answered.read())
            return answer


@contextmanager
def null_engine() -> Iterator[NullEngineProcess]:
    """Start a null engine, and end it."""
    command = [sys.executable, "-m", "tests.benchmarks.null_engine"]
    with Popen(command, cwd=PROJECT_ROOT, stdin=PIPE, stdout=PIPE) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield NullEngineProcess(json.loads(process.stdout.readline())["port"])
        finally:
            process.stdin.close()
            try:
                process.wait(STOP_WITHIN_SECONDS)
            except TimeoutExpired:
                process.kill()


async def serve() -> None:
    """Serve until standard input ends."""
    loop, server = asyncio.get_running_loop(), Server()
    listening = await loop.create_server(lambda: Connection(server), "127.0.0.1", 0)
    sys.stdout.write(json.dumps({"port": listening.sockets[0].getsockname()[1]}) + "\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    listening.close()


if __name__ == "__main__":
    asyncio.run(serve())
