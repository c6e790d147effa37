"""What comes behind the proof: somebody is waited for, the source is fenced, tombstones go, traffic moves."""

from typing import Final

from tasks.core.forecast import charges
from tasks.core.forecast.charges import WAITING
from tasks.core.forecast.prices import LOGS_GB, TRACE
from tasks.core.forecast.work import DELETES, FENCE_SECONDS, GIGABYTE, PURGE_CALL_SECONDS, calls_for
from tests.simulation.policy import Policy
from tests.simulation.replication import Replicator
from tests.simulation.world import DAY, World

LOG_BYTES: Final = 1000
"""Of a call: its metrics, one line, and Lambda's own two."""
DELETE_SECONDS: Final = 0.08
"""Of a call of 25 deletes and of striking them out of the ledger (suspected)."""


def approve(world: World, policy: Policy, replicator: Replicator) -> None:
    """Wait for a person, while the replicator goes on."""
    seconds = world.scenario.approval_days * DAY
    changes = world.users.writes * seconds
    calls = calls_for(changes, shards=replicator.shards, polls_a_second=replicator.polls_a_second, seconds=seconds)
    replicator.idle(seconds, WAITING)
    world.bill.add(WAITING, LOGS_GB, calls * policy.log_share * LOG_BYTES / GIGABYTE)
    world.bill.add(WAITING, TRACE, calls * policy.traced)
    world.wait(seconds, "ApproveCutOver")


def purge(world: World, policy: Policy, copied_seconds: float) -> float:
    """Remove what deletes have left; return for how long that holds the source fenced."""
    tombstones = DELETES * world.users.writes * copied_seconds
    seconds = tombstones / policy.purges_a_second
    world.bill.take(charges.of_purge(tombstones, calls=seconds / PURGE_CALL_SECONDS + 1, seconds=seconds))
    world.wait(seconds, "PurgeTombstones")
    return seconds if policy.purges_behind_fence else 0.0


def cut_over(world: World, fenced_seconds: float) -> None:
    """Fence, drain, flip."""
    world.counts.fenced_seconds = fenced_seconds + FENCE_SECONDS
    world.wait(FENCE_SECONDS, "CutOver")
