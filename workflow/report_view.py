"""What `python -m workflow report` shows: three tables for a terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from workflow.compared import Compared, Timed
from workflow.report import Report
from workflow.status import duration

UNTOLD = "no metric says it"


def report_view(report: Report) -> RenderableType:
    """Return a plan beside its run."""
    parts: list[RenderableType] = [_compared("What was counted", report.counts, digits=0), Text("")]
    parts += [_times(report.seconds), Text(""), _compared("What it cost, in US dollars", report.usd, digits=2)]
    parts += [Text(f"Not in it: {arn}, which was resumed. Give its ARN too.", "yellow") for arn in report.left_out]
    return Group(*parts)


def _compared(title: str, rows: Sequence[Compared], *, digits: int) -> Table:
    table = _table(title, "the plan", "the run", "off")
    for row in rows:
        predicted = "" if row.predicted is None else f"{row.predicted:,.{digits}f}"
        taken = UNTOLD if row.taken is None else f"{row.taken:,.{digits}f}"
        table.add_row(row.name, predicted, taken, "" if row.off is None else f"{row.off:+.1%}")
    return table


def _times(rows: Sequence[Timed]) -> Table:
    table = _table("How long it took", "the plan: at the least", "likely", "at the most", "the run")
    for row in rows:
        taken = "not reached" if row.taken is None else duration(row.taken)
        table.add_row(row.name, *_range(row), taken)
    return table


def _range(row: Timed) -> tuple[str, str, str]:
    one = row.predicted
    return ("", "", "") if one is None else (duration(one.least), duration(one.likely), duration(one.most))


def _table(title: str, *columns: str) -> Table:
    table = Table("", box=None, pad_edge=False, title=title, title_justify="left")
    for column in columns:
        table.add_column(column, justify="right")
    return table
