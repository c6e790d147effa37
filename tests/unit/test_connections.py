"""One exchange after the other: no answer is cut, mixed up with another's, or believed from a stranger."""

import base64
import ipaddress
import socket
import ssl
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from urllib3.util.connection import is_connection_dropped

from tasks.aws.session import clients, connections
from tasks.aws.session.connections import RECEIVED_AT_ONCE, Answer, Connections

HEAD = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: %d\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Peer:
    """The other side: answers each request of a connection with the pieces that the test gives."""

    port: int = 0
    answers: list[Iterable[bytes]] = field(default_factory=list)
    """Of all connections, in order; each in pieces, of which an empty one ends the connection."""
    received: list[bytes] = field(default_factory=list)
    accepted: int = 0
    secure: ssl.SSLContext | None = None

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        try:
            with self.secure.wrap_socket(sock, server_side=True) if self.secure else sock as talking:
                while request := _request(talking):
                    self.received.append(request)
                    for piece in self.answers.pop(0):
                        if not piece:
                            return
                        talking.sendall(piece)
        except OSError:
            pass  # the other side has gone, or does not believe us


def _request(sock: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        some = sock.recv(1000)
        if not some:
            return b""
        received += some
    head, _, body = received.partition(b"\r\n\r\n")
    missing = int(head.lower().partition(b"content-length: ")[2].split()[0]) - len(body)
    while missing > 0:
        some = sock.recv(100_000)
        missing -= len(some)
        body += some
    return body


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer.port = listener.getsockname()[1]
        thread = threading.Thread(target=peer.serve, args=(listener,), daemon=True)
        thread.start()
        yield peer
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.fixture
def link(peer: Peer) -> Iterator[Connections]:
    link = Connections(f"http://127.0.0.1:{peer.port}")
    yield link
    link.close()


def ask(link: Connections, body: bytes = b"{}") -> Answer:
    return link.exchange(HEAD % len(body), body)


@pytest.mark.parametrize(
    "pieces",
    [
        [OK],
        [OK[:3], OK[3:20], OK[20:-1], OK[-1:]],
        [b"HTTP/1.1 200 OK\r\ncontent-length:2\r\nX: content-length: 9\r\n\r\n{}"],
        [b"HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\n", b"{}"],
        [b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\n{}"],
    ],
)
def test_an_answer_is_whole_in_whatever_pieces_it_comes(peer: Peer, link: Connections, pieces: list[bytes]) -> None:
    peer.answers = [pieces, [OK]]
    assert ask(link) == (200, b"{}")
    assert ask(link) == (200, b"{}")
    assert peer.accepted == 1, "kept"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", b"1\r\n}\r\n0\r\n\r\n"],
        [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{", b"}", b""],
        [b"HTTP/1.0 200 OK\r\n\r\n{", b"}", b""],
        [b"HTTP/1.1 100 Continue\r\n\r\n", OK],
    ],
)
def test_an_answer_in_an_unusual_form_is_read_and_its_connection_not_used_again(
    peer: Peer, link: Connections, pieces: list[bytes]
) -> None:
    peer.answers = [pieces, [OK]]
    assert ask(link) == (200, b"{}")
    assert ask(link) == (200, b"{}")
    assert peer.accepted == 2


def test_what_comes_behind_an_answer_is_never_the_next_ones(peer: Peer, link: Connections) -> None:
    peer.answers = [[OK + b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"], [OK]]
    assert ask(link) == (200, b"{}")
    assert ask(link) == (200, b"{}")
    assert peer.accepted == 2


@pytest.mark.parametrize("size", [RECEIVED_AT_ONCE - 1, RECEIVED_AT_ONCE + 1, 5_000_000])
def test_large_bodies_come_and_go_whole(peer: Peer, link: Connections, size: int) -> None:
    body = bytes(range(256)) * (size // 256)
    peer.answers = [[b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body]]
    assert ask(link, body) == (200, body)
    assert peer.received == [body]


@pytest.mark.parametrize(
    "cut",
    [
        [b""],
        [b"HTTP/1.1 200 OK\r\nConte", b""],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", b""],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{}", b""],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{", b""],
        [b"nonsense\r\n\r\n", b""],
    ],
)
def test_an_answer_that_is_cut_is_never_taken_for_a_whole_one(peer: Peer, link: Connections, cut: list[bytes]) -> None:
    peer.answers = [cut, [OK]]
    with pytest.raises(ConnectionClosedError):
        ask(link)
    assert ask(link) == (200, b"{}")
    assert peer.accepted == 2


def test_what_comes_later_behind_an_answer_is_never_the_next_ones(peer: Peer, link: Connections) -> None:
    late = threading.Event()
    stray = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 5\r\n\r\nwrong"
    peer.answers = [_then(OK, late, stray), [OK]]
    assert ask(link) == (200, b"{}")
    late.set()
    wait_for_something_on(link)
    assert ask(link) == (200, b"{}")
    assert peer.accepted == 2


def _then(first: bytes, late: threading.Event, second: bytes) -> Iterator[bytes]:
    yield first
    late.wait(10)
    yield second


def wait_for_something_on(link: Connections) -> None:
    wait_until(lambda: is_connection_dropped(link._kept[0]))  # noqa: SLF001 — the other side's end is on its way


@pytest.mark.parametrize("form", [b"Content-Length: 2\r\n", b"Connection: close\r\nContent-Length: 2\r\n"])
def test_an_answer_that_is_not_as_it_was_sent_is_never_believed(peer: Peer, link: Connections, form: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nx-amz-crc32: %d\r\n" + form + b"\r\n"
    peer.answers = [[head % zlib.crc32(b"{}") + b"{}"], [head % zlib.crc32(b"{}") + b"[]"], [OK]]
    assert ask(link) == (200, b"{}")
    with pytest.raises(ConnectionClosedError) as raised:
        ask(link)
    assert "its checksum differs" in str(raised.value.__cause__)
    assert ask(link) == (200, b"{}")


def test_a_connection_that_the_other_side_has_ended_is_not_used(peer: Peer, link: Connections) -> None:
    peer.answers = [[OK, b""], [OK]]
    assert ask(link) == (200, b"{}")
    wait_for_something_on(link)
    assert ask(link) == (200, b"{}")
    assert peer.accepted == 2


def test_an_answer_that_came_too_late_is_not_the_next_calls(
    peer: Peer, link: Connections, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "READ_SECONDS", 0.05)
    peer.answers = [[OK[:5]], [OK]]
    with pytest.raises(ReadTimeoutError):
        ask(link)
    assert ask(link) == (200, b"{}")
    assert peer.accepted == 2


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(500):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came to that")


# ---------------------------------------------------------------- TLS


@pytest.fixture
def certificate(peer: Peer, tmp_path: Path) -> Path:
    """Give the other side a certificate for 127.0.0.1 that it has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "here")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, of_key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    of_key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    peer.secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    peer.secure.load_cert_chain(file, of_key)
    return file


def test_an_endpoint_with_a_certificate_is_believed_and_kept(
    peer: Peer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    body = b"x" * 3_000_000
    peer.answers = [[OK], [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body]]
    link = Connections(f"https://127.0.0.1:{peer.port}")
    assert ask(link) == (200, b"{}")
    assert ask(link, body) == (200, body)
    assert peer.accepted == 1
    link.close()


def test_nothing_is_sent_to_an_endpoint_whose_certificate_nobody_vouches_for(peer: Peer, certificate: Path) -> None:
    del certificate
    link = Connections(f"https://127.0.0.1:{peer.port}")
    with pytest.raises(EndpointConnectionError) as raised:
        ask(link)
    assert "self-signed certificate" in str(raised.value.__cause__)
    assert peer.received == []


def test_nothing_is_sent_to_an_endpoint_with_the_certificate_of_another(
    peer: Peer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    link = Connections(f"https://localhost:{peer.port}")
    with pytest.raises(EndpointConnectionError) as raised:
        ask(link)
    assert "Hostname mismatch" in str(raised.value.__cause__)
    assert peer.received == []


def test_a_proxy_is_asked_for_a_tunnel_and_sees_nothing_of_a_call(
    peer: Peer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    asked: list[bytes] = []

    def pass_on(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        with sock, socket.create_connection(("127.0.0.1", peer.port)) as other:
            asked.append(sock.recv(10_000))
            sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(other, sock), daemon=True)
            back.start()
            _pump(sock, other)
            back.join(10)

    peer.answers = [[OK]]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setenv("HTTPS_PROXY", f"http://us%40er:word@127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setattr(connections, "get_environ_proxies", _whatever_the_host)
        thread = threading.Thread(target=pass_on, args=(listener,), daemon=True)
        thread.start()
        link = Connections(f"https://127.0.0.1:{peer.port}")
        assert ask(link) == (200, b"{}")
        link.close()
        thread.join(10)
    (head,) = asked
    assert head.startswith(b"CONNECT 127.0.0.1:%d HTTP/1." % peer.port)
    assert b"authorization: basic " + base64.b64encode(b"us@er:word").lower() in head.lower()
    assert peer.received == [b"{}"]


@pytest.mark.parametrize(
    ("named", "host", "port"),
    [
        ("http://proxy.example", "proxy.example", 80),
        ("proxy.example:3128", "proxy.example", 3128),
        ("https://proxy.example", "proxy.example", 443),
    ],
)
def test_a_proxy_without_a_port_has_its_schemes(
    monkeypatch: pytest.MonkeyPatch, named: str, host: str, port: int
) -> None:
    monkeypatch.setattr(connections, "get_environ_proxies", lambda _: {"https": named})
    connection = Connections("https://dynamodb.eu-west-1.amazonaws.com")._new()  # noqa: SLF001 — it is not connected
    assert (connection.host, connection.port) == (host, port)


def _whatever_the_host(_: str) -> dict[str, str]:
    """Return the proxies without the rule that this machine is reached directly."""
    import os  # noqa: PLC0415 — the environment as the test has set it

    return {"https": os.environ["HTTPS_PROXY"]}


def _pump(from_: socket.socket, to: socket.socket) -> None:
    try:
        while some := from_.recv(65536):
            to.sendall(some)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass
