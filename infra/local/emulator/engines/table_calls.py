"""What DynamoDB Local leaves out of the calls that make, show, change and delete tables; supplied on the way to it.

- `TableId`: on AWS each creation of a table has an id that no other ever gets; DynamoDB Local gives none. Here it is
  made of the Region, the name and the CreationDateTime, so nothing has to be remembered, and no lost answer matters.
- Deletion protection: DynamoDB Local refuses to delete a protected table, but takes an UpdateTable that does not name
  the setting for one that switches it off. On AWS such a call leaves it.
"""

import asyncio
import json
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from infra.local.emulator.answers import Answer

OPERATIONS = frozenset({"CreateTable", "DeleteTable", "DescribeTable", "UpdateTable"})

PROTECTION = "DeletionProtectionEnabled"
# What an UpdateTable may hold that is no change by itself.
NO_CHANGE = frozenset({"TableName", "AttributeDefinitions"})
# DynamoDB Local dates a creation to the millisecond.
APART_SECONDS = 0.002


class TableCalls:
    """Sends the calls of `OPERATIONS` to DynamoDB Local.

    Args:
        send: sends an operation of a region with its body.
    """

    def __init__(self, send: Callable[[str, str, bytes], Awaitable[Answer]]) -> None:
        self._send = send
        # One change at a time: what was read of a table is still so when it is changed, and no creation is dated
        # before the deletion that it follows.
        self._turn = asyncio.Lock()

    async def answer(self, operation: str, region: str, body: bytes) -> Answer:
        """Answer one of `OPERATIONS`, as AWS would.

        Raises:
            OSError: DynamoDB Local hung up.
        """
        if operation == "DescribeTable":
            return _with_id(await self._send(operation, region, body), region)
        async with self._turn:
            if operation == "UpdateTable":
                body = await self._keep_protection(region, body)
            if operation == "DeleteTable":
                # A table made anew is made after this, and so dated at least a millisecond later than this one.
                await asyncio.sleep(APART_SECONDS)
            return _with_id(await self._send(operation, region, body), region)

    async def _keep_protection(self, region: str, body: bytes) -> bytes:
        """Return an UpdateTable's body; where the table is protected and the call is silent on it, it says so."""
        try:
            request: dict[str, Any] = json.loads(body)
        except ValueError:
            return body  # DynamoDB Local says what is wrong with it
        if request.get(PROTECTION) is not None or not request.keys() - NO_CHANGE:
            return body
        named = json.dumps({"TableName": request.get("TableName")}).encode()
        described = await self._send("DescribeTable", region, named)
        # Where it is off nothing is added: the call goes on as it came.
        if described.status != HTTPStatus.OK or not json.loads(described.body)["Table"].get(PROTECTION):
            return body
        return json.dumps({**request, PROTECTION: True}).encode()


def _with_id(answer: Answer, region: str) -> Answer:
    """Return the answer with a `TableId` in the description that is its only member; an error as it is."""
    if answer.status != HTTPStatus.OK:
        return answer
    said: dict[str, dict[str, Any]] = json.loads(answer.body)
    [table] = said.values()
    creation = f"{region}/{table['TableName']}/{table['CreationDateTime']}"
    table["TableId"] = str(uuid.uuid5(uuid.NAMESPACE_URL, creation))
    # The checksum is the other body's.
    headers = {name: value for name, value in answer.headers.items() if name != "x-amz-crc32"}
    return replace(answer, headers=headers, body=json.dumps(said).encode())
