"""What is explored of the product: each with the bounds that one thing needs, so that all take a minute or two."""

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
    Exploration(
        "rejects that a later write puts right, or not",
        Bounds(operations=3, waits_until="proof", refuses=True),
        8_000,
    ),
    Exploration("a run that is resumed behind the purge", Bounds(operations=2, sendings=1, resumes=True), 30_000),
    Exploration("tips that are missed", Bounds(operations=2, sendings=1, misses_tips=True, repeats=True), 15_000),
    Exploration(
        "batches that come again smaller", Bounds(operations=3, waits_until="proof", shrinks=True, stops=True), 20_000
    ),
    Exploration(
        "batches that come again smaller while pages come",
        Bounds(operations=2, sendings=1, shrinks=True, stops=True),
        20_000,
    ),
    Exploration(
        "late writes, and two of the application's",
        Bounds(operations=3, waits_until="protecting", application=2),
        20_000,
    ),
    Exploration("four late writes", Bounds(operations=4, waits_until="protecting"), 60_000),
    Exploration(
        "a stream that was on before, two writes before and one after",
        Bounds(before=2, operations=1, sendings=1, is_on_before=True),
        20_000,
    ),
    Exploration(
        "a stream that was on before, versions that run forwards",
        Bounds(
            before=2,
            operations=1,
            sendings=1,
            clock="forwards",
            is_versioned=True,
            is_on_before=True,
            ends_with="proof",
        ),
        20_000,
    ),
    Exploration(
        "a stream that was on before, two keys in two shards",
        Bounds(keys=2, shards=2, before=2, operations=0, sendings=1, is_on_before=True, ends_with="proof"),
        4_000,
    ),
    Exploration(
        "a stream that was on before, and a batch of an earlier run",
        Bounds(before=2, operations=1, sendings=1, is_on_before=True, leaves_over=True, ends_with="detaching"),
        8_000,
    ),
    Exploration("two keys while pages come", Bounds(keys=2, before=2, operations=1, sendings=1), 80_000),
    Exploration("two keys, scanned again and again", Bounds(keys=2, before=2, operations=0), 2_500),
    Exploration(
        "two keys, and writers that go on where one has ended",
        Bounds(keys=2, before=1, operations=1, sendings=1, notes=True, ends_with="proof"),
        15_000,
    ),
    Exploration(
        "two keys, scanned again and again, and writers that go on where one has ended",
        Bounds(keys=2, before=2, operations=0, notes=True),
        2_500,
    ),
    Exploration(
        "two writers that go on where one has ended",
        Bounds(keys=2, before=2, operations=0, sendings=1, writers=2, notes=True),
        500,
    ),
    Exploration("two keys in two shards", Bounds(keys=2, shards=2, before=1, operations=1, sendings=1), 25_000),
    Exploration(
        "two keys once pages are through", Bounds(keys=2, before=1, operations=2, waits_until="detaching"), 30_000
    ),
    Exploration(
        "two keys in two shards once pages are through",
        Bounds(keys=2, shards=2, before=1, operations=2, waits_until="detaching"),
        30_000,
    ),
    Exploration(
        "a stream that is turned off, two writes at any time",
        Bounds(operations=2, sendings=1, breaks="stream", ends_with="ended"),
        60_000,
    ),
    Exploration(
        "a stream that is turned off, two keys in two shards",
        Bounds(keys=2, shards=2, before=0, operations=2, waits_until="proof", breaks="stream", ends_with="ended"),
        40_000,
    ),
    Exploration(
        "a target that is made anew, one write at any time",
        Bounds(operations=1, breaks="target", ends_with="ended"),
        12_000,
    ),
    Exploration(
        "a target that is made anew, two writes once pages are through",
        Bounds(operations=2, waits_until="proof", breaks="target", ends_with="ended"),
        20_000,
    ),
    Exploration(
        "a mapping that is made anew, one write at any time",
        Bounds(operations=1, breaks="mapping", ends_with="ended"),
        10_000,
    ),
    Exploration(
        "a mapping that is made anew, two keys once pages are through",
        Bounds(keys=2, before=0, operations=2, waits_until="proof", breaks="mapping", ends_with="ended"),
        30_000,
    ),
)
