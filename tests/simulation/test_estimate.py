"""What the plan says of a copy is what the copy takes, in a simulation in which all of it happens."""

import dataclasses
from typing import Any

import pytest

from tasks.core.run.duration import Kind
from tests.simulation.backfill import Backfill
from tests.simulation.planning import planned
from tests.simulation.policies import AFTER
from tests.simulation.policy import Policy
from tests.simulation.replication import Replicator
from tests.simulation.scenarios import MIDDLE, SMALL, WARM
from tests.simulation.world import DAY, Scenario, World, world_of

WITHIN = 0.1
TENTH = dataclasses.replace(MIDDLE, name="100 GB", items=1e8)


def copied(scenario: Scenario, policy: Policy = AFTER) -> World:
    """Run the copy alone."""
    world = world_of(scenario, retention_seconds=72 * 3600)
    replicator = Replicator(world, polls_a_second=policy.polls_a_second, book_reads=policy.book_reads)
    policy.begin(replicator, DAY * world.users.writes)
    assert Backfill(world, policy, replicator).run()
    return world


@pytest.mark.parametrize(
    ("scenario", "changes", "bound"),
    [
        (SMALL, {"step_seconds": 5}, Kind.UNITS),
        (SMALL, {"step_seconds": 5, "max_concurrency": 4}, Kind.PARTITIONS),
        (SMALL, {"step_seconds": 5, "warm_writes": 20_000}, Kind.PARTITIONS),
        (MIDDLE, {"step_seconds": 30}, Kind.PARTITIONS),
        (MIDDLE, {"step_seconds": 30, "max_concurrency": 10}, Kind.PARTITIONS),
        (MIDDLE, {"step_seconds": 30, "max_concurrency": 200, "reads_cap": 30_000}, Kind.UNITS),
        (MIDDLE, {"step_seconds": 30, "reads_cap": 2000}, Kind.READS_CAP),
        (MIDDLE, {"step_seconds": 30, "items": 1e8, "item_bytes": 5000.0}, Kind.PARTITIONS),
        (WARM, {"step_seconds": 30}, Kind.UNITS),
        (WARM, {"step_seconds": 30, "max_concurrency": 40, "reads_cap": None}, Kind.PARTITIONS),
        (WARM, {"step_seconds": 5, "items": 3e7}, Kind.STREAM),
        (TENTH, {"step_seconds": 20, "writes_cap": 5000}, Kind.WRITES_CAP),
        (TENTH, {"step_seconds": 20, "writes_cap": 15_000, "indexes": 2}, Kind.WRITES_CAP),
        (TENTH, {"step_seconds": 20, "provisioned_writes": 10_000}, Kind.WRITES_CAP),
        (TENTH, {"step_seconds": 20, "provisioned_writes": 3000, "writes_cap": 6000, "user_writes": 10}, Kind.UNITS),
    ],
)
def test_the_plan_says_within_a_tenth_how_long_the_copy_takes_and_what_bounds_it(
    scenario: Scenario, changes: dict[str, Any], bound: Kind
) -> None:
    scenario = dataclasses.replace(scenario, **changes)
    said = planned(scenario)
    assert said.seconds == pytest.approx(copied(scenario).now, rel=WITHIN)
    assert said.bound.kind is bound


def test_the_simulation_and_the_plan_name_the_same_bound() -> None:
    for scenario in (SMALL, dataclasses.replace(MIDDLE, step_seconds=30)):
        assert copied(scenario).bound == planned(scenario).bound.kind
