"""Negative controls: each one thing that the product does otherwise, and that the explorer must catch.

Beside them, what the product relies on: there the ways are the product's, and the bounds allow what must not happen.
"""

from dataclasses import dataclass, field, replace

from tasks.core.model.item import Item
from tasks.core.replicate.conflict import Change, LateChange, ReplicationRule, judge_late_change, tombstone_of
from tests.model.bounds import Bounds
from tests.model.state import PHASES
from tests.model.ways import VERSION, Ways


class ArticleWays(Ways):
    """The article's rule: the page wins if its `updatedAt` is newer; the stream copies puts and deletes."""

    def page_wins(self, item: Item, present: Item | None, version_attribute: str | None) -> bool:
        """By the version alone."""
        del version_attribute
        return present is None or int(item[VERSION]["N"]) > int(present[VERSION]["N"])

    def left_by(self, deleted: Change, version_attribute: str | None) -> Item | None:
        """Nothing: who comes later finds no trace."""
        del deleted, version_attribute
        return None


class NoTombstones(Ways):
    """Insert if absent, and deletes leave nothing."""

    def left_by(self, deleted: Change, version_attribute: str | None) -> Item | None:
        """Nothing."""
        del deleted, version_attribute
        return None


class TombstoneOfTheFirstImage(Ways):
    """A batch's delete leaves the version of what the batch found, not of what it deleted."""

    def left_by(self, deleted: Change, version_attribute: str | None) -> Item | None:
        """An older version, which a page that was read in between exceeds."""
        first = Change(deleted.key, deleted.old, None, deleted.sequence_number, deleted=deleted.old)
        return tombstone_of(first, version_attribute=version_attribute)


class PurgeAtAnyTime(Ways):
    """PurgeTombstones does not ask whether tombstones are still needed."""

    def may_purge(self, rule: ReplicationRule) -> bool:
        """Yes."""
        del rule
        return True


class ReceiptByNumber(Ways):
    """A receipt names the page, not its bytes."""

    def receipt_name(self, digest: str) -> str:
        """The same for all."""
        del digest
        return "received"


class NoteByNumber(Ways):
    """A note of how far a page is names the page, not its bytes."""

    def note_name(self, digest: str) -> str:
        """The same for all."""
        del digest
        return "noted"


class OnlyTheFirstImage(Ways):
    """A late change is applied over what its first one found, and over nothing that came in between."""

    def judge(self, change: Change, present: Item | None) -> LateChange:
        """Without the images that the batch passed through."""
        return judge_late_change(Change(change.key, change.old, change.new, change.sequence_number), present)


class OnlyOneImageInBetween(Ways):
    """A late change is applied over what its first one found or left, and over nothing later."""

    def judge(self, change: Change, present: Item | None) -> LateChange:
        """Without the other images that the batch passed through."""
        return judge_late_change(replace(change, between=change.between[:1]), present)


class OverrulesWhatIsApplied(Ways):
    """After the fence a change that the target already has is taken for overruled."""

    def judge(self, change: Change, present: Item | None) -> LateChange:
        """As if the application had put just that."""
        verdict = judge_late_change(change, present)
        return LateChange.TARGET_WINS if verdict is LateChange.APPLIED else verdict


class PassesOverRejects(Ways):
    """What is kept as a reject is nobody's affair any more."""

    def stops_for(self, *, is_equal: bool) -> bool:
        """Never."""
        del is_equal
        return False


class SourceWins(Ways):
    """A late change is applied whatever the target has."""

    def judge(self, change: Change, present: Item | None) -> LateChange:
        """Always."""
        del change, present
        return LateChange.APPLY


def phases(*, purge_after: str) -> tuple[str, ...]:
    """Return the phases with the purge in another place."""
    rest = [phase for phase in PHASES if phase != "purging"]
    place = rest.index(purge_after) + 1
    return (*rest[:place], "purging", *rest[place:])


@dataclass(frozen=True)
class Control:
    """One thing done otherwise, and what it leads to."""

    name: str
    ways: Ways
    wrong: str
    """How the explorer says it."""
    steps: int
    """The shortest trace has so many."""
    bounds: Bounds = field(default_factory=lambda: Bounds(operations=1))


AFTER_THE_PURGE = "a page puts an item after the purge"
LEFT_OVER = Bounds(before=2, operations=0, is_on_before=True, leaves_over=True)

CONTROLS = (
    Control("the article's rule", ArticleWays(), "has what write 1 left", 11, Bounds(operations=1, clock="forwards")),
    Control("deletes without tombstones", NoTombstones(), "has what write 1 left", 11),
    Control(
        "a tombstone with the version of the batch's first image",
        TombstoneOfTheFirstImage(),
        "has what write 2 left",
        12,
        Bounds(operations=2, sendings=1, clock="forwards", is_versioned=True),
    ),
    Control(
        "a purge before the writer is detached",
        PurgeAtAnyTime(phases=phases(purge_after="backfill")),
        AFTER_THE_PURGE,
        13,
    ),
    Control("the rule DELETE while the writer is attached", Ways(closes_door=False), AFTER_THE_PURGE, 14),
    Control("the rule DELETE while a last page is written", Ways(waits_for_writer=False), AFTER_THE_PURGE, 15),
    Control(
        "a run that is resumed behind the purge, and attaches the writer",
        Ways(keeps_door_closed=False),
        "has what write 1 left",
        18,
        Bounds(operations=1, resumes=True),
    ),
    Control("a receipt before the last item", Ways(is_receipt_last=False), "a1 is not in the target", 6),
    Control("a cursor before PutRecords", Ways(scanner=("enter", "return", "put")), "Kinesis does not hold", 5),
    Control("a cursor before the send ledger", Ways(scanner=("put", "return", "enter")), "ledger does not name", 4),
    Control(
        "a scan before the stream has settled",
        Ways(settles=False, phases=tuple(phase for phase in PHASES if phase != "settling")),
        "a differs",
        8,
    ),
    Control("a receipt by page number", ReceiptByNumber(), "b differs", 15, Bounds(keys=2, operations=0, before=2)),
    Control(
        "a note before the item that it names",
        Ways(is_note_last=False),
        "a1 is not in the target",
        8,
        Bounds(operations=0, notes=True),
    ),
    Control(
        "a note by page number",
        NoteByNumber(),
        "page 0 has its receipt, and b1 is not in the target",
        12,
        Bounds(keys=2, operations=1, before=1, notes=True, ends_with="backfill"),
    ),
    Control(
        "a watermark before the write",
        Ways(replicator=("mark", "enter", "write")),
        "the watermark has passed change 1 of a, and the target has nothing there",
        4,
    ),
    Control(
        "a tombstone before its ledger entry",
        Ways(replicator=("write", "enter", "mark")),
        "a tombstone of a that the ledger does not know",
        5,
    ),
    Control(
        "the late rule before the replicator has passed",
        Ways(waits_in=frozenset({"draining", "cutting over"})),
        "kept as overruled by the target's own write, and nobody has written",
        18,
        Bounds(operations=2, sendings=1),
    ),
    Control(
        "a cut-over before the replicator has passed",
        Ways(waits_in=frozenset({"protecting", "draining"})),
        "traffic moves while the replicator is behind",
        16,
    ),
    Control(
        "a rule taken for in force at once",
        Ways(waits_for_rule_in=frozenset({"purging"})),
        "the application's own write of a is undone",
        18,
        Bounds(operations=1, misses_tips=True, repeats=True),
    ),
    Control(
        "a purge while an old batch may be under way",
        Ways(waits_for_rule_in=frozenset({"cutting over"})),
        "the purge is over, and a tombstone of a comes",
        13,
    ),
    Control(
        "a replicator that goes on past a failure",
        Ways(stops_at_failure=False),
        "the watermark has passed change 1 of a, and the target has nothing there",
        5,
    ),
    Control(
        "a late change judged by its first image alone",
        OnlyTheFirstImage(),
        "kept as overruled by the target's own write, and nobody has written",
        20,
        Bounds(operations=2, waits_until="protecting"),
    ),
    Control(
        "a late change judged by its first two images alone",
        OnlyOneImageInBetween(),
        "kept as overruled by the target's own write, and nobody has written",
        21,
        Bounds(before=0, operations=3, waits_until="protecting", changes_at_once=3),
    ),
    Control(
        "a late change that comes again taken for overruled",
        OverrulesWhatIsApplied(has_late_ledger=False),
        "kept as overruled by the target's own write, and nobody has written",
        23,
        Bounds(before=0, operations=1, waits_until="moved"),
    ),
    Control(
        "late changes without a ledger",
        Ways(has_late_ledger=False),
        "the application's own write of a is undone",
        24,
        Bounds(operations=1, waits_until="protecting"),
    ),
    Control(
        "a late change before its entry in the ledger",
        Ways(enters_with_the_write=False),
        "the application's own write of a is undone",
        23,
        Bounds(operations=1, waits_until="protecting"),
    ),
    Control(
        "a cut-over that passes over rejects",
        PassesOverRejects(),
        "traffic moves to a table that differs",
        19,
        Bounds(operations=1, refuses=True, waits_until="proof"),
    ),
    Control(
        "a horizon by time, with a clock that is late",
        Ways(horizon_reaches=1),
        "change 2 is passed over, and page 0 has a1",
        6,
        Bounds(operations=1, sendings=1, is_on_before=True),
    ),
    Control(
        "a scan before what is passed over has settled",
        Ways(settles=False),
        "a differs",
        10,
        Bounds(operations=0, is_on_before=True),
    ),
    Control(
        "changes passed over that a target with items lacks",
        Ways(passes_over_into="any"),
        "a differs",
        12,
        LEFT_OVER,
    ),
    Control(
        "a horizon while a batch of an earlier run is under way",
        Ways(waits_for_earlier_batches=False),
        "the target has what write 1 left",
        7,
        LEFT_OVER,
    ),
    Control(
        "a horizon that is taken anew once the replicator is at work",
        Ways(takes_the_horizon_once=False),
        "change 2 is passed over, and page 0 has a1",
        7,
        Bounds(operations=1, sendings=1, is_on_before=True),
    ),
    Control("a late change over anything", SourceWins(), "the application's own write of a is undone", 20),
)
"""The traces are as short as they can be, and begin with an empty table: the phases alone take a dozen steps."""

RELIED_ON = (
    Control(
        "versions that decide run forwards",
        Ways(),
        "has what write 1 left",
        10,
        Bounds(operations=2, sendings=1, is_versioned=True),
    ),
    Control(
        "a batch that was partly applied comes again at least as large",
        Ways(),
        "kept as overruled by the target's own write, and nobody has written",
        20,
        Bounds(operations=2, waits_until="proof", shrinks=True),
    ),
    Control(
        "the cut-over sees every tip",
        Ways(),
        "the application's own write of a is undone",
        22,
        Bounds(operations=1, misses_tips=True),
    ),
    Control(
        "ProtectTarget sees every tip",
        Ways(),
        "kept as overruled by the target's own write, and nobody has written",
        18,
        Bounds(operations=2, sendings=1, misses_tips=True, misses_tips_of_protect_target=True),
    ),
)
"""What the product itself can not see to: without it the explorer catches the product as it is."""
