"""Which segments of a run are not done, and the last checkpoint of each: from histories and the control table.

The control table says what is done, at the price of one read for 100 segments. Histories say where the others stand:
the parent's own, and those of children that did not succeed, of which a Map leaves few (max_concurrency, as a rule).
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from tasks.aws.books.books import Books
from tasks.aws.run.execution_history import iter_chain, iter_events, iter_unsuccessful, read_course
from tasks.core.copy.checkpoints import Search
from tasks.core.copy.segment import Checkpoint
from tasks.core.replicate.conflict import ReplicationRule
from tasks.core.run.course import segment_of
from tasks.core.run.phases import Course
from tasks.core.run.plan import Plan

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient


def read_unfinished(
    client: "SFNClient", books: Books, plan: Plan, resume_from: str, *, deadline: float
) -> list[Checkpoint]:
    """Return the checkpoint of each segment that has to be scanned on, in the order of the segments.

    Histories are read no further back than is needed.

    Args:
        client: of Step Functions.
        books: of the run.
        plan: of the run.
        resume_from: ARN of the execution to resume.
        deadline: by `time.monotonic`; receipts that could not be looked at until then are left to DrainBackfill.
    """
    rule = books.record.read_rule()
    if rule is not None and rule.run == plan.run and rule.rule is not ReplicationRule.LEAVE_TOMBSTONES:
        # The backfill was drained and the writer detached: a page that is sent now would never arrive.
        return []
    chain = list(iter_chain(client, read_course(client, resume_from)))
    every = range(plan.total_segments)
    noted = books.receipts.read_checkpoints(every)
    gave_up = any(course.error == "BackfillIncomplete" for course in chain)
    missing = _first_missing(books, plan, noted, deadline=deadline) if gave_up else {}
    search = Search(plan.total_segments, noted, missing, books.receipts.read_kept(every))
    for course in chain:
        for reached in _iter_scans(client, course):
            if search.is_complete:
                return search.result()
            search.look_at(reached)
    return search.result()


def _iter_scans(client: "SFNClient", course: Course) -> Iterator[Mapping[int, Sequence[Checkpoint]]]:
    """Yield what each scan of an execution reached: one of an inline Map, one for each Map Run, the newest first.

    A redrive goes on with the Map Run that there is. Where it has to make a new one, that begins where the first began.
    """
    if not course.backfill_runs:
        yield course.scanned()
    for map_run in reversed(course.backfill_runs):
        reached = course.scanned()
        for child in iter_unsuccessful(client, map_run):
            for checkpoint in segment_of(iter_events(client, child)).checkpoints:
                if isinstance(checkpoint, Checkpoint):
                    reached.setdefault(checkpoint.segment, []).append(checkpoint)
        yield reached


def _first_missing(books: Books, plan: Plan, noted: Mapping[int, Checkpoint], *, deadline: float) -> dict[int, int]:
    """Return the first page without a receipt of each scanned segment that has one, after the writer gave up."""
    missing = {}
    for segment in range(books.drain.read().segments, plan.total_segments):
        if time.monotonic() > deadline:
            break
        checkpoint = noted.get(segment)
        if checkpoint is not None and checkpoint.state == "done":
            drain = books.receipts.read_segment_drain(checkpoint)
            if drain.missing:
                missing[segment] = drain.missing[0]
    return missing
