"""A small world: two keys, a source, its stream, late pages, a replicator that crashes, and the product's own rules.

The world only moves things about. Who wins is decided by `tasks.core`, or, in a negative control, by a rule that is
known to be wrong, to see that the world would show it.
"""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from hypothesis import strategies as st

from tasks.core.change import first_unapplied, parse_changes
from tasks.core.conflict import (
    Change,
    LateChange,
    PageCondition,
    ReplicationRule,
    judge_late_change,
    last_per_key,
    tombstone_of,
)
from tasks.core.item import Item, KeySchema, is_tombstone, without_legacy_attributes

SCHEMA = KeySchema("pk", "S")
VERSION = "updatedAt"

Key = Literal["a", "b"]
End = Literal["done", "unmarked", "killed", "failed"]
Table = dict[str, Item]


@dataclass(frozen=True)
class Write:
    """The source takes a put or a delete."""

    key: Key
    kind: Literal["put", "delete"]


@dataclass(frozen=True)
class Deliver:
    """A page brings what a scan saw of the key `age` writes ago: late, stale or again."""

    key: Key
    age: int


@dataclass(frozen=True)
class Apply:
    """The replicator gets the next changes, and ends in one of four ways after `after` of them.

    `done`; `unmarked`: all applied, but killed before the watermark; `killed`: some applied, nothing reported;
    `failed`: some applied, and the first that is not reported.
    """

    size: int
    end: End
    after: int


Step = Write | Deliver | Apply


class Rules(Protocol):
    """How pages and changes are decided on while pages may come."""

    def page_wins(self, item: Item, present: Item | None) -> bool:
        """Whether a page's item is put."""

    def left_by(self, deleted: Change) -> Item | None:
        """What a delete leaves at the target."""


@dataclass(frozen=True)
class ProductRules:
    """The product's."""

    version_attribute: str | None

    def page_wins(self, item: Item, present: Item | None) -> bool:
        """As `write_pages` asks."""
        return PageCondition("pk", self.version_attribute).allows(item, present)

    def left_by(self, deleted: Change) -> Item | None:
        """As `replicate_changes` leaves it."""
        return tombstone_of(deleted, version_attribute=self.version_attribute)


class ArticleRules:
    """The article's: the page wins if it is newer; the stream copies puts and deletes."""

    def page_wins(self, item: Item, present: Item | None) -> bool:
        """By the version alone."""
        return present is None or int(item[VERSION]["N"]) > int(present[VERSION]["N"])

    def left_by(self, deleted: Change) -> Item | None:
        """Nothing: who comes later finds no trace."""
        del deleted
        return None


class NoTombstones(ProductRules):
    """Insert if absent, but without tombstones."""

    def left_by(self, deleted: Change) -> Item | None:
        """Nothing."""
        del deleted
        return None


@dataclass
class World:
    """One migration of two keys."""

    rules: Rules
    clock_runs_backwards: bool = False
    source: Table = field(default_factory=dict)
    target: Table = field(default_factory=dict)
    stream: list[Change] = field(default_factory=list)
    applied_up_to: int = 0
    """What the mapping would send next: an index into the stream."""
    rejects: list[Change] = field(default_factory=list)
    rule: ReplicationRule = ReplicationRule.LEAVE_TOMBSTONES
    seen: dict[str, list[Item | None]] = field(default_factory=lambda: {"a": [], "b": []})
    """Each key's states since the stream has settled: what a scan may have read, however stale."""
    writes: int = 0

    def begin(self, there: frozenset[Key]) -> None:
        """Let the source hold some keys from before its stream was enabled; the scan sees nothing older."""
        for key in sorted(there):
            self.source[key] = self._new_item(key)
        for name, states in self.seen.items():
            states.append(self.source.get(name))

    def run(self, steps: list[Step]) -> None:
        """Take the steps in order."""
        for step in steps:
            if isinstance(step, Write):
                self._write(step)
            elif isinstance(step, Deliver):
                self._deliver(step)
            else:
                self._apply(step)

    def drain_backfill(self) -> None:
        """Every key's page arrives at least once."""
        for key in BOTH:
            self._deliver(Deliver(key, age=0))

    def drain_changes(self) -> None:
        """The replicator reaches the tip."""
        while self.applied_up_to < len(self.stream):
            self._apply(Apply(size=3, end="done", after=0))

    def purge(self) -> None:
        """Remove what carries the mark."""
        self.target = {key: item for key, item in self.target.items() if not is_tombstone(item)}

    def _new_item(self, key: str) -> Item:
        self.writes += 1
        version = -self.writes if self.clock_runs_backwards else self.writes
        return {"pk": {"S": key}, "content": {"N": str(self.writes)}, VERSION: {"N": str(version)}}

    def _write(self, step: Write) -> None:
        old = self.source.pop(step.key, None)
        new = self._new_item(step.key) if step.kind == "put" else None
        if new is not None:
            self.source[step.key] = new
        if old is None and new is None:
            return  # a write that changes nothing leaves no record
        images = {name: image for name, image in (("OldImage", old), ("NewImage", new)) if image is not None}
        record = {"Keys": {"pk": {"S": step.key}}, "SequenceNumber": str(len(self.stream) + 1), **images}
        self.stream += parse_changes([{"dynamodb": record}], without_legacy_attributes)
        self.seen[step.key].append(new)

    def _deliver(self, step: Deliver) -> None:
        states = self.seen[step.key]
        item = states[max(0, len(states) - 1 - step.age)]
        if item is not None and self.rules.page_wins(item, self.target.get(step.key)):
            self.target[step.key] = item

    def _apply(self, step: Apply) -> None:
        changes = self.stream[self.applied_up_to : self.applied_up_to + step.size]
        if not changes:
            return
        merged = last_per_key(changes, SCHEMA)
        applied = merged if step.end in {"done", "unmarked"} else merged[: step.after]
        for change in applied:
            self._apply_one(change)
        if step.end == "done":
            self.applied_up_to += len(changes)
        elif step.end == "failed":
            self.applied_up_to = int(first_unapplied(changes, applied, SCHEMA)) - 1

    def _apply_one(self, change: Change) -> None:
        key = change.key["pk"]["S"]
        left = change.new
        if self.rule is ReplicationRule.LEAVE_TOMBSTONES and change.new is None:
            left = self.rules.left_by(change)
        elif self.rule is ReplicationRule.TARGET_WINS:
            verdict = judge_late_change(change, self.target.get(key))
            if verdict is LateChange.TARGET_WINS:
                self.rejects.append(change)
            if verdict is not LateChange.APPLY:
                return
        self.target.pop(key, None)
        if left is not None:
            self.target[key] = left


BOTH: tuple[Key, Key] = ("a", "b")
some_key: st.SearchStrategy[Key] = st.sampled_from(("a", "a", "a", "b"))  # mostly on one key, where they meet
there: st.SearchStrategy[frozenset[Key]] = st.frozensets(some_key)
writes = st.builds(Write, some_key, st.sampled_from(["put", "put", "delete"]))
deliveries = st.builds(Deliver, some_key, st.integers(0, 4))
applications = st.builds(
    Apply, st.integers(1, 4), st.sampled_from(["done", "done", "unmarked", "killed", "failed"]), st.integers(0, 2)
)
steps_with_pages: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(writes, deliveries, applications), min_size=3, max_size=14
)
steps_without_pages: st.SearchStrategy[list[Step]] = st.lists(st.one_of(writes, applications), max_size=6)
