"""How fast a copy may go, and goes: the caps of a plan, how long it takes, and what would make it faster."""

from dataclasses import replace

from tasks.core.copy.segment import plan_total_segments
from tasks.core.forecast import prices
from tasks.core.forecast.duration import SEGMENT_BYTES_PER_SECOND, Bound, Copy, Duration, Kind, Part, expect
from tasks.core.forecast.estimate import Estimate, estimate
from tasks.core.model.capacity import (
    NEW_TABLE_READS_PER_SECOND,
    NEW_TABLE_WRITES_PER_SECOND,
    PARTITION_WRITES_PER_SECOND,
    READ_UNIT_BYTES,
    READ_UNIT_SHARE,
    TABLE_READS_PER_SECOND,
    TABLE_WRITES_PER_SECOND,
    WarmThroughput,
)
from tasks.core.model.table_facts import Index, TableFacts
from tasks.core.settings.caps import Caps
from tasks.core.settings.migration import MAX_SEGMENTS, Migration

SHARE_OF_PROVISIONED = 0.5
"""Of what is provisioned. The rest is for the table's users, and at the target for the replicator."""
LONG_HOURS = 1.0
"""From here on a notice says how long it takes."""
CONCURRENCY_OF_OTHERS = 50
"""Calls at once that are left to other functions of the account, and to those that streams drive."""
MANY_HOURS = 10
"""From here on no tenth of an hour is of interest."""
WORTH_IT = 0.9
"""What makes a copy no shorter than that is not offered."""
WARM_STEP = 1000
"""Units that are offered are a multiple of it."""
HOUR_SECONDS = 3600


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
    parts = [part for part in parts_of(estimate(source), target, None, None) if part.is_set]
    total = sum(part.units for part in parts)
    if not total:
        return None if target.write_units is None else target.write_units * SHARE_OF_PROVISIONED
    return min(part.most * total / part.units for part in parts if part.units) * SHARE_OF_PROVISIONED


def parts_of(
    copy: Estimate, target: TableFacts | None, warm: WarmThroughput | None, table_write_limit: int | None
) -> list[Part]:
    """Return what the target is written to: the table first, then its global indexes."""
    limit = table_write_limit or TABLE_WRITES_PER_SECOND
    if target is None:
        at_once = min(limit, (warm and warm.write_units) or NEW_TABLE_WRITES_PER_SECOND)
        written = [("the table", float(copy.units))]
        written += [(f"index {name}", units) for name, units in copy.units_of_indexes]
        return [Part(name, units, at_once, limit, is_set=False) for name, units in written]
    there = {index.name: index for index in target.indexes if index.is_global and index.status != "DELETING"}
    found: list[tuple[str, float, TableFacts | Index]] = [("the table", copy.units, target)]
    for name, units in copy.units_of_indexes:
        if name in there:
            found.append((f"index {name}", units, there.pop(name)))
    # An index that only the target has takes at most what the table does; nobody knows how many items it has.
    found += [(f"index {index.name}", copy.units, index) for index in there.values()]
    return [_part(name, units, of, limit, is_provisioned=target.is_provisioned) for name, units, of in found]


def _part(name: str, units: float, of: TableFacts | Index, limit: int, *, is_provisioned: bool) -> Part:
    if is_provisioned and of.write_units is not None:
        return Part(name, units, of.write_units, of.write_units, is_set=True)
    warm = of.warm_write_units or NEW_TABLE_WRITES_PER_SECOND
    if of.write_units is not None:
        return Part(name, units, min(warm, of.write_units), of.write_units, is_set=True)
    return Part(name, units, warm, max(warm, limit), is_set=False)


def expected(
    settings: Migration,
    source: TableFacts,
    target: TableFacts | None,
    *,
    table_write_limit: int | None,
    stream_shards: int | None = None,
) -> Duration:
    """Return how long the copy takes, and what bounds it.

    Args:
        settings: of the execution.
        source: what is copied.
        target: `None` if it is still to be made.
        table_write_limit: the account's, for one table; `None` if it is not known.
        stream_shards: of the stream of pages, if their number is fixed.
    """
    return expect(replace(copy_of(settings, source, target, table_write_limit), stream_shards=stream_shards))


def copy_of(settings: Migration, source: TableFacts, target: TableFacts | None, table_write_limit: int | None) -> Copy:
    """Return what is to be copied, into what, and how, as `expect` takes it."""
    copy, caps = estimate(source), planned_caps(settings, source, target)
    return Copy(
        items=copy.items,
        bytes_an_item=copy.bytes_an_item,
        parts=parts_of(copy, target, settings.warm_throughput, table_write_limit),
        segments=settings.total_segments or plan_total_segments(source.size_bytes),
        max_concurrency=settings.max_concurrency,
        reads_cap=caps.source_reads,
        writes_cap=caps.target_writes,
    )


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
    copy = copy_of(settings, source, target, table_write_limit)
    takes = expect(copy)
    if takes.seconds < LONG_HOURS * HOUR_SECONDS:
        return []
    counted = estimate(source)
    written = f"the copy writes {counted.items} items of {counted.units_an_item} write units each"
    if counted.units_of_indexes:
        of_indexes = round(sum(units for _, units in counted.units_of_indexes))
        written += f", and {of_indexes} write units in its {len(counted.units_of_indexes)} global indexes"
    bound = bound_in_words(takes.bound, copy, target)
    out = way_out(takes, copy, settings, target, table_write_limit)
    return [f"{written}. It takes about {_hours(takes)}, most of the time bound by {bound}{out}"]


def _hours(takes: Duration) -> str:
    hours = takes.seconds / HOUR_SECONDS
    return f"{hours:.1f} h" if hours < MANY_HOURS else f"{hours:.0f} h"


def bound_in_words(bound: Bound, copy: Copy, target: TableFacts | None) -> str:
    """Say what bounds a copy."""
    if bound.kind is Kind.UNITS:
        return _units_in_words(next(part for part in copy.parts if part.name == bound.part), target)
    at_once = min(copy.segments, copy.max_concurrency)
    return {
        Kind.PARTITIONS: f"single partitions of the target, of {PARTITION_WRITES_PER_SECOND} units a second each: "
        f"several of {at_once} segments at once come together in one",
        Kind.WRITES_CAP: f"the {copy.writes_cap or 0:g} units a second, indexes included, to which writes are capped",
        Kind.READS_CAP: f"the {copy.reads_cap or 0:g} units a second to which reads of the source are capped",
        Kind.STREAM: "the stream of pages, which takes 4 MB a second at first and grows",
        Kind.WRITERS: "the writer's calls",
        Kind.SCAN: f"what {at_once} segments at once read",
    }[bound.kind]


def _units_in_words(part: Part, target: TableFacts | None) -> str:
    whose = f"{part.name} of {'a new' if target is None else 'the'} target"
    if part.is_set:
        return f"the {part.most:.0f} units a second which {whose} is set to"
    grows = f", and up to {part.most:.0f} while it grows" if part.most > part.at_once else ""
    return f"the {part.at_once:.0f} units a second which {whose} takes at once{grows}"


def way_out(
    takes: Duration, copy: Copy, settings: Migration, target: TableFacts | None, table_write_limit: int | None
) -> str:
    """Say what would make a copy shorter, as the end of a sentence; nothing if nothing does."""
    kind = takes.bound.kind
    if kind is Kind.WRITES_CAP:
        return "; raise write_units_per_second, or `python -m workflow throttle` while it runs, to go faster"
    if kind is Kind.READS_CAP:
        return "; raise read_units_per_second, or `python -m workflow throttle` while it runs, to go faster"
    if any(part.is_set and part.name == takes.bound.part for part in copy.parts):
        return "; raise that to go faster"
    ways = [_warmer(takes, copy, settings, target, table_write_limit), _wider(takes, copy)]
    found = [way for way in ways if way]
    if found:
        return "; " + "; ".join(found)
    if kind is Kind.UNITS:
        most = max(part.most for part in copy.parts if part.name == takes.bound.part)
        return f"; {most:.0f} are the most for one table of this account: have that quota raised (Service Quotas)"
    return ""


def _warmer(
    takes: Duration, copy: Copy, settings: Migration, target: TableFacts | None, table_write_limit: int | None
) -> str:
    """Say how warm a target would be warm enough, and what that makes of the copy; nothing if not much."""
    needed = max(part.units for part in copy.parts) / HOUR_SECONDS
    enough = int(-(-needed // WARM_STEP)) * WARM_STEP
    units = min(enough, table_write_limit or TABLE_WRITES_PER_SECOND)
    to_warm = [part for part in copy.parts if not part.is_set and part.at_once < units]
    warmed = [replace(part, at_once=float(units)) if part in to_warm else part for part in copy.parts]
    then = expect(replace(copy, parts=warmed))
    if not to_warm or not _is_worth_it(takes, then):
        return ""
    regions = len(settings.replica_regions) + 1
    usd = regions * sum(warm_usd(units, int(part.at_once)) for part in to_warm)
    price = f"for about {usd:.0f} USD once, its indexes and {regions - 1} replicas included"
    if target is None:
        return f"warm_throughput: {{write_units: {units}}} makes that {_hours(then)}, {price}"
    named = f"aws dynamodb update-table --table-name {target.name} --warm-throughput WriteUnitsPerSecond={units}"
    words = f"a target that is made warmer beforehand ({named}, and its indexes likewise)"
    return f"{words} makes that {_hours(then)}, {price}"


def _wider(takes: Duration, copy: Copy) -> str:
    """Say what twice as many segments at once make of the copy; nothing if not much."""
    wider = 2 * min(copy.segments, copy.max_concurrency)
    changed = {
        "total_segments": max(wider, copy.segments),
        "max_concurrency": max(wider, copy.max_concurrency),
    }
    then = expect(replace(copy, segments=changed["total_segments"], max_concurrency=changed["max_concurrency"]))
    if wider > MAX_SEGMENTS or not _is_worth_it(takes, then):
        return ""
    before = {"total_segments": copy.segments, "max_concurrency": copy.max_concurrency}
    words = ", ".join(f"{name}: {value}" for name, value in changed.items() if value != before[name])
    reads = wider * SEGMENT_BYTES_PER_SECOND / READ_UNIT_BYTES * READ_UNIT_SHARE
    if copy.reads_cap is None and reads > TABLE_READS_PER_SECOND:
        words += ", with read_units_per_second, so that the source's users keep their part,"
    return f"{words} makes that {_hours(then)}"


def _is_worth_it(takes: Duration, then: Duration) -> bool:
    return then.seconds <= WORTH_IT * takes.seconds


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
