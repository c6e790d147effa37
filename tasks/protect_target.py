"""From here on a write to the source cannot undo a write to the target.

Done when: the replicator has passed the moment of entry; the rule is TARGET_WINS.

Reads: the route, tips and watermarks, the rule. Writes: the tips of this entry, then the rule, so that the replicator
applies a change only where the target still has what the source had before it. That holds of every key only once the
replicator has passed all that pages may have brought ahead of it, so it has to pass this moment first. Writes to the
source are not refused yet; the late ones are carried over until it is quiet. Run again it finds the rule set.
"""

import functools
import time

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AwareDatetime

from tasks.aws.books.books import open_books
from tasks.aws.replicate import lag, moments, route
from tasks.aws.session.budget import deadline_of
from tasks.aws.session.handler import RouteRequest, task
from tasks.core.errors import ChangesPending
from tasks.core.replicate.conflict import ReplicationRule


class ProtectTargetRequest(RouteRequest):
    """When the state was entered."""

    entered: str
    proven: AwareDatetime
    """When the proof began."""


@task(ProtectTargetRequest)
def handler(request: ProtectTargetRequest, context: LambdaContext) -> dict[str, object]:
    """Return the rule and since when it is set; until the replicator has passed this moment `ChangesPending`."""
    books = open_books(request.plan.run)
    # An execution that resumes this run may be scanning: under the late rule its pages would be wrong.
    books.record.check_latest(request.plan)
    deadline = deadline_of(context)
    look = functools.partial(route.check, books, request.plan, request.route)
    look()  # first: of a stream that is gone nothing can be asked
    passing, unapplied = moments.read_passing(
        books, request.route, f"protect-target#{request.entered}", look=look, deadline=deadline
    )
    late = lag.check_nothing_lost(books, request.route, unapplied, proven_at=request.proven.timestamp())
    if passing.behind:
        raise ChangesPending(passing.in_words() + late.warning(request.plan.lag_limit_seconds))
    rule = books.record.set_rule(ReplicationRule.TARGET_WINS, run=request.plan.run, now=time.time())
    return {"rule": rule.rule, "since": rule.since}
