"""What the simulation asks the migration for: the decisions that the product makes, one field each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.simulation.replication import Replicator
from tests.simulation.world import World


@dataclass(frozen=True, slots=True)
class Policy:
    """One way to migrate."""

    name: str
    order: Callable[[int], Sequence[int]]
    """Of the segments, in the order in which they are begun."""
    useful: Callable[[float], float]
    """Which share of the units that the writers use goes into useful inserts, at a target that throttles, where they
    could write so many times more than it takes."""
    reached: Callable[[float], float]
    """Which share of what such a target takes the writers use at all."""
    writer_items: float
    """A second, of a writer that meets no throttle."""
    writers_a_shard: int
    most_writers: int
    gives_up_seconds: float | None
    """After how long of throttling a page's retries are used up."""
    waits: Callable[[float, float | None, int, float], bool]
    """Whether a segment sends nothing now: with so many parts of pages that have no receipt, the oldest of them put at
    that time, if there may be so many parts at most, and now is that time."""
    parts_most: int
    parts_to_go_on: int
    parts_at_the_end: int
    begin: Callable[[Replicator, float], None]
    """What is done with so many changes of the day before the run."""
    compare: Callable[[World, Replicator, float], None]
    """What the proof does behind its scans, where a key's two sides were read so many seconds apart."""
    polls_a_second: float
    """Of a shard that end in a call of the replicator, at most."""
    log_share: float
    """Of the replicator's calls that write to the log."""
    traced: float
    """Of its calls that X-Ray traces."""
    book_reads: float
    """Read units of one such call."""
    purges_a_second: float
    purges_behind_fence: bool
