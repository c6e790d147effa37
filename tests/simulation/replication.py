"""The replicator: what waits in the source's stream, and what of it gets into the target beside the writer."""

from dataclasses import dataclass

from tasks.core.forecast import charges
from tasks.core.forecast.charges import REPLICATOR
from tasks.core.forecast.work import PASSED_CHANGES, REPLICATOR_CHANGES, calls_for
from tests.simulation.functions import POLLS_A_SECOND
from tests.simulation.world import World


@dataclass(slots=True)
class Replicator:
    """Changes of the source that are not in the target yet."""

    world: World
    polls_a_second: float = POLLS_A_SECOND
    """Of each shard that end in a call, at most: a batching window makes them fewer."""
    book_reads: float = 3.0
    """Read units a call."""
    waiting: float = 0.0
    """To be applied."""
    passing: float = 0.0
    """To be passed over. They are in the same shards, and come before all that is written from now on."""

    @property
    def shards(self) -> int:
        """A stream has an open shard for each partition of its table."""
        return self.world.source.partitions

    @property
    def lag_seconds(self) -> float:
        """How old the oldest change that waits is."""
        return self.waiting / self.world.users.writes if self.world.users.writes else 0.0

    def asks(self, arrived: float, seconds: float) -> float:
        """Take in what arrived, pass over what is to be, and return how many changes a second it would apply."""
        self.waiting += arrived * seconds
        left = 1.0 - self._pass_over(seconds)
        return min(self.waiting / seconds, self.shards * REPLICATOR_CHANGES * left)

    def _pass_over(self, seconds: float) -> float:
        """Pass over what it can, and return which share of the time that takes."""
        if not self.passing:
            return 0.0
        most = self.shards * PASSED_CHANGES * seconds
        passed = min(self.passing, most)
        self.passing -= passed
        self.world.bill.take(charges.of_passing(passed))
        return passed / most

    def apply(self, rate: float, seconds: float) -> None:
        """Note that so many changes a second were applied, and put them on the bill."""
        world, changes = self.world, rate * seconds
        self.waiting = max(0.0, self.waiting - changes)
        world.counts.most_lag_seconds = max(world.counts.most_lag_seconds, self.lag_seconds)
        self._charge(REPLICATOR, changes, seconds)

    def _charge(self, what: str, changes: float, seconds: float) -> None:
        """Put changes on the bill, the calls that bring them, and the books that these keep."""
        world, bill = self.world, self.world.bill
        bill.take(charges.of_replicated(changes * world.scenario.write_units * (1 + len(world.indexes))))
        calls = calls_for(changes, shards=self.shards, polls_a_second=self.polls_a_second, seconds=seconds)
        bill.take(charges.of_replicator(what, calls=calls, changes=changes, book_reads=self.book_reads))

    def idle(self, seconds: float, what: str = REPLICATOR) -> None:
        """Go on for a while in which nothing else writes to the target."""
        changes = self.world.users.writes * seconds + self.waiting
        self.waiting = 0.0
        self._charge(what, changes, seconds)
