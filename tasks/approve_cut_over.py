"""Ask a person whether to cut over. The state waits for the task token, which is answered by `approve` or `deny`.

Done when: a person said yes; left out with `approval: automatic`.

Reads: the route; nobody is asked about a copy that is none any more. Writes: the token into the control table, from
where the command line takes it; an EventBridge event without it. Run again (a redrive) the new token replaces the old
one.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import open_books
from tasks.aws.replicate import route
from tasks.aws.run import pointer
from tasks.aws.session.handler import RouteRequest, task
from tasks.core.prove.verification import Verification


class ApproveCutOverRequest(RouteRequest):
    """The token that ends the wait, and what was proven."""

    task_token: str
    verify: Verification
    execution_arn: str


@task(ApproveCutOverRequest)
def handler(request: ApproveCutOverRequest, _: LambdaContext) -> None:
    """Publish the question; the answer is the state's own result."""
    plan = request.plan
    books = open_books(plan.run)
    books.record.check_latest(plan)
    route.check(books, plan, request.route)
    books.record.put_approval(request.execution_arn, request.task_token)
    pointer.put_event(
        "Cut-over Approval Wanted",
        {
            "migration": plan.migration,
            "execution": request.execution_arn,
            "source": plan.source.name,
            "target": plan.target.name,
            "source_items": request.verify.source_items,
            "target_items": request.verify.target_items,
            "replica_items": request.verify.replica_items,
            "rechecked": request.verify.rechecked,
            "followed": request.verify.followed,
            "to_move": "; ".join(plan.to_move) or "nothing that is known",
        },
    )
