"""Apply the source's stream to the target, in order, shard by shard.

Reads: the batch, the rule and the plan in the control table. Writes, a hundred changes at a time: items, deletes or
tombstones of the target, the tombstone ledger before them or the late ledger with them, rejects, and last the shard's
watermark. A batch that comes again leaves the same: the last image of each key. The first failure ends the batch and is
reported, so that nothing newer overtakes it; so does the time, when half of the function's time-out is over.
"""

import time
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import measure, migration_record, tombstones, watermarks
from tasks.aws.call import call, logger
from tasks.aws.clients import passing_errors
from tasks.aws.handler import driven_by_stream, logged
from tasks.aws.late_changes import LateChanges
from tasks.aws.raw import raw_dynamodb
from tasks.aws.rejects import put_rejects
from tasks.aws.target import ITEMS_AT_ONCE, Target
from tasks.core import metrics
from tasks.core.change import first_unapplied, parse_changes, passed, unapplied
from tasks.core.conflict import Change, ReplicationRule, last_per_key, tombstone_of
from tasks.core.errors import Refused
from tasks.core.item import Item, without_legacy_attributes
from tasks.core.plan import Plan

CHANGES_AT_ONCE = 100
"""After so many the watermark moves: a target that throttles must not make the same changes come again and again."""
BUDGET_SHARE = 0.5
"""Of the time-out. Whoever runs into the time-out itself reports nothing, and all of the batch comes again."""


@driven_by_stream
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Apply one batch of one shard; report the first change that could not be applied.

    `state` has to be in the answer because the mapping has a tumbling window, which is what makes Lambda name the
    shard in the event.
    """
    answer: dict[str, Any] = {"state": {}, "batchItemFailures": []}
    if not event["Records"]:  # the end of a window
        return answer
    plan = migration_record.required_plan()
    call.is_of(plan.migration, run=plan.run)
    shard = _shard_of(event)
    rule = migration_record.required_rule()
    # A change that came before may come again, even out of order. Applied once more after the cut-over it could undo
    # what the application did since: so what the watermark has passed is left out.
    mark = watermarks.read_watermark(shard)
    changes = unapplied(parse_changes(event["Records"], without_legacy_attributes), mark)
    reserve = context.get_remaining_time_in_millis() * (1 - BUDGET_SHARE)
    for start in range(0, len(changes), CHANGES_AT_ONCE):
        stretch = changes[start : start + CHANGES_AT_ONCE]
        if start and context.get_remaining_time_in_millis() < reserve:
            answer["batchItemFailures"] = [{"itemIdentifier": stretch[0].sequence_number}]
            break
        applied: list[Change] = []
        try:
            with logged(f"replicate_changes {shard}"), passing_errors("replicate_changes"):
                apply_changes(plan, rule.rule, shard, stretch, applied)
                # Only now: a watermark that passes a change which is not applied would let the cut-over lose it.
                mark = passed(mark, shard, stretch, applied_at=time.time(), rule_since=rule.since)
                watermarks.put_watermark(mark)
            measure.add(metrics.CHANGES_APPLIED, len(stretch))
            measure.add(metrics.DELETES_APPLIED, sum(change.new is None for change in stretch))
            measure.add(metrics.REPLICATOR_LAG, mark.lag_seconds)
            measure.add(metrics.PROGRESS)
        except Exception as error:  # noqa: BLE001 — every failure is reported to the mapping, which sends the rest again
            failed = first_unapplied(stretch, applied, plan.key)
            logger.warning("shard %s comes again from %s: %s", shard, failed, type(error).__name__)
            measure.add(metrics.FAILURES)
            answer["batchItemFailures"] = [{"itemIdentifier": failed}]
            break
    return answer


def apply_changes(plan: Plan, rule: ReplicationRule, shard: str, changes: list[Change], applied: list[Change]) -> None:
    """Apply changes to the target under a rule.

    Args:
        plan: names the target.
        rule: how to apply.
        shard: whose changes these are.
        changes: in order.
        applied: each merged change is added to it once it is in the target or kept as a reject, so that a failure
            knows where it was.
    """
    target = Target(raw_dynamodb(), plan.target_table, plan.key)
    if rule is ReplicationRule.TARGET_WINS:
        LateChanges(target, plan, shard).carry_over(changes, applied)
        return
    merged = last_per_key(changes, plan.key)
    for start in range(0, len(merged), ITEMS_AT_ONCE):
        batch = merged[start : start + ITEMS_AT_ONCE]
        puts: list[Item] = [change.new for change in batch if change.new is not None]
        deleted = [change for change in batch if change.new is None]
        if rule is ReplicationRule.LEAVE_TOMBSTONES:
            # The ledger first: a tombstone that it does not know would stay at the target for ever.
            tombstones.enter_all([change.key for change in deleted])
            puts += [tombstone_of(change, version_attribute=plan.version_attribute) for change in deleted]
            rejects = target.write_all(puts, [])
        else:
            rejects = target.write_all(puts, [change.key for change in deleted])
        if rejects:
            measure.add(metrics.CHANGES_REJECTED, len(rejects))
            put_rejects(f"{plan.run}/changes/{batch[0].sequence_number}", rejects)
        applied += batch


def _shard_of(event: Mapping[str, Any]) -> str:
    try:
        return str(event["shardId"])
    except KeyError:
        raise Refused(
            "the event names no shard: the replicator's mapping was made without TumblingWindowInSeconds; "
            "delete the mapping, then start a new execution: AttachReplicator makes it"
        ) from None
