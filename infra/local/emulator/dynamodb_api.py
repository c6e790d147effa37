"""DynamoDB and DynamoDB Streams as callers see them: DynamoDB Local, made to look like AWS.

- ARNs are real ones to callers, and DynamoDB Local's own to it. This is done on bytes, and only where no item can be:
  in control-plane calls, in stream ARNs, and in a TableName given as an ARN.
- Data-plane bodies pass as they are.
- What global tables change goes through `replicas`.
"""

import json
import re
import time
from typing import Any

from aiohttp import web

from infra.local.emulator.answers import Answer, given, refusal, relayed
from infra.local.emulator.bodies import body_of
from infra.local.emulator.engines.dynamodb_calls import LOCAL_ARN, STREAMS, TABLES, DynamoDBCalls
from infra.local.emulator.replicas.replicas import Replicas

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


class DynamoDBApi:
    """Answers DynamoDB calls.

    Args:
        dynamodb: DynamoDB Local.
        replicas: the global tables.
    """

    def __init__(self, dynamodb: DynamoDBCalls, replicas: Replicas) -> None:
        self._dynamodb = dynamodb
        self._replicas = replicas

    async def answer(self, request: web.Request, operation: str, region: str) -> web.StreamResponse:
        """Answer one call of the DynamoDB API."""
        body = await body_of(request)
        if operation in DATA_PLANE:
            started = time.monotonic()
            if refused := self._replicas.refuse(region, body):
                return refused
            try:
                if b'"arn:aws:dynamodb:' in body:
                    return await self._by_arn(operation, region, body)
                return relayed(await self._dynamodb.forward(TABLES, operation, region, body))
            finally:
                # Without an answer too: it may have been carried out.
                if operation in WRITES:
                    self._replicas.wrote(region, body, started)
        body = _TABLE_NAME_IS_ARN.sub(rb"\1", body)
        if operation == "DescribeKinesisStreamingDestination":  # DynamoDB Local has none, and does not know the call
            table = json.loads(body or b"{}").get("TableName", "")
            return given(json.dumps({"TableName": table, "KinesisDataStreamDestinations": []}).encode())
        body = _ANY_ARN.sub(LOCAL_ARN, body)
        if operation in self._replicas.operations:
            return await self._replicas.answer(operation, region, body)
        return self._outward(await self._dynamodb.forward(TABLES, operation, region, body), region)

    async def answer_streams(self, request: web.Request, operation: str, region: str) -> web.StreamResponse:
        """Answer one call of the DynamoDB Streams API."""
        body = _ANY_ARN.sub(LOCAL_ARN, await request.read())
        answer = await self._dynamodb.forward(STREAMS, operation, region, body)
        if operation == "GetRecords":
            if _RECORD_REGION not in answer.body:
                return relayed(answer)
            records = answer.body.replace(_RECORD_REGION, f'"awsRegion":"{region}"'.encode())
            return relayed(answer, records)
        return self._outward(answer, region)

    def _outward(self, answer: Answer, region: str) -> web.Response:
        return (
            relayed(answer, self._dynamodb.outward(answer.body, region))
            if LOCAL_ARN in answer.body
            else relayed(answer)
        )

    async def _by_arn(self, operation: str, region: str, body: bytes) -> web.Response:
        """Answer a data-plane call that may name tables by ARN; rare enough to be parsed. Items stay as they are."""
        try:
            call: dict[str, Any] = json.loads(body)
        except ValueError:
            return refusal("SerializationException", "the body is no JSON")
        arn_of = _name_tables(call)
        if not arn_of:
            return relayed(await self._dynamodb.forward(TABLES, operation, region, body))
        answer = await self._dynamodb.forward(TABLES, operation, region, json.dumps(call).encode())
        if operation not in {"BatchGetItem", "BatchWriteItem"}:
            return relayed(answer)
        # These answers are keyed by the table as the caller named it.
        said: dict[str, Any] = json.loads(answer.body)
        for part in ("Responses", "UnprocessedItems", "UnprocessedKeys", "ItemCollectionMetrics"):
            if part in said:
                said[part] = {arn_of.get(key, key): value for key, value in said[part].items()}
        return relayed(answer, json.dumps(said).encode())


def _name_tables(call: dict[str, Any]) -> dict[str, str]:
    """Put names in place of table ARNs, in place, and return each ARN by its name."""
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
