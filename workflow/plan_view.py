"""What `python -m workflow plan` shows: the plan, its bill, risks and other ways, as tables for a terminal."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tasks.core.forecast.bill import Bill
from tasks.core.forecast.forecast import Forecast, Range
from tasks.core.forecast.work import MEMORY_MB
from tasks.core.run.outlook import Outlook
from workflow.status import duration
from workflow.waits import calls_a_minute_of_waiting

MANY = 100
"""From here on no tenth of an amount is of interest."""
CENT = 0.005
"""A line that costs less is summed up with others of its kind."""


def plan_view(seen: Outlook) -> RenderableType:
    """Return everything that is known of a run before it is started."""
    parts: list[RenderableType] = [_heading(seen), _plan(seen), _times(seen), Text(f"Bound by {seen.bound}.")]
    parts += [Text(""), _bill("What the run costs", seen.bill), Text(""), _bill("Each day of waiting", seen.waiting)]
    parts.append(Text(f"Prices: {seen.prices.region}, {seen.prices.dated}. {_untold(seen)}", "dim"))
    parts += [Text(""), *_refused(seen), *_risks(seen), Text(""), _ways(seen)]
    parts += [Text(f"Notice: {notice}") for notice in seen.notices]
    return Group(*parts)


def _heading(seen: Outlook) -> Text:
    source, sample = seen.seen.source, seen.seen.sample
    words = f"{source.name} to {seen.settings.target_table}: {source.item_count:,} items, {_bytes(source.size_bytes)}"
    if sample.pages:
        words += f"; looked at {sample.items:,} items in {sample.pages} pages for {sample.read_units:,.1f} read units"
    return Text(words, "bold")


def _plan(seen: Outlook) -> Table:
    expected, warm = seen.expected, seen.seen.source
    table = Table(box=None, pad_edge=False, show_header=False)
    writes = seen.seen.writes_per_second
    units = "it does not say" if warm.warm_write_units is None else f"{warm.warm_write_units:,} writes"
    if warm.warm_read_units is not None:
        units += f", {warm.warm_read_units:,} reads"
    memory = ", ".join(f"{state} {size}" for state, size in MEMORY_MB.items())
    for name, value in (
        ("segments", f"{expected.segments}, {expected.max_concurrency} at once; the proof {expected.verify_segments}"),
        ("shards of the stream of pages", seen.shards),
        ("memory, MB", memory),
        ("source takes at once, a second", units),
        ("live writes", "unknown: none are counted" if writes is None else f"{writes:,.1f} a second"),
        ("calls with items", ", ".join(f"{name} {count:,.0f}" for name, count in expected.calls.items())),
        ("all calls of these", "; ".join(_functions(expected))),
        ("calls a minute of waiting", ", ".join(_waiting())),
        ("units of items", ", ".join(f"{state} {units:,.0f}" for state, units in expected.units.items())),
    ):
        table.add_row(Text(name, "dim"), value)
    return table


def _functions(expected: Forecast) -> Iterator[str]:
    """Yield what each function that goes with pages asks AWS; states that wait ask more for each minute of it."""
    for state, one in expected.functions.items():
        asked = ", ".join(f"{operation} {count:,.0f}" for operation, count in sorted(one.in_all.items()))
        yield f"{state} {one.calls:,.0f} times: {asked}"


def _waiting() -> Iterator[str]:
    for state, one in calls_a_minute_of_waiting().items():
        yield f"{state} {one.most:.3g} to {one.least:.2g}"


def _times(seen: Outlook) -> Table:
    table = Table("phase", "at the least", "likely", "at the most", box=None, pad_edge=False)
    for name, one in {**seen.expected.seconds, "all": seen.expected.whole}.items():
        table.add_row(name, *_range(one))
    return table


def _range(one: Range) -> Iterator[str]:
    return map(duration, (one.least, one.likely, one.most))


def _bill(title: str, bill: Bill) -> Table:
    table = Table("for", "USD", "amount", "of", "formula", box=None, pad_edge=False, title=title, title_justify="left")
    for name in ("USD", "amount"):
        next(column for column in table.columns if column.header == name).justify = "right"
    small = 0.0
    for line in bill.lines():
        if line.usd < CENT and line.price.usd:
            small += line.usd
            continue
        amount = f"{line.amount:,.0f}" if line.amount >= MANY else f"{line.amount:,.1f}"
        table.add_row(line.name, f"{line.usd:,.2f}", amount, line.price.what, line.formula)
    if small:
        table.add_row("lines below a cent", f"{small:,.2f}")
    table.add_row(Text("all", "bold"), Text(f"{bill.total:,.2f}", "bold"))
    return table


def _untold(seen: Outlook) -> str:
    words = "Not in it: what is stored, other Regions' prices, free tiers, the time until replicas are there"
    if seen.seen.writes_per_second is None:
        words += "; live writes, which CloudWatch does not tell: give --writes-per-second"
    return f"{words}."


def _refused(seen: Outlook) -> Iterator[RenderableType]:
    if not seen.refused:
        yield Text("Preflight would let it begin.", "green")
    for reason in seen.refused:
        yield Text(f"Preflight would refuse it: {reason}", "bold red")


def _risks(seen: Outlook) -> Iterator[RenderableType]:
    if not seen.risks:
        yield Text("No risk found in what was looked at.")
        return
    table = Table("risk", "what", "way out", box=None, pad_edge=False)
    for risk in seen.risks:
        table.add_row(*map(Text, (risk.name, risk.what, risk.way_out)))
    yield table


def _ways(seen: Outlook) -> Table:
    table = Table("other way", "possible", "why", "USD", "what it costs", "cannot", box=None, pad_edge=False)
    table.title, table.title_justify = "Other ways for this table", "left"
    for way in seen.ways:
        usd = "" if way.usd is None else f"{way.usd:,.2f}"
        cells = (way.name, "yes" if way.is_possible else "no", way.why, usd, way.costs, way.cannot)
        table.add_row(*map(Text, cells))
    return table


def _bytes(size: float) -> str:
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size:,.0f} bytes"
