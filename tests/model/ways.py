"""What the product decides, and in which order it takes its steps: the places where a negative control differs.

The world only moves things about. Every decision in it is one of `tasks.core`; a control puts one other decision, or
one other order, in the product's place.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.core.model.item import Item
from tasks.core.replicate.conflict import (
    RULE_ORDER,
    Change,
    LateChange,
    PageCondition,
    ReplicationRule,
    RuleRecord,
    judge_late_change,
    tombstone_of,
)
from tasks.core.replicate.route import Route, Seen, breaches
from tasks.core.replicate.watermark import Watermark, is_rule_in_force
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
    is_note_last: bool = True
    """Whether a writer notes an item only once the target has answered for it."""
    settles: bool = True
    """Whether the first page is read only after `settle_seconds`."""
    closes_door: bool = True
    """Whether DetachWriter detaches the writer before it sets the rule DELETE."""
    waits_for_writer: bool = True
    """Whether it then lets one time-out of the writer pass."""
    keeps_door_closed: bool = True
    """Whether a run that is resumed behind the closed door leaves the writer detached."""
    waits_in: frozenset[str] = frozenset({"protecting", "draining", "cutting over"})
    """The phases that wait until the replicator has passed the tips."""
    waits_for_rule_in: frozenset[str] = frozenset({"purging", "cutting over"})
    """The phases that wait until the rule is in force."""
    looks_in: frozenset[str] = frozenset({"proof", "protecting", "draining", "cutting over", "moved"})
    """The phases that look at the route, and stop the run where it is broken."""
    looks_before_tips_in: frozenset[str] = frozenset()
    """Those of them that look first, and take the tips then."""
    looks_before_passing_in: frozenset[str] = frozenset()
    """Those that look behind the tips, but before the replicator has passed them."""
    horizon_reaches: int = 0
    """So many writes beyond what was seen the horizon lies: as one by time would, with a clock that is late."""
    passes_over_into: Literal["empty", "any"] = "empty"
    """Whether the target has to be empty for changes to be passed over."""
    waits_for_earlier_batches: bool = True
    """Whether the horizon is taken only once no batch of an earlier run can be under way."""
    takes_the_horizon_once: bool = True
    """Whether a second call of AttachReplicator finds the first one's horizon, though the replicator is at work."""
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

    def note_name(self, digest: str) -> str:
        """What a note of how far a page is names beside the page's number."""
        return digest

    def judge(self, change: Change, present: Item | None) -> LateChange:
        """What becomes of a late change."""
        return judge_late_change(change, present)

    def is_in_force(
        self, record: RuleRecord, *, now: float, shards: Sequence[str], watermarks: Mapping[str, Watermark]
    ) -> bool:
        """Whether the rule is in force."""
        return is_rule_in_force(
            record, now=now, timeout_seconds=TIMEOUT_SECONDS, open_shards=shards, watermarks=watermarks
        )

    def stops_for(self, *, is_equal: bool) -> bool:
        """Whether a rejected change keeps traffic where it is: only as long as its key differs."""
        return not is_equal

    def may_purge(self, rule: ReplicationRule) -> bool:
        """Whether PurgeTombstones agrees to begin."""
        return RULE_ORDER.index(rule) >= RULE_ORDER.index(ReplicationRule.DELETE)

    def finds_broken(self, route: Route, seen: Seen) -> bool:
        """Whether the route is no longer the one that was named."""
        return bool(breaches(route, seen))

    def looks_early_in(self, phase: str) -> bool:
        """Whether the phase still waits for something once it has looked at the route."""
        return phase in self.looks_before_tips_in or phase in self.looks_before_passing_in

    def after(self, phase: str) -> str:
        """Return the phase that follows."""
        return self.phases[self.phases.index(phase) + 1]
