"""Copies from and into the null engine: what each copier costs by itself, on every shape, and as tables grow."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from tests.benchmarks.copiers.task import Task
from tests.benchmarks.counts import Counts
from tests.benchmarks.install import FOLDER, Installed
from tests.benchmarks.known import ARTICLE, NAIVE, NAMES, OURS, PAGES_STREAM_ARN, copiers, environment_of
from tests.benchmarks.measure import Measured, run
from tests.benchmarks.null_engine import NullEngineProcess
from tests.benchmarks.shapes import SHAPES, Shape, shape_of

ITEMS: Final = {"100 B": 20_970, "500 B": 8_000, "1 KB": 6_000, "10 KB": 2_000, "100 KB": 300, "400 KB": 80}
"""So many are copied once: about half a second of our own."""
SHARES: Final = {ARTICLE: 10}
"""A copier that takes so many times as long has so many times fewer."""
OTHERS_SHARE: Final = 3
WARM_ITEMS: Final = 60
RUN_WITHIN_SECONDS: Final = 120.0

GROWING: Final = Shape("100 B")
"""The smallest items: the most of them in the time there is."""
GROWTH: Final = (10_000, 100_000, 1_000_000, 10_000_000)
SERIES: Final = ((OURS, "scan", GROWTH), (OURS, "write", GROWTH), (NAIVE, "both", GROWTH[:2]))
"""Copier, side, and how many items."""
POINT_SECONDS: Final = 260.0
"""A larger table is not copied where the one before it, ten times smaller, says that it would take longer."""


@dataclass(frozen=True)
class OnNull:
    """One copy."""

    copier: str
    shape: Shape
    measured: Measured
    counts: Counts
    sides: str = "both"

    @property
    def is_exact(self) -> bool:
        """Whether all items were written, and those looked at as they were read; of a scan, whether all were."""
        if self.sides == "scan":
            return self.counts.of("Scan").items == self.measured.items
        return self.counts.items_written == self.measured.items and not self.counts.differing

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "copier": self.copier,
            "shape": self.shape.name,
            "measured": asdict(self.measured),
            "counts": self.counts.as_json(),
            "sides": self.sides,
        }

    @classmethod
    def from_json(cls, text: dict[str, Any]) -> Self:
        """Return what `as_json` was made of."""
        return cls(
            text["copier"],
            shape_of(text["shape"]),
            Measured(**text["measured"]),
            Counts.from_json(text["counts"]),
            text["sides"],
        )


def every_shape(
    engine: NullEngineProcess, installed: Installed, *, rounds: int, shapes: Sequence[Shape] = SHAPES
) -> Iterator[OnNull]:
    """Copy every shape by every copier, so many times, all of them in turn."""
    for number in range(rounds):
        turn = number % len(NAMES)
        for shape in shapes:
            for name in (*NAMES[turn:], *NAMES[:turn]):
                share = 1 if name == OURS else SHARES.get(name, OTHERS_SHARE)
                yield copy(engine, installed, name, shape, items=max(20, ITEMS[shape.size] // share))


def growth(engine: NullEngineProcess, installed: Installed, *, most: int = GROWTH[-1]) -> Iterator[OnNull]:
    """Copy ever larger tables, until the next one would take too long."""
    for name, sides, of_series in SERIES:
        sizes, took = [items for items in of_series if items <= most], 0.0
        for before, items in zip((0, *sizes), sizes, strict=False):
            if before and took * items / before > POINT_SECONDS:
                break
            begun = time.monotonic()
            yield copy(engine, installed, name, GROWING, items=items, sides=sides)
            took = time.monotonic() - begun


def copy(
    engine: NullEngineProcess,
    installed: Installed,
    name: str,
    shape: Shape,
    *,
    items: int,
    sides: str = "both",
) -> OnNull:
    """Copy once."""
    engine.prepare(shape)
    task = Task(
        source=f"source-{items}",
        target="target",
        warm=f"warm-{min(items, WARM_ITEMS)}",
        warm_target="target",
        shape=shape.name,
        stream_arn=PAGES_STREAM_ARN,
        scratch=str(FOLDER),
        sides=sides,
    )
    environment = environment_of(engine.endpoint_url, installed, task)
    within = max(RUN_WITHIN_SECONDS, 2 * POINT_SECONDS)
    measured = run(copiers(installed)[name].command, task.as_json(), environment, within_seconds=within)
    return OnNull(name, shape, measured, engine.counts(), sides)
