"""Moments: "everything that the source had taken by now" as tips, and waiting until the replicator has passed them.

Tips say that only of a stream that the source still wrote into when they were taken. A stream that was turned off is at
its tips for ever. So whoever takes a moment gives a **look** along, which is made behind the tips and raises where the
source streams elsewhere, or not at all.
"""

import functools
import time
from collections.abc import Callable, Sequence

from tasks.aws.books.books import Books
from tasks.aws.replicate import tips
from tasks.aws.replicate.tips import Sight
from tasks.aws.session import deployment
from tasks.core.replicate.conflict import RuleRecord
from tasks.core.replicate.lag import Unapplied
from tasks.core.replicate.route import Route
from tasks.core.replicate.watermark import Passing, is_rule_in_force, shards_behind

POLL_SECONDS = 0.5

Look = Callable[[], object]


def read_passing(
    books: Books, route: Route, moment: str, *, look: Look, deadline: float
) -> tuple[Passing, list[Unapplied]]:
    """Return how far the replicator has passed a moment, and the oldest change of each shard that holds it up.

    The first call takes the moment's tips, later ones compare. What one call could not reach, the next one goes on
    with: a tip that was taken since the moment holds it as well.

    Args:
        books: have the replicator's watermarks and the moment's tips.
        route: that the replicator serves.
        moment: what the wait is for and the state's entered time.
        look: made behind the tips, in each call.
        deadline: by `time.monotonic`.

    Raises:
        TipOutOfReach: a tip could not be reached by reading until the deadline.
    """
    watermarks = books.watermarks.read_all()
    known = books.tips.remembered(moment)
    if known is None:
        sight = tips.see(
            route.stream_arn,
            watermarks,
            deadline=deadline,
            reached=books.tips.reached(moment),
            keep=functools.partial(books.tips.keep_reached, moment),
        )
        known, unapplied = books.tips.remember(moment, sight.tips), sight.unapplied
    else:
        behind = shards_behind(known, watermarks)
        unapplied = tips.look_for_oldest(route.stream_arn, watermarks, only=behind, deadline=deadline)
    look()
    passing = Passing(shards=len(known), behind=len(shards_behind(known, books.watermarks.read_of(known))))
    return passing, unapplied


def take(books: Books, route: Route, *, deadline: float) -> Sight:
    """Take the tips of this very moment, and see what is not applied.

    Raises:
        TipOutOfReach: a tip could not be reached by reading until the deadline.
    """
    return tips.see(route.stream_arn, books.watermarks.read_all(), deadline=deadline)


def await_passed(books: Books, route: Route, *, look: Look, deadline: float, taken: Sight | None = None) -> bool:
    """Wait within this call until the replicator has passed this very moment; say whether it did before the deadline.

    Args:
        books: have the replicator's watermarks.
        route: that the replicator serves.
        look: made behind the tips.
        deadline: by `time.monotonic`.
        taken: the moment to wait for, if this call has taken it already.

    Raises:
        TipOutOfReach: a tip could not be reached by reading until the deadline.
    """
    moment = (taken or take(books, route, deadline=deadline)).tips
    look()
    behind = list(moment)
    while behind := shards_behind({shard: moment[shard] for shard in behind}, books.watermarks.read_of(behind)):
        if time.monotonic() + POLL_SECONDS > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def is_in_force(books: Books, record: RuleRecord, open_shards: Sequence[str]) -> bool:
    """Whether no batch of these shards can still be under way that began under an earlier rule."""
    return is_rule_in_force(
        record,
        now=time.time(),
        timeout_seconds=deployment.replicator_timeout_seconds(),
        open_shards=open_shards,
        watermarks=books.watermarks.read_of(open_shards),
    )
