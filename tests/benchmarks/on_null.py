"""Copies from and into the null engine: what each copier costs by itself, on every shape, and as tables grow."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from tests.benchmarks.copiers.task import Task
from tests.benchmarks.counts import Counts
from tests.benchmarks.install import FOLDER, Installed
from tests.benchmarks.known import (
    ARTICLE,
    BESIDES,
    COPY_DYNAMODB_TABLE,
    DYNAMODUMP,
    NAIVE,
    NAMES,
    OURS,
    PAGES_STREAM_ARN,
    command_of,
    environment_of,
)
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
SURE_ROUNDS: Final = 2
"""A further round goes as far as time allows, from the smallest items on: for those there are goals."""

GROWING: Final = Shape("100 B")
"""The smallest items: the most of them in the time there is."""
GROWTH: Final = (10_000, 100_000, 1_000_000, 10_000_000)
SERIES: Final = (
    (OURS, "scan"),
    (OURS, "write"),
    (NAIVE, "both"),
    (COPY_DYNAMODB_TABLE, "both"),
    (DYNAMODUMP, "both"),
    (ARTICLE, "both"),
)
"""Copier and side. At each size in this order: what comes late is left out first."""
POINT_SECONDS: Final = 400.0
"""A larger table is not copied where the one before it says that it would take longer."""
OTHERS_POINT_SECONDS: Final = 45.0
"""The same of the others, before all of ours are done. What is left of the time then is theirs."""

BESIDES_SHAPES: Final = (Shape("500 B"), Shape("1 KB", "many"))
BESIDES_ITEMS: Final = 12_000


@dataclass(frozen=True)
class LeftOut:
    """A point of the growth that was not measured."""

    copier: str
    sides: str
    items: int
    seconds: float
    """That it would have taken, by the one before it."""


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
        if self.sides in {"scan", "verify"}:
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
    engine: NullEngineProcess,
    installed: Installed,
    *,
    rounds: int,
    has_time: Callable[[], bool],
    shapes: Sequence[Shape] = SHAPES,
) -> Iterator[OnNull]:
    """Copy every shape by every copier, all of them in turn.

    Args:
        engine: to copy from and into.
        installed: the peers.
        rounds: so many times, if there is time.
        has_time: whether there is, for a round more than `SURE_ROUNDS`.
        shapes: from the smallest on.
    """
    for number in range(rounds):
        turn = number % len(NAMES)
        for shape in shapes:
            if number >= SURE_ROUNDS and not has_time():
                return
            for name in (*NAMES[turn:], *NAMES[:turn]):
                share = 1 if name == OURS else SHARES.get(name, OTHERS_SHARE)
                yield copy(engine, installed, name, shape, items=max(20, ITEMS[shape.size] // share))


def besides(engine: NullEngineProcess, installed: Installed, *, rounds: int) -> Iterator[OnNull]:
    """Apply changes, and read for the proof, so many times, in turn."""
    for _, shape, sides in itertools.product(range(rounds), BESIDES_SHAPES, BESIDES):
        yield copy(engine, installed, OURS, shape, items=BESIDES_ITEMS, sides=sides)


def growth(
    engine: NullEngineProcess, installed: Installed, *, seconds_left: Callable[[], float], most: int = GROWTH[-1]
) -> Iterator[OnNull | LeftOut]:
    """Copy ever larger tables, all copiers at each size; say at the end which points were left out.

    What was put off, because it takes long and is not ours, is done at the end, the shortest first, if there is time.

    Args:
        engine: to copy from and into.
        installed: the peers.
        seconds_left: returns how long all of it may still take.
        most: items of the largest table.
    """
    took: dict[tuple[str, str], float] = {}
    put_off: list[LeftOut] = []
    sizes = [items for items in GROWTH if items <= most]
    for before, items in itertools.pairwise((0, *sizes)):
        for name, sides in SERIES:
            if before and (name, sides) not in took:
                continue
            expected = took.pop((name, sides), 0.0) * items / before if before else 0.0
            point_most = POINT_SECONDS if name == OURS else OTHERS_POINT_SECONDS
            if expected > min(point_most, seconds_left()):
                put_off.append(LeftOut(name, sides, items, expected))
                continue
            copied = copy(engine, installed, name, GROWING, items=items, sides=sides)
            took[name, sides] = copied.measured.seconds
            yield copied
    for point in sorted(put_off, key=lambda point: point.seconds):
        if point.seconds > min(POINT_SECONDS, seconds_left()):
            yield point
        else:
            yield copy(engine, installed, point.copier, GROWING, items=point.items, sides=point.sides)


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
    measured = run(command_of(installed, name, sides), task.as_json(), environment, within_seconds=within)
    return OnNull(name, shape, measured, engine.counts(), sides)
