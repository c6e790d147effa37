"""Put the pages that arrive from Kinesis into the target, where the conflict rule allows it.

Reads: records of pages, their receipts, and how far they came before. Writes: items of the target, rejects, and last
the receipt; in its place how far a page came whose time was over. A page that comes again finds its receipt and is
skipped; if it was not yet written, what is noted is left out, and all else that is there is found present.
"""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import pybase64
from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import open_books, open_record
from tasks.aws.books.caps import CallTurns
from tasks.aws.books.rejects import Reject, put_given_up, put_rejects
from tasks.aws.dynamodb.target import Target, pace_of
from tasks.aws.session import defects, measure
from tasks.aws.session.budget import Budget, deadline_at
from tasks.aws.session.call import call, logger
from tasks.aws.session.clients import translated_errors
from tasks.aws.session.handler import driven_by_stream, logged
from tasks.core import metrics
from tasks.core.copy.insertion import Insertion, Outcome
from tasks.core.copy.page import read_header, split_items
from tasks.core.errors import PageUnreadable, WritesUnfinished
from tasks.core.model.item_text import ItemText, whole
from tasks.core.replicate.conflict import PageCondition
from tasks.core.run.plan import Plan
from tasks.core.settings.caps import Side

SHARE = 0.75
"""Of the call's time, for the page under way. The rest is for the calls that are under way then, and for the note of
how far it has come: a timeout would leave none."""


@driven_by_stream
def handler(event: Mapping[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Write each record's items; report those that failed or were not begun.

    Kinesis sends all from the lowest of them on again; those in between that are done have their receipts by then.
    """
    plan = open_record().required_plan()
    call.identify(plan.migration, run=plan.run)
    budget, deadline = Budget(context), deadline_at(context, share=SHARE)
    until = budget.turn_until(is_first=True)
    turns = open_books(plan.run).turns(plan.caps, Side.TARGET_WRITES, guess=plan.item_write_units, until=until)
    failures = []
    for number, entry in enumerate(event["Records"]):
        sequence_number = entry["kinesis"]["sequenceNumber"]
        if number and budget.is_spent():
            # A timeout would end this environment, and the page under way would begin anew.
            failures.append({"itemIdentifier": sequence_number})
            continue
        try:
            with translated_errors("write_pages"):
                record = pybase64.b64decode(entry["kinesis"]["data"], validate=True)
                _write_or_keep(plan, sequence_number, record, turns, deadline=deadline)
        except Exception as error:  # noqa: BLE001 — every failure is reported to the mapping, which sends it again
            logger.warning("record %s comes again: %s", sequence_number, type(error).__name__)
            # To go slowly, or to rest, as somebody wants it to, is no failure.
            if not (isinstance(error, WritesUnfinished) and turns.hold_back):
                measure.add(metrics.FAILURES)
            failures.append({"itemIdentifier": sequence_number})
    return {"batchItemFailures": failures}


def _write_or_keep(plan: Plan, sequence_number: str, record: bytes, turns: CallTurns, *, deadline: float) -> None:
    """Write one record; keep one that is no page of this version where Lambda keeps what it gives up on.

    It would come again for ever, and hold up what comes behind it in its shard. It gets no receipt: DrainBackfill finds
    the page missing, and says at once why.
    """
    try:
        with logged(f"write_pages record {sequence_number}"):
            write_record(plan, record, turns, deadline=deadline)
    except PageUnreadable:
        put_given_up(f"{plan.run}/{sequence_number}", record)
        measure.add(metrics.FAILURES)


def write_record(plan: Plan, record: bytes, turns: CallTurns, *, deadline: float) -> None:
    """Write one record's items, then its receipt.

    Args:
        plan: of the run.
        record: as it came from Kinesis.
        turns: of the call.
        deadline: by `time.monotonic`. What is left then comes again, and goes on where this call has stopped.

    Raises:
        PageUnreadable: the record is no page of this version.
        WritesUnfinished: the target did not take all of it, or not all of it had its turn, under a cap or a pause.
    """
    header = read_header(record)
    if header.run != plan.run:
        # Of a run that was given up: between its end and this run's beginning a delete may have left no tombstone.
        logger.warning("a page of run %s is left out: the run under way is %s", header.run, plan.run)
        return
    receipts = open_books(plan.run).receipts
    before = receipts.read_progress(header)
    if before is None:
        return
    items = [plan.shape(item) for item in split_items(record)]
    measure.add(metrics.ITEMS_ATTEMPTED, len(items) - before.done.bit_count())
    insertion = Insertion(len(items), pace_of(plan.target.name), deadline=deadline, progress=before)
    try:
        rejects = insert_all(items, insertion, plan, turns, deadline=deadline)
    except Exception:
        # An insert that finds its key taken costs what one does that puts: the next delivery leaves these out.
        if insertion.progress() != before:
            receipts.put_progress(header, insertion.progress())
            measure.add(metrics.PROGRESS)
        raise
    if rejects:
        name = f"{header.run}/pages/{header.segment}-{header.page}-{header.part}-{header.digest}"
        put_rejects(name, rejects)
    written = insertion.progress()
    # Only now: a receipt before the last item would let a crash lose the rest.
    receipts.put_receipt(header, inserted=written.inserted, present=written.present, rejected=len(rejects))
    measure.add(metrics.PARTS_WRITTEN)
    measure.add(metrics.ITEMS_INSERTED, written.inserted)
    measure.add(metrics.ITEMS_PRESENT, written.present)
    measure.add(metrics.ITEMS_REJECTED, len(rejects))
    measure.add(metrics.PROGRESS)


def insert_all(
    items: Sequence[ItemText], insertion: Insertion, plan: Plan, turns: CallTurns, *, deadline: float
) -> list[Reject]:
    """Insert items like `Target.insert_absent`, whatever one of them does to this code.

    A defect of ours would make the page come again for ever. So what is left of it is inserted one by one, and an item
    that fails at every try is kept as a reject.
    """
    target, condition = Target(plan.target, turns), PageCondition(plan.target.key.hash_name, plan.version_attribute)

    rejects: list[Reject] = []

    def insert_one(number: int) -> None:
        alone = Insertion(1, pace_of(plan.target.name), deadline=deadline)
        refused = target.insert_absent([items[number]], condition, alone)
        rejects.extend(refused)
        if not refused:
            insertion.settle(number, Outcome.INSERTED if alone.progress().inserted else Outcome.PRESENT)

    try:
        return target.insert_absent(items, condition, insertion)
    except Exception as error:
        if not defects.is_defect(error):
            raise
        defects.log_defect("a page", error)
    for number in insertion.undone():
        defect = defects.try_alone(functools.partial(insert_one, number))
        if defect is not None:
            item = whole(items[number])
            rejects.append(Reject(plan.target.key.key_of(item), item, defects.in_words(defect)))
    return rejects
