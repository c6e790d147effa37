"""A whole migration: the phases one after the other, and what there is to tell of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tasks.core.copy.back_pressure import PAGES_KEPT_HOURS
from tasks.core.forecast import charges
from tasks.core.forecast.duration import Duration
from tasks.core.forecast.prices import STREAM_GB_OUT, WARM_WRITE_UNIT
from tasks.core.model.capacity import NEW_TABLE_WRITES_PER_SECOND
from tests.simulation import ending, proof
from tests.simulation.backfill import Backfill
from tests.simulation.planning import planned
from tests.simulation.policy import Policy
from tests.simulation.replication import Replicator
from tests.simulation.world import DAY, Scenario, World, world_of


@dataclass(slots=True)
class Run:
    """A run that has ended."""

    scenario: Scenario
    policy: Policy
    world: World
    phases: dict[str, float] = field(default_factory=dict)
    """Seconds, by what is done in them."""

    @property
    def failure(self) -> str | None:
        """What it fails with; None if it comes to its end."""
        counts = self.world.counts
        if self.world.pages.items_expired:
            return "pages expire unread"
        if counts.gave_up_at is not None:
            return f"BackfillIncomplete: pages are given up after {counts.gave_up_at / 3600:.1f} h"
        return None

    @property
    def planned(self) -> Duration:
        """What the plan says of the copy."""
        return planned(self.scenario)

    @property
    def useful_writes(self) -> float:
        """Items inserted a second, while pages were copied."""
        return self.world.counts.inserted / self.phases["copy"]

    @property
    def wasted_share(self) -> float:
        """Of the target's units that the writer used, those that brought nothing."""
        counts = self.world.counts
        return 1 - counts.units_useful / counts.units_used if counts.units_used else 0.0


def migrate(scenario: Scenario, policy: Policy) -> Run:
    """Run a migration from its first page to the cut-over.

    One that fails in the backfill is taken for one whose operator resumes it at once: what comes behind is told all the
    same, as it would be.
    """
    world = world_of(scenario, retention_seconds=PAGES_KEPT_HOURS * 3600)
    replicator = Replicator(world, polls_a_second=policy.polls_a_second, book_reads=policy.book_reads)
    run = Run(scenario, policy, world)
    made_warm = max(0.0, scenario.warm_writes - NEW_TABLE_WRITES_PER_SECOND)
    world.bill.add("warm target", WARM_WRITE_UNIT, made_warm * (1 + scenario.indexes))
    policy.begin(replicator, DAY * world.users.writes if scenario.stream_was_on else 0.0)
    run.phases["attach"] = world.now
    Backfill(world, policy, replicator).run()
    run.phases["copy"] = world.now - run.phases["attach"]
    world.fill_target()
    fenced = 0.0
    if not policy.purges_behind_fence:
        with _timed(run, "purge"):
            ending.purge(world, policy, run.phases["copy"])
    with _timed(run, "proof"):
        proof.prove(world, policy, replicator)
    with _timed(run, "approval"):
        ending.approve(world, policy, replicator)
    if policy.purges_behind_fence:
        with _timed(run, "purge"):
            fenced = ending.purge(world, policy, run.phases["copy"])
    with _timed(run, "cut-over"):
        ending.cut_over(world, fenced)
    world.bill.take(charges.of_stream(world.now))
    put = sum(line.amount for line in world.bill.lines() if line.price == STREAM_GB_OUT)
    after = world.now - run.phases["attach"] - run.phases["copy"]
    world.bill.take(charges.of_kept(put, charges.kept_beyond_a_day(run.phases["copy"], after)))
    return run


@contextmanager
def _timed(run: Run, phase: str) -> Iterator[None]:
    begun = run.world.now
    yield
    run.phases[phase] = run.world.now - begun
