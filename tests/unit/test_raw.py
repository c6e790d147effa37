"""Raw calls: the body that leaves is the body that was given, and the body that came is the one that is returned."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from mypy_boto3_dynamodb import DynamoDBClient

from tasks.aws.dynamodb.raw import RawDynamoDB
from tasks.aws.session import measure
from tasks.core.metrics import THROTTLES

OPERATIONS = ["BatchExecuteStatement", "BatchGetItem", "BatchWriteItem", "DeleteItem", "PutItem", "Scan"]

Answer = tuple[int, bytes]


@dataclass
class Server:
    """A DynamoDB that answers as the test says and remembers what reached it."""

    endpoint_url: str = ""
    received: list[tuple[str, bytes, str]] = field(default_factory=list)
    """(operation, body, authorization)"""
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
def client(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamoDBClient]:
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))  # between boto3's retries
    client = boto3.client(
        "dynamodb",
        region_name="eu-central-1",
        endpoint_url=server.endpoint_url,
        aws_access_key_id="local",
        aws_secret_access_key="local",  # noqa: S106 — nobody checks it
        config=Config(retries={"mode": "standard", "total_max_attempts": 4}, max_pool_connections=16),
    )
    yield client
    client.close()


@pytest.fixture
def raw(client: DynamoDBClient) -> RawDynamoDB:
    return RawDynamoDB(client)


def aws_error(code: str, status: int = 400) -> Answer:
    document = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "because"}
    return status, json.dumps(document).encode()


ODD_JSON = (
    b'{ "TableName" : "t",\n "Item":{"pk":{"S":"\\u00e9\\/\xc3\xa9"},"n":{"N":"1.50"},'
    b'"big":{"N":"12345678901234567890123456789012345678"},"b":{"B":"/w=="},"e":{"S":""}} }'
)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_byte_of_a_body_changes_on_its_way_out_or_back(server: Server, raw: RawDynamoDB, operation: str) -> None:
    assert raw.call(operation, ODD_JSON) == ODD_JSON
    ((called, body, authorization),) = server.received
    assert (called, body) == (operation, ODD_JSON)
    assert authorization.startswith("AWS4-HMAC-SHA256"), "signed after the body was given"


def test_the_signature_is_of_the_body_that_was_sent(server: Server, raw: RawDynamoDB) -> None:
    for body in (b'{"TableName":"a"}', b'{"TableName":"b"}'):
        raw.call("Scan", body)
    one, other = (authorization.rsplit("Signature=", 1)[1] for _, _, authorization in server.received)
    assert one != other


def test_a_throttled_answer_is_counted_though_boto3_tries_again_by_itself(server: Server, raw: RawDynamoDB) -> None:
    failures = [aws_error("ThrottlingException"), aws_error("InternalServerError", 500)]
    server.answer = lambda _, number: failures[number] if number < len(failures) else (200, b'{"Items":[]}')
    measure.take()
    raw.call("Scan", ODD_JSON)
    assert len(server.received) == 3
    assert measure.take() == {THROTTLES: 1}


def test_binary_values_are_never_encoded_twice(server: Server, raw: RawDynamoDB) -> None:
    value = {"B": base64.b64encode(b"\xff\x00").decode()}
    nested = {"M": {"deep": {"L": [{"BS": [value["B"]]}, value]}}}
    sent = json.dumps({"TableName": "t", "Item": {"pk": value, "m": nested}}).encode()
    back = raw.call("PutItem", sent)
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
def test_a_retry_sends_the_same_body_and_returns_its_own_answer(
    server: Server, raw: RawDynamoDB, failure: Answer
) -> None:
    server.answer = lambda _, number: failure if number < 2 else (200, b'{"Items":[]}')
    assert raw.call("Scan", ODD_JSON) == b'{"Items":[]}'
    assert [body for _, body, _ in server.received] == [ODD_JSON] * 3


@pytest.mark.parametrize(
    "code", ["ConditionalCheckFailedException", "ValidationException", "ResourceNotFoundException"]
)
def test_an_error_is_raised_by_its_name_and_never_returned_as_an_answer(
    server: Server, raw: RawDynamoDB, code: str
) -> None:
    server.answer = lambda _, __: aws_error(code)
    with pytest.raises(ClientError) as raised:
        raw.call("PutItem", b'{"TableName":"t"}')
    assert raised.value.response["Error"] == {"Code": code, "Message": "because"}
    assert raised.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_throttling_beyond_the_retries_is_raised(server: Server, raw: RawDynamoDB) -> None:
    server.answer = lambda _, __: aws_error("ThrottlingException")
    with pytest.raises(ClientError, match="ThrottlingException"):
        raw.call("Scan", b"{}")
    assert len(server.received) == 4


def test_an_error_leaves_nothing_behind_for_the_next_call(server: Server, raw: RawDynamoDB) -> None:
    server.answer = lambda body, number: aws_error("ValidationException") if number == 0 else (200, body)
    with pytest.raises(ClientError):
        raw.call("PutItem", b'{"first":1}')
    assert raw.call("PutItem", b'{"second":2}') == b'{"second":2}'


def test_threads_never_get_each_others_bodies(server: Server, client: DynamoDBClient, raw: RawDynamoDB) -> None:
    meet = threading.Barrier(4, timeout=20)

    def wait_for_the_others(**_: object) -> None:
        meet.wait()

    # All bodies are given before the first is sent, and all answers are there before the first is returned.
    client.meta.events.register("provide-client-params.dynamodb.PutItem", wait_for_the_others)
    client.meta.events.register("after-call.dynamodb.PutItem", wait_for_the_others)
    bodies = [json.dumps({"TableName": f"table-{number}"}).encode() for number in range(16)]
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda body: raw.call("PutItem", body), bodies))
    assert answers == bodies
    assert sorted(body for _, body, _ in server.received) == sorted(bodies)


def test_an_answer_is_not_parsed_even_if_it_is_odd(server: Server, raw: RawDynamoDB) -> None:
    server.answer = lambda _, __: (200, b'{"Items":[{"pk":{"S":"\xc3\xa9"},"odd":{"X":1}}],"Count":1}')
    assert raw.call("Scan", b"{}") == b'{"Items":[{"pk":{"S":"\xc3\xa9"},"odd":{"X":1}}],"Count":1}'
