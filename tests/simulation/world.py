"""The world of one run: both tables, the stream of pages, users, the replicator, the clock and the bill."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tasks.core.forecast.bill import Bill
from tasks.core.forecast.duration import COMPRESSED
from tasks.core.forecast.work import DAY_SECONDS, PAGE_BYTES
from tasks.core.model.capacity import NEW_TABLE_READS_PER_SECOND
from tests.simulation.stream import MOST_BYTES, PagesStream
from tests.simulation.table import QUOTA, Load, Table
from tests.simulation.users import Users

DAY: Final = DAY_SECONDS
READS_BESIDE: Final = 3
"""Read units for each write unit of a provisioned target: as a partition has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One migration: what is there before it begins."""

    name: str
    items: float
    item_bytes: float = 1000.0
    user_reads: float
    """A second, evenly over the keys; each one read unit."""
    user_writes: float
    stream_was_on: bool = True
    """With a day of changes in it."""
    warm_writes: float = 4000.0
    """What the target takes at once when it is made."""
    indexes: int = 0
    """Global ones, each of which takes every item."""
    quota: float = QUOTA
    stream_most_bytes: float = MOST_BYTES
    max_concurrency: int = 40
    provisioned_writes: int | None = None
    """Of a target that was made beforehand, and is not on demand."""
    reads_cap: int | None = None
    """Read units a second, of either table, that scan and proof keep to."""
    writes_cap: int | None = None
    """Write units a second, indexes included, that the writer keeps to; without it the plan's own."""
    approval_days: float = 1.0
    step_seconds: float

    @property
    def bytes(self) -> float:
        """Of the source."""
        return self.items * self.item_bytes

    @property
    def write_units(self) -> int:
        """Of one item."""
        return max(1, -(-round(self.item_bytes) // 1024))

    @property
    def items_a_page(self) -> float:
        """What one Scan call returns."""
        return PAGE_BYTES / self.item_bytes

    @property
    def record_bytes(self) -> float:
        """Of one item in the stream of pages."""
        return self.item_bytes / COMPRESSED


@dataclass(slots=True)
class Sample:
    """What one moment was like, for the picture."""

    at: float
    """Seconds since the beginning."""
    phase: str
    useful_writes: float
    """A second."""
    backlog_items: float
    refused_users: float
    """Requests a second."""


@dataclass(slots=True)
class Counts:
    """What a run has to tell at its end."""

    inserted: float = 0.0
    units_useful: float = 0.0
    units_used: float = 0.0
    most_backlog_items: float = 0.0
    oldest_page_seconds: float = 0.0
    most_lag_seconds: float = 0.0
    apart_seconds: float = 0.0
    """Between the proof's readings of a key's two sides."""
    listed_keys: float = 0.0
    fenced_seconds: float = 0.0
    """For how long nobody may write."""
    bounds: dict[str, float] = field(default_factory=dict)
    """Seconds of the backfill, by what bounded it then."""
    gave_up_at: float | None = None
    """When the first page's retries were used up."""


@dataclass(slots=True)
class World:
    """All that is there, and what time it is."""

    scenario: Scenario
    source: Table
    target: Table
    indexes: list[Table]
    pages: PagesStream
    users: Users
    now: float = 0.0
    bill: Bill = field(default_factory=Bill)
    counts: Counts = field(default_factory=Counts)
    samples: list[Sample] = field(default_factory=list)

    def refuse_users(self, even: float, shares: Mapping[int, float], seconds: float) -> float:
        """Count the users' refused requests of a step on the source, and return how many a second they were."""
        touched = sum(self.source.width(partition) for partition in shares)
        refused = self.users.refuse(max(0.0, 1.0 - touched), even, seconds)
        for partition, share in shares.items():
            refused += self.users.refuse(self.source.width(partition), share, seconds)
        return refused

    @property
    def bound(self) -> str:
        """What bounded the backfill most of the time."""
        return max(self.counts.bounds, key=lambda name: self.counts.bounds[name])

    def wait(self, seconds: float, phase: str) -> None:
        """Let time go by in which only users and the replicator are busy."""
        self.now += seconds
        self.samples.append(Sample(self.now, phase, 0.0, 0.0, 0.0))

    def fill_target(self) -> None:
        """Have the target hold all of the source, if the backfill has not come so far."""
        missing = self.source.stored_bytes - self.target.stored_bytes
        if missing > 0:
            for partition in range(self.target.partitions):
                self.target.store(partition, missing * self.target.width(partition))
            while self.target.split_full():
                pass


def world_of(scenario: Scenario, *, retention_seconds: float) -> World:
    """Return the world in which a migration begins."""
    warm = Load(writes=scenario.warm_writes, reads=NEW_TABLE_READS_PER_SECOND)
    writes = scenario.provisioned_writes
    provisioned = None if writes is None else Load(writes=writes, reads=READS_BESIDE * writes)
    return World(
        scenario,
        source=Table(stored_bytes=scenario.bytes, quota=scenario.quota),
        target=Table(warm=warm, provisioned=provisioned, quota=scenario.quota),
        indexes=[Table(warm=warm, provisioned=provisioned, quota=scenario.quota) for _ in range(scenario.indexes)],
        pages=PagesStream(retention_seconds=retention_seconds, most_bytes=scenario.stream_most_bytes),
        users=Users(scenario.user_reads, scenario.user_writes),
    )
