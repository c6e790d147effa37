"""What was measured, as tables for docs/benchmarks.md."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from tests.benchmarks.goals import goals
from tests.benchmarks.known import ARTICLE, NAMES, OURS
from tests.benchmarks.on_local import OnLocal
from tests.benchmarks.results import Results, Spread, spread
from tests.benchmarks.shapes import SIZES, Shape

MEGABYTE: Final = 1 << 20
SHOWN: Final = Shape("500 B")
"""The shape whose calls are shown one by one."""


def machine(results: Results) -> Iterator[str]:
    """Yield what it was measured on, and with."""
    for what, is_ in results.machine.items():
        yield f"- {what}: {is_}"


def reached(results: Results) -> Iterator[str]:
    """Yield what was to be reached, and what is."""
    yield "| goal | reached | measured |"
    yield "|---|---|---|"
    for goal in goals(results):
        yield f"| {goal.name} | {'yes' if goal.is_reached else '**no**'} | {goal.measured} |"


def cpu(results: Results) -> Iterator[str]:
    """Yield CPU seconds a million items, for each shape and copier."""
    yield f"| shape | {' | '.join(NAMES)} | article / ours | ahead of every peer |"
    yield f"|---|{'---:|' * (len(NAMES) + 1)}---|"
    for shape in results.by_shape():
        cells = [_in_words(results.cpu(shape, name)) for name in NAMES]
        ahead = "yes" if results.is_ahead(shape) else "**no**"
        yield f"| {shape.name} | {' | '.join(cells)} | {results.ratio(shape):.1f} | {ahead} |"


def parts(results: Results) -> Iterator[str]:
    """Yield CPU seconds a million items of our two sides, and of the article's."""
    sides = ("scan", "write")
    yield f"| shape | {' | '.join(f'{name}, {side}' for name in (OURS, ARTICLE) for side in sides)} |"
    yield "|---|---:|---:|---:|---:|"
    for shape, by_copier in results.by_shape().items():
        cells = [
            spread(by_copier[name], lambda copy, side=side: copy.measured.parts[side] / copy.measured.items * 1e6)  # type: ignore[misc] # a default binds the side
            for name in (OURS, ARTICLE)
            for side in sides
        ]
        yield f"| {shape.name} | {' | '.join(f'{cell.middle:,.1f}' for cell in cells)} |"


def speed(results: Results) -> Iterator[str]:
    """Yield items a second and the most memory, for each shape and copier."""
    yield f"| shape | {' | '.join(NAMES)} |"
    yield f"|---|{'---:|' * len(NAMES)}"
    for shape, by_copier in results.by_shape().items():
        cells = [
            f"{spread(copies, lambda copy: copy.measured.items_a_second).middle:,.0f}; "
            f"{spread(copies, lambda copy: copy.measured.peak_bytes / MEGABYTE).middle:,.0f} MB"
            for copies in by_copier.values()
        ]
        yield f"| {shape.name} | {' | '.join(cells)} |"


def calls(results: Results) -> Iterator[str]:
    """Yield the calls for a thousand items of one shape, by operation."""
    yield "| copier | operation | calls | KB sent | KB received | read units | write units | Kinesis units |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|"
    for name, copies in results.by_shape().get(SHOWN, {}).items():
        copy = copies[0]
        thousands = copy.measured.items / 1000
        for operation, count in sorted(copy.counts.operations.items()):
            figures = (
                count.calls,
                count.bytes_in / 1024,
                count.bytes_out / 1024,
                count.read_units,
                count.write_units,
                count.put_units,
            )
            yield f"| {name} | {operation} | {' | '.join(f'{figure / thousands:,.1f}' for figure in figures)} |"


def units(results: Results) -> Iterator[str]:
    """Yield what is billed for a thousand items: read units, write units, Kinesis' units of 25 KB."""
    yield f"| shape | {' | '.join(NAMES)} |"
    yield f"|---|{'---:|' * len(NAMES)}"
    for shape, by_copier in results.by_shape().items():
        cells = []
        for copies in by_copier.values():
            total, thousands = copies[0].counts.total, copies[0].measured.items / 1000
            figures = (total.read_units, total.write_units, total.put_units)
            cells.append(" / ".join(f"{figure / thousands:,.0f}" for figure in figures))
        yield f"| {shape.name} | {' | '.join(cells)} |"


def growth(results: Results) -> Iterator[str]:
    """Yield what ever larger tables take."""
    yield "| copier, side | items | CPU s | CPU s a million items | s | peak memory | exact |"
    yield "|---|---:|---:|---:|---:|---:|---|"
    for copy in results.growth:
        measured = copy.measured
        side = "" if copy.sides == "both" else f", {copy.sides}"
        exact = "" if copy.sides == "scan" else "yes" if copy.is_exact else "**no**"
        yield (
            f"| {copy.copier}{side} | {measured.items:,} | {measured.cpu_seconds:,.2f} "
            f"| {measured.cpu_microseconds_an_item:,.1f} | {measured.seconds:,.1f} "
            f"| {measured.peak_bytes / MEGABYTE:,.0f} MB | {exact} |"
        )


def rest(results: Results) -> Iterator[str]:
    """Yield how copies of a real table at rest came out."""
    yield "| copier | copies | result of each | items/s | CPU s a million items |"
    yield "|---|---:|---|---:|---:|"
    for name, copies in results.local_by_copier(is_live=False).items():
        measured = [copy.measured for copy in copies if copy.measured]
        rates = _range([each.items_a_second for each in measured])
        costs = _range([each.cpu_microseconds_an_item for each in measured])
        yield f"| {name} | {len(copies)} | {_results(copies)} | {rates} | {costs} |"


def live(results: Results) -> Iterator[str]:
    """Yield how copies of a table that is written to came out."""
    yield "| copier | copies | writes meanwhile | s | result of each |"
    yield "|---|---:|---:|---:|---|"
    for name, copies in results.local_by_copier(is_live=True).items():
        writes, seconds = _range([copy.writes for copy in copies]), _range([copy.seconds for copy in copies])
        yield f"| {name} | {len(copies)} | {writes} | {seconds} | {_results(copies)} |"


def micro(results: Results) -> Iterator[str]:
    """Yield what the pieces of the data path take."""
    shapes = list(dict.fromkeys(each.shape for each in results.micro))
    yield f"| microseconds an item | {' | '.join(shapes)} |"
    yield f"|---|{'---:|' * len(shapes)}"
    for name in dict.fromkeys(each.name for each in results.micro):
        by_shape = {each.shape: each for each in results.micro if each.name == name}
        cells = [f"{by_shape[shape].microseconds:,.2f} ± {by_shape[shape].deviation:,.2f}" for shape in shapes]
        yield f"| {name} | {' | '.join(cells)} |"


SECTIONS: Final[Mapping[str, Callable[[Results], Iterator[str]]]] = {
    "goals": reached,
    "machine": machine,
    "cpu": cpu,
    "parts": parts,
    "speed": speed,
    "calls": calls,
    "units": units,
    "growth": growth,
    "rest": rest,
    "live": live,
    "micro": micro,
}
"""By the name of its place in the document."""


def placed(document: str, results: Results) -> str:
    """Return docs/benchmarks.md with these results in place of those that it has."""
    for name, lines in SECTIONS.items():
        before, begin, rest_ = document.partition(f"<!-- {name} -->\n")
        _, end, behind = rest_.partition(f"\n<!-- end of {name} -->")
        document = before + begin + "\n" + "\n".join(lines(results)) + "\n" + end + behind
    return document


def _in_words(figure: Spread) -> str:
    digits = 1 if figure.middle < 1000 else 0
    return f"{figure.middle:,.{digits}f} ±{figure.share:.0%}"


def _range(values: Sequence[float]) -> str:
    """Return the least and the most, or one of them if they are told alike."""
    if not values:
        return ""
    least, most = f"{min(values):,.0f}", f"{max(values):,.0f}"
    return least if least == most else f"{least} to {most}"


def _results(copies: Sequence[OnLocal]) -> str:
    told = [copy.verdict.in_words() if copy.verdict else f"failed: {copy.failed}" for copy in copies]
    return told[0] if len(set(told)) == 1 else "; ".join(told)


assert SHOWN.size in SIZES
