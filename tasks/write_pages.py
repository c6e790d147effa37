"""Put the pages that arrive from Kinesis into the target, where the conflict rule allows it.

Reads: records of pages, their receipts. Writes: items of the target, rejects, and last the receipt. A page that comes
again finds its receipt and is skipped; if the receipt was not yet written, its items are found present.
"""

import base64
from collections.abc import Mapping
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import measure, migration_record, receipts
from tasks.aws.call import call, logger
from tasks.aws.clients import passing_errors
from tasks.aws.handler import driven_by_stream, logged
from tasks.aws.raw import raw_dynamodb
from tasks.aws.rejects import put_rejects
from tasks.aws.target import Target
from tasks.core import metrics
from tasks.core.conflict import PageCondition
from tasks.core.item import without_legacy_attributes
from tasks.core.page import decode_items, read_header
from tasks.core.plan import Plan

BUDGET_SHARE = 0.5
"""Of the time-out: what is left over is for one slow page."""


@driven_by_stream
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write each record's items; report those that failed or were not begun.

    Kinesis sends all from the lowest of them on again; those in between that are done have their receipts by then.
    """
    plan = migration_record.required_plan()
    call.is_of(plan.migration, run=plan.run)
    reserve = context.get_remaining_time_in_millis() * (1 - BUDGET_SHARE)
    failures = []
    for number, entry in enumerate(event["Records"]):
        sequence_number = entry["kinesis"]["sequenceNumber"]
        if number and context.get_remaining_time_in_millis() < reserve:
            # A time-out would end this environment, and the page under way would begin anew.
            failures.append({"itemIdentifier": sequence_number})
            continue
        try:
            with logged(f"write_pages record {sequence_number}"), passing_errors("write_pages"):
                write_record(plan, base64.b64decode(entry["kinesis"]["data"]))
        except Exception as error:  # noqa: BLE001 — every failure is reported to the mapping, which sends it again
            logger.warning("record %s comes again: %s", sequence_number, type(error).__name__)
            measure.add(metrics.FAILURES)
            failures.append({"itemIdentifier": sequence_number})
    return {"batchItemFailures": failures}


def write_record(plan: Plan, record: bytes) -> None:
    """Write one record's items, then its receipt.

    Raises:
        PageUnreadable: the record is no page of this version.
        WritesUnfinished: the target did not take all of it.
    """
    header = read_header(record)
    if header.run != plan.run:
        # Of a run that was given up: between its end and this run's beginning a delete may have left no tombstone.
        logger.warning("a page of run %s is left out: the run under way is %s", header.run, plan.run)
        return
    if receipts.has_receipt(header):
        return
    items = [without_legacy_attributes(item) for item in decode_items(record)]
    measure.add(metrics.ITEMS_ATTEMPTED, len(items))
    condition = PageCondition(plan.key.hash_name, plan.version_attribute)
    written = Target(raw_dynamodb(), plan.target_table, plan.key).insert_absent(items, condition)
    if written.rejects:
        name = f"{header.run}/pages/{header.segment}-{header.page}-{header.part}-{header.digest}"
        put_rejects(name, written.rejects)
    # Only now: a receipt before the last item would let a crash lose the rest.
    receipts.put_receipt(header, inserted=written.inserted, present=written.present, rejected=len(written.rejects))
    measure.add(metrics.PARTS_WRITTEN)
    measure.add(metrics.ITEMS_INSERTED, written.inserted)
    measure.add(metrics.ITEMS_PRESENT, written.present)
    measure.add(metrics.ITEMS_REJECTED, len(written.rejects))
    measure.add(metrics.PROGRESS)
