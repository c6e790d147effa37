"""DynamoDB calls whose bodies are JSON bytes, in and out, under boto3's signing, retries and connections.

boto3's serializer and parser cost ten times what the wire format does, and would encode the base64 of a binary value
once more. The client's own events hand over the body instead: `before-call` before it is signed, `before-parse` before
it is parsed.
"""

import functools
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tasks.aws.session import clients
from tasks.core.model.item import json_bytes
from tasks.core.model.table_ref import TableAddress

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

# The least parameters that boto3's validation lets through; the body replaces what it makes of them.
_PLACEHOLDERS: dict[str, dict[str, Any]] = {
    "BatchExecuteStatement": {"Statements": [{"Statement": "-"}]},
    "BatchGetItem": {"RequestItems": {"---": {"Keys": [{}]}}},
    "BatchWriteItem": {"RequestItems": {"---": [{}]}},
    "DeleteItem": {"TableName": "---", "Key": {}},
    "PutItem": {"TableName": "---", "Item": {}},
    "Scan": {"TableName": "---"},
    "TransactWriteItems": {"TransactItems": [{}]},
}

_HTTP_OK = 200


class RawDynamoDB:
    """One DynamoDB client whose calls of the operations above take and return JSON bytes.

    Safe to use from several threads, as boto3's clients are.
    """

    def __init__(self, client: "DynamoDBClient") -> None:
        self._client = client
        self._calls: dict[str, Callable[..., object]] = {
            "BatchExecuteStatement": client.batch_execute_statement,
            "BatchGetItem": client.batch_get_item,
            "BatchWriteItem": client.batch_write_item,
            "DeleteItem": client.delete_item,
            "PutItem": client.put_item,
            "Scan": client.scan,
            "TransactWriteItems": client.transact_write_items,
        }
        self._thread = threading.local()
        clients.count_throttles(client, _PLACEHOLDERS)
        for operation in _PLACEHOLDERS:
            client.meta.events.register(f"before-call.dynamodb.{operation}", self._give_body)
            client.meta.events.register(f"before-parse.dynamodb.{operation}", self._take_body)

    def call(self, operation: str, body: bytes) -> bytes:
        """Make one call.

        Args:
            operation: one of those above.
            body: the request's JSON, in typed JSON as DynamoDB's API reference shows it.

        Returns:
            The response's JSON as it came.

        Raises:
            ClientError: as boto3 raises it, after its own retries.
        """
        self._thread.request, self._thread.response = body, b""
        try:
            self._calls[operation](**_PLACEHOLDERS[operation])
            return bytes(self._thread.response)
        finally:
            self._thread.request = self._thread.response = None

    def _give_body(self, params: dict[str, Any], **_: object) -> None:
        params["body"] = self._thread.request

    def _take_body(self, response_dict: dict[str, Any], **_: object) -> None:
        if response_dict["status_code"] == _HTTP_OK:
            self._thread.response = response_dict["body"]
            response_dict["body"] = b"{}"  # nothing left for boto3 to parse


def body_of(request: Mapping[str, Any]) -> bytes:
    """Return the body of a request.

    Text stays UTF-8. Escaped it would grow threefold, and a batch of changes that came in an event of 6 MB would be
    beyond the 16 MB that a call may have.
    """
    return json_bytes(request)


def client_of(table: TableAddress) -> RawDynamoDB:
    """Return the raw client for a table, made once for its Region.

    It has a boto3 client of its own: the events must not touch the bodies of other modules' calls.
    """
    return _client_in(table.region)


@functools.cache
def _client_in(region: str) -> RawDynamoDB:
    return RawDynamoDB(clients.new_dynamodb(region))
