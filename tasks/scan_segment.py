"""Scan one segment of the source into Kinesis, page by page, for half of the function's timeout.

Done when: the segment's last page is in Kinesis, and few of its pages have no receipt; until then the machine calls it
again.

Reads: the source, whether it still streams as it did, and the segment's receipts: while the writer is too far behind
it waits, unless pages were given up. Writes: its claim on the segment, pages into Kinesis, then the send ledger, then
the checkpoint. The cursor is returned only after Kinesis has taken the page and the ledger names it: a crash in between
sends the page again, which is harmless; any other order loses it.
"""

import time

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import Books, open_books
from tasks.aws.books.rejects import count_given_up
from tasks.aws.copy import pages
from tasks.aws.copy.lead import Lead
from tasks.aws.dynamodb.table_reads import scan_page
from tasks.aws.replicate import route
from tasks.aws.session import deployment, measure
from tasks.aws.session.budget import Budget
from tasks.aws.session.clients import translated_errors
from tasks.aws.session.handler import RouteRequest, task
from tasks.core import metrics
from tasks.core.copy.back_pressure import PARTS_AHEAD_AT_THE_END, PARTS_AHEAD_MOST, PARTS_AHEAD_TO_GO_ON
from tasks.core.copy.page import encode_page, read_header, take_apart
from tasks.core.copy.receipts import Sent
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import AwsUnavailable, PutRecordsIncomplete, ScanPending, TurnPending
from tasks.core.run.plan import Plan
from tasks.core.settings.caps import Side


class ScanSegmentRequest(RouteRequest):
    """The segment and how far it has come."""

    checkpoint: Checkpoint

    @property
    def of_segment(self) -> int:
        """The segment that is scanned."""
        return self.checkpoint.segment


@task(ScanSegmentRequest)
def handler(request: ScanSegmentRequest, context: LambdaContext) -> Checkpoint:
    """Return the checkpoint reached; the state machine comes back until its state is `done`."""
    plan = request.plan
    books = open_books(plan.run)
    # A child of a stopped execution's Map may live on for a while, and would claim its segment back.
    books.record.check_latest(plan)
    # What a page misses has to come by the stream. DrainBackfill looks too, but a backfill may take a day until then.
    route.check_source(books, plan, request.route)
    begun = _whole(books, request.checkpoint)
    claim = books.receipts.claim_segment(begun)
    checkpoint, lead = begun, Lead(books.receipts, begun)
    budget = Budget(context)
    turns = books.turns(plan.caps, Side.SOURCE_READS, guess=plan.page_read_units)
    waiting = _why_wait(plan, lead, begun, parts_most=PARTS_AHEAD_TO_GO_ON) if begun.state == "scanning" else ""
    while checkpoint.state == "scanning" and not waiting:
        try:
            with translated_errors("scan_segment"):
                turn = turns.take(until=budget.turn_until(is_first=checkpoint.pages == begun.pages))
                if turn is None:
                    break
                checkpoint, took = _send_page(books, plan, checkpoint, claim, lead)
                turns.settle(turn, took)
        except (AwsUnavailable, PutRecordsIncomplete):
            if checkpoint.pages == begun.pages:
                raise
            # The pages before it are sent: the next call begins here, and meets the error first if it lasts.
            break
        if budget.is_spent():
            break
        waiting = _why_wait(plan, lead, checkpoint, parts_most=PARTS_AHEAD_MOST)
    if checkpoint.state == "sent":
        waiting = _why_wait(plan, lead, checkpoint, parts_most=PARTS_AHEAD_AT_THE_END)
        checkpoint = checkpoint if waiting else checkpoint.model_copy(update={"state": "done"})
    has_sent = checkpoint.pages > begun.pages
    checkpoint = checkpoint.model_copy(update={"written": lead.written})
    books.receipts.put_checkpoint(checkpoint, claim=claim, waiting="" if has_sent else waiting)
    if waiting and not has_sent:
        # What a call has sent has to be returned first: it would be sent again.
        raise ScanPending(waiting)
    if checkpoint.state == "scanning" and not has_sent:
        raise TurnPending(f"segment {checkpoint.segment} had no turn yet: {turns.in_words()}")
    return checkpoint


def _why_wait(plan: Plan, lead: Lead, checkpoint: Checkpoint, *, parts_most: int) -> str:
    waiting = lead.why_wait(checkpoint, parts_most=parts_most)
    # A page that was given up gets no receipt: whoever waits for it never comes to DrainBackfill, which says so.
    return "" if waiting and count_given_up(since=plan.begun_at) else waiting


def _whole(books: Books, checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with its cursor; if that is not kept any more, the segment's beginning, which is safe."""
    if not checkpoint.kept:
        return checkpoint
    segment = checkpoint.segment
    return books.receipts.read_kept([segment]).get(segment, Checkpoint(segment=segment))


def _send_page(
    books: Books, plan: Plan, checkpoint: Checkpoint, claim: int, lead: Lead
) -> tuple[Checkpoint, float | None]:
    page = take_apart(
        scan_page(
            plan.source,
            segment=checkpoint.segment,
            total_segments=plan.total_segments,
            cursor=checkpoint.cursor,
        )
    )
    measure.add(metrics.READ_UNITS, page.read_units)
    records = encode_page(page, run=plan.run, segment=checkpoint.segment, number=checkpoint.pages)
    pages.put_all(deployment.pages_stream_arn(), records)
    digests = tuple(read_header(record).digest for record in records)
    sent_at = time.time()
    books.receipts.put_sent(checkpoint.segment, Sent(checkpoint.pages, digests, page.count, sent_at), claim=claim)
    lead.note_sent(len(records), at=sent_at)
    measure.add(metrics.ITEMS_SCANNED, page.count)
    measure.add(metrics.PAGES_SENT)
    measure.add(metrics.PARTS_SENT, len(records))
    measure.add(metrics.BYTES_SENT, sum(map(len, records)))
    measure.add(metrics.SEGMENTS_SCANNED, 1 if page.cursor is None else 0)
    measure.add(metrics.PROGRESS)
    reached = Checkpoint(
        segment=checkpoint.segment,
        state="sent" if page.cursor is None else "scanning",
        cursor=page.cursor,
        pages=checkpoint.pages + 1,
        records=checkpoint.records + len(records),
        items=checkpoint.items + page.count,
        written=checkpoint.written,
    )
    return reached, page.read_units
