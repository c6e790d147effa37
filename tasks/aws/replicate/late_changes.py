"""Late changes: carried over once, and only where nobody has written to the target since."""

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tasks.aws.books.books import Books
from tasks.aws.books.late_ledger import name_of
from tasks.aws.books.rejects import Reject, put_rejects
from tasks.aws.dynamodb.table_reads import KEYS_AT_ONCE, read_items
from tasks.aws.dynamodb.target import Target, Transacted
from tasks.aws.session import clients, measure
from tasks.aws.session.call import logger
from tasks.aws.session.side_by_side import settle
from tasks.aws.session.tries import tries
from tasks.core.errors import WritesUnfinished
from tasks.core.metrics import CHANGES_OVERRULED, CHANGES_REJECTED
from tasks.core.model.item import Item, canonical
from tasks.core.replicate.change import DealtWith
from tasks.core.replicate.conflict import Change, LateChange, judge_late_change, last_per_key, late_condition
from tasks.core.run.plan import Plan

TRIES = 5
CALLS_SIDE_BY_SIDE = 16
"""A shard takes up to 1,000 writes a second, and a conditional write has a call of its own."""
OVERRULED = "a late write to the source; the target holds neither what the source had before it nor after it"


@dataclass(frozen=True, slots=True)
class LateChanges:
    """Carries over the late changes of one shard.

    Attributes:
        target: the target table.
        books: of the run.
        plan: names it, its key and the run.
        shard: whose changes these are.
    """

    target: Target
    books: Books
    plan: Plan
    shard: str

    def carry_over(self, changes: Sequence[Change], applied: list[Change]) -> None:
        """Apply what is not dealt with, each key under its condition; keep what the target's own writes overruled.

        Args:
            changes: in order.
            applied: each key's last change is added once the key is dealt with.

        Raises:
            WritesUnfinished: a change was not taken at any try, or another call has dealt with its key meanwhile.
        """
        entries = self.books.late.read_entries(changes)
        fresh = [change for change in changes if not self._is_dealt_with(change, entries.get(name_of(change.key)))]
        # Merged without what is dealt with: its images are no longer where the rest begins from.
        merged = last_per_key(fresh, self.plan.target.key)
        unfinished = {canonical(change.key) for change in merged}
        every_key = last_per_key(changes, self.plan.target.key)
        applied += [change for change in every_key if canonical(change.key) not in unfinished]
        with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads:
            for start in range(0, len(merged), KEYS_AT_ONCE):
                batch = merged[start : start + KEYS_AT_ONCE]
                work = functools.partial(self._apply_one, self._read(batch), entries)
                done, failure = settle(threads, work, batch)
                applied += done
                if failure is not None:
                    raise failure

    def _read(self, changes: Sequence[Change]) -> dict[bytes, Item]:
        return read_items(self.plan.target, [change.key for change in changes])

    def _apply_one(self, read: Mapping[bytes, Item], entries: Mapping[str, DealtWith], change: Change) -> None:
        present, entered = read.get(canonical(change.key)), entries.get(name_of(change.key))
        entry = self.books.late.entry_of(self.shard, change, over=entered)
        rejects = self._write(change, present, entry)
        if rejects is None:
            return
        if rejects:
            # Another call may have dealt with the key since: then what stands there is not the application's.
            if self._entered(change) != entered:
                self._check_entered(change)
                return
            put_rejects(f"{self.plan.run}/late/{change.sequence_number}", rejects)
            is_overruled = rejects[0].reason == OVERRULED
            measure.add(CHANGES_OVERRULED if is_overruled else CHANGES_REJECTED)
        # Only now: an entry before the reject would let a crash forget it.
        if not self.books.late.enter(entry):
            self._check_entered(change)

    def _is_dealt_with(self, change: Change, entered: DealtWith | None) -> bool:
        return entered is not None and entered.covers(change, self.shard)

    def _entered(self, change: Change) -> DealtWith | None:
        return self.books.late.read_entries([change]).get(name_of(change.key))

    def _check_entered(self, change: Change) -> None:
        """Make sure that a change is dealt with whose entry could not be put.

        Raises:
            WritesUnfinished: it is not: what was read of its key is out of date.
        """
        if not self._is_dealt_with(change, self._entered(change)):
            raise WritesUnfinished(
                "another call has dealt with a late change of the same key meanwhile; the batch comes again by itself"
            )

    def _write(self, change: Change, present: Item | None, entry: dict[str, Any]) -> list[Reject] | None:
        """Deal with a change; return what was rejected, `None` if it is written and entered."""
        for _ in tries(TRIES):
            verdict = judge_late_change(change, present)
            # An expiry that comes too late is nobody's write: the target expires its own items by then.
            if verdict is LateChange.APPLIED or (verdict is LateChange.TARGET_WINS and change.is_expiry):
                return []
            if verdict is LateChange.TARGET_WINS:
                return [Reject(change.key, change.new, OVERRULED)]
            call, body = _request(change, late_condition(change, present))
            try:
                outcome = self.target.transact(call, body, entry)
                if outcome is Transacted.WRITTEN:
                    return None
                if outcome is Transacted.ENTERED_SINCE:
                    self._check_entered(change)
                    return None
                if outcome is Transacted.REFUSED:
                    # A table that is strongly consistent over Regions knows no transactions: the plain call has the
                    # last word, and its entry follows.
                    logger.warning("%s refuses a transaction; its late change is written alone", self.plan.target.name)
                    return self.target.write_if(call, change.key, change.new, body)
            except ClientError as error:
                if clients.error_code(error) != "ConditionalCheckFailedException":
                    raise
            present = self._read([change]).get(canonical(change.key))
        raise WritesUnfinished(
            f"a late change was not taken by {self.plan.target.name} at {TRIES} tries: its key was written to each "
            "time, or a table was throttled; the batch comes again by itself"
        )


def _request(change: Change, condition: dict[str, object]) -> tuple[str, dict[str, Any]]:
    if change.new is None:
        return "DeleteItem", {"Key": change.key, **condition}
    return "PutItem", {"Item": change.new, **condition}
