"""Between the model's numbers and the product: items, records and watermarks are built here, decisions asked for.

The product's functions are pure, so one answer stands for all equal questions: each is kept.
"""

import itertools
import json
from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeVar, cast

from tasks.core.copy.page import ScannedPage, decode_items, encode_page, read_header
from tasks.core.copy.receipts import Receipt, Sent, compare_receipts
from tasks.core.model.item import Item, KeySchema, canonical, is_tombstone, without_legacy_attributes
from tasks.core.prove.digest import SOURCE, TARGET
from tasks.core.prove.drift import Image, differ
from tasks.core.replicate.change import DealtWith, advance, first_unapplied, parse_changes, unapplied
from tasks.core.replicate.conflict import (
    RULE_ORDER,
    Change,
    LateChange,
    RuleRecord,
    last_per_key,
    late_condition,
)
from tasks.core.replicate.watermark import CLOCK_MARGIN_SECONDS, Watermark, shards_behind
from tests.model.bounds import Bounds
from tests.model.expressions import holds
from tests.model.state import APPLICATION, LETTERS, Batch, Mark, Record, State, Write
from tests.model.ways import TIMEOUT_SECONDS, VERSION, Ways

SCHEMA = KeySchema("pk", "S")
RUN = "run"
RULE_SECONDS = 1000.0
"""Between one setting of the rule and the next."""

Answer = TypeVar("Answer")
History = tuple[Write, ...]


class Merged(NamedTuple):
    """What a stretch of changes leaves of one key."""

    key: int
    position: int
    """Of the last change."""
    change: Change
    left: int
    """The cell that a delete leaves while pages may come; 0 for a put."""


class Stretch(NamedTuple):
    """Changes that one watermark is written for."""

    changes: tuple[Change, ...]
    merged: tuple[Merged, ...]
    end: int
    deleted: frozenset[int]
    """Keys that it leaves deleted."""
    covered: tuple[Merged, ...]
    """The last change of each key of which the late ledger has all."""


class World:
    """One setting of the bounds and of the ways, with all answers of the product so far."""

    def __init__(self, bounds: Bounds, ways: Ways) -> None:
        self.bounds = bounds
        self.ways = ways
        self.version_attribute = VERSION if bounds.is_versioned else None
        self.keys = range(bounds.keys)
        self.shards = range(bounds.shards)
        self._kept: dict[Hashable, object] = {}
        self._tombstones: dict[tuple[int, bytes], int] = {}
        self._tombstone_items: list[tuple[int, Item]] = []

    def _once(self, question: Hashable, answer: Callable[[], Answer]) -> Answer:
        try:
            return cast("Answer", self._kept[question])
        except KeyError:
            return cast("Answer", self._kept.setdefault(question, answer()))

    # ------------------------------------------------------------ items

    def item(self, key: int, content: int) -> Item:
        """Return an item of the source's; two of the same content are equal."""
        version = {"forwards": content, "still": 7, "backwards": -content}[self.bounds.clock]
        return {"pk": {"S": LETTERS[key]}, "content": {"N": str(content)}, VERSION: {"N": str(version)}}

    def in_source(self, history: History, key: int) -> int:
        """Return the position of the key's item, 0 if it has none."""
        for position in range(len(history), 0, -1):
            if history[position - 1].key == key:
                return position if history[position - 1].content else 0
        return 0

    def pages(self, state: State, cursor: int, number: int) -> list[tuple[int, Record]]:
        """Return every page that a scan may read from a cursor: the first key behind it, and what is in it."""

        def ask() -> list[tuple[int, Record]]:
            found = []
            for end in range(cursor + 1, self.bounds.keys + 1):
                for seen in itertools.product(*(self._readable(state, key) for key in range(cursor, end))):
                    items = tuple((cursor + place, position) for place, position in enumerate(seen) if position)
                    found.append((end, Record(number, items)))
            return found

        seen = (state.history, state.streamed_from, state.horizon_at)
        return self._once(("pages", seen, cursor, number), ask)

    def _readable(self, state: State, key: int) -> list[int]:
        """Return the positions of all items, 0 for none, that a scan may see under a key, however stale it is."""
        floor = max(state.streamed_from, state.horizon_at) if self.ways.settles else 0
        lengths = range(floor, len(state.history) + 1)
        return sorted({self.in_source(state.history[:length], key) for length in lengths})

    def cell_item(self, history: History, key: int, cell: int) -> Item | None:
        """Return what the target has."""
        if cell == 0:
            return None
        if cell < 0:
            return self._tombstone_items[-cell - 1][1]
        if cell >= APPLICATION:
            return {"pk": {"S": LETTERS[key]}, "content": {"S": f"the application's, {cell}"}}
        return self.item(key, history[cell - 1].content)

    def left_later(self, cell: int, position: int) -> int:
        """Return a cell of the same content that counts as left by another write."""
        return self._tombstone_cell(position, self._tombstone_items[-cell - 1][1]) if cell < 0 else position

    def _tombstone_cell(self, position: int, item: Item | None) -> int:
        if item is None:
            return 0
        name = (position, canonical(item))
        if name not in self._tombstones:
            self._tombstone_items.append((position, item))
            self._tombstones[name] = -len(self._tombstone_items)
        return self._tombstones[name]

    def place_of(self, cell: int) -> int:
        """Return the position of the write that left this cell, 0 for an empty one."""
        return self._tombstone_items[-cell - 1][0] if cell < 0 else cell

    def is_tombstone(self, cell: int) -> bool:
        """Whether the purge may remove it."""
        return cell < 0 and is_tombstone(self._tombstone_items[-cell - 1][1])

    def differs(self, history: History, key: int, cell: int, moment: int | None = None) -> bool:
        """Whether the proof finds the key different from what the source had after so many writes; `None`: has now."""
        source = self.in_source(history[:moment], key)

        def ask() -> bool:
            item = self.item(key, history[source - 1].content) if source else None
            there = self.cell_item(history, key, cell)
            return (
                differ(
                    None if item is None else Image.of(item, SOURCE), None if there is None else Image.of(there, TARGET)
                )
                is not None
            )

        return self._once(("differs", history, key, cell, moment), ask)

    # ------------------------------------------------------------ pages

    def page_items(self, history: History, record: Record) -> list[Item]:
        """Return a page's items as they come out of Kinesis."""
        return [item for data in self._encoded(history, record) for item in decode_items(data)]

    def digests(self, history: History, record: Record) -> tuple[str, ...]:
        """Return what the send ledger names; nothing for a page without items."""
        return self._once(
            ("digests", history, record),
            lambda: tuple(read_header(data).digest for data in self._encoded(history, record)),
        )

    def page_wins(self, history: History, record: Record, number: int, cell: int) -> bool:
        """Whether the writer puts one of a page's items over a cell."""

        def ask() -> bool:
            key, _ = record.items[number]
            item = without_legacy_attributes(self.page_items(history, record)[number])
            return self.ways.page_wins(item, self.cell_item(history, key, cell), self.version_attribute)

        return self._once(("page wins", history, record, number, cell), ask)

    def has_receipt(self, state: State, record: Record) -> bool:
        """Whether the writer skips the page."""

        def ask() -> bool:
            names = self._receipt_names(state.history, record)
            others = [other for other in state.receipts if other.number == record.number]
            return any(names == self._receipt_names(state.history, other) for other in others)

        return self._once(("has receipt", state.history, state.receipts, record), ask)

    def is_drained(self, state: State, pages: int) -> bool:
        """Whether every page has its receipt."""

        def ask() -> bool:
            sent = [
                Sent(number, self._receipt_names(state.history, record), len(record.items))
                for number, record in state.sent
            ]
            receipts = [
                Receipt(record.number, part, name, inserted=len(record.items), present=0, rejected=0)
                for record in state.receipts
                for part, name in enumerate(self._receipt_names(state.history, record))
            ]
            return not compare_receipts(pages, sent, receipts).missing

        return self._once(("is drained", state.history, state.sent, state.receipts, pages), ask)

    def noted(self, state: State, record: Record) -> int:
        """Return how many of a page's items are noted as dealt with."""
        names = self._note_names(state.history, record)
        # Of several sendings of the same name the one that is most wrong, which is one of the control's only.
        most = max(
            (
                note.step
                for note in state.noted
                if note.record.number == record.number and self._note_names(state.history, note.record) == names
            ),
            default=0,
        )
        return min(most, len(record.items))

    def _note_names(self, history: History, record: Record) -> tuple[str, ...]:
        return tuple(self.ways.note_name(digest) for digest in self.digests(history, record))

    def _receipt_names(self, history: History, record: Record) -> tuple[str, ...]:
        return tuple(self.ways.receipt_name(digest) for digest in self.digests(history, record))

    def _encoded(self, history: History, record: Record) -> list[bytes]:
        contents = tuple((key, history[position - 1].content) for key, position in record.items)

        def ask() -> list[bytes]:
            items = json.dumps([self.item(key, content) for key, content in contents]).encode()
            page = ScannedPage(items=items, count=len(contents), cursor=None)
            return encode_page(page, run=RUN, segment=0, number=record.number)

        return self._once(("encoded", record.number, contents), ask)

    # ------------------------------------------------------------ changes

    def shard_of(self, key: int) -> int:
        """Return the shard that tells of a key's writes."""
        return key % self.bounds.shards

    def positions(self, state: State, shard: int) -> list[int]:
        """Return the positions of the shard's records: once the stream is turned off, none comes."""
        if state.streamed_from < 0:
            return []
        until = state.streamed_until if state.streamed_until >= 0 else len(state.history)
        return self._once(
            ("positions", state.history, state.streamed_from, until, shard),
            lambda: [
                position
                for position, write in enumerate(state.history, start=1)
                if state.streamed_from < position <= until and self.shard_of(write.key) == shard
            ],
        )

    def tip(self, state: State, shard: int) -> int:
        """Return the position of the shard's last record, 0 without any."""
        positions = self.positions(state, shard)
        return positions[-1] if positions else 0

    def changes(self, history: History, positions: tuple[int, ...]) -> list[Change]:
        """Return stream records as changes."""

        def ask() -> list[Change]:
            records = []
            for position in positions:
                key, content = history[position - 1]
                old = self.in_source(history[: position - 1], key)
                images = {"OldImage": self.item(key, history[old - 1].content)} if old else {}
                images |= {"NewImage": self.item(key, content)} if content else {}
                keys = {"pk": {"S": LETTERS[key]}}
                records.append({"dynamodb": {"Keys": keys, "SequenceNumber": str(position), **images}})
            return parse_changes(records, without_legacy_attributes)

        return self._once(("changes", history, positions), ask)

    def batches(self, state: State, shard: int) -> list[tuple[int, int]]:
        """Return every batch that may be sent next: its first change that is not applied, and its last change.

        Lambda goes on from its checkpoint, or, having lost it, from where its mapping begins. With how many changes is
        its own affair.
        """
        begin = state.begins[shard] if state.begins else 0
        checkpoint, mark, reach = state.checkpoints[shard], state.marks[shard], state.reach[shard]

        def ask() -> list[tuple[int, int]]:
            positions = self.positions(state, shard)
            before = None if mark is None else watermark(shard, mark)
            found = set()
            for first in (begin, checkpoint):
                for end in positions:
                    sent = tuple(position for position in positions if first < position <= end)
                    fresh = unapplied(self.changes(state.history, sent), before)
                    if fresh and (end >= reach or self.bounds.shrinks):
                        found.add((int(fresh[0].sequence_number), end))
            return sorted(found)

        stream = (state.history, state.streamed_from, state.streamed_until)
        return self._once(("batches", stream, shard, begin, checkpoint, mark, reach), ask)

    def stretch(self, state: State, shard: int, batch: Batch) -> Stretch:
        """Return the next changes of a batch that one watermark is written for, without what it found entered."""

        def ask() -> Stretch:
            positions = [position for position in self.positions(state, shard) if batch.start < position <= batch.end]
            changes = self.changes(state.history, tuple(positions[: self.bounds.changes_at_once]))
            fresh = [change for change in changes if not self._is_entered(change, shard, batch.entered)]
            merged = tuple(map(self._merged, last_per_key(fresh, SCHEMA)))
            unfinished = {one.key for one in merged}
            every_key = map(self._merged, last_per_key(changes, SCHEMA))
            deleted = frozenset(one.key for one in merged if one.change.new is None)
            covered = tuple(one for one in every_key if one.key not in unfinished)
            return Stretch(tuple(changes), merged, int(changes[-1].sequence_number), deleted, covered)

        question = ("stretch", state.history, state.streamed_from, shard, batch.start, batch.end, batch.entered)
        return self._once(question, ask)

    def _is_entered(self, change: Change, shard: int, entered: tuple[int, ...]) -> bool:
        last = entered[LETTERS.index(change.key["pk"]["S"])] if entered else 0
        return last > 0 and DealtWith(str(shard), str(last)).covers(change, str(shard))

    def _merged(self, change: Change) -> Merged:
        position = int(change.sequence_number)
        item = self.ways.left_by(change, self.version_attribute) if change.new is None else None
        return Merged(LETTERS.index(change.key["pk"]["S"]), position, change, self._tombstone_cell(position, item))

    def go_on_from(self, stretch: Stretch, applied: list[Merged]) -> int:
        """Return the checkpoint that Lambda keeps when the replicator reports a failure."""
        return int(first_unapplied(stretch.changes, [one.change for one in applied], SCHEMA)) - 1

    def mark_behind(self, shard: int, mark: Mark | None, stretch: Stretch, rule: int) -> Mark:
        """Return the watermark that is written behind a stretch."""
        before = None if mark is None else watermark(shard, mark)
        after = advance(
            before, str(shard), stretch.changes, applied_at=rule * RULE_SECONDS, rule_since=rule * RULE_SECONDS
        )
        return Mark(int(after.sequence_number), int(after.rule_since / RULE_SECONDS))

    def judge(self, history: History, one: Merged, cell: int) -> LateChange:
        """Decide on a late change by what was read of the target."""
        return self.ways.judge(one.change, self.cell_item(history, one.key, cell))

    def still_holds(self, history: History, one: Merged, seen: int, present: int) -> bool:
        """Whether the condition that was made of what was read holds of what is there now."""
        condition = late_condition(one.change, self.cell_item(history, one.key, seen))
        return holds(condition, self.cell_item(history, one.key, present))

    # ------------------------------------------------------------ moments and rules

    def tips(self, state: State) -> tuple[int, ...]:
        """Return the tips of this moment."""
        return tuple(self.tip(state, shard) for shard in self.shards)

    def is_behind(self, state: State) -> bool:
        """Whether the replicator has not passed the moment that the phase waits for."""
        return state.phase in self.ways.waits_in and not self.has_passed(state, state.tips)

    def has_passed(self, state: State, tips: tuple[int, ...]) -> bool:
        """Whether the replicator has passed the moment of these tips."""

        def ask() -> bool:
            return not shards_behind({str(shard): str(tip) for shard, tip in enumerate(tips) if tip}, watermarks(state))

        return self._once(("has passed", tips, state.marks), ask)

    def is_in_force(self, state: State) -> bool:
        """Whether the rule is taken for in force."""
        since = state.rule * RULE_SECONDS
        return state.phase not in self.ways.waits_for_rule_in or self._once(
            ("is in force", state.rule, state.is_waited, state.marks),
            lambda: self.ways.is_in_force(
                RuleRecord(RULE_ORDER[state.rule], since, RUN),
                now=since + (TIMEOUT_SECONDS + CLOCK_MARGIN_SECONDS if state.is_waited else 0),
                shards=[str(shard) for shard in self.shards],
                watermarks=watermarks(state),
            ),
        )


def watermark(shard: int, mark: Mark) -> Watermark:
    """Return the product's watermark."""
    return Watermark(str(shard), str(mark.position), 0.0, 0.0, mark.rule * RULE_SECONDS)


def watermarks(state: State) -> dict[str, Watermark]:
    """Return all that there are."""
    return {str(shard): watermark(shard, mark) for shard, mark in enumerate(state.marks) if mark is not None}
