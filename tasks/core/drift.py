"""What differs between source and target, key by key."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tasks.core.digest import comparable
from tasks.core.item import Item, canonical

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
            keys = ", ".join(f"{kind} {json.dumps(key, ensure_ascii=False)}" for kind, key in self.samples)
            line += f"; for example {keys}"
        return line


def differ(source: Item | None, target: Item | None) -> Difference | None:
    """Compare one key's items as stored in the two tables; `None` means that they are equal."""
    source = None if source is None else comparable(source, "source")
    target = None if target is None else comparable(target, "target")
    if source is None:
        return None if target is None else Difference.EXTRA
    if target is None:
        return Difference.MISSING
    return None if canonical(source) == canonical(target) else Difference.MISMATCHED


class Finding(StrEnum):
    """What is known of a key that looked different, after a look at it."""

    OPEN = "open"
    """Not enough: it has to be looked at again."""
    EQUAL = "equal"
    """Both sides held the same while the source did not change."""
    FOLLOWED = "followed"
    """The source changes it faster than it can be looked at. Each change brings its whole image to the target, so
    whatever the target held before is gone: no item of the backfill is left to compare."""
    DRIFTED = "drifted"
    """It differed in the same way in so many looks that no write under way explains it."""


LOOKS_FOLLOWED = 3
"""So many times the source changed a key during a look."""
LOOKS_DRIFTED = 6
"""So many looks in a row saw the same difference. One look may be misled: an item that is deleted and put again all
the time may be absent before and after it, and at the target in between; and a write shows in the stream a moment
after it was answered."""


@dataclass(slots=True)
class Looks:
    """What all looks at one key have shown so far."""

    changed: int = 0
    differed: int = 0
    shown: tuple[bytes | None, bytes | None] = (None, None)

    def look(self, before: Item | None, target: Item | None, after: Item | None) -> Finding:
        """Take one look into account.

        Args:
            before: the source's item.
            target: the target's, once the replicator had passed the moment of `before`.
            after: the source's again.
        """
        if _bytes_of(before) != _bytes_of(after):
            self.changed += 1
            self.differed = 0
            return Finding.FOLLOWED if self.changed >= LOOKS_FOLLOWED else Finding.OPEN
        if differ(after, target) is None:
            return Finding.EQUAL
        shown = (_bytes_of(after), _bytes_of(target))
        self.differed = self.differed + 1 if shown == self.shown else 1
        self.shown = shown
        return Finding.DRIFTED if self.differed >= LOOKS_DRIFTED else Finding.OPEN


def _bytes_of(item: Item | None) -> bytes | None:
    return None if item is None else canonical(item)


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
