"""What a copier asked of an engine: calls by operation, bytes both ways, units that AWS would bill."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

PUT_UNIT_BYTES: Final = 25 * 1024
"""Kinesis bills each record that is put in units of so many bytes."""


@dataclass
class Count:
    """Of one operation."""

    calls: int = 0
    items: int = 0
    """Read, or written into the target."""
    bytes_in: int = 0
    """Bodies of requests."""
    bytes_out: int = 0
    """Bodies of answers."""
    read_units: float = 0.0
    write_units: float = 0.0
    put_units: int = 0
    """Of Kinesis."""

    def add(self, other: "Count") -> None:
        """Add another one."""
        for name, value in asdict(other).items():
            setattr(self, name, getattr(self, name) + value)


@dataclass
class Counts:
    """Of all operations since the last reset."""

    operations: dict[str, Count] = field(default_factory=dict)
    """By operation; those on the books, the migration's own control table, end in ` (books)`."""
    differing: int = 0
    """Items among those looked at that were not written as they were read."""
    looked_at: int = 0
    """So many written items were compared with what was read."""

    def of(self, operation: str) -> Count:
        """Return the count of an operation, to add to it."""
        return self.operations.setdefault(operation, Count())

    @property
    def total(self) -> Count:
        """The sum over all operations."""
        total = Count()
        for count in self.operations.values():
            total.add(count)
        return total

    @property
    def items_written(self) -> int:
        """Items that were written into the target."""
        return sum(count.items for name, count in self.operations.items() if name != "Scan")

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, text: dict[str, Any]) -> "Counts":
        """Return what `as_json` was made of."""
        operations = {name: Count(**count) for name, count in text["operations"].items()}
        return cls(operations, text["differing"], text["looked_at"])


def put_units(records: Sequence[Mapping[str, str]]) -> int:
    """Return what Kinesis charges for records as PutRecords takes them, their data as base64."""
    return sum(-(-(len(record["Data"]) * 3 // 4) // PUT_UNIT_BYTES) for record in records)
