"""What differs between source and target, key by key."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from tasks.core.model.item import Item, json_text
from tasks.core.model.shape import Shape, as_it_is
from tasks.core.prove.digest import comparable, item_hash

SAMPLES_MOST = 10


class Difference(StrEnum):
    """How one key differs. Closed: a key that does not differ in one of these ways is equal."""

    MISSING = "missing"
    """The source has it, the target does not."""
    EXTRA = "extra"
    """The target has it, the source does not."""
    MISMATCHED = "mismatched"
    """Both have it, with other content."""


@dataclass(frozen=True, slots=True)
class Drift:
    """The result of a verification."""

    missing: int
    extra: int
    mismatched: int
    samples: tuple[tuple[Difference, Item], ...]
    """Some keys of each kind, at most ten in all."""

    def __add__(self, other: "Drift") -> "Drift":
        """Return both together, with some samples of each kind."""
        samples = [*self.samples, *other.samples]
        return Drift(
            missing=self.missing + other.missing,
            extra=self.extra + other.extra,
            mismatched=self.mismatched + other.mismatched,
            samples=tuple(_some_of_each(samples)),
        )

    @property
    def total(self) -> int:
        """Keys that differ."""
        return self.missing + self.extra + self.mismatched

    def in_words(self) -> str:
        """Say counts and samples in one line; keys only, no other item data."""
        line = f"{self.missing} missing, {self.extra} extra, {self.mismatched} mismatched"
        if self.samples:
            keys = ", ".join(f"{kind} {json_text(key)}" for kind, key in self.samples)
            line += f"; for example {keys}"
        return line


@dataclass(frozen=True, slots=True)
class Image:
    """What is held of an item that was read: hashes, since an item has up to 400 KB and thousands are looked at."""

    stored: bytes
    """Of the item as it is stored."""
    compared: bytes | None
    """Of what of it takes part in the comparison; `None` for a tombstone."""

    @classmethod
    def of(cls, item: Item, table: str, shape: Shape = as_it_is) -> Self:
        """Return the image of an item as it is stored.

        Args:
            item: that was read.
            table: which part the table has in the proof.
            shape: that a source's item has to have at the target.
        """
        shown = comparable(item, table, shape)
        stored = item_hash(item)
        return cls(stored, stored if shown == item else None if shown is None else item_hash(shown))


def differ(source: Image | None, target: Image | None) -> Difference | None:
    """Compare one key's items in the two tables; `None` means that they are equal."""
    here = None if source is None else source.compared
    there = None if target is None else target.compared
    if here is None:
        return None if there is None else Difference.EXTRA
    if there is None:
        return Difference.MISSING
    return None if here == there else Difference.MISMATCHED


class Finding(StrEnum):
    """What is known of a key that looked different, after a look at it."""

    OPEN = "open"
    """Not enough: it has to be looked at again."""
    EQUAL = "equal"
    """Both sides held the same while the source did not change."""
    FOLLOWED = "followed"
    """The source changes it faster than it can be looked at. Each change brings its whole image to the target, so
    whatever the target held before is gone: no item of the backfill is left to compare. Of a replica: it was seen to
    take such changes."""
    DRIFTED = "drifted"
    """It differed in the same way in so many looks that no write under way explains it."""


LOOKS_FOLLOWED = 3
"""So many times the source changed a key during a look."""
LOOKS_DRIFTED = 6
"""So many looks in a row saw the same difference. One look may be misled: an item that is deleted and put again all
the time may be absent before and after it, and at the target in between; and a write shows in the stream a moment
after it was answered."""
DRIFTED_AT_A_REPLICA_SECONDS = 30.0
"""So long a replica has to show the same, and not what the source has."""


@dataclass(slots=True)
class Looks:
    """What all looks at one key have shown so far."""

    changed: int = 0
    differed: int = 0
    shown: tuple[bytes | None, bytes | None] = (None, None)

    def look(self, before: Image | None, target: Image | None, after: Image | None) -> Finding:
        """Take one look into account.

        Args:
            before: the source's item.
            target: the target's, once the replicator had passed the moment of `before`.
            after: the source's again.
        """
        if _stored(before) != _stored(after):
            self.changed += 1
            self.differed = 0
            return Finding.FOLLOWED if self.changed >= LOOKS_FOLLOWED else Finding.OPEN
        if differ(after, target) is None:
            return Finding.EQUAL
        shown = (_stored(after), _stored(target))
        self.differed = self.differed + 1 if shown == self.shown else 1
        self.shown = shown
        return Finding.DRIFTED if self.differed >= LOOKS_DRIFTED else Finding.OPEN

    def look_closer(self, before: Image | None, target: Image | None, after: Image | None) -> Finding:
        """Take one look at a key into account of which the target may have refused a change.

        That each change brings the whole item proves nothing of it. But a target that has what the source had before or
        behind the look has taken that image, however fast the source goes on.
        """
        if differ(before, target) is None or differ(after, target) is None:
            return Finding.EQUAL
        finding = self.look(before, target, after)
        return Finding.OPEN if finding is Finding.FOLLOWED else finding


@dataclass(slots=True)
class LooksAtReplica:
    """What all looks at one key have shown so far, of the source and a replica of the target.

    DynamoDB brings a replica what the target takes in about a second, and says no moment by which. So a replica proves
    that it comes along by showing what the source has, or, of a key that is too fast for that, by showing something
    else again and again. One that shows the same all the time does neither.
    """

    moved: int = 0
    """How often it showed something else, while the source changed the key."""
    same: int = 0
    """Looks in a row in which it showed the same."""
    since: float = 0.0
    image: bytes | None = None

    def look(self, before: Image | None, replica: Image | None, after: Image | None, *, at: float) -> Finding:
        """Take one look into account.

        Args:
            before: the source's item.
            replica: the replica's, once the replicator had passed the moment of `before`.
            after: the source's again.
            at: seconds, by any clock.
        """
        if differ(before, replica) is None or differ(after, replica) is None:
            return Finding.EQUAL
        if not self.same or _stored(replica) != self.image:
            self.moved += bool(self.same) and _stored(before) != _stored(after)
            self.same, self.since, self.image = 0, at, _stored(replica)
        self.same += 1
        if self.moved >= LOOKS_FOLLOWED:
            return Finding.FOLLOWED
        has_stayed = self.same >= LOOKS_DRIFTED and at - self.since >= DRIFTED_AT_A_REPLICA_SECONDS
        return Finding.DRIFTED if has_stayed else Finding.OPEN


def _stored(image: Image | None) -> bytes | None:
    return None if image is None else image.stored


def way_out(drift: Drift, *, version_attribute: str | None) -> str:
    """Return what else there is to do about differences, as sentences to be added; empty if nothing is known.

    Args:
        drift: what differs.
        version_attribute: of the migration.
    """
    ways = []
    if drift.missing or drift.mismatched:
        ways.append(
            "If the rejects say that an index refuses the items (an empty string, NULL or another type where its key "
            "is), leave the source's items as they are: delete that index at the target, write those items there and "
            "redrive; or delete the target (its deletion protection first), and start a new execution with the index "
            "in without_indexes. Add the index once the proof is green"
        )
    if drift.mismatched and version_attribute is not None:
        ways.append(
            f"If {version_attribute} of those items began again at a lower number (an item that was deleted and made "
            "anew), a late page has put the older one back: deploy the migration without version_attribute, to another "
            "target; nothing else is lost by it"
        )
    return "".join(f". {way}" for way in ways)


def summed(found: Iterable[tuple[Difference, Item]]) -> Drift:
    """Count differences and keep samples: the first ones of each kind in turn."""
    found = list(found)
    counts = Counter(kind for kind, _ in found)
    return Drift(
        missing=counts[Difference.MISSING],
        extra=counts[Difference.EXTRA],
        mismatched=counts[Difference.MISMATCHED],
        samples=tuple(_some_of_each(found)),
    )


def _some_of_each(found: Sequence[tuple[Difference, Item]]) -> list[tuple[Difference, Item]]:
    each = max(1, SAMPLES_MOST // len(Difference))
    return [pair for kind in Difference for pair in [pair for pair in found if pair[0] is kind][:each]]
