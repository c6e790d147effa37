"""The replicator's lag, by the oldest change that it has not applied, and the refusal to move traffic over a loss."""

import time
from collections.abc import Iterable

from tasks.aws.books.books import Books
from tasks.aws.replicate import tips
from tasks.aws.session import measure
from tasks.core.errors import ChangesLost
from tasks.core.metrics import OLDEST_UNAPPLIED
from tasks.core.replicate.lag import Lag, Unapplied, judge_lag, shards_that_lost_since
from tasks.core.replicate.route import Route, copy_anew


def read_lag(books: Books, route: Route, *, deadline: float, is_glance: bool = True) -> Lag:
    """Return how far the replicator is behind.

    Args:
        books: have its watermarks.
        route: that it serves.
        deadline: by `time.monotonic`.
        is_glance: whether it is only said, and nothing is decided by it: then it is read quickly, and may be too low.

    Raises:
        TipOutOfReach: there are more shards than could be looked at until the deadline.
    """
    watermarks = books.watermarks.read_all()
    return lag_of(tips.look_for_oldest(route.stream_arn, watermarks, deadline=deadline, is_glance=is_glance))


def lag_of(unapplied: Iterable[Unapplied]) -> Lag:
    """Return how far the replicator is behind, of what a look has seen, and put it out as a metric."""
    lag = judge_lag(unapplied, now=time.time())
    measure.add(OLDEST_UNAPPLIED, lag.oldest_seconds)
    return lag


def check_nothing_lost(books: Books, route: Route, unapplied: Iterable[Unapplied], *, proven_at: float) -> Lag:
    """Make sure that no change has left the stream before it was applied, as far as the proof cannot have seen it.

    Args:
        books: have the replicator's watermarks.
        route: that it serves.
        unapplied: as a look has seen it in this call.
        proven_at: when the proof began, epoch seconds.

    Returns:
        The lag, for the reason of a wait.

    Raises:
        ChangesLost: some may have.
    """
    lag = lag_of(unapplied)
    lost = {*lag.lost, *shards_that_lost_since(proven_at, books.watermarks.read_all())}
    if lost:
        raise ChangesLost(
            f"changes of {len(lost)} shards ({', '.join(sorted(lost))}) were not applied within the 24 h that the "
            f"stream of {route.source.name} keeps them, so {route.target.name} may lack writes that the source "
            f"accepted; traffic stays where it is. Mend what held ReplicateChanges up, {copy_anew(route.target.name)}"
        )
    return lag
