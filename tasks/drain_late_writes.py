"""Carry over what is still written to the source after the cut-over, until it has been quiet for long enough.

Reads: the stream's tips, watermarks, rejects. Writes: which tips it saw, and since when. Run again it looks again.
"""

import time

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import migration_record, streams, watermarks
from tasks.aws.handler import Request, deadline_of, task
from tasks.aws.rejects import count_rejects
from tasks.core.errors import LateWritesPending
from tasks.core.watermark import shards_behind


class DrainLateWritesRequest(Request):
    """The source's stream."""

    stream_arn: str


@task(DrainLateWritesRequest)
def handler(request: DrainLateWritesRequest, context: LambdaContext) -> dict[str, int]:
    """Return how many late changes the target overruled or refused; until it is quiet `LateWritesPending`."""
    plan = request.plan
    marks = watermarks.read_watermarks()
    tips = streams.read_tips(request.stream_arn, marks, deadline=deadline_of(context))
    now = time.time()
    quiet_seconds = now - migration_record.quiet_since(tips, now=now)
    behind = shards_behind(tips, marks)
    if behind:
        raise LateWritesPending(f"late changes of {len(behind)} shards are on their way to {plan.target_table}")
    if quiet_seconds < plan.quiet_seconds:
        raise LateWritesPending(
            f"{plan.source_table} has been quiet for {quiet_seconds:.0f} of quiet_seconds={plan.quiet_seconds}"
        )
    return {"overruled": count_rejects(f"{plan.run}/late/")}
