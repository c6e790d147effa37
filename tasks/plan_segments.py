"""Lay out the segments of the parallel scan; of a run that is resumed only those that are not done, where they stand.

They are laid out in the order in which they are begun: spread over the whole table.

Done when: there is one checkpoint for each segment; on a resume, for each that is not done.

Reads: for a resume, the histories of the executions that are resumed, those of their Maps' children that did not
succeed, the rule, checkpoints, and after a BackfillIncomplete the ledger and receipts. Writes: checkpoints that do not
fit into the state's output, and for a resume that the drain's wait begins anew. The checkpoints are its output, in the
execution history. Run again it says the same.
"""

from collections.abc import Sequence

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import Books, open_books
from tasks.aws.run import segment_reading
from tasks.aws.session import clients, measure
from tasks.aws.session.budget import deadline_of
from tasks.aws.session.handler import Request, task
from tasks.core.copy.checkpoints import fit_into_state
from tasks.core.copy.segment import Checkpoint, plan_checkpoints
from tasks.core.metrics import SEGMENTS_TOTAL
from tasks.core.model.order import spread_out
from tasks.core.run.plan import Plan


@task(Request)
def handler(request: Request, context: LambdaContext) -> dict[str, object]:
    """Return one checkpoint per segment that is to be scanned, and whether there is any."""
    plan = request.plan
    books = open_books(plan.run)
    books.record.check_latest(plan)
    measure.add(SEGMENTS_TOTAL, plan.total_segments)
    checkpoints: Sequence[Checkpoint] = plan_checkpoints(plan.total_segments)
    if plan.resume_from is not None:
        checkpoints = _unfinished(books, plan, plan.resume_from, deadline=deadline_of(context))
    given, kept = fit_into_state(checkpoints)
    books.receipts.put_kept(kept)
    # Of a Distributed Map over nothing AWS's documents say nothing: the machine passes it by.
    return {"checkpoints": [checkpoint.in_short() for checkpoint in given], "left": "some" if given else "none"}


def _unfinished(books: Books, plan: Plan, resume_from: str, *, deadline: float) -> Sequence[Checkpoint]:
    unfinished = segment_reading.read_unfinished(clients.stepfunctions(), books, plan, resume_from, deadline=deadline)
    # The wait that the earlier execution gave up was for pages that are sent again now.
    books.drain.begin_anew()
    return spread_out(unfinished)
