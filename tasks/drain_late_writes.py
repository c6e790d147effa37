"""Carry over what is still written to the source after the cut-over, until it has been quiet for long enough.

Done when: the replicator is at the tips of the stream that was named, and no application has written to the source for
`quiet_seconds`.

Reads: the route, the stream's tips, watermarks, when traffic moved, rejects. Writes: nothing. Run again it looks again.
Expiry by TTL is carried over too, but is no write: both tables expire their items by now, each by itself.
"""

import functools
import time

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import open_books
from tasks.aws.books.rejects import count_rejects
from tasks.aws.replicate import lag, moments, route
from tasks.aws.session.budget import deadline_of
from tasks.aws.session.handler import RouteRequest, task
from tasks.core.errors import LateWritesPending, OutOfOrder


@task(RouteRequest)
def handler(request: RouteRequest, context: LambdaContext) -> dict[str, int]:
    """Return how many late changes the target overruled or refused; until it is quiet `LateWritesPending`."""
    plan = request.plan
    books = open_books(plan.run)
    cut_over_at = books.record.cut_over_at(plan.run)
    if cut_over_at is None:
        raise OutOfOrder(f"run {plan.run} has not cut over; stop this execution, and start a new one")
    deadline = deadline_of(context)
    look = functools.partial(route.check_late, books, plan, request.route)
    look()  # first: of a stream that is gone nothing can be asked
    taken = moments.take(books, request.route, deadline=deadline)
    late = lag.lag_of(taken.unapplied)
    if not moments.await_passed(books, request.route, taken=taken, look=look, deadline=deadline):
        on_their_way = f"late changes are on their way to {plan.target.name}"
        raise LateWritesPending(on_their_way + late.warning(plan.lag_limit_seconds))
    written_at = max([cut_over_at, *(watermark.written_at for watermark in books.watermarks.read_all().values())])
    quiet_seconds = time.time() - written_at
    if quiet_seconds < plan.quiet_seconds:
        raise LateWritesPending(
            f"{plan.source.name} has been quiet for {quiet_seconds:.0f} of quiet_seconds={plan.quiet_seconds}",
            until=written_at + plan.quiet_seconds,
        )
    # Last: a mapping that was made anew during the wait would have let the watermark pass what it left out.
    look()
    return {"overruled": count_rejects(f"{plan.run}/late/")}
