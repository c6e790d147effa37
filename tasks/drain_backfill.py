"""Wait until every page that was put into Kinesis has its receipt: an exact proof, without looking at iterator ages.

Done when: every page that was sent has its receipt, and no more keys of refused items differ than `max_rejects`:
the proof would find them hours later.

Reads: the route, checkpoints, send ledger, receipts, pages that were given up, rejects and their keys in both tables.
Writes: how far it has compared and which keys are settled, so that each poll goes on from there. Run again it compares
only the segment that it waits for, and reads again what differed.
"""

import time

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import Books, open_books
from tasks.aws.books.drain import DrainProgress
from tasks.aws.books.rejects import count_given_up
from tasks.aws.copy import rejected_items
from tasks.aws.replicate import lag, route
from tasks.aws.session import deployment, measure
from tasks.aws.session.budget import Budget, deadline_of
from tasks.aws.session.handler import RouteRequest, task
from tasks.core import metrics
from tasks.core.copy.back_pressure import PAGES_KEPT_HOURS, in_words, is_expired
from tasks.core.copy.receipts import SegmentDrain
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import BackfillIncomplete, DrainPending
from tasks.core.run.plan import Plan
from tasks.core.settings.caps import STUCK_SECONDS

SHOWN_PAGES = 5
RESERVE_SECONDS = 20.0


@task(RouteRequest)
def handler(request: RouteRequest, context: LambdaContext) -> dict[str, int]:
    """Return what the writer did, in items; until every page has its receipt `DrainPending`."""
    plan = request.plan
    books = open_books(plan.run)
    route.check(books, plan, request.route, with_replicas=False)
    budget = Budget(context, reserve_seconds=RESERVE_SECONDS)
    progress = books.drain.read()
    first = progress.segments
    measure.add(metrics.SEGMENTS_TOTAL, plan.total_segments)
    measure.add(metrics.SEGMENTS_DRAINED, first)
    for segment in range(first, plan.total_segments):
        if budget.is_spent() and segment > first:
            raise DrainPending(f"receipts compared of {segment} of {plan.total_segments} segments; going on")
        checkpoint = books.receipts.read_checkpoint(segment)
        if checkpoint is None or checkpoint.state != "done":
            raise BackfillIncomplete(
                f"segment {segment} of {plan.total_segments} was never scanned to its end; "
                "resume this execution in a new one: `python -m workflow resume`"
            )
        drain = books.receipts.read_segment_drain(checkpoint)
        measure.add(metrics.BACKLOG_PAGES, len(drain.missing))
        if drain.missing:
            what = _wait_for(books, plan, checkpoint, drain, progress)
            late = lag.read_lag(books, request.route, deadline=deadline_of(context))
            raise DrainPending(what + late.warning(plan.lag_limit_seconds))
        progress = books.drain.put(progress.with_segment(checkpoint, drain))
        measure.add(metrics.SEGMENTS_DRAINED, progress.segments)
        measure.add(metrics.PROGRESS)
    deadline = deadline_of(context)
    if waiting := rejected_items.check_few_differ(
        books, plan, request.route, refused=progress.rejected, deadline=deadline
    ):
        raise DrainPending(waiting)
    return {
        "pages": progress.pages,
        "items": progress.items,
        "inserted": progress.inserted,
        "present": progress.present,
        "rejected": progress.rejected,
    }


def _count_done(books: Books, plan: Plan, progress: DrainProgress) -> int:
    return sum(books.receipts.count_done(segment) for segment in range(progress.segments, plan.total_segments))


def _wait_for(books: Books, plan: Plan, checkpoint: Checkpoint, drain: SegmentDrain, progress: DrainProgress) -> str:
    """Return what is waited for, or say that it will not come."""
    shown = ", ".join(map(str, drain.missing[:SHOWN_PAGES])) + (", …" if len(drain.missing) > SHOWN_PAGES else "")
    what = (
        f"segment {checkpoint.segment} of {plan.total_segments}: {len(drain.missing)} of {checkpoint.pages} pages "
        f"have no receipt yet (page {shown})"
    )
    now = time.time()
    is_lost = is_expired(drain.oldest, now=now)
    throttle = books.caps.throttle(plan.caps)
    if throttle.is_paused and not is_lost:
        # Nothing comes, and is not to come. When the pause is over, the wait begins anew.
        books.drain.put(progress.begun_anew())
        return f"{throttle.in_words()}; {what}"
    progress = books.drain.put(progress.waiting_for(what, now=now))
    given_up = count_given_up(since=plan.begun_at)
    is_stuck, patience = False, throttle.patience_seconds(STUCK_SECONDS)
    if not given_up and not is_lost and now - progress.since > patience:
        # Its pages may be the last of a long backlog: what counts is whether any page arrives.
        had = progress.receipts
        progress = books.drain.put(progress.with_receipts(_count_done(books, plan, progress), now=now))
        is_stuck = progress.receipts == had
    if given_up or is_stuck or is_lost:
        if given_up:
            kept = f"s3://{deployment.rejects_bucket()}/aws/lambda/"
            why = f"{given_up} batches of them were given up, and are kept in {kept}"
        elif drain.oldest is not None and is_lost:
            why = (
                f"the oldest was sent {in_words(now - drain.oldest)} ago, while Kinesis keeps a page for "
                f"{PAGES_KEPT_HOURS} h: it is in Kinesis no more, and cannot come"
            )
        else:
            why = f"no page of any segment has come for {patience // 60:.0f} minutes"
        books.drain.put(progress.begun_anew())
        raise BackfillIncomplete(
            f"{what}, and {why}; the log of WritePages has the reason: mend it, "
            "and resume: `python -m workflow resume` sends those pages again"
        )
    return what
