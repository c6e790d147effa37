"""The wire: the body that leaves is the body that was given, and the body that came is the one that is returned."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, Protocol

import boto3
import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, NoCredentialsError
from botocore.retries.standard import ExponentialBackoff, RetryContext, RetryEventAdapter, ThrottlingErrorDetector

from tasks.aws.session import clients, measure, wire
from tasks.aws.session.clients import TRIES_OF_A_CALL, translated_errors
from tasks.aws.session.wire import Wire
from tasks.core.errors import AwsRefused, AwsUnavailable
from tasks.core.metrics import THROTTLES

OPERATIONS = ["BatchExecuteStatement", "BatchGetItem", "BatchWriteItem", "DeleteItem", "PutItem", "Scan"]

Answer = tuple[int, bytes]
KEYS = Credentials("access", "secret", "token")


@dataclass
class Server:
    """A DynamoDB that answers as the test says and remembers what reached it."""

    endpoint_url: str = ""
    received: list[tuple[str, bytes, str]] = field(default_factory=list)
    """(operation, body, authorization)"""
    headers: list[dict[str, str]] = field(default_factory=list)
    """Of each, with names in lower case."""
    connections: set[int] = field(default_factory=set)
    """The ports that calls came from."""
    hangs_up: Callable[[int], bool] = lambda _: False
    """Whether it ends the connection in place of an answer to the request of that number."""
    answer: Callable[[bytes, int], Answer] = lambda body, _: (200, body)
    """Called with the body and the 0-based number of the request; echoes by default."""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with lock:
                number = len(state.received)
                operation = self.headers["X-Amz-Target"].split(".")[1]
                state.received.append((operation, body, self.headers["Authorization"]))
                state.headers.append({name.lower(): value for name, value in self.headers.items()})
                state.connections.add(self.client_address[1])
            if state.hangs_up(number):
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            status, answer = state.answer(body, number)
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.0")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401 — as the base class has it
            """Stay quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    state.endpoint_url = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield state
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(wire, "time", SimpleNamespace(sleep=waited.append))
    return waited


@pytest.fixture
def link(wire_to: "Connect") -> Wire:
    return wire_to()


@pytest.fixture
def wire_to(server: Server, waits: list[float]) -> Iterator["Connect"]:
    del waits  # nobody really waits
    made: list[Wire] = []

    def connect(service: str = "dynamodb", credentials: Credentials | None = KEYS) -> Wire:
        made.append(_wire_to(server, service, credentials))
        return made[-1]

    yield connect
    for link in made:
        link.close()


class Connect(Protocol):
    def __call__(self, service: str = "dynamodb", credentials: Credentials | None = KEYS) -> Wire: ...


def _wire_to(server: Server, service: str, credentials: Credentials | None) -> Wire:
    client: Any = boto3.client(
        service,  # type: ignore[call-overload] # any service
        region_name="eu-central-1",
        endpoint_url=server.endpoint_url,
        aws_access_key_id="-",
        aws_secret_access_key="-",  # noqa: S106 — of a client that makes no call
    )
    client.close()
    return Wire(client, credentials, on_throttle=lambda: measure.add(THROTTLES))


def aws_error(code: str, status: int = 400) -> Answer:
    document = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "because"}
    return status, json.dumps(document).encode()


ODD_JSON = (
    b'{ "TableName" : "t",\n "Item":{"pk":{"S":"\\u00e9\\/\xc3\xa9"},"n":{"N":"1.50"},'
    b'"big":{"N":"12345678901234567890123456789012345678"},"b":{"B":"/w=="},"e":{"S":""}} }'
)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_byte_of_a_body_changes_on_its_way_out_or_back(server: Server, link: Wire, operation: str) -> None:
    assert link.call(operation, ODD_JSON) == ODD_JSON
    ((called, body, authorization),) = server.received
    assert (called, body) == (operation, ODD_JSON)
    assert authorization.startswith("AWS4-HMAC-SHA256"), "signed after the body was given"


def test_the_signature_is_of_the_body_that_was_sent(server: Server, link: Wire) -> None:
    for body in (b'{"TableName":"a"}', b'{"TableName":"b"}'):
        link.call("Scan", body)
    one, other = (authorization.rsplit("Signature=", 1)[1] for _, _, authorization in server.received)
    assert one != other


def test_a_throttled_answer_is_counted_though_the_call_is_tried_again(server: Server, link: Wire) -> None:
    failures = [aws_error("ThrottlingException"), aws_error("InternalServerError", 500)]
    server.answer = lambda _, number: failures[number] if number < len(failures) else (200, b'{"Items":[]}')
    measure.take()
    link.call("Scan", ODD_JSON)
    assert len(server.received) == 3
    assert measure.take() == {THROTTLES: 1}


def test_binary_values_are_never_encoded_twice(server: Server, link: Wire) -> None:
    value = {"B": base64.b64encode(b"\xff\x00").decode()}
    nested = {"M": {"deep": {"L": [{"BS": [value["B"]]}, value]}}}
    sent = json.dumps({"TableName": "t", "Item": {"pk": value, "m": nested}}).encode()
    back = link.call("PutItem", sent)
    assert json.loads(server.received[0][1]) == json.loads(sent)
    assert json.loads(back)["Item"]["m"]["M"]["deep"]["L"][1] == {"B": "/wA="}


@pytest.mark.parametrize(
    "failure",
    [
        aws_error("ProvisionedThroughputExceededException"),
        aws_error("InternalServerError", 500),
        (500, b"<html>not JSON</html>"),
    ],
)
def test_a_retry_sends_the_same_body_and_returns_its_own_answer(server: Server, link: Wire, failure: Answer) -> None:
    server.answer = lambda _, number: failure if number < 2 else (200, b'{"Items":[]}')
    assert link.call("Scan", ODD_JSON) == b'{"Items":[]}'
    assert [body for _, body, _ in server.received] == [ODD_JSON] * 3


@pytest.mark.parametrize(
    "code", ["ConditionalCheckFailedException", "ValidationException", "ResourceNotFoundException"]
)
def test_an_error_is_raised_by_its_name_and_never_returned_as_an_answer(server: Server, link: Wire, code: str) -> None:
    server.answer = lambda _, __: aws_error(code)
    with pytest.raises(ClientError) as raised:
        link.call("PutItem", b'{"TableName":"t"}')
    assert raised.value.response["Error"] == {"Code": code, "Message": "because"}
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_throttling_beyond_the_retries_is_raised(server: Server, link: Wire) -> None:
    server.answer = lambda _, __: aws_error("ThrottlingException")
    with pytest.raises(ClientError, match="ThrottlingException"):
        link.call("Scan", b"{}")
    assert len(server.received) == TRIES_OF_A_CALL


def test_an_error_leaves_nothing_behind_for_the_next_call(server: Server, link: Wire) -> None:
    server.answer = lambda body, number: aws_error("ValidationException") if number == 0 else (200, body)
    with pytest.raises(ClientError):
        link.call("PutItem", b'{"first":1}')
    assert link.call("PutItem", b'{"second":2}') == b'{"second":2}'


def test_threads_never_get_each_others_answers(server: Server, link: Wire) -> None:
    meet = threading.Barrier(4, timeout=20)

    def answer(body: bytes, _: int) -> Answer:
        meet.wait()  # all bodies are there before the first is answered
        return 200, body

    server.answer = answer
    bodies = [json.dumps({"TableName": f"table-{number}"}).encode() for number in range(16)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda body: link.call("PutItem", body), bodies))
    assert answers == bodies
    assert sorted(body for _, body, _ in server.received) == sorted(bodies)


def test_an_answer_is_not_parsed_even_if_it_is_odd(server: Server, link: Wire) -> None:
    server.answer = lambda _, __: (200, b'{"Items":[{"pk":{"S":"\xc3\xa9"},"odd":{"X":1}}],"Count":1}')
    assert link.call("Scan", b"{}") == b'{"Items":[{"pk":{"S":"\xc3\xa9"},"odd":{"X":1}}],"Count":1}'


def test_a_connection_is_kept_from_call_to_call(server: Server, link: Wire) -> None:
    for _ in range(5):
        link.call("Scan", b"{}")
    assert len(server.connections) == 1


def test_a_call_whose_connection_is_cut_is_made_again_whole(server: Server, link: Wire, waits: list[float]) -> None:
    server.hangs_up = lambda number: number < 2
    assert link.call("PutItem", ODD_JSON) == ODD_JSON
    assert [body for _, body, _ in server.received] == [ODD_JSON] * 3
    assert len(waits) == 2


def test_a_call_that_is_cut_at_every_try_passes_by_itself_some_time(server: Server, link: Wire) -> None:
    server.hangs_up = lambda _: True
    with pytest.raises(ConnectionClosedError):
        link.call("PutItem", b"{}")
    assert len(server.received) == TRIES_OF_A_CALL
    with pytest.raises(AwsUnavailable, match="nothing is lost"), translated_errors("a test"):
        link.call("PutItem", b"{}")


def test_nobody_there_is_no_defect_and_no_refusal(server: Server, wire_to: Connect, waits: list[float]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        server.endpoint_url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
    link = wire_to()
    with pytest.raises(EndpointConnectionError):
        link.call("Scan", b"{}")
    assert len(waits) == TRIES_OF_A_CALL - 1
    with pytest.raises(AwsUnavailable), translated_errors("a test"):
        link.call("Scan", b"{}")


def test_an_answer_that_does_not_come_is_not_waited_for_for_ever(
    server: Server, wire_to: Connect, monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    monkeypatch.setattr(clients, "READ_SECONDS", 0.05)
    goes_on = threading.Event()

    def answer(body: bytes, number: int) -> Answer:
        if number == 0:
            goes_on.wait(20)
        return 200, body

    server.answer = answer
    try:
        assert wire_to().call("Scan", b"{}") == b"{}"
    finally:
        goes_on.set()
    assert len(server.received) == 2
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("answer", "first"), [(aws_error("ThrottlingException"), 1.0), (aws_error("InternalServerError", 500), 0.025)]
)
def test_waits_are_boto3s(
    server: Server, link: Wire, waits: list[float], monkeypatch: pytest.MonkeyPatch, answer: Answer, first: float
) -> None:
    """Half a minute of waits in place of a second would be the end of a call that has only that left."""
    monkeypatch.setattr("random.random", lambda: 1.0)
    server.answer = lambda _, __: answer
    with pytest.raises(ClientError):
        link.call("Scan", b"{}")
    assert waits == [first * 2**number for number in range(TRIES_OF_A_CALL - 1)]
    ours, theirs = (
        list(waits),
        ExponentialBackoff(
            random=lambda: 1.0,
            service_name="dynamodb",
            throttling_detector=ThrottlingErrorDetector(RetryEventAdapter()),
        ),
    )
    told = {"Error": {"Code": json.loads(answer[1])["__type"].partition("#")[2]}, "ResponseMetadata": {}}
    contexts = [RetryContext(number + 1, None, told) for number in range(len(ours))]
    assert ours == [theirs.delay_amount(context) for context in contexts]


def test_a_cut_connection_is_no_reason_to_wait_long(server: Server, link: Wire, waits: list[float]) -> None:
    server.hangs_up = lambda number: number == 0
    link.call("Scan", b"{}")
    assert len(waits) == 1
    assert waits[0] <= 0.025


@pytest.mark.parametrize(
    "failure",
    [
        aws_error("RequestTimeoutException"),
        aws_error("TransactionInProgressException"),
        aws_error("RequestThrottled"),
        aws_error("ReplicatedWriteConflictException"),
        (429, b"too many"),
    ],
)
def test_what_passes_for_boto3_passes_here(server: Server, link: Wire, failure: Answer) -> None:
    server.answer = lambda _, number: failure if number == 0 else (200, b"{}")
    assert link.call("Scan", b"{}") == b"{}"
    server.answer = lambda _, __: failure
    with pytest.raises(AwsUnavailable), translated_errors("a test"):
        link.call("Scan", b"{}")


def test_what_is_no_item_of_a_transaction_is_told_of_each(server: Server, link: Wire) -> None:
    reasons = [{"Code": "None"}, {"Code": "ConditionalCheckFailed", "Message": "because"}]
    told = {"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "CancellationReasons": reasons}
    server.answer = lambda _, __: (400, json.dumps(told).encode())
    with pytest.raises(ClientError) as raised:
        link.call("TransactWriteItems", b"{}")
    assert raised.value.response["CancellationReasons"] == reasons


@pytest.mark.parametrize(
    ("service", "target", "content_type"),
    [
        ("dynamodb", "DynamoDB_20120810.PutItem", "application/x-amz-json-1.0"),
        ("kinesis", "Kinesis_20131202.PutItem", "application/x-amz-json-1.1"),
    ],
)
def test_each_service_is_spoken_to_in_its_own_words(
    server: Server, wire_to: Connect, service: str, target: str, content_type: str
) -> None:
    wire_to(service).call("PutItem", b"{}")
    (headers,) = server.headers
    assert headers["x-amz-target"] == target
    assert headers["content-type"] == content_type
    assert headers["x-amz-security-token"] == "token"
    assert f"/eu-central-1/{service}/aws4_request" in headers["authorization"]
    assert headers["host"] == server.endpoint_url.removeprefix("http://")


def test_a_call_says_whose_it_is_as_boto3s_do(
    server: Server, wire_to: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local AWS goes by it: unnamed, a call would be nobody's, whose role nobody checks."""
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "worker-7")
    wire_to().call("Scan", b"{}")
    assert "app/worker-7" in server.headers[0]["user-agent"].split()


def test_credentials_that_were_renewed_are_the_next_calls(server: Server, wire_to: Connect) -> None:
    keys = Credentials("first", "secret", None)
    link = wire_to(credentials=keys)
    link.call("Scan", b"{}")
    keys.access_key, keys.secret_key = "second", "another"
    link.call("Scan", b"{}")
    used = [authorization.partition("Credential=")[2].partition("/")[0] for _, _, authorization in server.received]
    assert used == ["first", "second"]
    assert "x-amz-security-token" not in server.headers[0]


def test_without_credentials_nothing_leaves(server: Server, wire_to: Connect) -> None:
    with pytest.raises(NoCredentialsError):
        wire_to(credentials=None).call("Scan", b"{}")
    with pytest.raises(AwsRefused, match="NoCredentialsError"), translated_errors("a test"):
        wire_to(credentials=None).call("Scan", b"{}")
    assert server.received == []
