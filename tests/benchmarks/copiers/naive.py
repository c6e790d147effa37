"""What one writes first: boto3, a parallel scan, and batches of 25 put over whatever is there.

`python -m tests.benchmarks.copiers.naive TASK`.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3

from tests.benchmarks.copiers.task import Task
from tests.benchmarks.measure import Meter, keep_stdout_for_the_result, say

SEGMENTS = 4
WRITES_AT_ONCE = 25


def main() -> None:
    task = Task.given()
    keep_stdout_for_the_result()
    client = boto3.client("dynamodb")
    copy(client, task.warm, task.warm_target)
    meter = Meter()
    with meter.on("copy"):
        items = copy(client, task.source, task.target)
    say(meter.measured(items))


def copy(client: Any, source: str, target: str) -> int:  # noqa: ANN401 — boto3's own
    """Copy a table, a thread for each segment."""

    def copy_segment(segment: int) -> int:
        copied = 0
        pages = client.get_paginator("scan").paginate(TableName=source, Segment=segment, TotalSegments=SEGMENTS)
        for page in pages:
            puts = [{"PutRequest": {"Item": item}} for item in page["Items"]]
            for start in range(0, len(puts), WRITES_AT_ONCE):
                put_all(client, target, puts[start : start + WRITES_AT_ONCE])
            copied += len(puts)
        return copied

    with ThreadPoolExecutor(SEGMENTS) as threads:
        return sum(threads.map(copy_segment, range(SEGMENTS)))


def put_all(client: Any, target: str, puts: list[Any]) -> None:  # noqa: ANN401 — boto3's own
    """Put some items, again those that come back unprocessed."""
    requests = {target: puts}
    while requests:
        requests = client.batch_write_item(RequestItems=requests)["UnprocessedItems"]
        if requests:
            time.sleep(0.1)


if __name__ == "__main__":
    main()
