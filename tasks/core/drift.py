"""What differs between source and target, key by key."""

import json
from collections.abc import Iterable
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


def is_changed(before: Item | None, after: Item | None) -> bool:
    """Whether two readings of one table's item differ."""
    if before is None or after is None:
        return before is not after
    return canonical(before) != canonical(after)


def summed(found: Iterable[tuple[Difference, Item]]) -> Drift:
    """Count differences and keep samples: the first ones of each kind in turn."""
    by_kind: dict[Difference, list[Item]] = {kind: [] for kind in Difference}
    for kind, key in found:
        by_kind[kind].append(key)
    each = max(1, SAMPLES_MOST // len(Difference))
    samples = [(kind, key) for kind, keys in by_kind.items() for key in keys[:each]]
    return Drift(
        missing=len(by_kind[Difference.MISSING]),
        extra=len(by_kind[Difference.EXTRA]),
        mismatched=len(by_kind[Difference.MISMATCHED]),
        samples=tuple(samples),
    )
