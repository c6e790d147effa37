"""Read one segment of source or target: sum its digests, or list its keys of unequal buckets.

Reads: the table. Writes: under the page it began at, the digest of what it read, or the suspects of each page. Run
again from the same cursor it replaces what it wrote, so nothing is counted twice.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import digests, measure
from tasks.aws.clients import passing_errors
from tasks.aws.handler import Request, task
from tasks.aws.raw import body_of, raw_dynamodb
from tasks.core import metrics
from tasks.core.capacity import ASKED_FOR, capacity_of
from tasks.core.digest import Digest, bucket_of, comparable, item_hash, key_hash
from tasks.core.errors import AwsUnavailable
from tasks.core.item import Item
from tasks.core.plan import Plan
from tasks.core.verification import VerifySlice

BUDGET_SHARE = 0.5


class VerifySegmentRequest(Request):
    """Which verification, and the slice with how far it has come."""

    verification: str
    stage: Literal["digests", "suspects"]
    slice: VerifySlice

    @property
    def of_segment(self) -> int:
        """The segment that is read, of one of the two tables."""
        return self.slice.segment


@task(VerifySegmentRequest)
def handler(request: VerifySegmentRequest, context: LambdaContext) -> VerifySlice:
    """Return how far the slice has come; the state machine comes back until its state is `done`."""
    plan, begun, reached = request.plan, request.slice, request.slice
    reserve = context.get_remaining_time_in_millis() * (1 - BUDGET_SHARE)
    digest = Digest(plan.buckets)
    unequal = digests.read_unequal_buckets(plan.run, request.verification) if request.stage == "suspects" else None
    while reached.state != "done":
        try:
            with passing_errors("verify_segment"):
                items, cursor = _read_page(plan, reached)
        except AwsUnavailable:
            if reached.pages == begun.pages:
                raise
            break  # the pages before it are counted: the next call begins here
        if unequal is None:
            for item in items:
                digest.add(key_hash(plan.key.key_of(item)), item_hash(item))
        else:
            suspects = list(_iter_suspects(plan, items, unequal))
            digests.put_suspects(plan.run, request.verification, reached.name, reached.pages, suspects)
            measure.add(metrics.SUSPECTS, len(suspects))
        measure.add(metrics.ITEMS_VERIFIED, len(items))
        measure.add(metrics.PROGRESS)
        reached = VerifySlice(
            table=reached.table,
            segment=reached.segment,
            state="done" if cursor is None else "reading",
            cursor=cursor,
            pages=reached.pages + 1,
            items=reached.items + len(items),
        )
        if context.get_remaining_time_in_millis() < reserve:
            break
    if unequal is None:
        digests.put_digest(plan.run, request.verification, begun.name, begun.pages, digest)
    return reached


def _read_page(plan: Plan, slice_: VerifySlice) -> tuple[list[Item], Item | None]:
    request: dict[str, Any] = {
        "TableName": plan.source_table if slice_.table == "source" else plan.target_table,
        "Segment": slice_.segment,
        "TotalSegments": plan.verify_segments,
        **ASKED_FOR,
    }
    if slice_.cursor is not None:
        request["ExclusiveStartKey"] = slice_.cursor
    answer = json.loads(raw_dynamodb().call("Scan", body_of(request)))
    measure.add(metrics.READ_UNITS, capacity_of(answer))
    items = [shown for item in answer["Items"] if (shown := comparable(item, slice_.table)) is not None]
    return items, answer.get("LastEvaluatedKey") or None


def _iter_suspects(plan: Plan, items: list[Item], unequal: frozenset[int]) -> Iterator[tuple[int, Item, str]]:
    for item in items:
        key = plan.key.key_of(item)
        bucket = bucket_of(key_hash(key), plan.buckets)
        if bucket in unequal:
            yield bucket, key, item_hash(item).hex()
