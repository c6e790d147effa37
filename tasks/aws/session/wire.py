"""Calls of AWS whose bodies are JSON bytes, in and out: what the data path sends and gets, by the thousand.

boto3 serves everything else. A call of it costs as much CPU as the 25 items that are written by it: it builds, checks
and parses what is bytes already, asks a hundred hooks, and would encode the base64 of a binary value once more. So here
a request is signed (`signing`) and sent over a kept connection (`connections`). Endpoint, credentials, certificates and
proxies are those that boto3 finds; tries, waits between them and errors are those of its standard mode, but that no
client-wide quota ends the tries early.
"""

import functools
import itertools
import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import urllib3
from botocore.exceptions import ClientError, HTTPClientError, NoCredentialsError
from botocore.exceptions import ConnectionError as NotConnectedError

from tasks.aws.session import clients, measure
from tasks.aws.session.connections import PORTS, Answer, Connections
from tasks.aws.session.signing import Credentials, Signer
from tasks.core.metrics import THROTTLES
from tasks.core.model.table_ref import TableAddress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from botocore.client import BaseClient
    from botocore.credentials import Credentials as RenewedCredentials

THROTTLED_SECONDS: Final = 1.0
OTHERWISE_SECONDS: Final = {"dynamodb": 0.025, "kinesis": 0.05}
"""The most before the second try, after an answer that says too much, and after all else."""
WAIT_SECONDS_MOST: Final = 20.0
"""Before any try: all by boto3's standard mode."""
_PASSING_STATUSES: Final = frozenset({429, 500, 502, 503, 504})
_PASSING_CODES: Final = clients.THROTTLED_CODES | {
    "PriorRequestNotComplete",
    "ReplicatedWriteConflictException",
    "RequestTimeout",
    "RequestTimeoutException",
    "TransactionInProgressException",
}


class Wire:
    """Calls of one AWS service at one endpoint. Safe to use from several threads.

    Args:
        client: boto3's, of the service and Region; it is asked where and as what the service speaks, and never called.
        credentials: boto3's; `None`: it found none.
        on_throttle: called for each answer that says: too much, those too that are tried again here.
    """

    def __init__(
        self,
        client: "BaseClient",
        credentials: "RenewedCredentials | None",
        *,
        on_throttle: Callable[[], object] = lambda: None,
    ) -> None:
        model = client.meta.service_model
        url = urllib3.util.parse_url(client.meta.endpoint_url)
        is_usual_port = url.port in {None, PORTS.get(url.scheme or "")}
        self._path = url.path or "/"
        self._target = model.metadata["targetPrefix"]
        self._signer = Signer(
            service=model.signing_name,
            region=client.meta.region_name,
            host=str(url.host) if is_usual_port else f"{url.host}:{url.port}",
            path=self._path,
            content_type=f"application/x-amz-json-{model.metadata['jsonVersion']}",
        )
        application = client.meta.config.user_agent_appid  # type: ignore[attr-defined] # its stubs have none
        agent = f"tableferry app/{application}" if application else "tableferry"
        self._always = f"user-agent: {agent}\r\naccept-encoding: identity\r\n"
        self._otherwise_seconds = OTHERWISE_SECONDS[model.signing_name]
        self._credentials = credentials
        self._on_throttle = on_throttle
        self._connections = Connections(client.meta.endpoint_url)

    def call(self, operation: str, body: bytes) -> bytes:
        """Make one call.

        Args:
            operation: as the service's API reference names it.
            body: the request's JSON, as it is shown there.

        Returns:
            The response's JSON as it came.

        Raises:
            ClientError: as boto3 raises it; of what passes by itself only after several tries.
            HTTPClientError: there was no answer at any try, or only half of one.
            ConnectionError: botocore's own; there was no connection at any try.
            NoCredentialsError: boto3 found none.
        """
        for number in itertools.count(1):
            try:
                answer = self._send(operation, body)
                if answer.status == HTTPStatus.OK:
                    return answer.data
                raise _error_of(operation, answer.status, answer.data)
            except (ClientError, HTTPClientError, NotConnectedError) as error:
                is_throttled = isinstance(error, ClientError) and clients.error_code(error) in clients.THROTTLED_CODES
                if is_throttled:
                    self._on_throttle()
                if number == clients.TRIES_OF_A_CALL or not _passes(error):
                    raise
            first = THROTTLED_SECONDS if is_throttled else self._otherwise_seconds
            chance = random.random()  # noqa: S311 — nothing secret hangs on it
            time.sleep(chance * min(WAIT_SECONDS_MOST, first * 2.0 ** (number - 1)))
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        """Close the connections that no call uses."""
        self._connections.close()

    def _send(self, operation: str, body: bytes) -> Answer:
        frozen = self._credentials.get_frozen_credentials() if self._credentials else None
        if not frozen or not frozen.access_key or not frozen.secret_key:
            raise NoCredentialsError
        signed_by = Credentials(frozen.access_key, frozen.secret_key, frozen.token)
        headers = self._signer.headers(f"{self._target}.{operation}", body, signed_by, datetime.now(UTC))
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = f"POST {self._path} HTTP/1.1\r\n{lines}{self._always}content-length: {len(body)}\r\n\r\n"
        return self._connections.exchange(head.encode(), body)


def _passes(error: Exception) -> bool:
    """Whether the same call may well succeed in a moment."""
    if not isinstance(error, ClientError):
        return True
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status in _PASSING_STATUSES or clients.error_code(error) in _PASSING_CODES


def _error_of(operation: str, status: int, body: bytes) -> ClientError:
    """Return what boto3 raises for an answer that is an error."""
    try:
        told: Any = json.loads(body)
    except ValueError:  # of something in between, which speaks no JSON
        told = None
    said: Mapping[str, Any] = told if isinstance(told, dict) else {}
    code = str(said.get("__type") or said.get("code") or status).partition(":")[0].rpartition("#")[2]
    message = str(said.get("message") or said.get("Message") or "")
    response: dict[str, Any] = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    response |= {name: said[name] for name in ("CancellationReasons", "Item") if name in said}
    return ClientError(response, operation)  # type: ignore[arg-type] # its own type wants what boto3 alone knows


def to_table(table: TableAddress) -> Wire:
    """Return the wire to a table."""
    return to_dynamodb(table.region)


@functools.cache
def to_dynamodb(region: str) -> Wire:
    """Return the wire to a Region's DynamoDB."""
    return Wire(clients.dynamodb(region), clients.credentials(), on_throttle=_count_throttle)


@functools.cache
def to_kinesis() -> Wire:
    """Return the wire to this Region's Kinesis."""
    return Wire(clients.kinesis(), clients.credentials(), on_throttle=_count_throttle)


@functools.cache
def to_books() -> Wire:
    """Return the wire to the migration's own table. Its throttles are not those of the owner's tables."""
    return Wire(clients.dynamodb(clients.own_region()), clients.credentials())


def _count_throttle() -> None:
    measure.add(THROTTLES)
