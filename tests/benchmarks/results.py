"""All that one run of `make bench` has measured, as it is kept in `build/bench/results.json`."""

import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from tests.benchmarks.engine_limit import Limit
from tests.benchmarks.install import FOLDER
from tests.benchmarks.known import ARTICLE, NAMES, OURS, PEERS
from tests.benchmarks.on_local import HOSTILE, OnLocal
from tests.benchmarks.on_null import LeftOut, OnNull
from tests.benchmarks.shapes import SHAPES, Shape

KEPT_IN: Final = FOLDER / "results.json"


@dataclass(frozen=True)
class Micro:
    """What one piece of the data path takes for an item, as pyperf found it."""

    name: str
    shape: str
    microseconds: float
    deviation: float


@dataclass
class Results:
    """What was measured."""

    machine: dict[str, str] = field(default_factory=dict)
    shapes: list[OnNull] = field(default_factory=list)
    growth: list[OnNull] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    """Of the growth."""
    besides: list[OnNull] = field(default_factory=list)
    """Our functions that are no part of a copy at rest."""
    limits: list[Limit] = field(default_factory=list)
    local: list[OnLocal] = field(default_factory=list)
    micro: list[Micro] = field(default_factory=list)

    def save(self, path: Path = KEPT_IN) -> None:
        """Write them into a file."""
        kept = {
            "machine": self.machine,
            "shapes": [each.as_json() for each in self.shapes],
            "growth": [each.as_json() for each in self.growth],
            "left_out": [vars(each) for each in self.left_out],
            "besides": [each.as_json() for each in self.besides],
            "limits": [vars(each) for each in self.limits],
            "local": [each.as_json() for each in self.local],
            "micro": [vars(each) for each in self.micro],
        }
        path.write_text(json.dumps(kept), encoding="utf-8")

    @classmethod
    def load(cls, path: Path = KEPT_IN) -> Self:
        """Read them back."""
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            kept["machine"],
            [OnNull.from_json(each) for each in kept["shapes"]],
            [OnNull.from_json(each) for each in kept["growth"]],
            [LeftOut(**each) for each in kept["left_out"]],
            [OnNull.from_json(each) for each in kept["besides"]],
            [Limit(**each) for each in kept["limits"]],
            [OnLocal.from_json(each) for each in kept["local"]],
            [Micro(**each) for each in kept["micro"]],
        )

    def by_shape(self) -> dict[Shape, dict[str, list[OnNull]]]:
        """Return the copies of each shape by copier, in the order of `SHAPES`."""
        found: dict[Shape, dict[str, list[OnNull]]] = {}
        for shape in SHAPES:
            of_shape = [each for each in self.shapes if each.shape == shape]
            if of_shape:
                found[shape] = {name: [each for each in of_shape if each.copier == name] for name in NAMES}
        return found

    def cpu(self, shape: Shape, copier: str) -> "Spread":
        """Return the CPU microseconds an item."""
        copies = [each for each in self.shapes if each.copier == copier and each.shape == shape]
        return spread(copies, lambda each: each.measured.cpu_microseconds_an_item)

    def ratio(self, shape: Shape) -> float:
        """Return the article's CPU for an item, by ours."""
        return self.cpu(shape, ARTICLE).middle / self.cpu(shape, OURS).middle

    def is_ahead(self, shape: Shape) -> bool:
        """Whether every peer takes more CPU for an item than we do."""
        ours = self.cpu(shape, OURS).middle
        return all(self.cpu(shape, peer).middle > ours for peer in PEERS)

    def part(self, shape: Shape, part: str) -> "Spread | None":
        """Return CPU microseconds an item of one of our functions, `None` if it was not measured.

        Args:
            shape: of the items.
            part: `scan`, `write`, `replicate` or `verify`.
        """
        copies = [each for each in (*self.shapes, *self.besides) if each.copier == OURS and each.shape == shape]
        of_part = [each for each in copies if part in each.measured.parts]
        return spread(of_part, lambda each: each.measured.parts[part] / each.measured.items * 1e6) if of_part else None

    def local_by_copier(self, *, is_live: bool, table: str = HOSTILE) -> dict[str, list[OnLocal]]:
        """Return the copies of real tables by copier; at rest those of one table."""
        found: dict[str, list[OnLocal]] = defaultdict(list)
        for each in self.local:
            if each.is_live == is_live and (is_live or each.table == table):
                found[each.copier].append(each)
        return dict(found)


@dataclass(frozen=True)
class Spread:
    """What several runs have shown of one figure."""

    middle: float
    """The median."""
    least: float
    most: float

    @property
    def share(self) -> float:
        """Half of what lies between the least and the most, by the middle."""
        return (self.most - self.least) / 2 / self.middle if self.middle else 0.0


def spread(copies: Sequence[OnNull], figure: Callable[[OnNull], float]) -> Spread:
    """Return the spread of a figure over several copies."""
    values = [figure(copy) for copy in copies]
    return Spread(statistics.median(values), min(values), max(values))
