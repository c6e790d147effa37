"""Changes that come after the fence: carried over only where nobody has written to the target since."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from tasks.aws import clients, measure
from tasks.aws.raw import raw_dynamodb
from tasks.aws.rejects import Reject, put_rejects
from tasks.aws.target import KEYS_AT_ONCE, Target, read_items
from tasks.core.conflict import Change, LateChange, judge_late_change, late_condition
from tasks.core.errors import WritesUnfinished
from tasks.core.item import Item, canonical
from tasks.core.metrics import CHANGES_OVERRULED, CHANGES_REJECTED
from tasks.core.plan import Plan

TRIES = 5
CALLS_SIDE_BY_SIDE = 16
"""A shard takes up to 1,000 writes a second, and a conditional write has a call of its own."""


def apply_late(target: Target, plan: Plan, changes: Sequence[Change], applied: list[Change]) -> None:
    """Apply merged changes, each under its condition; keep those that the target's own writes overruled.

    Args:
        target: the target table.
        plan: names it and its key.
        changes: at most one per key.
        applied: each change is added once it is dealt with.

    Raises:
        WritesUnfinished: a key was written to at every try.
    """
    with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads:
        for start in range(0, len(changes), KEYS_AT_ONCE):
            batch = changes[start : start + KEYS_AT_ONCE]
            present = read_items(raw_dynamodb(), plan.target_table, [change.key for change in batch], plan.key)
            calls = [
                (change, threads.submit(_apply_one, target, plan, change, present.get(canonical(change.key))))
                for change in batch
            ]
            applied += [change for change, call in calls if call.exception() is None]
            for _, call in calls:
                call.result()  # raises the first failure


def _apply_one(target: Target, plan: Plan, change: Change, present: Item | None) -> None:
    rejects = _write(target, plan, change, present)
    if rejects:
        put_rejects(f"{plan.run}/late/{change.sequence_number}", rejects)


def _write(target: Target, plan: Plan, change: Change, present: Item | None) -> list[Reject]:
    for _ in range(TRIES):
        verdict = judge_late_change(change, present)
        # An expiry that comes too late is nobody's write: the target expires its own items by then.
        if verdict is LateChange.APPLIED or (verdict is LateChange.TARGET_WINS and change.is_expiry):
            return []
        if verdict is LateChange.TARGET_WINS:
            measure.add(CHANGES_OVERRULED)
            reason = "a late write to the source; the target holds neither what the source had before it nor after it"
            return [Reject(change.key, change.new, reason)]
        condition = late_condition(change, present)
        try:
            if change.new is None:
                refused = target.write_if("DeleteItem", change.key, None, {"Key": change.key, **condition})
            else:
                refused = target.write_if("PutItem", change.key, change.new, {"Item": change.new, **condition})
            measure.add(CHANGES_REJECTED, len(refused))
            return refused
        except ClientError as error:
            if clients.error_code(error) != "ConditionalCheckFailedException":
                raise
        present = read_items(raw_dynamodb(), plan.target_table, [change.key], plan.key).get(canonical(change.key))
    raise WritesUnfinished(
        f"a key of {plan.target_table} was written to {TRIES} times while a late change was to be carried over; "
        "the batch comes again by itself"
    )
