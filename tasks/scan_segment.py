"""Scan one segment of the source into Kinesis, page by page, for half of the function's time-out.

Reads: the source. Writes: its claim on the segment, pages into Kinesis, then the send ledger, then the checkpoint. The
cursor is returned only after Kinesis has taken the page and the ledger names it: a crash in between sends the page
again, which is harmless; any other order loses it.
"""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import deployment, measure, migration_record, pages, receipts
from tasks.aws.clients import passing_errors
from tasks.aws.control import control
from tasks.aws.handler import Request, task
from tasks.aws.raw import body_of, raw_dynamodb
from tasks.core import metrics
from tasks.core.capacity import ASKED_FOR
from tasks.core.errors import AwsUnavailable, PutRecordsIncomplete
from tasks.core.page import encode_page, read_header, take_apart
from tasks.core.plan import Plan
from tasks.core.receipts import Sent
from tasks.core.segment import Checkpoint

BUDGET_SHARE = 0.5
"""Of the time-out: what is left over is for one slow page and its retries."""


class ScanSegmentRequest(Request):
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
    # A child of a stopped execution's Map may live on for a while, and would claim its segment back.
    migration_record.check_latest(plan)
    begun = _whole(plan, request.checkpoint)
    claim = receipts.claim_segment(plan.run, begun)
    checkpoint = begun
    reserve = context.get_remaining_time_in_millis() * (1 - BUDGET_SHARE)
    while checkpoint.state != "done":
        try:
            with passing_errors("scan_segment"):
                checkpoint = _scan_page(plan, checkpoint, claim)
        except (AwsUnavailable, PutRecordsIncomplete):
            if checkpoint.pages == begun.pages:
                raise
            # The pages before it are sent: the next call begins here, and meets the error first if it lasts.
            break
        if context.get_remaining_time_in_millis() < reserve:
            break
    receipts.put_checkpoint(plan.run, checkpoint, claim=claim)
    return checkpoint


def _whole(plan: Plan, checkpoint: Checkpoint) -> Checkpoint:
    """Return the checkpoint with its cursor; if that is not kept any more, the segment's beginning, which is safe."""
    if not checkpoint.kept:
        return checkpoint
    segment = checkpoint.segment
    return receipts.read_kept(control(), plan.run, [segment]).get(segment, Checkpoint(segment=segment))


def _scan_page(plan: Plan, checkpoint: Checkpoint, claim: int) -> Checkpoint:
    request: dict[str, Any] = {
        "TableName": plan.source_table,
        "Segment": checkpoint.segment,
        "TotalSegments": plan.total_segments,
        **ASKED_FOR,
    }
    if checkpoint.cursor is not None:
        request["ExclusiveStartKey"] = checkpoint.cursor
    page = take_apart(raw_dynamodb().call("Scan", body_of(request)))
    measure.add(metrics.READ_UNITS, page.read_units)
    records = encode_page(page, run=plan.run, segment=checkpoint.segment, number=checkpoint.pages)
    pages.put_all(deployment.pages_stream_arn(), records)
    digests = tuple(read_header(record).digest for record in records)
    receipts.put_sent(plan.run, checkpoint.segment, Sent(checkpoint.pages, digests, page.count), claim=claim)
    measure.add(metrics.ITEMS_SCANNED, page.count)
    measure.add(metrics.PAGES_SENT)
    measure.add(metrics.PARTS_SENT, len(records))
    measure.add(metrics.BYTES_SENT, sum(map(len, records)))
    measure.add(metrics.SEGMENTS_SCANNED, 1 if page.cursor is None else 0)
    measure.add(metrics.PROGRESS)
    return Checkpoint(
        segment=checkpoint.segment,
        state="done" if page.cursor is None else "scanning",
        cursor=page.cursor,
        pages=checkpoint.pages + 1,
        records=checkpoint.records + len(records),
        items=checkpoint.items + page.count,
    )
