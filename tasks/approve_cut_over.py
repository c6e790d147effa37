"""Ask a person whether to cut over. The state waits for the task token, which is answered by `approve` or `deny`.

Reads: nothing. Writes: the token into the control table, from where the command line takes it; an EventBridge event
without it. Run again (a redrive) the new token replaces the old one.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import migration_record, pointer
from tasks.aws.handler import Request, task
from tasks.core.verification import Verification


class ApproveCutOverRequest(Request):
    """The token that ends the wait, and what was proven."""

    task_token: str
    verify: Verification
    execution_arn: str


@task(ApproveCutOverRequest)
def handler(request: ApproveCutOverRequest, _: LambdaContext) -> None:
    """Publish the question; the answer is the state's own result."""
    plan = request.plan
    migration_record.put_approval(request.execution_arn, request.task_token)
    pointer.put_event(
        "Cut-over Approval Wanted",
        {
            "migration": plan.migration,
            "execution": request.execution_arn,
            "source": plan.source_table,
            "target": plan.target_table,
            "source_items": request.verify.source_items,
            "target_items": request.verify.target_items,
            "rechecked": request.verify.rechecked,
            "followed": request.verify.followed,
        },
    )
