"""How the hashes of two tables are compared: in which stretches and steps, and what a proof costs.

The first pass reads each table once. It sums the items' hashes, and keeps the hashes themselves, with the keys, in
lists in S3 (`tasks.core.prove.hash_list`). The second pass reads no table again: where sums are unequal it compares
the lists, a step at a time, each step some buckets that fit the memory. Only keys that differ are looked at, by point
reads.
"""

from collections.abc import Sequence
from typing import Final

from pydantic import BaseModel, ConfigDict

from tasks.core.model.capacity import READ_UNIT_BYTES, READ_UNIT_SHARE
from tasks.core.prove.digest import SUMS_MOST, plan_sums

ITEMS_AT_ONCE: Final = 1 << 21
"""Items of each table that one step compares: their hashes take some 400 MB."""
LISTED_MOST: Final = 1 << 17
"""Unequal keys that are listed in one round, in all stretches together; the others wait for the next one. Some
thousands are under way at a time; more differ where the replicator is behind, or where the tables do."""
LIST_BYTES_MOST: Final = 256 * 1024 * 1024
"""Hashes and keys that a call holds before it puts them into a list."""
HASHES_BYTES: Final = 32
"""Of a key and its item, in a list."""
STRETCHES_MOST: Final = 4 * SUMS_MOST
"""Of all tables that are compared with the source. They travel in the execution's state, some 350 bytes each of the
262,144 that it has."""
READS_OF_A_LOOK: Final = 2
"""One of each side."""


class Step(BaseModel):
    """Buckets that are compared at once, or a part of one that does not fit."""

    model_config = ConfigDict(frozen=True)

    first: int
    end: int
    """The first bucket behind."""
    part: int
    parts: int


class Stretch(BaseModel):
    """Neighbouring buckets that one slice compares, step by step."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first: int
    end: int
    """The first bucket behind."""
    at_once: int = 1
    """Buckets in a step."""
    parts: int = 1
    """Steps for one bucket: more than one where the table has far more items than it said when it was planned."""
    listed_most: int = LISTED_MOST
    """Unequal keys that it lists in this round."""

    def steps(self) -> tuple[Step, ...]:
        """Return the steps, in order; together they have every key of every bucket once."""
        return tuple(
            Step(first=first, end=min(first + self.at_once, self.end), part=part, parts=self.parts)
            for first in range(self.first, self.end, self.at_once)
            for part in range(self.parts)
        )


def plan_stretches(
    unequal: Sequence[int], counts: Sequence[int], buckets: int, *, at_once: int = ITEMS_AT_ONCE, tables: int = 1
) -> tuple[Stretch, ...]:
    """Return the stretches in which unequal sums are compared, at most one for each sum.

    Sums of few items are compared together, with the equal ones between them: a small table is one stretch. Where many
    tables are compared with the source, neighbouring stretches are one.

    Args:
        unequal: the sums that differ, ascending.
        counts: by sum, the items of the larger side.
        buckets: that the hashes are kept in.
        at_once: items of each side that fit the memory.
        tables: that are compared with the source, and share how many stretches there may be and keys they may list.
    """
    of_a_sum = buckets // plan_sums(buckets)
    stretches: list[Stretch] = []
    begun: int | None = None
    for position, one in enumerate(unequal):
        begun = one if begun is None else begun
        behind = unequal[position + 1] if position + 1 < len(unequal) else None
        if behind is not None and sum(counts[begun : behind + 1]) <= at_once:
            continue
        first, end = begun * of_a_sum, (one + 1) * of_a_sum
        items = -(-sum(counts[begun : one + 1]) // (end - first))
        stretches.append(
            Stretch(
                first=first,
                end=end,
                at_once=max(1, min(end - first, at_once // max(1, items))),
                parts=max(1, -(-items // at_once)),
            )
        )
        begun = None
    stretches = _joined(stretches, max(1, STRETCHES_MOST // tables))
    listed_most = max(1, LISTED_MOST // tables // max(1, len(stretches)))
    return tuple(stretch.model_copy(update={"listed_most": listed_most}) for stretch in stretches)


def _joined(stretches: Sequence[Stretch], most: int) -> list[Stretch]:
    """Return neighbours as one, the equal buckets between them too, so that there are no more than so many."""
    each = max(1, -(-len(stretches) // most))
    lots = [stretches[start : start + each] for start in range(0, len(stretches), each)]
    return [
        Stretch(
            first=lot[0].first,
            end=lot[-1].end,
            at_once=min(one.at_once for one in lot),
            parts=max(one.parts for one in lot),
        )
        for lot in lots
    ]


class Course(BaseModel):
    """What a proof is expected to take: the policy in numbers, for one table and its target."""

    model_config = ConfigDict(frozen=True)

    suspects: float
    """Keys that differ between the readings of the two sides, each of which is looked at."""
    listed: float
    """Keys that still differ at that look, because the change is under way; they are read again behind the tips."""
    scan_units: float
    """Read units of both scans."""
    look_units: float
    """Read units of the looks, and of reading again."""
    list_bytes: float
    """That are kept in S3, of both tables."""
    lists: float
    """Objects that they are kept in."""
    gets: float
    """Reads of them, at most."""

    @property
    def read_units(self) -> float:
        """Read units in all."""
        return self.scan_units + self.look_units


def expect(
    items: int,
    *,
    item_bytes: int,
    key_bytes: int = 40,
    writes_per_second: float,
    apart_seconds: float,
    lag_seconds: float = 2.0,
    items_per_list: int = 4_000_000,
) -> Course:
    """Return what the proof of a table takes, if its writes go to any key alike.

    Args:
        items: of each table.
        item_bytes: of an item.
        key_bytes: of its key, packed.
        writes_per_second: to the source.
        apart_seconds: between the readings of a key's two sides. At the worst this is as long as the pass takes: that
            neighbouring segments of the two tables hold the same keys is likely, and nobody says so.
        lag_seconds: of the replicator.
        items_per_list: that a call reads before its time or the bytes of a list are used up.
    """
    suspects = items * _share_changed(items, writes_per_second * apart_seconds)
    listed = suspects * _share_changed(items, writes_per_second * lag_seconds)
    scan_units = 2 * items * item_bytes / READ_UNIT_BYTES * READ_UNIT_SHARE
    of_an_item = -(-item_bytes // READ_UNIT_BYTES)
    lists = 2 * -(-items // items_per_list)
    steps = max(1, -(-items // ITEMS_AT_ONCE))
    return Course(
        suspects=suspects,
        listed=listed,
        scan_units=scan_units,
        look_units=READS_OF_A_LOOK * suspects * of_an_item * READ_UNIT_SHARE + 3 * listed * of_an_item,
        list_bytes=2 * items * (HASHES_BYTES + key_bytes),
        lists=lists,
        gets=0 if not suspects else 2 * lists * steps,
    )


def _share_changed(items: int, writes: float) -> float:
    """Return which share of the keys so many writes touch, each to a key by chance."""
    return 1 - (1 - 1 / items) ** writes if items > 1 else min(1.0, writes)
