"""What a run has cost so far: what was counted of it, at the price list, by the lines of its plan's bill.

What nobody counts is not in it: docs/plan.md says what that is.
"""

from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel, ConfigDict

from tasks.core import metrics
from tasks.core.forecast import charges
from tasks.core.forecast.bill import Bill, Line
from tasks.core.forecast.counted import Counted
from tasks.core.forecast.lines import PROVISIONED, Lines
from tasks.core.forecast.prices import (
    READ_REQUEST_UNIT,
    REPLICATED_WRITE_REQUEST_UNIT,
    RESTORE_GB,
    WARM_READ_UNIT,
    WARM_WRITE_UNIT,
    WRITE_REQUEST_UNIT,
)
from tasks.core.forecast.taken import Taken
from tasks.core.forecast.work import BOOK_READS

_OF_CALLS: Final = {
    "ScanSegment": charges.SCAN,
    "WritePages": charges.WRITER,
    "ReplicateChanges": charges.REPLICATOR,
    "VerifySegment": charges.PROOF,
    "CompareDigests": charges.PROOF,
    "PurgeTombstones": charges.PURGE,
}
"""What the calls of a function are for."""
_CHILDREN: Final = ("ScanSegment", "VerifySegment")
"""States within a Map."""


class Basis(BaseModel):
    """By what units that are counted become money. Preflight knows it, and the plan keeps it for the whole run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    regions_written: tuple[str, ...] = ()
    """Regions that get each of the backfill's writes once more."""
    regions_added: tuple[str, ...] = ()
    """Regions that are added behind the backfill."""
    restored_gigabytes: float = 0.0
    """In each of these."""
    source_is_free: bool = False
    """The source is provisioned, and paid for by the hour anyway."""
    target_is_free: bool = False
    warm_write_units: float = 0.0
    warm_read_units: float = 0.0
    """That are paid for, once, to make the target as warm as it is to be."""


def basis_of(counted: Counted) -> Basis:
    """Return by what a run's units become money."""
    source, target = counted.seen.source, counted.seen.target
    lines = Lines(counted)
    restored = list(lines.restore_lines())
    warm = {line.price: line.amount for line in lines.warm_lines()}
    return Basis(
        regions_written=tuple(counted.regions_written),
        regions_added=tuple(line.of for line in restored),
        restored_gigabytes=max((line.amount for line in restored), default=0.0),
        source_is_free=source.is_provisioned,
        target_is_free=target is not None and target.is_provisioned,
        warm_write_units=warm.get(WARM_WRITE_UNIT, 0.0),
        warm_read_units=warm.get(WARM_READ_UNIT, 0.0),
    )


def spent(taken: Taken, basis: Basis, *, seconds: float, pages_shards: int | None) -> Bill:
    """Return what a run has cost so far.

    Args:
        taken: what is counted of it.
        basis: of its plan.
        seconds: since it began.
        pages_shards: of the stream of pages, if their number is fixed.
    """
    bill = Bill()
    for price, units in ((WARM_WRITE_UNIT, basis.warm_write_units), (WARM_READ_UNIT, basis.warm_read_units)):
        if units:
            bill.take([Line(charges.WARM, price, units)])
    bill.take(_read(taken, basis))
    bill.take(_written(taken, basis))
    bill.take(_sent(taken, seconds, pages_shards))
    for state, calls in taken.calls.items():
        bill.take(charges.of_calls(_OF_CALLS[state], state, calls=calls, seconds=taken.seconds.get(state, 0.0)))
    if _CHILDREN[0] in taken.calls:
        bill.take(charges.of_transitions(sum(taken.calls.get(state, 0.0) for state in _CHILDREN)))
    if taken.has_added_replicas:
        bill.take(
            Line(charges.REPLICA, RESTORE_GB, basis.restored_gigabytes, of=region) for region in basis.regions_added
        )
    return bill


def _read(taken: Taken, basis: Basis) -> Iterator[Line]:
    for state, units in taken.read_units.items():
        # Of the proof the metric does not say of which table: a provisioned one among them makes it too much.
        is_free = basis.source_is_free and state == "ScanSegment"
        what = _OF_CALLS.get(state, charges.PROOF)
        yield Line(what, PROVISIONED if is_free else READ_REQUEST_UNIT, units)


def _written(taken: Taken, basis: Basis) -> Iterator[Line]:
    # A change that came before the replicas did is counted in their Regions too, which is too much.
    with_added = basis.regions_written + (basis.regions_added if taken.has_added_replicas else ())
    for state, what, regions in (
        ("WritePages", charges.INSERTED, basis.regions_written),
        ("ReplicateChanges", charges.REPLICATED, with_added),
        ("PurgeTombstones", charges.PURGE, with_added),
    ):
        units = taken.write_units.get(state)
        if units is None:
            continue
        price = REPLICATED_WRITE_REQUEST_UNIT if regions else WRITE_REQUEST_UNIT
        yield Line(what, PROVISIONED if basis.target_is_free else price, units, of="the table and its indexes")
        for region in regions:
            yield Line(what, price, units, of=f"replica {region}")


def _sent(taken: Taken, seconds: float, pages_shards: int | None) -> Iterator[Line]:
    yield from charges.of_stream(seconds, shards=pages_shards)
    pages = taken.of(metrics.PAGES_SENT)
    if pages:
        put = taken.of(metrics.BYTES_SENT)
        # When each was put nobody has counted: as if that had gone on until now.
        kept = charges.kept_beyond_a_day(seconds, 0.0)
        yield from charges.of_pages(pages=pages, bytes_in=put, kept_seconds=kept, shards=pages_shards)
        yield from charges.of_page_books(pages)
    if "ReplicateChanges" in taken.calls:
        calls = taken.calls["ReplicateChanges"]
        yield from charges.of_replicator_books(charges.REPLICATOR, calls=calls, book_reads=BOOK_READS)
    purged = taken.of(metrics.TOMBSTONES_PURGED)
    if purged:
        yield Line(charges.PURGE, WRITE_REQUEST_UNIT, purged, of="ledger")
