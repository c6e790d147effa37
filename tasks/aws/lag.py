"""The replicator's lag, by the oldest change that it has not applied, and the refusal to move traffic over a loss."""

import time

from tasks.aws import measure, streams, watermarks
from tasks.core.errors import ChangesLost
from tasks.core.lag import Lag, judge_lag, shards_that_lost_since
from tasks.core.metrics import OLDEST_UNAPPLIED
from tasks.core.plan import Plan


def read_lag(stream_arn: str, *, deadline: float) -> Lag:
    """Return how far the replicator is behind.

    Args:
        stream_arn: of the source's stream.
        deadline: by `time.monotonic`.

    Raises:
        TipOutOfReach: there are more shards than could be looked at until the deadline.
    """
    lag = judge_lag(
        streams.read_unapplied(stream_arn, watermarks.read_watermarks(), deadline=deadline), now=time.time()
    )
    measure.add(OLDEST_UNAPPLIED, lag.oldest_seconds)
    return lag


def check_nothing_lost(plan: Plan, stream_arn: str, *, proven_at: float, deadline: float) -> Lag:
    """Make sure that no change has left the stream before it was applied, as far as the proof can not have seen it.

    Args:
        plan: names source and target.
        stream_arn: of the source's stream.
        proven_at: when the proof began, epoch seconds.
        deadline: by `time.monotonic`.

    Returns:
        The lag, for the reason of a wait.

    Raises:
        ChangesLost: some may have.
        TipOutOfReach: there are more shards than could be looked at until the deadline.
    """
    lag = read_lag(stream_arn, deadline=deadline)
    lost = {*lag.lost, *shards_that_lost_since(proven_at, watermarks.read_watermarks())}
    if lost:
        raise ChangesLost(
            f"changes of {len(lost)} shards ({', '.join(sorted(lost))}) were not applied within the 24 h that the "
            f"stream of {plan.source_table} keeps them, so {plan.target_table} may lack writes that the source "
            f"accepted; traffic stays where it is. Mend what held ReplicateChanges up, delete {plan.target_table} (or "
            "deploy a migration to another target), and start a new execution"
        )
    return lag
