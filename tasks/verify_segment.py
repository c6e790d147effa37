"""Read one segment of a table and keep what its items hash to; or compare a stretch of hashes of two tables.

Done when: the slice is read to its end: hashes and their digest in the first pass; in the second, where digests were
unequal, the keys that still differ at a look.

Reads: a segment, or lists of hashes and the keys that differ in them. Writes: lists of hashes, or of keys, and then an
entry that says from where to where they go. Run again from the same place it writes another such entry, and of the two
the comparison takes one, so nothing is counted twice.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books import hash_lists
from tasks.aws.books.books import open_books
from tasks.aws.books.digests import Digests
from tasks.aws.dynamodb.table_reads import NoTurnError, scan_page
from tasks.aws.prove.stretch import Comparison
from tasks.aws.session import measure
from tasks.aws.session.budget import Budget
from tasks.aws.session.clients import translated_errors
from tasks.aws.session.handler import Request, task
from tasks.core import metrics
from tasks.core.errors import AwsRefused, AwsUnavailable, PreconditionFailed, TurnPending
from tasks.core.model.capacity import capacity_of
from tasks.core.model.item import Item
from tasks.core.model.table_ref import TableRef
from tasks.core.prove.digest import SOURCE, TARGET, Digest, comparable, item_hash, key_hash, plan_sums
from tasks.core.prove.hash_list import Writing
from tasks.core.prove.passes import LIST_BYTES_MOST
from tasks.core.prove.verification import Kept, VerifySlice
from tasks.core.run.plan import Plan
from tasks.core.settings.caps import reads_of

UNITS_A_LOOK = 0.5
"""Of a key that differs, as long as none has said more."""


class VerifySegmentRequest(Request):
    """Which verification, and the slice with how far it has come."""

    verification: str
    stage: Literal["digests", "suspects"]
    slice: VerifySlice

    @property
    def of_segment(self) -> int:
        """The segment that is read, or the stretch that is compared."""
        return self.slice.segment


@task(VerifySegmentRequest)
def handler(request: VerifySegmentRequest, context: LambdaContext) -> VerifySlice:
    """Return how far the slice has come; the state machine comes back until its state is `done`."""
    plan, begun = request.plan, request.slice
    book = open_books(plan.run).digests(request.verification)
    budget = Budget(context)
    with _named_replica(plan, begun.table):
        return _read(book, plan, begun, budget) if request.stage == "digests" else _compare(book, plan, begun, budget)


def _compare(book: Digests, plan: Plan, begun: VerifySlice, budget: Budget) -> VerifySlice:
    books, until = open_books(plan.run), budget.turn_until(is_first=True)
    turns = [books.turns(plan.caps, reads_of(role), guess=UNITS_A_LOOK, until=until) for role in (SOURCE, begun.table)]
    try:
        return Comparison(book, plan, turns, begun).go_on(budget.is_spent)
    except NoTurnError as error:
        raise TurnPending(str(error)) from None


@contextmanager
def _named_replica(plan: Plan, role: str) -> Iterator[None]:
    """Say of a replica that AWS refuses to read what to do about that: its own words fit any table."""
    try:
        yield
    except AwsRefused as refused:
        if role in {SOURCE, TARGET}:
            raise
        raise PreconditionFailed(
            f"the replica of {plan.target.name} in {plan.proven[role].region} cannot be read ({refused}). Mend that "
            "and redrive. If it was removed, resume: `python -m workflow resume` adds it anew, and proves all tables"
        ) from None


def _read(book: Digests, plan: Plan, begun: VerifySlice, budget: Budget) -> VerifySlice:
    table, reached = plan.proven[begun.table], begun
    digest, rows = Digest(plan_sums(plan.buckets)), Writing(plan.buckets)
    lists: list[Kept] = []
    turns = open_books(plan.run).turns(plan.caps, reads_of(begun.table), guess=plan.page_read_units)
    while reached.state != "done":
        try:
            with translated_errors("verify_segment"):
                turn = turns.take(until=budget.turn_until(is_first=reached.pages == begun.pages))
                if turn is None:
                    break
                items, cursor, took = _read_page(plan, table, reached)
                turns.settle(turn, took)
        except AwsUnavailable:
            if reached.pages == begun.pages:
                raise
            break  # the pages before it are counted: the next call begins here
        for item in items:
            key = table.key.key_of(item)
            hashes = key_hash(key), item_hash(item)
            digest.add(*hashes)
            rows.add(*hashes, key)
        if rows.bytes >= LIST_BYTES_MOST:
            lists += _keep(book, begun, rows)
        measure.add(metrics.ITEMS_VERIFIED, len(items))
        measure.add(metrics.PROGRESS)
        reached = VerifySlice(
            table=reached.table,
            segment=reached.segment,
            state="done" if cursor is None else "reading",
            cursor=cursor,
            pages=reached.pages + 1,
            items=reached.items + len(items),
        )
        if budget.is_spent():
            break
    if reached.state != "done" and reached.pages == begun.pages:
        raise TurnPending(f"segment {reached.segment} of the {reached.table} had no turn yet: {turns.in_words()}")
    lists += _keep(book, begun, rows)
    book.put_reading(begun, reached, digest, lists)
    return reached


def _keep(book: Digests, begun: VerifySlice, rows: Writing) -> list[Kept]:
    body = rows.take()
    return [hash_lists.put(f"{book.folder}/{begun.name}/{begun.place}", body)] if body else []


def _read_page(plan: Plan, table: TableRef, slice_: VerifySlice) -> tuple[list[Item], Item | None, float | None]:
    page = scan_page(table, segment=slice_.segment, total_segments=plan.verify_segments, cursor=slice_.cursor)
    answer = json.loads(page)
    took = capacity_of(answer)
    measure.add(metrics.READ_UNITS, took)
    items = [shown for item in answer["Items"] if (shown := comparable(item, slice_.table, plan.shape)) is not None]
    return items, answer.get("LastEvaluatedKey") or None, took
