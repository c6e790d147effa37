"""The plots of docs/benchmarks.md, by matplotlib, which `install` brings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import matplotlib as mpl
from matplotlib import pyplot as plt

from tests.benchmarks.known import ARTICLE, COPY_DYNAMODB_TABLE, DYNAMODUMP, NAIVE, NAMES, OURS
from tests.benchmarks.report import MEGABYTE
from tests.benchmarks.results import Results
from tests.benchmarks.shapes import SIZES, Shape

COLOURS: Final = {
    OURS: "#2e73b8",
    ARTICLE: "#c33d2e",
    NAIVE: "#7a7a7a",
    COPY_DYNAMODB_TABLE: "#b8862e",
    DYNAMODUMP: "#4f9a4f",
}
WRONG: Final = {"lost": "#c33d2e", "stale": "#e08a3c", "damaged": "#7d5ba6", "resurrected": "#3c3c3c"}

mpl.use("svg")
# The same data make the same file, with words that can be searched for.
mpl.rcParams.update({"svg.hashsalt": "tableferry", "svg.fonttype": "none", "font.size": 9, "axes.grid": True})
mpl.rcParams.update({"grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False})


def draw(results: Results, folder: Path) -> Iterator[Path]:
    """Draw all plots into a folder."""
    for name, figure in (("cpu", _cpu(results)), ("growth", _growth(results)), ("live", _live(results))):
        path = folder / f"benchmarks-{name}.svg"
        figure.savefig(path, metadata={"Date": None})
        plt.close(figure)
        yield path


def _cpu(results: Results) -> plt.Figure:
    figure, panels = plt.subplots(2, 2, figsize=(10, 7), sharex=True, sharey=True, layout="constrained")
    places = range(len(SIZES))
    kinds = [(attributes, content) for attributes in ("few", "many") for content in ("text", "noise")]
    for panel, (attributes, content) in zip(panels.flat, kinds, strict=True):
        shapes = [Shape(size, attributes, content) for size in SIZES]  # type: ignore[arg-type] # the literals above
        for name in NAMES:
            figures = [results.cpu(shape, name) for shape in shapes]
            middles = [each.middle for each in figures]
            below = [each.middle - each.least for each in figures]
            above = [each.most - each.middle for each in figures]
            panel.errorbar(places, middles, (below, above), label=name, color=COLOURS[name], marker="o", capsize=3)
        panel.set(yscale="log", title=f"{attributes} attributes, {content}", xticks=list(places), xticklabels=SIZES)
    for panel in panels[:, 0]:
        panel.set_ylabel("CPU µs an item")
    panels[0, 0].legend()
    return figure


def _growth(results: Results) -> plt.Figure:
    figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    for name, sides in dict.fromkeys((copy.copier, copy.sides) for copy in results.growth):
        copies = [copy.measured for copy in results.growth if (copy.copier, copy.sides) == (name, sides)]
        items = [copy.items for copy in copies]
        style = {"label": name if sides == "both" else f"{name}, {sides}", "marker": "o", "color": COLOURS[name]}
        style["linestyle"] = "--" if sides == "scan" else "-"
        time.plot(items, [copy.cpu_seconds for copy in copies], **style)
        memory.plot(items, [copy.peak_bytes / MEGABYTE for copy in copies], **style)
    time.set(xscale="log", yscale="log", xlabel="items", ylabel="CPU s", title="time")
    memory.set(xscale="log", xlabel="items", ylabel="peak MB", title="memory", ylim=(0, None))
    time.legend()
    return figure


def _live(results: Results) -> plt.Figure:
    figure, panel = plt.subplots(figsize=(8, 3.2), layout="constrained")
    by_copier = results.local_by_copier(is_live=True)
    left = [0.0] * len(by_copier)
    for kind, colour in WRONG.items():
        counts = [
            sum(getattr(copy.verdict, kind) for copy in copies if copy.verdict) / len(copies)
            for copies in by_copier.values()
        ]
        panel.barh(list(by_copier), counts, left=left, label=kind, color=colour)
        left = [before + count for before, count in zip(left, counts, strict=True)]
    panel.invert_yaxis()
    panel.set(xlabel="items that are wrong at the target, a copy", title="under live writes")
    panel.legend()
    return figure
