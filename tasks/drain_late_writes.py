"""Carry over what is still written to the source after the cut-over, until it has been quiet for long enough.

Reads: the stream's tips, watermarks, when traffic moved, rejects. Writes: nothing. Run again it looks again. Expiry by
TTL is carried over too, but is no write: both tables expire their items by now, each by itself.
"""

import time

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import lag, migration_record, moments, watermarks
from tasks.aws.handler import Request, deadline_of, task
from tasks.aws.rejects import count_rejects
from tasks.core.errors import LateWritesPending, Refused


class DrainLateWritesRequest(Request):
    """The source's stream."""

    stream_arn: str


@task(DrainLateWritesRequest)
def handler(request: DrainLateWritesRequest, context: LambdaContext) -> dict[str, int]:
    """Return how many late changes the target overruled or refused; until it is quiet `LateWritesPending`."""
    plan = request.plan
    cut_over_at = migration_record.cut_over_at(plan.run)
    if cut_over_at is None:
        raise Refused(f"run {plan.run} has not cut over; stop this execution, and start a new one")
    deadline = deadline_of(context)
    late = lag.read_lag(request.stream_arn, deadline=deadline)
    if not moments.await_passed(request.stream_arn, deadline=deadline):
        on_their_way = f"late changes are on their way to {plan.target_table}"
        raise LateWritesPending(on_their_way + late.warning(plan.lag_limit_seconds))
    written_at = max([cut_over_at, *(mark.written_at for mark in watermarks.read_watermarks().values())])
    quiet_seconds = time.time() - written_at
    if quiet_seconds < plan.quiet_seconds:
        raise LateWritesPending(
            f"{plan.source_table} has been quiet for {quiet_seconds:.0f} of quiet_seconds={plan.quiet_seconds}"
        )
    return {"overruled": count_rejects(f"{plan.run}/late/")}
