"""Removing tombstones from the target."""

import itertools
import json
import time
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from tasks.aws import clients, measure, tombstones
from tasks.aws.raw import body_of, raw_dynamodb
from tasks.core.capacity import ASKED_FOR, capacity_of
from tasks.core.item import TOMBSTONE_ATTRIBUTE, Item
from tasks.core.metrics import PROGRESS, TOMBSTONES_PURGED, WRITE_UNITS
from tasks.core.plan import Plan

CALLS_SIDE_BY_SIDE = 16
ENTRIES_AT_ONCE = 400


def purge(plan: Plan, *, deadline: float) -> tuple[int, bool]:
    """Remove the tombstones of all keys in the ledger.

    Args:
        plan: names the target.
        deadline: by `time.monotonic`.

    Returns:
        How many entries were dealt with, and whether none is left.
    """
    purged = 0
    entered = tombstones.iter_entered()
    with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads:
        while batch := list(itertools.islice(entered, ENTRIES_AT_ONCE)):
            if time.monotonic() > deadline:
                return purged, False
            calls = [(name, threads.submit(_remove, plan, key)) for name, key in batch]
            gone = [name for name, call in calls if call.exception() is None]
            # Only now: an entry that is struck out before its tombstone is gone would leave it for ever. But before a
            # failure is raised: at a target that throttles, the same entries would come again and again.
            tombstones.strike(gone)
            purged += len(gone)
            if gone:
                measure.add(TOMBSTONES_PURGED, len(gone))
                measure.add(PROGRESS)
            for _, call in calls:
                call.result()  # raises the first failure
    return purged, True


def _remove(plan: Plan, key: Item) -> None:
    request = {
        "TableName": plan.target_table,
        "Key": key,
        # The key may have been created again since: then the item has no mark, and stays.
        "ConditionExpression": "attribute_exists(#mark)",
        "ExpressionAttributeNames": {"#mark": TOMBSTONE_ATTRIBUTE},
        **ASKED_FOR,
    }
    try:
        answer = json.loads(raw_dynamodb().call("DeleteItem", body_of(request)))
        measure.add(WRITE_UNITS, capacity_of(answer))
    except ClientError as error:
        if clients.error_code(error) != "ConditionalCheckFailedException":
            raise
