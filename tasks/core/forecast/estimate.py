"""How much a copy writes, and how long that takes, from DynamoDB's own counts: bytes and indexes, not items alone."""

from dataclasses import dataclass

from tasks.core.copy.back_pressure import PARTS_AHEAD_AT_THE_END, PARTS_AHEAD_MOST
from tasks.core.copy.page import ITEMS_A_PART
from tasks.core.model.capacity import READ_UNIT_BYTES, READ_UNIT_SHARE
from tasks.core.model.table_facts import Index, TableFacts

UNIT_BYTES = 1024
"""A write unit is one write of up to so many bytes."""
PART_BYTES = 1024 * 1024
"""A part of a page has no more: a page of a scan is 1 MB (`tasks.core.copy.page`)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the backfill writes to the target."""

    items: int
    bytes_an_item: float
    units_an_item: int
    """Of the table itself, its local indexes included."""
    units_of_indexes: tuple[tuple[str, float], ...]
    """Of each global index its name and the units that it is written, from capacity of its own."""

    @property
    def units(self) -> int:
        """Of the table itself."""
        return self.items * self.units_an_item

    @property
    def write_units_an_item(self) -> float:
        """About what one item takes, global indexes included."""
        of_indexes = sum(units for _, units in self.units_of_indexes)
        return self.units_an_item + (of_indexes / self.items if self.items else 0.0)

    def page_read_units(self, total_segments: int) -> float:
        """About what a page of a scan takes, eventually consistent: it has 1 MB at most, or all of a segment."""
        page_bytes = min(PART_BYTES, self.items * self.bytes_an_item / total_segments)
        return max(READ_UNIT_SHARE, page_bytes / READ_UNIT_BYTES * READ_UNIT_SHARE)

    def items_ahead(self, *, segments: int, max_concurrency: int) -> int:
        """Return how many items are in the stream of pages at most, if the writer does not come to any of them.

        Args:
            segments: of the scan.
            max_concurrency: of them at once.
        """
        of_a_segment = -(-self.items // segments)
        if of_a_segment <= PARTS_AHEAD_AT_THE_END * self.part_items:
            return self.items  # nothing holds such a segment back, and the next one begins at once
        of_a_page = min(of_a_segment, PART_BYTES // max(1, round(self.bytes_an_item)))
        each = min(of_a_segment, PARTS_AHEAD_MOST * self.part_items + of_a_page)
        return min(self.items, each * min(segments, max_concurrency))

    @property
    def part_items(self) -> int:
        """As many as a part of a page has at most."""
        of_size = PART_BYTES // max(1, round(self.bytes_an_item))
        return min(self.items, ITEMS_A_PART, max(1, of_size))


def estimate(source: TableFacts) -> Estimate:
    """Return what copying a table writes; an item counts as many units as the average one has, rounded up."""
    copied = [index for index in source.indexes if index.can_be_copied]
    bytes_an_item = source.size_bytes / source.item_count if source.item_count else 0.0
    local = sum(not index.is_global for index in copied)
    return Estimate(
        source.item_count,
        bytes_an_item,
        _units(bytes_an_item) * (1 + local),
        tuple((index.name, _units_of(index)) for index in copied if index.is_global),
    )


def _units_of(index: Index) -> float:
    """Return what an index is written, by its own count of items: it may hold few of them, and less of each."""
    return index.item_count * _units(index.size_bytes / index.item_count) if index.item_count else 0.0


def _units(size_bytes: float) -> int:
    return max(1, -(-round(size_bytes) // UNIT_BYTES))
