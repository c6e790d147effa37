"""DynamoDB Local, called as the gateway needs it.

- One world per region, whatever the caller's keys are.
- DynamoDB Local's ARNs all say `ddblocal` and account 000000000000; `outward` puts real ones in their place.
- What it leaves out of the calls of tables themselves, ids and lasting deletion protection, is `table_calls`.
"""

import json
from functools import partial
from http import HTTPStatus
from typing import Any

from infra.local.emulator.answers import JSON_10, Answer
from infra.local.emulator.engines import table_calls
from infra.local.emulator.engines.upstream import Upstream

LOCAL_ARN = b"arn:aws:dynamodb:ddblocal:000000000000:"
TABLES = "DynamoDB_20120810"
STREAMS = "DynamoDBStreams_20120810"


class EngineRefused(Exception):  # noqa: N818 — it reads as what it says, like the project's other errors
    """DynamoDB Local refused a call; `code` is the error's name as an SDK shows it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class DynamoDBCalls:
    """Sends DynamoDB calls to DynamoDB Local."""

    def __init__(self, upstream: Upstream, *, account: str) -> None:
        self._upstream = upstream
        self._account = account
        self._tables = table_calls.TableCalls(partial(self._send, TABLES))

    async def forward(self, api: str, operation: str, region: str, body: bytes) -> Answer:
        """Send one call to DynamoDB Local, in the world of a region; calls of tables themselves are made whole.

        Raises:
            OSError: DynamoDB Local hung up.
        """
        if api == TABLES and operation in table_calls.OPERATIONS:
            return await self._tables.answer(operation, region, body)
        return await self._send(api, operation, region, body)

    async def call(self, api: str, operation: str, region: str, request: dict[str, Any]) -> dict[str, Any]:
        """Do the same with JSON made and read, ARNs as DynamoDB Local has them.

        Raises:
            EngineRefused: the answer is an error.
            OSError: DynamoDB Local hung up.
        """
        answer = await self.forward(api, operation, region, json.dumps(request).encode())
        said: dict[str, Any] = json.loads(answer.body or b"{}")
        if answer.status != HTTPStatus.OK:
            code = str(said.get("__type", answer.status)).rpartition("#")[2]
            raise EngineRefused(code, str(said.get("message", said.get("Message", ""))))
        return said

    def outward(self, body: bytes, region: str) -> bytes:
        """Return a control-plane body of DynamoDB Local with real ARNs."""
        return body.replace(LOCAL_ARN, f"arn:aws:dynamodb:{region}:{self._account}:".encode())

    async def _send(self, api: str, operation: str, region: str, body: bytes) -> Answer:
        return await self._upstream.send(
            {
                "Content-Type": JSON_10,
                "X-Amz-Target": f"{api}.{operation}",
                # DynamoDB Local keeps one world per access key and region, and reads no more than these two.
                "Authorization": (
                    f"AWS4-HMAC-SHA256 Credential=local/20200101/{region}/dynamodb/aws4_request, "
                    "SignedHeaders=host, Signature=0"
                ),
            },
            body,
        )
