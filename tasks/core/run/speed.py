"""How fast a copy may go, and goes: the caps of a plan, how long it takes, and what would make it faster."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.core.model.capacity import NEW_TABLE_READS_PER_SECOND, NEW_TABLE_WRITES_PER_SECOND, WarmThroughput
from tasks.core.model.table_facts import Index, TableFacts
from tasks.core.run import prices
from tasks.core.run.caps import Caps
from tasks.core.run.estimate import Estimate, estimate
from tasks.core.run.migration import Migration

SHARE_OF_PROVISIONED = 0.5
"""Of what is provisioned. The rest is for the table's users, and at the target for the replicator."""
LONG_HOURS = 1.0
"""From here on a notice says how long it takes."""
CONCURRENCY_OF_OTHERS = 50
"""Calls at once that are left to other functions of the account, and to those that streams drive."""
WARM_STEP = 1000
"""Units that are offered are a multiple of it."""
HOUR_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class _Part:
    """The target's table, or one of its global indexes: each has capacity of its own."""

    name: str
    units: float
    """That the copy writes to it."""
    per_second: int
    """That it takes."""
    is_set: bool
    """Whether somebody has set these, provisioned or as the most."""

    @property
    def seconds(self) -> float:
        return self.units / self.per_second


def planned_caps(settings: Migration, source: TableFacts, target: TableFacts | None) -> Caps:
    """Return the caps of a run: those that are set, else half of what is provisioned of a table."""
    reads, writes = settings.read_units_per_second, settings.write_units_per_second
    return Caps(
        source_reads=reads or _half_of_reads(source),
        target_reads=reads or _half_of_reads(target),
        target_writes=writes or _half_of_writes(source, target),
    )


def _half_of_reads(table: TableFacts | None) -> float | None:
    if table is None or not table.is_provisioned or table.read_units is None:
        return None
    return table.read_units * SHARE_OF_PROVISIONED


def _half_of_writes(source: TableFacts, target: TableFacts | None) -> float | None:
    """Return half of what the tightest part takes, as units of the table and its indexes together."""
    if target is None or not target.is_provisioned:
        return None
    parts = [part for part in _parts(estimate(source), target, None, None) if part.is_set]
    total = sum(part.units for part in parts)
    if not total:
        return None if target.write_units is None else target.write_units * SHARE_OF_PROVISIONED
    return min(part.per_second * total / part.units for part in parts if part.units) * SHARE_OF_PROVISIONED


def _parts(
    copy: Estimate, target: TableFacts | None, warm: WarmThroughput | None, table_write_limit: int | None
) -> list[_Part]:
    limit = table_write_limit or NEW_TABLE_WRITES_PER_SECOND
    fresh = min(NEW_TABLE_WRITES_PER_SECOND, limit)
    if target is None:
        units = (warm and warm.write_units) or fresh
        of_indexes = [_Part(f"index {name}", written, units, is_set=False) for name, written in copy.units_of_indexes]
        return [_Part("the table", copy.units, units, is_set=False), *of_indexes]
    there = {index.name: index for index in target.indexes if index.is_global}
    parts = [_part("the table", copy.units, target)]
    for name, written in copy.units_of_indexes:
        if name in there:
            parts.append(_part(f"index {name}", written, there.pop(name)))
    # An index that only the target has takes at most what the table does; nobody knows how many items it has.
    return parts + [_part(f"index {index.name}", copy.units, index) for index in there.values()]


def _part(name: str, units: float, of: TableFacts | Index) -> _Part:
    if of.write_units is not None:
        return _Part(name, units, of.write_units, is_set=True)
    return _Part(name, units, of.warm_write_units or NEW_TABLE_WRITES_PER_SECOND, is_set=False)


def time_notices(
    settings: Migration, source: TableFacts, target: TableFacts | None, *, table_write_limit: int | None
) -> list[str]:
    """Say how long the copy takes, and what would make it faster at which price, if it takes more than an hour.

    Args:
        settings: of the execution.
        source: what is copied.
        target: `None` if it is still to be made.
        table_write_limit: the account's, for one table; `None` if it is not known.
    """
    copy = estimate(source)
    parts = _parts(copy, target, settings.warm_throughput, table_write_limit)
    slowest = max(parts, key=lambda part: part.seconds)
    cap = planned_caps(settings, source, target).target_writes
    total = copy.units + sum(units for _, units in copy.units_of_indexes)
    written = f"the copy writes {copy.items} items of {copy.units_an_item} write units each"
    if copy.units_of_indexes:
        of_indexes = round(sum(units for _, units in copy.units_of_indexes))
        written += f", and {of_indexes} write units in its {len(copy.units_of_indexes)} global indexes"
    if cap is not None and total / cap > slowest.seconds:
        hours, why = total / cap / HOUR_SECONDS, f"{cap:g} units a second, indexes included, to which writes are capped"
        way_out = "; raise write_units_per_second, or `python -m workflow throttle` while it runs, to go faster"
    else:
        hours, why = slowest.seconds / HOUR_SECONDS, f"{slowest.per_second} units a second, {_why(slowest, target)}"
        way_out = _way_out(slowest, parts, settings, target, table_write_limit)
    return [f"{written}. It takes {hours:.0f} h or more at {why}{way_out}"] if hours >= LONG_HOURS else []


def _why(slowest: _Part, target: TableFacts | None) -> str:
    if slowest.is_set:
        return f"which {slowest.name} of the target is set to"
    return f"which {slowest.name} of {'a new' if target is None else 'the'} target takes at once"


def _way_out(
    slowest: _Part,
    parts: Sequence[_Part],
    settings: Migration,
    target: TableFacts | None,
    table_write_limit: int | None,
) -> str:
    if slowest.is_set:
        return "; raise that to go faster"
    needed = max(part.units for part in parts) / HOUR_SECONDS
    enough = int(-(-needed // WARM_STEP)) * WARM_STEP
    units = enough if table_write_limit is None else min(enough, table_write_limit)
    if units <= slowest.per_second:
        return ", the most that this account allows one table: have that quota raised (Service Quotas) to go faster"
    regions = len(settings.replica_regions) + 1
    usd = regions * sum(warm_usd(units, part.per_second) for part in parts if not part.is_set)
    price = f"for about {usd:.0f} USD once, its indexes and {regions - 1} replicas included"
    if target is None:
        return f"; warm_throughput: {{write_units: {units}}} lets it go faster, {price}"
    named = f"aws dynamodb update-table --table-name {target.name} --warm-throughput WriteUnitsPerSecond={units}"
    return f"; make the target warmer beforehand ({named}, and its indexes likewise), {price}"


def warm_usd(write_units: int, warm_already: int, *, read_units: int = 0, reads_already: int = 0) -> float:
    """Return what it costs, once, to make one table or index so warm."""
    return prices.usd_of(
        {
            prices.WARM_WRITE_UNIT: max(0, write_units - warm_already),
            prices.WARM_READ_UNIT: max(0, read_units - reads_already),
        }
    )


def warm_notices(settings: Migration, source: TableFacts, target: TableFacts | None) -> list[str]:
    """Say what the warm throughput that is set costs, or that a target which is there is left as it is."""
    warm = settings.warm_throughput
    if warm is None:
        return []
    if target is not None:
        if (target.warm_write_units or 0) >= (warm.write_units or 0):
            return []
        words = (
            f"warm_throughput is for a target that the migration makes; {target.name} is there and stays as it is: "
            f"aws dynamodb update-table --table-name {target.name} --warm-throughput "
            f"WriteUnitsPerSecond={warm.write_units} makes it warmer, and its indexes likewise"
        )
        return [words]
    made = 1 + len(estimate(source).units_of_indexes)
    regions = len(settings.replica_regions) + 1
    usd = warm_usd(
        warm.write_units or 0,
        NEW_TABLE_WRITES_PER_SECOND,
        read_units=warm.read_units or 0,
        reads_already=NEW_TABLE_READS_PER_SECOND,
    )
    words = (
        f"warm_throughput costs about {usd * made * regions:.0f} USD once (prices of us-east-1): for the table, "
        f"{made - 1} global indexes, and {regions - 1} replicas"
    )
    return [words]


def concurrency_notices(settings: Migration, concurrency_left: int | None) -> list[str]:
    """Say that the scan would leave others, or the replicator, too little of Lambda's concurrency.

    Args:
        settings: of the execution.
        concurrency_left: calls at once of the account's functions that have no share of their own; `None` if unknown.
    """
    if concurrency_left is None or concurrency_left >= settings.max_concurrency + CONCURRENCY_OF_OTHERS:
        return []
    words = (
        f"Lambda runs at most {concurrency_left} calls at once of all functions of this account here that have no "
        f"share of their own, and scan and proof make {settings.max_concurrency}: other functions may be throttled, "
        "and the replicator may fall behind. Lower max_concurrency, have that quota raised (Service Quotas, Concurrent "
        "executions), or deploy with reserved_concurrency, which keeps a share for the replicator and the writer"
    )
    return [words]


def warm_reasons(settings: Migration, *, table_write_limit: int | None) -> list[str]:
    """Return why the target cannot be made as warm as it is to be."""
    units = settings.warm_throughput and settings.warm_throughput.write_units
    if not units or table_write_limit is None or units <= table_write_limit:
        return []
    words = (
        f"warm_throughput asks for {units} write units a second, and this account allows one table "
        f"{table_write_limit}; ask for less, or have that quota raised (Service Quotas, table-level write throughput)"
    )
    return [words]
