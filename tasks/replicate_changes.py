"""Apply the source's stream to the target, in order, shard by shard.

Reads: the batch, the rule and the shard's watermark in the control table, each minute the plan, and with a shard's
first batch the run's horizon: changes up to that are passed over. Writes, a hundred changes at a time: items, deletes
or tombstones of the target, the tombstone ledger before them or the late ledger with them, rejects; and last, once a
second at the most, the watermark. A batch that comes again leaves the same: the last image of each key. The first
failure ends the batch and is reported, so that nothing newer overtakes it; so does the time, when half of the
function's timeout is over.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import Books, open_books, open_record
from tasks.aws.books.rejects import Reject, put_rejects
from tasks.aws.dynamodb.target import WRITES_AT_ONCE, Target
from tasks.aws.replicate.known_plan import known_plan
from tasks.aws.replicate.late_changes import LateChanges
from tasks.aws.session import defects, measure
from tasks.aws.session.budget import Budget
from tasks.aws.session.call import call, logger
from tasks.aws.session.clients import translated_errors
from tasks.aws.session.handler import driven_by_stream, logged
from tasks.core import metrics
from tasks.core.errors import OutOfOrder
from tasks.core.model.item import Item, canonical
from tasks.core.replicate.change import advance, first_unapplied, parse_changes, unapplied
from tasks.core.replicate.conflict import Change, ReplicationRule, RuleRecord, last_per_key, tombstone_of
from tasks.core.replicate.watermark import WRITTEN_EVERY_SECONDS, Watermark
from tasks.core.run.plan import Plan

CHANGES_AT_ONCE = 100
"""After so many the time is looked at: a target that throttles must not make the same changes come again and again."""


class _Mark:
    """The shard's watermark behind what a call has applied. It is written now and then, and at the call's end."""

    def __init__(self, books: Books, shard: str, watermark: Watermark | None, *, rule_since: float) -> None:
        self._books = books
        self._shard = shard
        self._watermark = watermark
        self._rule_since = rule_since
        self._due = time.monotonic() + WRITTEN_EVERY_SECONDS
        self.passed: list[Change] = []
        """Applied, and not yet written."""

    def put_behind(self, applied: list[Change]) -> None:
        """Move it over changes that are applied: it goes over nothing else, or the cut-over would lose that."""
        self.passed += applied
        if time.monotonic() >= self._due:
            self.write()

    def write(self) -> None:
        """Write it, if it has moved."""
        passed = self.passed
        if not passed:
            return
        mark = advance(self._watermark, self._shard, passed, applied_at=time.time(), rule_since=self._rule_since)
        self._books.watermarks.put(mark)
        measure.add(metrics.CHANGES_APPLIED, len(passed))
        measure.add(metrics.DELETES_APPLIED, sum(change.new is None for change in passed))
        measure.add(metrics.REPLICATOR_LAG, mark.lag_seconds)
        measure.add(metrics.PROGRESS)
        self._watermark, self.passed, self._due = mark, [], time.monotonic() + WRITTEN_EVERY_SECONDS


@driven_by_stream
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Apply one batch of one shard; report the first change that could not be applied.

    `state` has to be in the answer because the mapping has a tumbling window, which is what makes Lambda name the
    shard in the event.
    """
    answer: dict[str, Any] = {"state": {}, "batchItemFailures": []}
    if not event.get("Records"):  # the end of a window: AWS does not say whether such a call has an empty list or none
        return answer
    record = open_record()
    rule = record.required_rule()
    plan, stream_arn = known_plan.required(record, rule)
    call.identify(plan.migration, run=plan.run)
    if event["Records"][0]["eventSourceARN"] != stream_arn:
        # Of a mapping that an earlier run left, on a stream that was turned off since: its changes are older than the
        # whole of this run, and would come over newer ones.
        logger.warning("changes of another stream are left out: its mapping on this function can be deleted")
        return answer
    shard = _shard_of(event)
    books = open_books(plan.run)
    # A change that came before may come again, even out of order. Applied once more after the cut-over it could undo
    # what the application did since: so what the watermark has passed is left out.
    watermark = books.watermarks.read(shard) or pass_over(books, stream_arn, shard, rule)
    changes = unapplied(parse_changes(event["Records"], plan.shape), watermark)
    if not changes:
        call.leave_no_trace()
        return answer
    budget = Budget(context)
    mark = _Mark(books, shard, watermark, rule_since=rule.since)
    for start in range(0, len(changes), CHANGES_AT_ONCE):
        stretch = changes[start : start + CHANGES_AT_ONCE]
        if start and budget.is_spent():
            answer["batchItemFailures"] = [{"itemIdentifier": stretch[0].sequence_number}]
            break
        applied: list[Change] = []
        try:
            with _told(shard):
                apply_all(books, plan, rule.rule, shard, stretch, applied)
                # Only now: a watermark that passes a change which is not applied would let the cut-over lose it.
                mark.put_behind(stretch)
        except Exception as error:  # noqa: BLE001 — every failure is reported to the mapping, which sends the rest again
            failed = first_unapplied(stretch, applied, plan.source.key)
            answer["batchItemFailures"] = _note_failure(shard, failed, error)
            break
    try:
        with _told(shard):
            mark.write()
    except Exception as error:  # noqa: BLE001 — as above
        answer["batchItemFailures"] = _note_failure(shard, mark.passed[0].sequence_number, error)
    return answer


@contextmanager
def _told(shard: str) -> Iterator[None]:
    with logged(f"replicate_changes {shard}", tells_success=False), translated_errors("replicate_changes"):
        yield


def _note_failure(shard: str, failed: str, error: Exception) -> list[dict[str, str]]:
    logger.warning("shard %s comes again from %s: %s", shard, failed, type(error).__name__)
    measure.add(metrics.FAILURES)
    return [{"itemIdentifier": failed}]


def pass_over(books: Books, stream_arn: str, shard: str, rule: RuleRecord) -> Watermark | None:
    """Return the watermark that a shard begins with: behind the changes that the scan sees anyway; `None` if none are.

    Put before anything of the shard is applied: of what is applied, nothing that comes behind it may be passed over.
    """
    horizon = books.horizon.of_shard(stream_arn, shard)
    if horizon is None:
        return None
    now = time.time()
    watermark = Watermark(shard, horizon, changed_at=now, applied_at=now, rule_since=rule.since)
    books.watermarks.put(watermark)
    logger.info("shard %s: changes up to %s were taken before the run, and the scan sees them", shard, horizon)
    return watermark


def apply_all(
    books: Books, plan: Plan, rule: ReplicationRule, shard: str, changes: list[Change], applied: list[Change]
) -> None:
    """Apply changes like `apply_changes`, whatever one of them does to this code.

    A defect of ours comes again each time that its batch does, and would hold up the shard for ever, without a word. So
    whatever is left of the batch is applied key by key, and a key that fails at every try is kept as a reject.
    """
    try:
        apply_changes(books, plan, rule, shard, changes, applied)
    except Exception as error:
        if not defects.is_defect(error):
            raise
        defects.log_defect(f"shard {shard}", error)
        done = {canonical(change.key) for change in applied}
        by_key: dict[bytes, list[Change]] = {}
        for change in changes:
            by_key.setdefault(canonical(change.key), []).append(change)
        for name, of_key in by_key.items():
            if name not in done:
                _apply_key(books, plan, rule, shard, of_key, applied)


def _apply_key(
    books: Books, plan: Plan, rule: ReplicationRule, shard: str, changes: list[Change], applied: list[Change]
) -> None:
    defect = defects.try_alone(lambda: apply_changes(books, plan, rule, shard, changes, applied))
    if defect is not None:
        last = changes[-1]
        kind = "late" if rule is ReplicationRule.TARGET_WINS else "changes"
        put_rejects(f"{plan.run}/{kind}/{last.sequence_number}", [Reject(last.key, last.new, defects.in_words(defect))])
        measure.add(metrics.CHANGES_REJECTED)
        applied.append(last)


def apply_changes(
    books: Books, plan: Plan, rule: ReplicationRule, shard: str, changes: list[Change], applied: list[Change]
) -> None:
    """Apply changes to the target under a rule.

    Args:
        books: of the run.
        plan: names the target.
        rule: how to apply.
        shard: whose changes these are.
        changes: in order.
        applied: each merged change is added to it once it is in the target or kept as a reject, so that a failure
            knows where it was.
    """
    target = Target(plan.target)
    if rule is ReplicationRule.TARGET_WINS:
        LateChanges(target, books, plan, shard).carry_over(changes, applied)
        return
    merged = last_per_key(changes, plan.source.key)
    for start in range(0, len(merged), WRITES_AT_ONCE):
        batch = merged[start : start + WRITES_AT_ONCE]
        puts: list[Item] = [change.new for change in batch if change.new is not None]
        deleted = [change for change in batch if change.new is None]
        if rule is ReplicationRule.LEAVE_TOMBSTONES:
            # The ledger first: a tombstone that it does not know would stay at the target for ever.
            books.tombstones.enter_all([change.key for change in deleted])
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
        raise OutOfOrder(
            "the event names no shard: the replicator's mapping was made without TumblingWindowInSeconds; "
            "delete the mapping, then start a new execution: AttachReplicator makes it"
        ) from None
