"""What was measured, as tables for docs/benchmarks.md."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from tests.benchmarks.counts import Counts
from tests.benchmarks.engine_limit import WAYS
from tests.benchmarks.goals import goals
from tests.benchmarks.known import ARTICLE, BESIDES, NAMES, OURS
from tests.benchmarks.on_local import COUNTED, HOSTILE, PLAIN, OnLocal
from tests.benchmarks.on_null import OnNull
from tests.benchmarks.results import Results, Spread, spread
from tests.benchmarks.shapes import SIZES, Shape

MEGABYTE: Final = 1 << 20
SHOWN: Final = Shape("500 B")
"""The shape whose calls are shown one by one."""
CALLS_HEAD: Final = (
    "| copier | operation | calls | KB sent | KB received | read units | write units | Kinesis units |",
    "|---|---|---:|---:|---:|---:|---:|---:|",
)
BESIDES_NAMES: Final = {
    "replicate": "ReplicateChanges: a change, by whole calls",
    "verify": "VerifySegment: an item read, by whole calls",
}


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
    yield from CALLS_HEAD
    for name, copies in results.by_shape().get(SHOWN, {}).items():
        yield from _calls_of(name, copies[0].counts, copies[0].measured.items)
    for copy in _first_besides(results):
        yield from _calls_of(BESIDES_NAMES[copy.sides].partition(":")[0], copy.counts, copy.measured.items)


def rest_calls(results: Results) -> Iterator[str]:
    """Yield the calls for a thousand items of a real table, by operation."""
    yield from CALLS_HEAD
    for name, copies in results.local_by_copier(is_live=False, table=COUNTED).items():
        for copy in copies:
            if copy.counts and copy.measured:
                yield from _calls_of(name, copy.counts, copy.measured.items)


def _calls_of(name: str, counts: Counts, items: int) -> Iterator[str]:
    for operation, count in sorted(counts.operations.items()):
        figures = (
            count.calls,
            count.bytes_in / 1024,
            count.bytes_out / 1024,
            count.read_units,
            count.write_units,
            count.put_units,
        )
        yield f"| {name} | {operation} | {' | '.join(f'{figure / items * 1000:,.1f}' for figure in figures)} |"


def _first_besides(results: Results) -> Iterator[OnNull]:
    for sides in BESIDES:
        yield from [copy for copy in results.besides if (copy.sides, copy.shape) == (sides, SHOWN)][:1]


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
    if results.left_out:
        yield ""
        yield "Left out, with the time that they would have taken, by the one before:"
        yield ""
    for point in results.left_out:
        side = "" if point.sides == "both" else f", {point.sides}"
        yield f"- {point.copier}{side}, {point.items:,} items: {point.seconds:,.0f} s"


def rest(results: Results) -> Iterator[str]:
    """Yield how copies of real tables at rest came out."""
    yield "| copier | table | items | copies | result of each | items/s | CPU s a million items | peak MB |"
    yield "|---|---|---:|---:|---|---:|---:|---:|"
    for table in (HOSTILE, PLAIN):
        for name, copies in results.local_by_copier(is_live=False, table=table).items():
            measured = [copy.measured for copy in copies if copy.measured]
            cells = [
                _range([each.items for each in measured]),
                str(len(copies)),
                _results(copies),
                _range([each.items_a_second for each in measured]),
                _range([each.cpu_microseconds_an_item for each in measured]),
                _range([each.peak_bytes / MEGABYTE for each in measured]),
            ]
            yield f"| {name} | {table} | {' | '.join(cells)} |"


def limits(results: Results) -> Iterator[str]:
    """Yield what DynamoDB Local takes as most of each way to write, in items a second."""
    columns = list(dict.fromkeys((each.shape, each.lanes) for each in results.limits))
    yield f"| items/s | {' | '.join(f'{shape}; {_side_by_side(lanes)}' for shape, lanes in columns)} |"
    yield f"|---|{'---:|' * len(columns)}"
    for way in WAYS:
        found = {(each.shape, each.lanes): each.items_a_second for each in results.limits if each.way == way}
        yield f"| {way} | {' | '.join(f'{found[column]:,.0f}' for column in columns)} |"


def _side_by_side(lanes: int) -> str:
    return "one call at a time" if lanes == 1 else f"{lanes} calls side by side"


def live(results: Results) -> Iterator[str]:
    """Yield how copies of a table that is written to came out."""
    yield "| copier | copies | writes meanwhile | s | CPU s | result of each |"
    yield "|---|---:|---:|---:|---:|---|"
    for name, copies in results.local_by_copier(is_live=True).items():
        writes, seconds = _range([copy.writes for copy in copies]), _range([copy.seconds for copy in copies])
        used = [
            copy.measured.cpu_seconds if copy.measured else sum(each.cpu_seconds for each in copy.functions.values())
            for copy in copies
        ]
        cpu_seconds = _range(used, digits=1)
        yield f"| {name} | {len(copies)} | {writes} | {seconds} | {cpu_seconds} | {_results(copies)} |"


def functions(results: Results) -> Iterator[str]:
    """Yield what each function of a migration used under live writes."""
    copies = [copy.functions for copy in results.local_by_copier(is_live=True).get(OURS, []) if copy.functions]
    yield "| function | processes | CPU s |"
    yield "|---|---:|---:|"
    for name in dict.fromkeys(name for copy in copies for name in copy):
        of_name = [copy[name] for copy in copies if name in copy]
        processes = _range([each.processes for each in of_name])
        yield f"| {name} | {processes} | {_range([each.cpu_seconds for each in of_name], digits=1)} |"


def micro(results: Results) -> Iterator[str]:
    """Yield what the pieces of the data path take."""
    shapes = list(dict.fromkeys(each.shape for each in results.micro))
    yield f"| microseconds an item | {' | '.join(shapes)} |"
    yield f"|---|{'---:|' * len(shapes)}"
    for name in dict.fromkeys(each.name for each in results.micro):
        by_shape = {each.shape: each for each in results.micro if each.name == name}
        cells = [f"{by_shape[shape].microseconds:,.2f} ± {by_shape[shape].deviation:,.2f}" for shape in shapes]
        yield f"| {name} | {' | '.join(cells)} |"
    for sides, name in BESIDES_NAMES.items():
        found = [
            spread(copies, lambda copy: copy.measured.cpu_microseconds_an_item) if copies else None
            for copies in (
                [copy for copy in results.besides if (copy.sides, copy.shape.name) == (sides, shape)]
                for shape in shapes
            )
        ]
        cells = [f"{each.middle:,.2f} ± {(each.most - each.least) / 2:,.2f}" if each else "" for each in found]
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
    "limits": limits,
    "rest-calls": rest_calls,
    "live": live,
    "functions": functions,
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


def _range(values: Sequence[float], *, digits: int = 0) -> str:
    """Return the least and the most, or one of them if they are told alike."""
    if not values:
        return ""
    least, most = f"{min(values):,.{digits}f}", f"{max(values):,.{digits}f}"
    return least if least == most else f"{least} to {most}"


def _results(copies: Sequence[OnLocal]) -> str:
    told = [copy.verdict.in_words() if copy.verdict else f"failed: {copy.failed}" for copy in copies]
    return told[0] if len(set(told)) == 1 else "; ".join(told)


assert SHOWN.size in SIZES
