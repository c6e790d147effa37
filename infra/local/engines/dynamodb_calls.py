"""DynamoDB and DynamoDB Streams behind the gateway: DynamoDB Local, made to look like AWS.

- One world per region, whatever the caller's keys are.
- DynamoDB Local's ARNs all say `ddblocal` and account 000000000000; callers see and send real ones. This is done on
  bytes, and only where no item can be: in control-plane calls, in stream ARNs, and in a TableName given as an ARN.
- Data-plane bodies pass as they are.
"""

import json
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web

from infra.local.answers import JSON_10, passed, refusal
from infra.local.bodies import body_of
from infra.local.engines.upstream import Answer, Upstream

if TYPE_CHECKING:
    from infra.local.replicas.replicas import Replicas

LOCAL_ARN = b"arn:aws:dynamodb:ddblocal:000000000000:"
TABLES = "DynamoDB_20120810"
STREAMS = "DynamoDBStreams_20120810"

DATA_PLANE = frozenset(
    {
        "BatchExecuteStatement",
        "BatchGetItem",
        "BatchWriteItem",
        "DeleteItem",
        "ExecuteStatement",
        "ExecuteTransaction",
        "GetItem",
        "PutItem",
        "Query",
        "Scan",
        "TransactGetItems",
        "TransactWriteItems",
        "UpdateItem",
    }
)

WRITES = frozenset(
    {
        "BatchExecuteStatement",
        "BatchWriteItem",
        "DeleteItem",
        "ExecuteStatement",
        "ExecuteTransaction",
        "PutItem",
        "TransactWriteItems",
        "UpdateItem",
    }
)

_ANY_ARN = re.compile(rb"arn:aws:dynamodb:[a-z0-9-]+:\d{12}:")
_TABLE_ARN_PREFIX = re.compile(r"arn:aws:dynamodb:[a-z0-9-]+:\d{12}:table/")
# The unescaped quotes make both impossible inside a string of an item; and an item's values are objects, not strings.
_TABLE_NAME_IS_ARN = re.compile(rb'("TableName"\s*:\s*")arn:aws:dynamodb:[a-z0-9-]+:\d{12}:table/')
_RECORD_REGION = b'"awsRegion":"ddblocal"'


class EngineRefused(Exception):  # noqa: N818 - it reads as what it says, like the project's other errors
    """DynamoDB Local refused a call; `code` is the error's name as an SDK shows it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class DynamoDBCalls:
    """Sends DynamoDB calls to DynamoDB Local; those that global tables change go through `replicas` once it is set."""

    def __init__(self, upstream: Upstream, *, account: str) -> None:
        self._upstream = upstream
        self._account = account
        self.replicas: Replicas | None = None

    async def answer(self, request: web.Request, operation: str, region: str) -> web.StreamResponse:
        """Answer one call of the DynamoDB API."""
        body = await body_of(request)
        if operation in DATA_PLANE:
            started = time.monotonic()
            if self.replicas and (refused := self.replicas.refuse(region, body)):
                return refused
            try:
                if b'"arn:aws:dynamodb:' in body:
                    return await self._by_arn(operation, region, body)
                return passed(await self.forward(TABLES, operation, region, body))
            finally:
                # Without an answer too: it may have been carried out.
                if self.replicas and operation in WRITES:
                    self.replicas.wrote(region, body, started)
        body = _TABLE_NAME_IS_ARN.sub(rb"\1", body)
        body = _ANY_ARN.sub(LOCAL_ARN, body)
        if self.replicas and operation in self.replicas.operations:
            return await self.replicas.answer(operation, region, body)
        return self._outward(await self.forward(TABLES, operation, region, body), region)

    async def answer_streams(self, request: web.Request, operation: str, region: str) -> web.StreamResponse:
        """Answer one call of the DynamoDB Streams API."""
        body = _ANY_ARN.sub(LOCAL_ARN, await request.read())
        answer = await self.forward(STREAMS, operation, region, body)
        if operation == "GetRecords":
            if _RECORD_REGION not in answer.body:
                return passed(answer)
            records = answer.body.replace(_RECORD_REGION, f'"awsRegion":"{region}"'.encode())
            return passed(answer, records)
        return self._outward(answer, region)

    async def forward(self, api: str, operation: str, region: str, body: bytes) -> Answer:
        """Send one call to DynamoDB Local, in the world of a region.

        Raises:
            OSError: DynamoDB Local hung up.
        """
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

    async def call(self, api: str, operation: str, region: str, request: dict[str, Any]) -> dict[str, Any]:
        """The same with JSON made and read, ARNs as DynamoDB Local has them.

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
        """A control-plane body of DynamoDB Local with real ARNs."""
        return body.replace(LOCAL_ARN, f"arn:aws:dynamodb:{region}:{self._account}:".encode())

    def _outward(self, answer: Answer, region: str) -> web.Response:
        return passed(answer, self.outward(answer.body, region)) if LOCAL_ARN in answer.body else passed(answer)

    async def _by_arn(self, operation: str, region: str, body: bytes) -> web.Response:
        """A data-plane call that may name tables by ARN; rare enough to be parsed. Items stay as they are."""
        try:
            call: dict[str, Any] = json.loads(body)
        except ValueError:
            return refusal("SerializationException", "the body is no JSON")
        arn_of = _name_tables(call)
        if not arn_of:
            return passed(await self.forward(TABLES, operation, region, body))
        answer = await self.forward(TABLES, operation, region, json.dumps(call).encode())
        if operation not in {"BatchGetItem", "BatchWriteItem"}:
            return passed(answer)
        # These answers are keyed by the table as the caller named it.
        said: dict[str, Any] = json.loads(answer.body)
        for part in ("Responses", "UnprocessedItems", "UnprocessedKeys", "ItemCollectionMetrics"):
            if part in said:
                said[part] = {arn_of.get(key, key): value for key, value in said[part].items()}
        return passed(answer, json.dumps(said).encode())


def _name_tables(call: dict[str, Any]) -> dict[str, str]:
    """Put names in place of table ARNs, in place; returns each ARN by its name."""
    arn_of: dict[str, str] = {}

    def name(given: str) -> str:
        found = _TABLE_ARN_PREFIX.match(given)
        if found is None:
            return given
        arn_of[given[found.end() :]] = given
        return given[found.end() :]

    for part in (call, *(part for item in call.get("TransactItems", []) for part in item.values())):
        if "TableName" in part:
            part["TableName"] = name(part["TableName"])
    if "RequestItems" in call:
        call["RequestItems"] = {name(key): value for key, value in call["RequestItems"].items()}
    return arn_of
