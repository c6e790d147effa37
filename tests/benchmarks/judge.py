"""Whether a copy is exact: what is lost, what came back, what is old or damaged. It knows nothing of any copier.

Numbers compare by value to their last digit, sets without order, everything else exactly.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

Item: TypeAlias = Mapping[str, Any]
"""Typed JSON."""


@dataclass(frozen=True)
class Verdict:
    """What became of the items of a source, once its last write was answered and the copier said that it was done."""

    expected: int
    """Items that the source has."""
    lost: int = 0
    """The target has none of that key."""
    stale: int = 0
    """The target has an earlier one, by `updatedAt`."""
    damaged: int = 0
    """The target has the same one, and not as it was."""
    resurrected: int = 0
    """The target has one that was deleted, or never was."""

    @property
    def is_exact(self) -> bool:
        """Whether both are equal."""
        return not (self.lost or self.stale or self.damaged or self.resurrected)

    def in_words(self) -> str:
        """Return it for a table's cell."""
        wrong = {name: getattr(self, name) for name in ("lost", "stale", "damaged", "resurrected")}
        return ", ".join(f"{count} {name}" for name, count in wrong.items() if count) or "exact"


def judge(source: Iterable[Item], target: Iterable[Item]) -> Verdict:
    """Compare the items of two tables whose key is `pk`."""
    expected = {canonical({"pk": item["pk"]}): item for item in source}
    found = {canonical({"pk": item["pk"]}): item for item in target}
    lost = stale = damaged = 0
    for key, item in expected.items():
        copied = found.get(key)
        if copied is None:
            lost += 1
        elif canonical(copied) != canonical(item):
            is_older = updated_at(copied) < updated_at(item)
            stale += is_older
            damaged += not is_older
    return Verdict(len(expected), lost, stale, damaged, resurrected=len(found.keys() - expected.keys()))


def updated_at(item: Item) -> Decimal:
    """Return when an item was written, by its own word; 0 if it has none."""
    return Decimal(item.get("updatedAt", {}).get("N", "0"))


def canonical(item: Item) -> Hashable:
    """Return a form that equal items have in common."""
    return frozenset((name, _canonical_value(value)) for name, value in item.items())


def _canonical_value(value: Mapping[str, Any]) -> Hashable:
    ((kind, content),) = value.items()
    match kind:
        case "N":
            return kind, Decimal(content)
        case "NS":
            return kind, frozenset(map(Decimal, content))
        case "SS" | "BS":
            return kind, frozenset(content)
        case "L":
            return kind, tuple(map(_canonical_value, content))
        case "M":
            return kind, canonical(content)
    return kind, content
