"""What the product decides, and in which order it takes its steps: the places where a negative control differs.

The world only moves things about. Every decision in it is one of `tasks.core`; a control puts one other decision, or
one other order, in the product's place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.core.conflict import (
    RULE_ORDER,
    Change,
    LateChange,
    PageCondition,
    ReplicationRule,
    RuleRecord,
    judge_late_change,
    tombstone_of,
)
from tasks.core.item import Item
from tasks.core.watermark import Watermark, is_rule_in_force
from tests.model.state import PHASES

TIMEOUT_SECONDS = 60.0
VERSION = "updatedAt"

ScannerStep = Literal["put", "enter", "return"]
ReplicatorStep = Literal["enter", "write", "mark"]


@dataclass(frozen=True)
class Ways:
    """The product's."""

    phases: tuple[str, ...] = PHASES
    scanner: tuple[ScannerStep, ...] = ("put", "enter", "return")
    """Into Kinesis, into the send ledger, the cursor."""
    replicator: tuple[ReplicatorStep, ...] = ("enter", "write", "mark")
    """Into the tombstone ledger, into the target, the watermark."""
    is_receipt_last: bool = True
    settles: bool = True
    """Whether the first page is read only after `settle_seconds`."""
    closes_door: bool = True
    """Whether DetachWriter detaches the writer before it sets the rule DELETE."""
    waits_for_writer: bool = True
    """Whether it then lets one time-out of the writer pass."""
    waits_in: frozenset[str] = frozenset({"fencing", "draining", "cutting over"})
    """The phases that wait until the replicator has passed the tips."""
    waits_for_rule_in: frozenset[str] = frozenset({"purging", "cutting over"})
    """The phases that wait until the rule is in force."""
    stops_at_failure: bool = True
    has_late_ledger: bool = True
    enters_with_the_write: bool = True
    """Whether a late change and its entry are written in one transaction."""

    def page_wins(self, item: Item, present: Item | None, version_attribute: str | None) -> bool:
        """Whether the writer puts a page's item over what is there."""
        return PageCondition("pk", version_attribute).allows(item, present)

    def left_by(self, deleted: Change, version_attribute: str | None) -> Item | None:
        """What a delete leaves at the target while pages may come."""
        return tombstone_of(deleted, version_attribute=version_attribute)

    def receipt_name(self, digest: str) -> str:
        """What a receipt names beside the page's number."""
        return digest

    def judge(self, change: Change, present: Item | None) -> LateChange:
        """What becomes of a change after the fence."""
        return judge_late_change(change, present)

    def is_in_force(
        self, record: RuleRecord, *, now: float, shards: Sequence[str], watermarks: Mapping[str, Watermark]
    ) -> bool:
        """Whether the rule is in force."""
        return is_rule_in_force(
            record, now=now, timeout_seconds=TIMEOUT_SECONDS, open_shards=shards, watermarks=watermarks
        )

    def may_purge(self, rule: ReplicationRule) -> bool:
        """Whether PurgeTombstones agrees to begin."""
        return RULE_ORDER.index(rule) >= RULE_ORDER.index(ReplicationRule.DELETE)

    def after(self, phase: str) -> str:
        """Return the phase that follows."""
        return self.phases[self.phases.index(phase) + 1]
