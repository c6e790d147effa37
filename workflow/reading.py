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

from tasks.aws.backfill_drain import read_progress
from tasks.aws.control import ControlTable
from tasks.aws.receipts import count_receipts, read_checkpoints
from tasks.aws.watermarks import read_watermarks
from tasks.core.errors import AwsUnavailable, Refused
from tasks.core.plan import Plan
from tasks.core.watermark import Watermark
from workflow import execution
from workflow.history import parse_history, with_noted
from workflow.machine import Machine
from workflow.map_runs import ENDED_BADLY, read_map_runs
from workflow.phases import State
from workflow.refusals import in_words
from workflow.status import BACKFILL, DRAIN, Books, Status, with_books, with_rates

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
        Refused: the execution, the control table or AWS could not be read; in words.
    """
    session = session or _own_session()
    machine = Machine.of_execution(execution_arn)
    events = execution.read_events(session, execution_arn, previous.events if previous else None)
    history = parse_history(events.all)
    map_runs = read_map_runs(
        session, execution_arn, history, statuses=ENDED_BADLY, known=previous.map_runs if previous else None
    )
    if map_runs.runs:
        history = parse_history(events.all, map_runs.runs)
    status = Status(execution_arn, time.time(), history, events=events, map_runs=map_runs)
    plan = history.plan
    if plan is None:
        return status
    status = replace(status, total_segments=plan.total_segments)
    table = execution.control_table(session, machine)
    with in_words(f"reading {machine.control_table}"):
        try:
            status = _read_backfill(session, table, plan, status, previous)
            if history.state in {State.RUNNING, State.WAITING} and history.last_visit("AttachReplicator"):
                lag = lag_seconds(
                    read_watermarks(table), since=history.started_at.timestamp() if history.started_at else 0
                )
                status = replace(status, lag_seconds=lag)
        except AwsUnavailable as error:
            raise Refused(str(error)) from error
    noted = {segment: book.checkpoint for segment, book in status.books.items()}
    status = replace(status, history=with_noted(status.history, noted))
    return with_rates(status, previous.marks if previous else ())


def lag_seconds(watermarks: Mapping[str, Watermark], *, since: float) -> float | None:
    """Return how far the replicator was behind when it last applied changes, `None` if it applied none.

    Args:
        watermarks: by shard.
        since: when the execution began, epoch seconds: watermarks from before are of another run.
    """
    marks = [mark for mark in watermarks.values() if mark.applied_at >= since]
    if not marks:
        return None
    newest = max(mark.applied_at for mark in marks)
    return max(mark.lag_seconds for mark in marks if mark.applied_at >= newest - RECENT_SECONDS)


def _read_backfill(
    session: boto3.Session, table: ControlTable, plan: Plan, status: Status, previous: Status | None
) -> Status:
    history = status.history
    if "backfill" in history.document:
        done = history.document["backfill"]
        return replace(
            status,
            segments_done=plan.total_segments,
            items=done["items"],
            items_expected=done["items"],
            pages=done["pages"],
            receipts=done["pages"],
            backlog_pages=0,
            inserted=done["inserted"],
            present=done["present"],
            rejected=done["rejected"],
        )
    if history.last_visit(BACKFILL) is None:
        return status
    expected = previous.items_expected if previous else None
    if expected is None:
        # It only serves the share and the ETA; an operator may be forbidden the call.
        with suppress(Refused):
            expected = execution.item_count(session, plan.region, plan.source_table)
    books = _read_books(table, plan, previous.books if previous else {})
    status = with_books(replace(status, items_expected=expected), books)
    if history.last_visit(DRAIN) is None:
        return status
    drained = read_progress(plan.run, table)
    return replace(status, inserted=drained.inserted, present=drained.present, rejected=drained.rejected)


def _read_books(table: ControlTable, plan: Plan, known: Mapping[int, Books]) -> dict[int, Books]:
    open_segments = [
        segment
        for segment in range(plan.total_segments)
        if segment not in known or known[segment].checkpoint.state != "done"
    ]
    books = dict(known)
    for segment, checkpoint in read_checkpoints(table, plan.run, open_segments).items():
        books[segment] = Books(checkpoint, known[segment].receipts if segment in known else None)
    # Those not counted yet come first, then those that have been waited for longest: they stand in front.
    waiting = [segment for segment, entry in books.items() if entry.checkpoint.records and not entry.is_closed]
    waiting.sort(key=lambda segment: books[segment].receipts is not None)
    for segment in waiting[:COUNTS_AT_ONCE]:
        # Taken out and put in again, a segment goes to the end of the line.
        checkpoint = books.pop(segment).checkpoint
        books[segment] = Books(checkpoint, count_receipts(table, plan.run, segment))
    return books


@functools.cache
def _own_session() -> boto3.Session:
    return boto3.Session()
