"""What may go wrong in a run that Preflight would let begin, each with a way out. Pure: from facts and a sample."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.core.forecast.counted import Seen
from tasks.core.forecast.duration import Kind
from tasks.core.forecast.forecast import Forecast
from tasks.core.forecast.sample import ITEM_BYTES_MOST, NEAR_MOST, Sample
from tasks.core.forecast.speed import CONCURRENCY_OF_OTHERS
from tasks.core.forecast.work import REPLICATOR_CHANGES
from tasks.core.model.capacity import PARTITION_WRITES_PER_SECOND, TABLE_WRITES_PER_SECOND
from tasks.core.model.table_facts import TableFacts
from tasks.core.run.plan import STREAM_READERS_MOST, Facts
from tasks.core.settings.migration import Migration

STREAM_KEPT_SECONDS: Final = 24 * 3600
"""How long a table's stream keeps a change ("DynamoDB Streams")."""
HOT_SHARE: Final = 0.1
"""Of a sample's items that are of one partition key: a table of many keys never has so many there."""
HOT_ITEMS: Final = 100
"""A smaller sample tells nothing of that."""
BUSY_SHARE: Final = 0.5
"""Of what the replicator can apply: beyond it, it is slow to catch up behind a pause or a fault."""


@dataclass(frozen=True, slots=True)
class Risk:
    """Something that may go wrong."""

    name: str
    what: str
    way_out: str


def risks_of(settings: Migration, seen: Seen, facts: Facts, expected: Forecast) -> list[Risk]:
    """Return what may go wrong.

    Args:
        settings: of the execution.
        seen: what the forecast goes by.
        facts: what Preflight would see.
        expected: the forecast.
    """
    return [
        *_of_keys(seen.source, seen.sample),
        *_of_large_items(seen.sample),
        *_of_indexes(settings, seen),
        *_of_ttl(seen.source, seen.sample),
        *_of_readers(seen.source, facts),
        *_of_the_stream(seen, expected),
        *_of_quotas(settings, seen, facts, expected),
    ]


def _of_keys(source: TableFacts, sample: Sample) -> Iterator[Risk]:
    share = sample.of_one_key / sample.items if sample.items else 0.0
    if sample.items < HOT_ITEMS or share < HOT_SHARE or source.key.range_name is None:
        return
    units = share * source.item_count * (sample.write_units_an_item or 1.0)
    hours = units / PARTITION_WRITES_PER_SECOND / 3600
    yield Risk(
        "hot partition key",
        f"{sample.of_one_key} of the {sample.items} items looked at have the same partition key. If that is so of the "
        f"whole table, they take {units:,.0f} write units, of which one partition of the target takes "
        f"{PARTITION_WRITES_PER_SECOND} a second: {hours:.1f} h at the least, unless DynamoDB divides that key",
        "let the copy take its time (nothing is lost: the scan waits for the writer), or give total_segments a higher "
        "number, so that fewer other items wait behind them",
    )


def _of_large_items(sample: Sample) -> Iterator[Risk]:
    if not sample.large:
        return
    yield Risk(
        "items near 400 KB",
        f"{sample.large} of the {sample.items} items looked at have more than {NEAR_MOST * ITEM_BYTES_MOST / 1024:.0f} "
        f"KB (the largest {sample.largest_bytes / 1024:.0f} KB): each is put by a call of its own, a change of it has "
        "both images and travels alone, and the target has no room for an attribute more",
        "expect a slower copy and a replicator that is further behind; where the owner can, let them shrink first",
    )


def _of_indexes(settings: Migration, seen: Seen) -> Iterator[Risk]:
    of_target = None if seen.target is None else {index.name for index in seen.target.indexes}
    for name, count in seen.sample.refused.items():
        if name in settings.without_indexes or (of_target is not None and name not in of_target):
            continue
        yield Risk(
            "index that would refuse items",
            f"{count} of the {seen.sample.items} items looked at have an attribute that index {name} cannot take as "
            "its key (another type, empty, or too long): a table that has the index refuses them, though one to which "
            "it was added later leaves them out",
            f"without_indexes: [{name}], and add it once the proof is green; or mend those items at the source",
        )


def _of_ttl(source: TableFacts, sample: Sample) -> Iterator[Risk]:
    if source.ttl_attribute is None or source.ttl_status not in {"ENABLED", "ENABLING"}:
        return
    over = ""
    if sample.expired:
        over = f"; {sample.expired} of the {sample.items} items looked at are over already, and are copied all the same"
    yield Risk(
        "items that expire",
        f"items of {source.name} expire by {source.ttl_attribute}. Each that goes during the run is a delete that the "
        f"replicator brings, and CutOver turns the same on at the target{over}",
        "nothing has to be done; a table most of whose items are over is cheaper to copy once DynamoDB removed them",
    )


def _of_readers(source: TableFacts, facts: Facts) -> Iterator[Risk]:
    readers = facts.other_stream_readers
    if not readers or len(readers) >= STREAM_READERS_MOST:  # so many are refused
        return
    yield Risk(
        "stream's readers",
        f"the stream of {source.name} has another reader ({', '.join(readers)}), and with the replicator there are "
        f"{len(readers) + 1}: a shard takes five reads a second from all of them, and Lambda makes four for each",
        "watch for throttled reads of the other one; stream_reads_per_second in the part deployment lowers ours",
    )


def _of_the_stream(seen: Seen, expected: Forecast) -> Iterator[Risk]:
    whole = expected.whole.most
    if whole > STREAM_KEPT_SECONDS:
        yield Risk(
            "24 hours of the stream",
            f"the run may take {whole / 3600:.0f} h, and the source's stream keeps a change for 24: a replicator that "
            "stands still for that long loses changes, and the copy has to begin again",
            "have somebody hear the alarms ReplicatorStuck and ChangesUnapplied by night too (alarm_email in the part "
            "deployment)",
        )
    shards = seen.source_shards
    most = None if shards is None else shards * REPLICATOR_CHANGES
    if most is not None and seen.writes_per_second is not None and seen.writes_per_second > BUSY_SHARE * most:
        yield Risk(
            "replicator's pace",
            f"{seen.writes_per_second:,.0f} writes a second come by {shards} shards, of each of which the replicator "
            f"applies some {REPLICATOR_CHANGES} a second (suspected): behind a pause it catches up slowly, if at all",
            "begin at an hour with fewer writes, and watch `replicator lag` in `python -m workflow status`",
        )


def _of_quotas(settings: Migration, seen: Seen, facts: Facts, expected: Forecast) -> Iterator[Risk]:
    left = facts.concurrency_left
    if left is not None and left < settings.max_concurrency + CONCURRENCY_OF_OTHERS:
        yield Risk(
            "quota of Lambda",
            f"Lambda runs {left} calls at once of the account's functions without a share of their own, and the scan "
            f"alone makes {settings.max_concurrency}",
            "lower max_concurrency, have Concurrent executions raised (Service Quotas), or deploy with "
            "reserved_concurrency",
        )
    limit = seen.table_write_limit or TABLE_WRITES_PER_SECOND
    if expected.copy.bound.kind is Kind.UNITS and expected.copy.seconds > STREAM_KEPT_SECONDS:
        yield Risk(
            "quota of the table",
            f"the copy takes more than a day, most of it at what the target takes, and {limit:,} write units a second "
            "are the most for one table of this account",
            "have table-level write throughput raised (Service Quotas) some days before",
        )
