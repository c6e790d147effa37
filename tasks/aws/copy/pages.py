"""Pages into Kinesis."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from tasks.aws.session import clients, measure
from tasks.aws.session.tries import tries
from tasks.core.copy.page import partition_key, read_header
from tasks.core.errors import PutRecordsIncomplete
from tasks.core.metrics import THROTTLES

if TYPE_CHECKING:
    from mypy_boto3_kinesis.type_defs import PutRecordsRequestEntryTypeDef

RECORDS_AT_ONCE = 500
BYTES_AT_ONCE = 5 * 1024 * 1024
"""PutRecords' limit, partition keys included."""


def put_all(stream_arn: str, records: Sequence[bytes]) -> None:
    """Put all records of a page into the stream, or raise.

    What Kinesis refuses of a call (FailedRecordCount) is put again, with jitter between the tries.

    Raises:
        PutRecordsIncomplete: some were refused at every try. Those that were taken are harmless: the page will be sent
            again, and the writer only inserts what is absent.
    """
    entries: list[PutRecordsRequestEntryTypeDef] = [
        {"Data": record, "PartitionKey": partition_key(read_header(record))} for record in records
    ]
    reason = ""
    for _ in tries():
        refused: list[PutRecordsRequestEntryTypeDef] = []
        for call in _calls(entries):
            answer = clients.kinesis().put_records(StreamARN=stream_arn, Records=call)
            for entry, result in zip(call, answer["Records"], strict=True):
                if "ErrorCode" in result:
                    refused.append(entry)
                    reason = result["ErrorCode"]
                    if reason in clients.THROTTLED_CODES:
                        measure.add(THROTTLES)
        if not refused:
            return
        entries = refused
    raise PutRecordsIncomplete(
        f"Kinesis refused {len(entries)} of {len(records)} records of a page at every try ({reason}); "
        "wait a quarter of an hour, in which a stream on demand grows by itself, or deploy more pages_shards where "
        "their number is fixed; then redrive: the scan goes on at this page"
    )


def _calls(
    entries: list["PutRecordsRequestEntryTypeDef"],
) -> list[list["PutRecordsRequestEntryTypeDef"]]:
    """Group entries into calls that keep PutRecords' limits."""
    calls: list[list[PutRecordsRequestEntryTypeDef]] = []
    room = 0
    for entry in entries:
        size = len(cast("bytes", entry["Data"])) + len(entry["PartitionKey"])
        if not calls or size > room or len(calls[-1]) == RECORDS_AT_ONCE:
            calls.append([])
            room = BYTES_AT_ONCE
        calls[-1].append(entry)
        room -= size
    return calls
