"""Where records go that a mapping gives up: an object in S3, laid out as AWS documents it."""

import json
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from infra.local.emulator.mappings.service_calls import ServiceCallError, ServiceCalls
from infra.local.emulator.mappings.stream_source import StreamRecord, StreamSource

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Discard:
    """Records that are given up, and why.

    Attributes:
        condition: "RetryAttemptsExhausted" or "RecordAgeExceeded".
        invoke_count: how often the function was tried with them.
        function_error: what `X-Amz-Function-Error` last said; None if the function answered with item failures.
        request_id: the last invocation's id.
    """

    shard_id: str
    records: Sequence[StreamRecord]
    condition: str
    invoke_count: int
    function_error: str | None
    request_id: str


class FailureDestination:
    """Writes what a mapping discards.

    Args:
        calls: how S3 is reached.
        mapping_uuid: the mapping's, for the object's key.
        function_arn: the function that failed.
        source: the stream that the records came from.
    """

    def __init__(self, calls: ServiceCalls, mapping_uuid: str, function_arn: str, source: StreamSource) -> None:
        self._calls = calls
        self._mapping_uuid = mapping_uuid
        self._function_arn = function_arn
        self._source = source

    async def put(self, bucket_arn: str, discard: Discard) -> None:
        """Write one object. As on AWS, the records are gone all the same if it cannot be written."""
        now = datetime.now(UTC)
        key = (
            f"aws/lambda/{self._mapping_uuid}/{discard.shard_id}/{now:%Y/%m/%d}/{now:%Y-%m-%dT%H.%M.%S}-{uuid.uuid4()}"
        )
        body = json.dumps(self.document(discard, now)).encode()
        try:
            await self._calls.put_object(bucket_arn.rpartition(":")[2], key, body, region=self._source.region)
        except ServiceCallError as error:
            log.error(  # noqa: TRY400 — where it was raised says nothing more
                "%d discarded records could not be written to %s: %s", len(discard.records), bucket_arn, error
            )

    def document(self, discard: Discard, now: datetime) -> dict[str, Any]:
        """Return the invocation record, with the records themselves, which only S3 gets."""
        first, last = discard.records[0], discard.records[-1]
        document: dict[str, Any] = {
            "requestContext": {
                "requestId": discard.request_id,
                "functionArn": self._function_arn,
                "condition": discard.condition,
                "approximateInvokeCount": discard.invoke_count,
            },
        }
        # Records that grew too old are discarded before a call, so there is no response to tell of.
        if discard.condition == "RetryAttemptsExhausted":
            document["responseContext"] = {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": discard.function_error,
            }
        return document | {
            "version": "1.0",
            "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            self._source.batch_info: {
                "shardId": discard.shard_id,
                "startSequenceNumber": first.sequence_number,
                "endSequenceNumber": last.sequence_number,
                "approximateArrivalOfFirstRecord": self._source.time_text(first.arrived),
                "approximateArrivalOfLastRecord": self._source.time_text(last.arrived),
                "batchSize": len(discard.records),
                "streamArn": self._source.arn,
            },
            "payload": {"Records": [json.loads(record.event) for record in discard.records]},
        }
