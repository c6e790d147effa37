"""`python -m tests.faults.soak`, or `make soak`: a migration under live writes for each fault at each step.

Knobs in the environment: FAULTS chooses rows by parts of their names, with commas between them; after MINUTES no
further row is begun. The exit code is not 0 if an item of source, target or replica is not as the application's journal
says, if a migration could not be completed, or if a fault never fired, which would prove nothing.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from infra.local.emulator.client import LocalAwsProcess
from tests.faults.faulty import PATIENCE
from tests.faults.matrix import Row, rows
from tests.faults.ordeal import Outcome, put_through

SIDE_BY_SIDE = 2
"""A migration waits more than it works."""
MINUTES = 180.0
PLACES = ("source", "target", "replica")


@dataclass(frozen=True)
class Result:
    """What one row brought: an outcome, or the reason why there is none."""

    name: str
    outcome: Outcome | None
    reason: str = ""

    @property
    def complaint(self) -> str:
        """Return why the row is no proof, empty if it is one."""
        if self.outcome is None:
            return self.reason
        if not self.outcome.succeeded:
            return "not completed"
        if not all(self.outcome.fired.values()):
            return "a fault never fired"
        return "" if self.outcome.comparison.equal else "items differ"


def main() -> int:
    """Run the rows that are chosen, show what they brought, and return the exit code."""
    console = Console(width=None if sys.stdout.isatty() else 160)
    wanted = (os.environ.get("FAULTS") or "").split(",")
    until = time.monotonic() + 60 * float(os.environ.get("MINUTES") or MINUTES)
    chosen = [row for row in rows() if any(part in row.name for part in wanted)]
    if not chosen:
        console.print(f"no fault's name has any of {wanted} in it; they are:\n" + "\n".join(row.name for row in rows()))
        return 1
    os.environ.update(PATIENCE)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="tableferry-soak-") as folder:
        for result in _run_all(chosen, Path(folder), until):
            results.append(result)
            console.print(f"{len(results)}/{len(chosen)} {_in_words(result)}", highlight=False, soft_wrap=True)
    console.print(table_of(results))
    for result in results:
        for sample in result.outcome.comparison.samples() if result.outcome else ():
            console.print(f"{result.name}: {sample}", highlight=False, soft_wrap=True)
    if len(results) < len(chosen):
        console.print(f"{len(chosen) - len(results)} of {len(chosen)} rows were not begun: the time was over")
    return 1 if not results or any(result.complaint for result in results) else 0


def _run_all(chosen: Sequence[Row], folder: Path, until: float) -> Iterator[Result]:
    def run(row: Row) -> Result | None:
        return None if time.monotonic() > until else run_row(row, folder)

    with ThreadPoolExecutor(SIDE_BY_SIDE) as threads:
        yield from filter(None, threads.map(run, chosen))


def run_row(row: Row, folder: Path) -> Result:
    """Run one row on a local AWS of its own: an old one grows slow, and a restart would meet the others."""
    try:
        with LocalAwsProcess(options=("--replica-seconds", "0.4")) as aws:
            return Result(row.name, put_through(row.ordeal(), aws, folder))
    except Exception as error:  # noqa: BLE001 - the other rows go on, and the table says what became of this one
        return Result(row.name, None, f"{type(error).__name__}: {error}"[:120])


def table_of(results: Sequence[Result]) -> Table:
    """Return all results: fault by outcome and differences."""
    table = Table(title="Migrations under faults and live writes", caption="differences: items not as the journal says")
    for column in ("fault", "fired", "outcome", *(f"differences at {place}" for place in PLACES), "seconds"):
        table.add_column(column, justify="left" if column in {"fault", "outcome"} else "right")
    for result in results:
        outcome = result.outcome
        if outcome is None:
            table.add_row(result.name, "", f"[bold red]{result.reason}[/]", *("" for _ in PLACES), "")
            continue
        counts = [len(place.differences) for place in outcome.comparison.judgements]
        table.add_row(
            result.name,
            str(_fired(outcome)),
            str(outcome) + (f" [bold red]({result.complaint})[/]" if result.complaint else ""),
            *(f"[bold red]{count}[/]" if count else "[green]0[/]" for count in counts),
            f"{outcome.seconds:.0f}",
        )
    return table


def _fired(outcome: Outcome) -> int:
    return sum(fired for name, fired in outcome.fired.items() if name != "short-page")


def _in_words(result: Result) -> str:
    if result.outcome is None:
        return f"{result.name}: {result.complaint}"
    fired, seconds = _fired(result.outcome), result.outcome.seconds
    ending = f"; {result.complaint.upper()}" if result.complaint else ""
    return f"{result.name}: {result.outcome}, fired {fired} times, {seconds:.0f} s{ending}"


if __name__ == "__main__":
    sys.exit(main())
