"""Wait until every page that was put into Kinesis has its receipt: an exact proof, without looking at iterator ages.

Reads: checkpoints, send ledger, receipts, what Lambda gave up on. Writes: how far it has compared, so that each poll
goes on from there. Run again it compares only the segment that it waits for.
"""

import time

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import backfill_drain, deployment, lag, measure, receipts
from tasks.aws.backfill_drain import DrainProgress
from tasks.aws.control import control
from tasks.aws.handler import Request, deadline_of, task
from tasks.aws.rejects import count_given_up
from tasks.core import metrics
from tasks.core.errors import BackfillIncomplete, DrainPending
from tasks.core.plan import Plan
from tasks.core.receipts import SegmentDrain
from tasks.core.segment import Checkpoint

SHOWN_PAGES = 5
RESERVE_MILLISECONDS = 20_000
STUCK_SECONDS = 900
"""No receipt of any segment for so long is no backlog any more: a page alone takes seconds."""


class DrainBackfillRequest(Request):
    """The source's stream."""

    stream_arn: str


@task(DrainBackfillRequest)
def handler(request: DrainBackfillRequest, context: LambdaContext) -> dict[str, int]:
    """Return what the writer did, in items; until every page has its receipt `DrainPending`."""
    plan = request.plan
    progress = backfill_drain.read_progress(plan.run)
    first = progress.segments
    measure.add(metrics.SEGMENTS_TOTAL, plan.total_segments)
    measure.add(metrics.SEGMENTS_DRAINED, first)
    for segment in range(first, plan.total_segments):
        if context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS and segment > first:
            raise DrainPending(f"receipts compared of {segment} of {plan.total_segments} segments; going on")
        checkpoint = receipts.read_checkpoint(plan.run, segment)
        if checkpoint is None or checkpoint.state != "done":
            raise BackfillIncomplete(
                f"segment {segment} of {plan.total_segments} was never scanned to its end; "
                "resume this execution in a new one: `python -m workflow resume`"
            )
        drain = receipts.read_segment_drain(plan.run, checkpoint)
        measure.add(metrics.BACKLOG_PAGES, len(drain.missing))
        if drain.missing:
            what = _wait_for(plan, checkpoint, drain, progress)
            late = lag.read_lag(request.stream_arn, deadline=deadline_of(context))
            raise DrainPending(what + late.warning(plan.lag_limit_seconds))
        progress = backfill_drain.put_progress(plan.run, progress.with_segment(checkpoint, drain))
        measure.add(metrics.SEGMENTS_DRAINED, progress.segments)
        measure.add(metrics.PROGRESS)
    return {
        "pages": progress.pages,
        "items": progress.items,
        "inserted": progress.inserted,
        "present": progress.present,
        "rejected": progress.rejected,
    }


def _count_receipts(plan: Plan, progress: DrainProgress) -> int:
    table = control()
    return sum(
        receipts.count_receipts(table, plan.run, segment) for segment in range(progress.segments, plan.total_segments)
    )


def _wait_for(plan: Plan, checkpoint: Checkpoint, drain: SegmentDrain, progress: DrainProgress) -> str:
    """Return what is waited for, or say that it will not come."""
    shown = ", ".join(map(str, drain.missing[:SHOWN_PAGES])) + (", …" if len(drain.missing) > SHOWN_PAGES else "")
    what = (
        f"segment {checkpoint.segment} of {plan.total_segments}: {len(drain.missing)} of {checkpoint.pages} pages "
        f"have no receipt yet (page {shown})"
    )
    now = time.time()
    progress = backfill_drain.put_progress(plan.run, progress.waiting_for(what, now=now))
    given_up = count_given_up()
    is_stuck = False
    if not given_up and now - progress.since > STUCK_SECONDS:
        # Its pages may be the last of a long backlog: what counts is whether any page arrives.
        had = progress.receipts
        progress = backfill_drain.put_progress(
            plan.run, progress.with_receipts(_count_receipts(plan, progress), now=now)
        )
        is_stuck = progress.receipts == had
    if given_up or is_stuck:
        why = (
            f"Lambda gave up on {given_up} batches, which are kept in s3://{deployment.rejects_bucket()}/aws/lambda/"
            if given_up
            else f"no page of any segment has come for {STUCK_SECONDS // 60} minutes"
        )
        backfill_drain.put_progress(plan.run, progress.begun_anew())
        raise BackfillIncomplete(
            f"{what}, and {why}; the log of WritePages has the reason: mend it, remove those objects, "
            "and resume: `python -m workflow resume` sends those pages again"
        )
    return what
