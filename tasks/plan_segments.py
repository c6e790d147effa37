"""Lay out the segments of the parallel scan; of a run that is resumed only those that are not done, where they stand.

Reads: for a resume, the histories of the executions that are gone on from, those of their Maps' children that did not
succeed, the rule, checkpoints, and after a BackfillIncomplete the ledger and receipts. Writes: for a resume, cursors
that do not fit into the state's output, and that the drain's wait begins anew. The checkpoints are its output, in the
execution history. Run again it says the same.
"""

from collections.abc import Sequence

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import backfill_drain, clients, measure, migration_record, receipts, segment_reading
from tasks.aws.control import control
from tasks.aws.handler import Request, deadline_of, task
from tasks.core.checkpoints import fit_into_state
from tasks.core.metrics import SEGMENTS_TOTAL
from tasks.core.plan import Plan
from tasks.core.segment import Checkpoint, plan_checkpoints


@task(Request)
def handler(request: Request, context: LambdaContext) -> dict[str, object]:
    """Return one checkpoint per segment that is to be scanned; there may be none."""
    plan = request.plan
    checkpoints: Sequence[Checkpoint] = plan_checkpoints(plan.total_segments)
    measure.add(SEGMENTS_TOTAL, len(checkpoints))
    if plan.resume_from is not None:
        migration_record.check_latest(plan)
        checkpoints = _unfinished(plan, plan.resume_from, deadline=deadline_of(context))
    return {"checkpoints": [checkpoint.model_dump(mode="json", exclude_defaults=True) for checkpoint in checkpoints]}


def _unfinished(plan: Plan, resume_from: str, *, deadline: float) -> Sequence[Checkpoint]:
    unfinished = segment_reading.read_unfinished(
        clients.stepfunctions(), control(), plan, resume_from, deadline=deadline
    )
    given, kept = fit_into_state(unfinished)
    receipts.put_kept(plan.run, kept)
    # The wait that the earlier execution gave up was for pages that are sent again now.
    backfill_drain.begin_anew(plan.run)
    return given
