"""Wait until every change that the source had taken when the state was entered is in the target.

Done when: the replicator has passed every tip as of this state's entry, and no key of a rejected change differs any
more.

Reads: the route, the stream's shards and tips, watermarks, rejects and their keys in both tables. Writes: the tips of
this entry, once; keys that are settled. Run again it compares the same tips with newer watermarks.
"""

import functools

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import open_books
from tasks.aws.prove.rejected_changes import check_none_stands
from tasks.aws.replicate import lag, moments, route
from tasks.aws.session.budget import deadline_of
from tasks.aws.session.handler import RouteRequest, task
from tasks.core.errors import ChangesPending


class DrainChangesRequest(RouteRequest):
    """When the state was entered."""

    entered: str


@task(DrainChangesRequest)
def handler(request: DrainChangesRequest, context: LambdaContext) -> dict[str, int]:
    """Return how many shards were drained; until the replicator has passed their tips `ChangesPending`."""
    books = open_books(request.plan.run)
    deadline = deadline_of(context)
    look = functools.partial(route.check, books, request.plan, request.route)
    look()  # first: of a stream that is gone nothing can be asked
    passing, unapplied = moments.read_passing(
        books, request.route, f"drain-changes#{request.entered}", look=look, deadline=deadline
    )
    if passing.behind:
        late = lag.lag_of(unapplied)
        raise ChangesPending(passing.in_words() + late.warning(request.plan.lag_limit_seconds))
    if waiting := check_none_stands(books, request.plan, request.route, entered=request.entered, deadline=deadline):
        raise ChangesPending(waiting)
    return {"shards": passing.shards}
