"""tableferry's two other functions that see every item: the handlers of ReplicateChanges and of VerifySegment.

`python -m tests.benchmarks.copiers.ours_besides TASK`, against the null engine only. Its task's side says which:
`replicate` applies so many changes, `verify` reads so many items, and both are called as Lambda calls them.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

from tasks import replicate_changes, verify_segment
from tasks.attach_replicator import RECORDS_AT_ONCE
from tasks.aws.books.books import open_record
from tasks.core.prove.digest import SOURCE
from tasks.core.prove.verification import VerifySlice
from tasks.core.replicate.conflict import ReplicationRule
from tasks.core.run.plan import Plan
from tests.benchmarks.copiers.ours import begin, called
from tests.benchmarks.copiers.task import REGION, Task
from tests.benchmarks.measure import Meter, keep_stdout_for_the_result, say
from tests.benchmarks.shapes import Item, Shape, shape_of

FIRST_NUMBER = 100_000_000_000_000_000_000
"""A sequence number has 21 digits or more."""
KINDS = ("INSERT", "MODIFY", "INSERT", "MODIFY", "REMOVE")
"""Of the changes, over and over."""
SHARD = "shardId-00000000000000000000-00000000"


def main() -> None:
    task = Task.given()
    keep_stdout_for_the_result()
    work = {"replicate": replicate, "verify": verify}[task.sides]
    shape = shape_of(task.shape)
    work(task.warm, task.warm_target, shape, task.items_of(task.warm), Meter())
    meter = Meter()
    say(meter.measured(work(task.source, task.target, shape, task.items_of(task.source), meter)))


def replicate(source: str, target: str, shape: Shape, changes: int, meter: Meter) -> int:
    """Apply so many changes, while pages may still come, and return how many they were."""
    plan, route = begin(source, target)
    open_record().set_rule(ReplicationRule.LEAVE_TOMBSTONES, run=plan.run, now=time.time())
    for event in events_of(shape.items(min(changes, RECORDS_AT_ONCE)), changes, route.stream_arn):
        with meter.on("replicate"):
            answer = json.loads(called(replicate_changes.handler, event))
        if answer["batchItemFailures"]:
            raise RuntimeError(f"ReplicateChanges reports {answer}: there is no mapping that would bring them again")
    return changes


def verify(source: str, target: str, shape: Shape, items: int, meter: Meter) -> int:
    """Read a table to its end, as the first pass of the proof does, and return how many items it has."""
    del shape, items
    plan, _ = begin(source, target)
    return _verified(plan, meter).items


def _verified(plan: Plan, meter: Meter) -> VerifySlice:
    reached = VerifySlice(table=SOURCE, segment=0)
    head = {"plan": plan.model_dump(mode="json"), "verification": "bench", "stage": "digests"}
    while reached.state != "done":
        text = json.dumps({**head, "slice": reached.model_dump(mode="json", exclude_defaults=True)})
        with meter.on("verify"):
            reached = VerifySlice.model_validate_json(called(verify_segment.handler, text))
    return reached


def events_of(items: list[Item], count: int, stream_arn: str) -> Iterator[str]:
    """Yield events of so many changes in all, as the JSON text that Lambda hands over.

    Args:
        items: whose keys change; the first of them again in each event.
        count: of changes.
        stream_arn: of the table's stream.
    """
    # A new run has new numbers: what a watermark of the one before has passed would be left out.
    first, now = FIRST_NUMBER + time.time_ns(), int(time.time())
    for start in range(0, count, RECORDS_AT_ONCE):
        records = [
            _record(items[number], KINDS[number % len(KINDS)], str(first + start + number), stream_arn, now)
            for number in range(min(len(items), count - start))
        ]
        yield json.dumps({"Records": records, "shardId": SHARD, "eventSourceARN": stream_arn, "state": {}})


def _record(item: Item, kind: str, sequence_number: str, stream_arn: str, at: int) -> dict[str, Any]:
    """Return one change; what an update found differs from what it left in one attribute."""
    images: dict[str, Any] = {}
    if kind != "REMOVE":
        images["NewImage"] = item
    if kind != "INSERT":
        images["OldImage"] = {**item, "updatedAt": {"N": "1"}}
    return {
        "eventID": sequence_number,
        "eventName": kind,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": {
            "ApproximateCreationDateTime": at,
            "Keys": {"pk": item["pk"]},
            **images,
            "SequenceNumber": sequence_number,
            "SizeBytes": 1000,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "eventSourceARN": stream_arn,
    }


if __name__ == "__main__":
    main()
