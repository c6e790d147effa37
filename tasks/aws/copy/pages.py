"""Pages into Kinesis."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pybase64

from tasks.aws.session import clients, measure, wire
from tasks.aws.session.tries import tries
from tasks.core.copy.page import partition_key, read_header
from tasks.core.errors import PutRecordsIncomplete
from tasks.core.metrics import THROTTLES
from tasks.core.model.item import json_bytes

RECORDS_AT_ONCE = 500
BYTES_AT_ONCE = 5 * 1024 * 1024
"""PutRecords' limit, partition keys included."""


class Entry(NamedTuple):
    """One record, on its way."""

    size: int
    """In bytes, as PutRecords counts it."""
    text: bytes
    """Its JSON in a call."""


def put_all(stream_arn: str, records: Sequence[bytes]) -> None:
    """Put all records of a page into the stream, or raise.

    What Kinesis refuses of a call (FailedRecordCount) is put again, with jitter between the tries.

    Raises:
        PutRecordsIncomplete: some were refused at every try. Those that were taken are harmless: the page will be sent
            again, and the writer only inserts what is absent.
    """
    # By its name: with an ARN the call would belong to the endpoint of an account.
    stream = json_bytes(stream_arn.rpartition("/")[2])
    entries = [_entry(record) for record in records]
    reason = ""
    for _ in tries():
        refused: list[Entry] = []
        for some in _calls(entries):
            body = b'{"StreamName":%b,"Records":[%b]}' % (stream, b",".join([entry.text for entry in some]))
            answer: dict[str, Any] = json.loads(wire.to_kinesis().call("PutRecords", body))
            for entry, result in zip(some, answer["Records"], strict=True):
                if result.get("ErrorCode"):
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


def _entry(record: bytes) -> Entry:
    key = partition_key(read_header(record)).encode()
    text = b'{"Data":"%b","PartitionKey":"%b"}' % (pybase64.b64encode(record), key)
    return Entry(len(record) + len(key), text)


def _calls(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Group entries into calls that keep PutRecords' limits."""
    calls: list[list[Entry]] = []
    room = 0
    for entry in entries:
        if not calls or entry.size > room or len(calls[-1]) == RECORDS_AT_ONCE:
            calls.append([])
            room = BYTES_AT_ONCE
        calls[-1].append(entry)
        room -= entry.size
    return calls
