"""Draws `docs/scale.svg`: throughput, backlog and refused users over time, before and after, of one size.

The picture is plain SVG that is written here, so that it is the same wherever it is drawn. Its head has the totals that
it was drawn from, by which a test finds a stale one.
"""

import html
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from infra.graph import FAINT, INK, LINE
from tests.simulation.pipeline import Run
from tests.simulation.world import Sample

WIDTH: Final = 460
"""Of a panel."""
HEIGHT: Final = 110
LEFT: Final = 70
GAP: Final = 34
TOP: Final = 54
POINTS: Final = 200
TEN: Final = 10
"""From here on no fraction is of interest."""
FONT: Final = "Helvetica,Arial,sans-serif"
COLOURS: Final = {"before": "#c33d2e", "after": "#2e73b8"}
PANELS: Final[tuple[tuple[str, Callable[[Sample], float]], ...]] = (
    ("useful writes a second", lambda sample: sample.useful_writes),
    ("million items in the stream of pages", lambda sample: sample.backlog_items / 1e6),
    ("refused requests of users a second", lambda sample: sample.refused_users),
)
PHASES: Final = ("Backfill", "Verify")
"""What is drawn: behind them a day may go by in which nothing is copied."""


def totals(runs: Sequence[Run]) -> str:
    """Return the figures that a picture of these runs names, as JSON in one line."""
    return json.dumps(
        {
            run.policy.name: {
                "copy_hours": round(run.phases["copy"] / 3600, 1),
                "useful_writes": round(run.useful_writes),
                "refused": round(run.world.users.refused),
                "usd": round(run.world.bill.total),
            }
            for run in runs
        }
    )


def draw(runs: Sequence[Run]) -> str:
    """Return the picture of runs of one size, a column for each."""
    width = (LEFT + WIDTH) * len(runs) + 30
    height = TOP + (HEIGHT + GAP) * len(PANELS) + 24
    lines = [
        f"<!-- Drawn by `make simulate`. Totals: {totals(runs)} -->",
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="{FONT}">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    samples = [[sample for sample in run.world.samples if sample.phase in PHASES] for run in runs]
    for column, (run, of_run) in enumerate(zip(runs, samples, strict=True)):
        left = LEFT + column * (LEFT + WIDTH)
        title = f"{run.scenario.name}, {run.policy.name}: {run.failure or 'ends well'}"
        lines.append(_text(left, 20, title, size=14, colour=INK))
        for number, (what, value) in enumerate(PANELS):
            # One scale for all columns: else a small number looks as large as a great one beside it.
            most = max((value(sample) for one in samples for sample in one), default=0.0)
            lines += _panel(
                of_run, value, left=left, top=TOP + number * (HEIGHT + GAP), most=most, name=run.policy.name
            )
            lines.append(_text(left, TOP + number * (HEIGHT + GAP) - 8, what, size=11, colour=FAINT))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _panel(
    samples: Sequence[Sample], value: Callable[[Sample], float], *, left: float, top: float, most: float, name: str
) -> Iterator[str]:
    bottom, ends = top + HEIGHT, samples[-1].at
    yield f'<path d="M{left} {top}V{bottom}H{left + WIDTH}" fill="none" stroke="{LINE}"/>'
    scale = most or 1.0
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * HEIGHT
        yield _text(left - 6, y + 4, _short(share * scale), size=10, colour=FAINT, anchor="end")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield _text(
            left + share * WIDTH, bottom + 14, f"{share * ends / 3600:.1f} h", size=9, colour=FAINT, anchor="middle"
        )
    points = " ".join(
        f"{left + at / ends * WIDTH:.1f},{bottom - value_there / scale * HEIGHT:.1f}"
        for at, value_there in _thinned(samples, value)
    )
    yield f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="1.5"/>'
    proof = next((sample.at for sample in samples if sample.phase == "Verify"), None)
    if proof is not None:
        x = left + proof / ends * WIDTH
        yield f'<path d="M{x:.1f} {top}V{bottom}" stroke="{LINE}" stroke-dasharray="3 3"/>'
        yield _text(x + 3, top + 9, "proof", size=9, colour=FAINT)


def _thinned(samples: Sequence[Sample], value: Callable[[Sample], float]) -> Iterator[tuple[float, float]]:
    """Yield (time, mean) of stretches of equal numbers of samples."""
    each = max(1, len(samples) // POINTS)
    for start in range(0, len(samples), each):
        stretch = samples[start : start + each]
        yield stretch[-1].at, sum(map(value, stretch)) / len(stretch)


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= TEN or number == 0 else f"{number:.1f}"


def _text(x: float, y: float, text: str, *, size: int, colour: str, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" text-anchor="{anchor}">'
        f"{html.escape(text)}</text>"
    )
