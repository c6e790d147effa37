"""Lay out the segments of the parallel scan.

Reads and writes nothing: the checkpoints are its output, in the execution history. Run again it says the same.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import measure
from tasks.aws.handler import Request, task
from tasks.core.metrics import SEGMENTS_TOTAL
from tasks.core.segment import plan_checkpoints


@task(Request)
def handler(request: Request, _: LambdaContext) -> dict[str, object]:
    """Return one checkpoint per segment."""
    checkpoints = plan_checkpoints(request.plan.total_segments)
    measure.add(SEGMENTS_TOTAL, len(checkpoints))
    return {"checkpoints": [checkpoint.model_dump(mode="json", exclude_defaults=True) for checkpoint in checkpoints]}
