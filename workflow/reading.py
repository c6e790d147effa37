"""One reading of a migration's status, cheap enough to be taken once a second.

A reading after another one reads the history's last page only, the checkpoints of segments that are not done, and the
receipts of some segments that have a backlog.
"""

import functools
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import boto3

from tasks.aws.books.books import Books
from tasks.core.replicate.watermark import Watermark
from tasks.core.run.course import course_of
from tasks.core.run.phases import BACKFILL, Standing
from tasks.core.run.plan import Plan
from workflow import execution
from workflow.machine import Machine
from workflow.map_runs import ENDED_BADLY, read_map_runs
from workflow.refusals import CommandRefused, in_words
from workflow.status import DRAIN, SegmentBooks, Status, with_books, with_noted, with_rates

COUNTS_AT_ONCE = 64
"""Segments whose receipts are counted in one reading; the others keep what an earlier one counted."""
RECENT_SECONDS = 60.0
"""Shards whose last change was applied so long before the newest are closed or quiet: their lag is an old one."""


def read_status(execution_arn: str, previous: Status | None = None, *, session: boto3.Session | None = None) -> Status:
    """Read where an execution stands.

    Args:
        execution_arn: which execution.
        previous: what the last call returned, for rates and to read only what is new.
        session: of the SDK; by default the one that the environment describes.

    Raises:
        CommandRefused: the execution, the control table or AWS could not be read; in words.
    """
    session = session or _own_session()
    machine = Machine.of_execution(execution_arn)
    events = execution.read_events(session, execution_arn, previous.events if previous else None)
    course = course_of(events.all)
    map_runs = read_map_runs(
        session, execution_arn, course, statuses=ENDED_BADLY, known=previous.map_runs if previous else None
    )
    if map_runs.runs:
        course = course_of(events.all, map_runs.runs)
    status = Status(execution_arn, time.time(), course, events=events, map_runs=map_runs)
    plan = course.plan
    if plan is None:
        return status
    status = replace(status, total_segments=plan.total_segments)
    books = Books(execution.control_table(session, machine), plan.run)
    with in_words(f"reading {machine.control_table}"):
        status = _read_backfill(session, books, plan, status, previous)
        if course.state in {Standing.RUNNING, Standing.WAITING} and course.last_visit("AttachReplicator"):
            lag = lag_seconds(
                books.watermarks.read_all(), since=course.started_at.timestamp() if course.started_at else 0
            )
            status = replace(status, lag_seconds=lag, throttle=books.caps.throttle(plan.caps))
    noted = {segment: book.checkpoint for segment, book in status.books.items()}
    status = replace(status, course=with_noted(status.course, noted))
    return with_rates(status, previous.samples if previous else ())


def lag_seconds(watermarks: Mapping[str, Watermark], *, since: float) -> float | None:
    """Return how far the replicator was behind when it last applied changes, `None` if it applied none.

    Args:
        watermarks: by shard.
        since: when the execution began, epoch seconds: watermarks from before are of another run.
    """
    ours = [watermark for watermark in watermarks.values() if watermark.applied_at >= since]
    if not ours:
        return None
    newest = max(watermark.applied_at for watermark in ours)
    return max(watermark.lag_seconds for watermark in ours if watermark.applied_at >= newest - RECENT_SECONDS)


def _read_backfill(session: boto3.Session, books: Books, plan: Plan, status: Status, previous: Status | None) -> Status:
    course = status.course
    done = course.document.backfill
    if done is not None:
        return replace(
            status,
            items=done.items,
            items_expected=done.items,
            pages=done.pages,
            receipts=done.pages,
            backlog_pages=0,
            inserted=done.inserted,
            present=done.present,
            rejected=done.rejected,
        )
    if course.last_visit(BACKFILL) is None:
        return status
    expected = previous.items_expected if previous else None
    if expected is None:
        # It only serves the share and the ETA; an operator may be forbidden the call.
        with suppress(CommandRefused):
            expected = execution.item_count(session, plan.source.region, plan.source.name)
    noted = _read_noted(books, plan, previous.books if previous else {})
    status = with_books(replace(status, items_expected=expected), noted)
    if course.last_visit(DRAIN) is None:
        return status
    drained = books.drain.read()
    return replace(status, inserted=drained.inserted, present=drained.present, rejected=drained.rejected)


def _read_noted(books: Books, plan: Plan, known: Mapping[int, SegmentBooks]) -> dict[int, SegmentBooks]:
    open_segments = [
        segment
        for segment in range(plan.total_segments)
        if segment not in known or known[segment].checkpoint.state != "done"
    ]
    noted = dict(known)
    for segment, checkpoint in books.receipts.read_checkpoints(open_segments).items():
        noted[segment] = SegmentBooks(checkpoint, known[segment].receipts if segment in known else None)
    # Those not counted yet come first, then those that have been waited for longest: they stand in front.
    waiting = [segment for segment, entry in noted.items() if entry.checkpoint.records and not entry.is_closed]
    waiting.sort(key=lambda segment: noted[segment].receipts is not None)
    for segment in waiting[:COUNTS_AT_ONCE]:
        # Taken out and put in again, a segment goes to the end of the line.
        checkpoint = noted.pop(segment).checkpoint
        noted[segment] = SegmentBooks(checkpoint, books.receipts.count_receipts(segment))
    return noted


@functools.cache
def _own_session() -> boto3.Session:
    return boto3.Session()
