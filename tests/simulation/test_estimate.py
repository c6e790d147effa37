"""What the plan says of a copy is what the copy takes, in a simulation in which all of it happens."""

import dataclasses
import random
from typing import Any

import pytest

from tasks.core.forecast.duration import Kind
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


def drawn(number: int) -> Scenario:
    """Draw a copy by chance."""
    chance = random.Random(number)
    scenario = dataclasses.replace(
        MIDDLE,
        items=float(round(10 ** chance.uniform(6.8, 8.5))),
        item_bytes=float(round(10 ** chance.uniform(2.2, 3.5))),
        max_concurrency=chance.choice([2, 5, 8, 16, 25, 40, 70, 120]),
        warm_writes=chance.choice([4000, 4000, 12_000, 40_000]),
        reads_cap=chance.choice([None, None, 500, 5000]),
        user_writes=chance.choice([1, 50, 200]),
        indexes=chance.choice([0, 0, 2]),
    )
    return dataclasses.replace(scenario, step_seconds=max(1.0, min(30.0, planned(scenario).seconds / 1000)))


def test_copies_that_nobody_has_thought_of_are_seldom_estimated_badly() -> None:
    """Where a table writes half of what it takes, a hair decides whether it grows; there both may differ for once."""
    ratios = sorted(planned(scenario).seconds / copied(scenario).now for scenario in map(drawn, range(24)))
    assert sum(abs(ratio - 1) <= WITHIN for ratio in ratios) >= 0.9 * len(ratios), ratios
    assert ratios[0] > 0.8
    assert ratios[-1] < 1.25


def test_the_simulation_and_the_plan_name_the_same_bound() -> None:
    for scenario in (SMALL, dataclasses.replace(MIDDLE, step_seconds=30)):
        assert copied(scenario).bound == planned(scenario).bound.kind
