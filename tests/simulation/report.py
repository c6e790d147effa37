"""What runs have to tell, as a table for a terminal and for docs/scale.md, and as bills."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from tests.simulation.pipeline import Run
from tests.simulation.policies import AFTER

FIGURES: Final[Mapping[str, Callable[[Run], str]]] = {
    "copy": lambda run: hours(run.phases["copy"]),
    "the plan's estimate": lambda run: of_plan(run, hours(run.planned.seconds)),
    "estimate over copy": lambda run: of_plan(run, f"{run.planned.seconds / run.phases['copy']:.2f}"),
    "bound by": lambda run: run.world.bound,
    "by the estimate": lambda run: of_plan(run, run.planned.bound.kind),
    "useful writes a second": lambda run: f"{run.useful_writes:,.0f}",
    "write units wasted": lambda run: f"{run.wasted_share:.1%}",
    "reads of users refused": lambda run: f"{run.world.users.refused_reads:,.0f}",
    "writes of users refused": lambda run: f"{run.world.users.refused_writes:,.0f}",
    "pages behind, at most": lambda run: f"{run.world.counts.most_backlog_items / run.scenario.items_a_page:,.0f}",
    "oldest page": lambda run: hours(run.world.counts.oldest_page_seconds),
    "replicator behind, at most": lambda run: hours(run.world.counts.most_lag_seconds),
    "proof": lambda run: hours(run.phases["proof"]),
    "keys listed for it": lambda run: f"{run.world.counts.listed_keys:,.0f}",
    "fenced": lambda run: hours(run.world.counts.fenced_seconds),
    "USD": lambda run: f"{run.world.bill.total:,.0f}",
    "ends": lambda run: run.failure or "well",
}
"""What there is to tell of a run."""


def of_plan(run: Run, said: str) -> str:
    """Return what today's plan says; nothing for a run by what was decided before, which it says nothing of."""
    return said if run.policy is AFTER else ""


def name_of(run: Run) -> str:
    """Name a run."""
    return f"{run.scenario.name}, {run.policy.name}"


def hours(seconds: float) -> str:
    """Say a time in the unit that fits it."""
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} s"


def figures(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the lines of a table of what there is to tell, a column for each run."""
    yield f"| | {' | '.join(map(name_of, runs))} |"
    yield f"|---|{'---|' * len(runs)}"
    for what, tell in FIGURES.items():
        yield f"| {what} | {' | '.join(map(tell, runs))} |"


def bills(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the lines of a table of the bills in US dollars, a column for each run."""
    spent = [run.world.bill.by_purpose() for run in runs]
    yield f"| USD for | {' | '.join(map(name_of, runs))} |"
    yield f"|---|{'---|' * len(runs)}"
    for what in dict.fromkeys(what for of_run in spent for what in of_run):
        yield f"| {what} | {' | '.join(f'{of_run.get(what, 0.0):,.2f}' for of_run in spent)} |"
    yield f"| **all** | {' | '.join(f'{run.world.bill.total:,.2f}' for run in runs)} |"


def placed(document: str, tables: Mapping[str, Iterable[str]]) -> str:
    """Return docs/scale.md with these tables, by the names of their places, in place of those that it has."""
    for name, lines in tables.items():
        before, begin, rest = document.partition(f"<!-- {name} -->\n")
        _, end, behind = rest.partition(f"\n<!-- end of {name} -->")
        document = before + begin + "\n" + "\n".join(lines) + "\n" + end + behind
    return document
