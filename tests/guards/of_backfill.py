"""Guards of the pages: scanned, sent, written and drained."""

from tests.guards.guard import Guard
from tests.guards.ways import Always, CopyBefore, MoveBehind, Never, Put, Rewrite

GUARDS_OF_BACKFILL = (
    Guard(
        without="a page overwrites what is there",
        at="conflict.PageCondition.expression",
        by=Put("'attribute_exists(#hash) OR attribute_not_exists(#hash)'", "'attribute_not_exists(#hash)'"),
    ),
    Guard(without="DuplicateItem is put over", at="target.Target._judge", by=Never("replaces")),
    Guard(without="the ledger before Kinesis", at="scan_segment._send_page", by=MoveBehind("put_all", "put_sent")),
    Guard(
        without="the receipt before the last item",
        at="write_pages.write_record",
        by=CopyBefore("put_receipt", "insert_all", {"inserted": "0", "present": "0", "rejected": "0"}),
    ),
    Guard(
        without="the receipt before the rejects",
        at="write_pages.write_record",
        by=CopyBefore("put_receipt", "put_rejects"),
    ),
    Guard(without="a receipt by number, not by bytes", at="receipts._part_sk", by=Put("'x'", "digest")),
    Guard(
        without="the drain looks at numbers only",
        at="receipts.compare_receipts",
        by=Rewrite(
            "[any_got.get((any_page, any_part, any_digest)) for any_part, any_digest in enumerate(any_digests)]",
            "[{(r.page, r.part): r for r in any_got.values()}.get((any_page, any_part))"
            " for any_part, any_digest in enumerate(any_digests)]",
        ),
    ),
    Guard(without="the drain leaves missing pages out", at="drain_backfill.handler", by=Never("missing")),
    Guard(without="a page of another run is written", at="write_pages.write_record", by=Never("run")),
    Guard(without="the ledger mixes the pages of two scans", at="receipts.put_sent", by=Put("_ + 99", key="over")),
    Guard(
        without="a scan that was overtaken says how far the segment is",
        at="receipts.put_checkpoint",
        by=Put("_ + 99", key="over"),
    ),
    Guard(
        without="a segment stays done while it is scanned again",
        at="receipts.claim_segment",
        by=Put("{**_, 'state': 'done'}", "_noted"),
    ),
    Guard(
        without="a call whose answer was lost takes its own claim for another one's",
        at="control.Claimed.expression",
        by=Never("claimer"),
    ),
    Guard(
        without="every claim passes for the call's own",
        at="control.Claimed.expression",
        by=Rewrite("'#claimer = :claimer'", "'attribute_exists(#claimer)'"),
    ),
    Guard(
        without="a scan runs ahead until Kinesis forgets its pages", at="back_pressure.why_wait", by=Never("parts_most")
    ),
    Guard(
        without="a scan goes on under a writer that stands still",
        at="back_pressure.why_wait",
        by=Never("AGE_MOST_SECONDS"),
    ),
    Guard(
        without="a page that Kinesis has forgotten is waited for",
        at="drain_backfill._wait_for",
        by=Put("(lambda *_, **__: False)", "is_expired"),
    ),
    Guard(without="an earlier execution's lost pages fail a new one", at="rejects.count_given_up", by=Always("since")),
    Guard(
        without="a defect of ours makes a page come again until it is given up",
        at="write_pages.insert_all",
        by=Always("is_defect"),
    ),
    Guard(
        without="refused items are told hours later, by the proof",
        at="rejected_items.check_few_differ",
        by=Never("max_rejects"),
    ),
    Guard(
        without="a refused key that never rests is left to the replicator",
        at="rejected_items.MANNER",
        by=Put("True", key="may_follow"),
    ),
)
