"""The way from a scan to a writer, as Lambda's mapping of a Kinesis stream goes it: records in, events out.

Against the null engine there is no stream: the same records come again and again, made beforehand. Against a real one
they are read from its shards. Neither is a copier's work, and neither is counted.
"""

import base64
import functools
import json
import time
from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

READ_WITHIN_SECONDS = 300.0


def canned_events(records: Sequence[bytes], *, count: int, at_once: int) -> Iterator[str]:
    """Yield events of so many records in all, the given ones over and over, as the JSON text that Lambda hands over.

    Args:
        records: made beforehand.
        count: how many are delivered.
        at_once: records of one event.
    """
    numbers = islice(cycle(range(len(records))), count)

    @functools.cache  # there are few different ones
    def event(some: tuple[int, ...]) -> str:
        return event_of([records[number] for number in some])

    while some := tuple(islice(numbers, at_once)):
        yield event(some)


def event_of(records: Sequence[bytes]) -> str:
    """Return the event of a batch, as the JSON text that Lambda hands over."""
    entries = [
        {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": "0",
                "sequenceNumber": str(number),
                "data": base64.b64encode(record).decode(),
                "approximateArrivalTimestamp": 1545084650.987,
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"shardId-000000000000:{number}",
            "eventName": "aws:kinesis:record",
            "awsRegion": "eu-west-1",
        }
        for number, record in enumerate(records)
    ]
    return json.dumps({"Records": entries})


class StreamReader:
    """Reads what comes into a Kinesis stream from now on: other copiers have used it before."""

    def __init__(self, client: "KinesisClient", stream_arn: str) -> None:
        self._client = client
        shards = client.list_shards(StreamARN=stream_arn)["Shards"]
        self._iterators = [
            client.get_shard_iterator(StreamARN=stream_arn, ShardId=shard["ShardId"], ShardIteratorType="LATEST")[
                "ShardIterator"
            ]
            for shard in shards
        ]

    def read(self) -> list[bytes]:
        """Return what has come since the last time."""
        records: list[bytes] = []
        for place, iterator in enumerate(self._iterators):
            answer = self._client.get_records(ShardIterator=iterator, Limit=1000)
            self._iterators[place] = answer["NextShardIterator"]
            records += [record["Data"] for record in answer["Records"]]
        return records

    def iter_all(self, count: int) -> Iterator[bytes]:
        """Yield records until so many have come.

        Raises:
            TimeoutError: they do not come.
        """
        deadline = time.monotonic() + READ_WITHIN_SECONDS
        while count > 0:
            records = self.read()
            yield from records
            count -= len(records)
            if not records:
                time.sleep(0.05)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} records have not come in {READ_WITHIN_SECONDS:.0f} s")


def in_events(records: Iterator[bytes], *, at_once: int) -> Iterator[str]:
    """Yield the events of records."""
    while some := list(islice(records, at_once)):
        yield event_of(some)
