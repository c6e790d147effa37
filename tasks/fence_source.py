"""Fence: from here on a write to the source can not undo a write to the target.

Reads: tips and watermarks, the rule. Writes: the tips of this entry, then the rule, so that the replicator applies a
change only where the target still has what the source had before it. That holds of every key only once the replicator
has passed all that pages may have brought ahead of it, so it has to pass this moment first. Writes to the source are
not refused yet; the late ones are carried over until it is quiet. Run again it finds the rule set.
"""

import time

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AwareDatetime

from tasks.aws import lag, migration_record, moments
from tasks.aws.handler import Request, deadline_of, task
from tasks.core.conflict import ReplicationRule
from tasks.core.errors import ChangesPending


class FenceSourceRequest(Request):
    """The source's stream, and when the state was entered."""

    stream_arn: str
    entered: str
    proven: AwareDatetime
    """When the proof began."""


@task(FenceSourceRequest)
def handler(request: FenceSourceRequest, context: LambdaContext) -> dict[str, object]:
    """Return the rule and since when it is set; until the replicator has passed this moment `ChangesPending`."""
    # An execution that resumes this run may be scanning: under the rule of the fence its pages would be wrong.
    migration_record.check_latest(request.plan)
    deadline = deadline_of(context)
    late = lag.check_nothing_lost(
        request.plan, request.stream_arn, proven_at=request.proven.timestamp(), deadline=deadline
    )
    passing = moments.read_passing(f"fence-source#{request.entered}", request.stream_arn, deadline=deadline)
    if passing.behind:
        raise ChangesPending(passing.in_words() + late.warning(request.plan.lag_limit_seconds))
    rule = migration_record.set_rule(ReplicationRule.TARGET_WINS, run=request.plan.run, now=time.time())
    return {"rule": rule.rule, "since": rule.since}
