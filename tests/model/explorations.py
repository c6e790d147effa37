"""What is explored of the product: each with the bounds that one thing needs, so that all of them take a minute."""

from dataclasses import dataclass, replace

from tests.model.bounds import Bounds


@dataclass(frozen=True, slots=True)
class Exploration:
    """One setting of the bounds."""

    name: str
    bounds: Bounds
    states: int
    """It has at least so many: an explorer that goes nowhere finds nothing wrong."""

    def larger_by(self, operations: int) -> "Exploration":
        """Return it with so many more writes to the source."""
        return replace(self, bounds=replace(self.bounds, operations=self.bounds.operations + operations))


EXPLORATIONS = (
    Exploration(
        "four writes while pages come, one sending",
        Bounds(operations=4, sendings=1, ends_with="proof"),
        300_000,
    ),
    Exploration("three writes at any time, one sending", Bounds(operations=3, sendings=1), 100_000),
    Exploration("two writes at any time, two sendings", Bounds(operations=2), 60_000),
    Exploration("two writers side by side", Bounds(operations=1, writers=2), 5_000),
    Exploration("versions that run forwards", Bounds(operations=2, clock="forwards", is_versioned=True), 60_000),
    Exploration(
        "versions that stand still", Bounds(operations=2, sendings=1, clock="still", is_versioned=True), 20_000
    ),
    Exploration(
        "a clock that runs forwards, without versions", Bounds(operations=2, sendings=1, clock="forwards"), 20_000
    ),
    Exploration("an item that comes back as it was", Bounds(operations=2, sendings=1, restores=True), 25_000),
    Exploration("an item that the target refuses", Bounds(operations=1, refuses=True), 3_000),
    Exploration("tips that are missed", Bounds(operations=2, sendings=1, misses_tips=True, repeats=True), 15_000),
    Exploration(
        "batches that come again smaller", Bounds(operations=3, waits_until="proof", shrinks=True, stops=True), 20_000
    ),
    Exploration(
        "late writes, and two of the application's", Bounds(operations=3, waits_until="fencing", application=2), 20_000
    ),
    Exploration("four late writes", Bounds(operations=4, waits_until="fencing"), 60_000),
    Exploration("two keys while pages come", Bounds(keys=2, before=2, operations=1, sendings=1), 80_000),
    Exploration("two keys, scanned again and again", Bounds(keys=2, before=2, operations=0), 2_500),
    Exploration("two keys in two shards", Bounds(keys=2, shards=2, before=1, operations=1, sendings=1), 25_000),
    Exploration(
        "two keys once pages are through", Bounds(keys=2, before=1, operations=2, waits_until="detaching"), 30_000
    ),
    Exploration(
        "two keys in two shards once pages are through",
        Bounds(keys=2, shards=2, before=1, operations=2, waits_until="detaching"),
        30_000,
    ),
)
