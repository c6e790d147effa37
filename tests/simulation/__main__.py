"""`python -m tests.simulation`, or `make simulate`: migrate tables of three sizes in virtual time, before and after.

Prints what came of them, their bills, and what a proof takes, puts it into `docs/scale.md`, and draws `docs/scale.svg`.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.simulation.draw import draw
from tests.simulation.pipeline import Run, migrate
from tests.simulation.policies import AFTER, BEFORE
from tests.simulation.proof_goal import proofs
from tests.simulation.report import bills, figures, placed
from tests.simulation.scenarios import LARGE, MIDDLE, SMALL, TINY_ITEMS, WARM

DOCS = Path(__file__).resolve().parents[2] / "docs"
RUNS = (
    (SMALL, BEFORE),
    (SMALL, AFTER),
    (MIDDLE, BEFORE),
    (MIDDLE, AFTER),
    (WARM, AFTER),
    (LARGE, BEFORE),
    (LARGE, AFTER),
)
PROVEN = (SMALL, MIDDLE, WARM, LARGE, TINY_ITEMS)


def main(docs: Path = DOCS) -> int:
    """Run all sizes, and say what came of them."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    runs = list(_migrate_all(console))
    tables = {"runs": [*figures(runs)], "bills": [*bills(runs)], "proofs": [*proofs(PROVEN)]}
    for lines in tables.values():
        console.print(_table(lines))
    document, picture = docs / "scale.md", docs / "scale.svg"
    document.write_text(placed(document.read_text(encoding="utf-8"), tables), encoding="utf-8")
    picture.write_text(draw([run for run in runs if run.scenario is MIDDLE]), encoding="utf-8")
    console.print(f"written: {document}, {picture}")
    return 0


def _migrate_all(console: Console) -> Iterator[Run]:
    for scenario, policy in RUNS:
        begun = time.monotonic()
        yield migrate(scenario, policy)
        console.print(f"{scenario.name}, {policy.name}: simulated in {time.monotonic() - begun:.0f} s")


def _table(lines: Iterable[str]) -> Table:
    """Return a table for a terminal, of the lines of one for a document."""
    heading, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    table = Table(*heading)
    for cells in rows:
        table.add_row(*cells)
    return table


if __name__ == "__main__":
    sys.exit(main())
