"""Wait until every change that the source had taken when the state was entered is in the target.

Reads: the stream's shards and tips, watermarks, rejects. Writes: the tips of this entry, once. Run again it compares
the same tips with newer watermarks.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import lag, moments
from tasks.aws.handler import Request, deadline_of, task
from tasks.aws.rejects import check_no_change_rejected
from tasks.core.errors import ChangesPending


class DrainChangesRequest(Request):
    """The source's stream, and when the state was entered."""

    stream_arn: str
    entered: str


@task(DrainChangesRequest)
def handler(request: DrainChangesRequest, context: LambdaContext) -> dict[str, int]:
    """Return how many shards were drained; until the replicator has passed their tips `ChangesPending`."""
    run = request.plan.run
    deadline = deadline_of(context)
    passing = moments.read_passing(f"drain-changes#{request.entered}", request.stream_arn, deadline=deadline)
    if passing.behind:
        late = lag.read_lag(request.stream_arn, deadline=deadline)
        raise ChangesPending(passing.in_words() + late.warning(request.plan.lag_limit_seconds))
    check_no_change_rejected(run)
    return {"shards": passing.shards}
