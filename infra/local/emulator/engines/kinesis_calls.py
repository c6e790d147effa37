"""Kinesis behind the gateway: kinesis-local, with the limits on records that it does not enforce itself.

https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html: at most 500 records and 5 MiB a call,
partition keys included; at most 1 MiB a record before base64, its partition key included.
"""

import json
from typing import Any

from aiohttp import web

from infra.local.emulator.answers import JSON_11, Answer, refusal, relayed
from infra.local.emulator.bodies import body_of
from infra.local.emulator.engines.upstream import Upstream

MAX_RECORDS = 500
MAX_CALL_BYTES = 5 << 20
MAX_RECORD_BYTES = 1 << 20


class KinesisCalls:
    """Sends Kinesis calls to kinesis-local."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream

    async def answer(self, request: web.Request, operation: str, region: str) -> web.StreamResponse:
        """Answer one call."""
        body = await body_of(request)
        if refused := self._check(operation, body):
            return refused
        return relayed(await self._send(operation, region, body, request.headers.get("Content-Type", JSON_11)))

    async def count_shards(self, region: str, stream: dict[str, str]) -> int:
        """Return how many shards of a stream take records, at least 1.

        Args:
            region: of the stream.
            stream: its `StreamName` or its `StreamARN`.
        """
        answer = await self._send("ListShards", region, json.dumps(stream).encode(), JSON_11)
        shards = json.loads(answer.body or b"{}").get("Shards", [])
        return max(1, sum("EndingSequenceNumber" not in shard["SequenceNumberRange"] for shard in shards))

    async def _send(self, operation: str, region: str, body: bytes, content_type: str) -> Answer:
        return await self._upstream.send(
            {
                "Content-Type": content_type,
                "X-Amz-Target": f"Kinesis_20131202.{operation}",
                # One world whatever the caller's keys are; kinesis-local reads no more than the region.
                "Authorization": (
                    f"AWS4-HMAC-SHA256 Credential=local/20200101/{region}/kinesis/aws4_request, "
                    "SignedHeaders=host, Signature=0"
                ),
                "X-Amz-Date": "20200101T000000Z",
            },
            body,
        )

    def _check(self, operation: str, body: bytes) -> web.Response | None:
        """Refuse what AWS would; a small call with few records needs no parsing to be seen as allowed."""
        if operation not in {"PutRecords", "PutRecord"}:
            return None
        if len(body) <= MAX_RECORD_BYTES and body.count(b'"PartitionKey"') <= MAX_RECORDS:
            return None
        try:
            call = json.loads(body)
        except ValueError:
            return None  # kinesis-local says what is wrong with it
        if operation == "PutRecord":
            return _check_record(call, "data")
        return _check_records(call.get("Records", []))


def _check_records(records: list[dict[str, Any]]) -> web.Response | None:
    if len(records) > MAX_RECORDS:
        return refusal(
            "ValidationException",
            "1 validation error detected: Value at 'records' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_RECORDS}",
            content_type=JSON_11,
        )
    for number, record in enumerate(records, 1):
        if refused := _check_record(record, f"records.{number}.member.data"):
            return refused
    if sum(map(record_bytes, records)) > MAX_CALL_BYTES:
        return refusal("InvalidArgumentException", "Records size exceeds 5 MB limit", content_type=JSON_11)
    return None


def _check_record(record: dict[str, Any], place: str) -> web.Response | None:
    if record_bytes(record) <= MAX_RECORD_BYTES:
        return None
    return refusal(
        "ValidationException",
        f"1 validation error detected: Value at '{place}' failed to satisfy constraint: "
        f"Member must have length less than or equal to {MAX_RECORD_BYTES}",
        content_type=JSON_11,
    )


def record_bytes(record: dict[str, Any]) -> int:
    """Return a record's size as Kinesis counts it: data before base64 and the partition key in UTF-8."""
    data, partition_key = str(record.get("Data", "")), str(record.get("PartitionKey", ""))
    return len(data) * 3 // 4 - data[-2:].count("=") + len(partition_key.encode())
