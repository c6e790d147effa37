"""Kept connections to one endpoint, and one exchange over one of them: a request out, its answer back.

urllib3 connects, which is the part of it that must not be made anew: certificates, proxies, timeouts. An exchange by it
costs more CPU than the items of a batch do, most of it for headers that nobody asks for. So what AWS sends, an answer
with its length, is read here; whatever else a server may send is read by `http.client`.
"""

import contextlib
import functools
import io
import re
import socket
import ssl
from collections import deque
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import urllib3
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from botocore.httpsession import create_urllib3_context
from botocore.utils import get_environ_proxies
from isal import isal_zlib
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.connection import is_connection_dropped

from tasks.aws.session import clients

RECEIVED_AT_ONCE: Final = 64 * 1024
JOINED_BYTES: Final = 64 * 1024
"""Of a body that is sent in one piece with its headers: a copy costs less than a second packet."""
_HEAD_ENDS: Final = b"\r\n\r\n"
_STATUS: Final = re.compile(rb"HTTP/1\.1 ([2-5]\d\d)[ \r]")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
_CHECKSUM: Final = re.compile(rb"\r\nx-amz-crc32:[ \t]*(\d+)[ \t]*\r\n", re.IGNORECASE)
PORTS: Final = {"http": 80, "https": 443}
_UNUSUAL: Final = re.compile(
    rb"\r\n(transfer-encoding:|content-encoding:|connection:(?![ \t]*keep-alive))", re.IGNORECASE
)


class Answer(NamedTuple):
    """What came back."""

    status: int
    data: bytes


class Connections:
    """Connections to one endpoint. Safe to use from several threads.

    Args:
        url: of the endpoint.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._parsed = urllib3.util.parse_url(url)
        self._kept: deque[HTTPConnection] = deque(maxlen=clients.CONNECTIONS_MOST)
        self._trust = _trust(clients.trusted_certificates()) if self._parsed.scheme == "https" else None

    def exchange(self, head: bytes, body: bytes) -> Answer:
        """Send a request and return its answer, over a connection that nobody else uses meanwhile.

        Args:
            head: request line and headers, as far as the empty line.
            body: as long as the head says.

        Raises:
            EndpointConnectionError: there is no connection.
            ReadTimeoutError: no answer came in time.
            ConnectionClosedError: the connection was cut. As with the former, nobody knows whether it was carried out.
        """
        connection = self._take()
        is_whole = False
        try:
            with _translated(self._url):
                sock = connection.sock
                assert sock is not None  # noqa: S101 — it is connected
                if len(body) <= JOINED_BYTES:
                    sock.sendall(head + body)
                else:
                    sock.sendall(head)
                    sock.sendall(body)
                answer, is_whole = _receive(sock)
        finally:
            if is_whole:
                self._kept.append(connection)
            else:
                connection.close()
        return answer

    def close(self) -> None:
        """Close those that nobody uses."""
        with contextlib.suppress(IndexError):
            while True:
                self._kept.pop().close()

    def _take(self) -> HTTPConnection:
        """Return a connection that is kept, or a new one."""
        while True:
            try:
                connection = self._kept.pop()
            except IndexError:
                break
            # Something to read before a request is an end, or an answer that is not ours.
            if not is_connection_dropped(connection):
                return connection
            connection.close()
        connection = self._new()
        try:
            connection.connect()
        except (urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
            connection.close()
            raise EndpointConnectionError(endpoint_url=self._url, error=error) from error
        assert connection.sock is not None  # noqa: S101 — it is connected
        connection.sock.settimeout(clients.READ_SECONDS)
        return connection

    def _new(self) -> HTTPConnection:
        host, port = str(self._parsed.host), self._parsed.port
        timeout = clients.CONNECT_SECONDS
        if self._parsed.scheme != "https":
            return HTTPConnection(host, port, timeout=timeout)
        through = get_environ_proxies(self._url).get("https")
        if not through:
            return HTTPSConnection(host, port, timeout=timeout, ssl_context=self._trust)
        proxy = urllib3.util.parse_url(through if "://" in through else f"http://{through}")
        scheme = proxy.scheme or "http"
        connection = HTTPSConnection(
            str(proxy.host), proxy.port or PORTS[scheme], timeout=timeout, ssl_context=self._trust
        )
        auth = urllib3.make_headers(proxy_basic_auth=unquote(proxy.auth)) if proxy.auth else None
        connection.set_tunnel(host, port or PORTS["https"], auth, scheme=scheme)
        return connection


@functools.cache
def _trust(certificates: str) -> ssl.SSLContext:
    """Return what tells whom to believe, by a file of certificates; made once, since it takes as long as many calls."""
    context: ssl.SSLContext = create_urllib3_context()
    context.check_hostname = True
    context.load_verify_locations(certificates)
    return context


@contextlib.contextmanager
def _translated(url: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise ReadTimeoutError(endpoint_url=url, error=error) from error
    except (HTTPException, OSError) as error:
        raise ConnectionClosedError(endpoint_url=url, error=error, request=None) from error


def _receive(sock: socket.socket) -> tuple[Answer, bool]:
    """Return the answer that comes next, and whether the connection can be used for another one."""
    received = bytearray()
    while (end := received.find(_HEAD_ENDS)) < 0:
        some = sock.recv(RECEIVED_AT_ONCE)
        if not some:
            raise ConnectionResetError("the connection ended before an answer")
        received += some
    behind = end + len(_HEAD_ENDS)
    status, length = _STATUS.match(received), _LENGTH.search(received, 0, end + 2)
    if status is None or length is None or _UNUSUAL.search(received, 0, end + 2):
        return _read_by_http_client(sock, bytes(received)), False
    whole, filled = behind + int(length[1]), len(received)
    received += bytes(max(0, whole - filled))
    with memoryview(received) as room:
        while filled < whole:
            count = sock.recv_into(room[filled:])
            if not count:
                raise ConnectionResetError("the connection ended within an answer")
            filled += count
    data = bytes(memoryview(received)[behind:whole])
    told = _CHECKSUM.search(received, 0, end + 2)
    _check(data, told and told[1])
    # What comes behind an answer is nobody's, and nothing that comes after it can be believed.
    return Answer(int(status[1]), data), len(received) == whole


def _check(data: bytes, told: bytes | None) -> None:
    """Hold an answer against its checksum, which DynamoDB sends along."""
    if told is not None and isal_zlib.crc32(data) != int(told):
        raise ConnectionError("an answer is not as it was sent: its checksum differs")


def _read_by_http_client(sock: socket.socket, received: bytes) -> Answer:
    """Read an answer in an unusual form, of which the beginning was received."""

    class Resumed(io.RawIOBase):
        """What was received, and then what comes."""

        def __init__(self) -> None:
            self._before = received

        def readable(self) -> bool:
            return True

        def readinto(self, room: Any, /) -> int:  # noqa: ANN401 — any buffer
            if not self._before:
                return sock.recv_into(room)
            some, self._before = self._before[: len(room)], self._before[len(room) :]
            room[: len(some)] = some
            return len(some)

        def makefile(self, *_: object) -> io.BufferedReader:
            return io.BufferedReader(self)

    response = HTTPResponse(Resumed(), method="POST")  # type: ignore[arg-type] # all that it asks of a socket
    with contextlib.closing(response):
        response.begin()
        data = response.read()
        told = response.getheader("x-amz-crc32")
        _check(data, told.encode() if told else None)
        return Answer(response.status, data)
