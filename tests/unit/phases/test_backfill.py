"""The drain of the backfill: every page has its receipt, or it is said why none will come."""

from typing import Any

import pytest

from tasks import drain_backfill
from tasks.aws.books.books import open_books
from tasks.aws.books.control import pk_of_run
from tasks.core.copy.back_pressure import PAGES_KEPT_SECONDS
from tasks.core.copy.page import PageHeader
from tasks.core.copy.receipts import Sent
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import BackfillIncomplete, DrainPending
from tasks.core.settings.caps import STUCK_SECONDS, Caps, Throttle
from tests.unit.aws_fakes import PLAN, ROUTE, RUN, FakeAws
from tests.unit.phases.calls import NOW, Clock, call, sent


def header(page: int, digest: str) -> PageHeader:
    return PageHeader(run=RUN, segment=0, page=page, part=0, parts=1, count=3, digest=digest)


@pytest.mark.usefixtures("aws")
def test_the_backfill_is_drained_only_when_every_page_has_its_receipt(clock: Clock) -> None:
    assert clock.now == NOW
    sent("d0", "d1")
    open_books(RUN).receipts.put_receipt(header(0, "d0"), inserted=2, present=1, rejected=0)
    open_books(RUN).receipts.put_receipt(header(1, "an earlier sending"), inserted=3, present=0, rejected=0)
    with pytest.raises(DrainPending, match=r"segment 0 of 1: 1 of 2 pages have no receipt yet \(page 1\)"):
        call(drain_backfill.handler, route=ROUTE.model_dump())
    open_books(RUN).receipts.put_receipt(header(1, "d1"), inserted=0, present=2, rejected=1)
    answer = call(drain_backfill.handler, route=ROUTE.model_dump())
    assert answer == {"pages": 2, "items": 6, "inserted": 2, "present": 3, "rejected": 1}
    assert call(drain_backfill.handler, route=ROUTE.model_dump()) == answer, "run again it counts nothing twice"


@pytest.mark.usefixtures("aws")
def test_a_segment_that_was_not_scanned_to_its_end_is_never_called_drained() -> None:
    with pytest.raises(BackfillIncomplete, match="never scanned to its end"):
        call(drain_backfill.handler, route=ROUTE.model_dump())
    open_books(RUN).receipts.put_checkpoint(Checkpoint(segment=0, pages=0), claim=1)
    with pytest.raises(BackfillIncomplete, match="never scanned to its end"):
        call(drain_backfill.handler, route=ROUTE.model_dump())


def test_a_page_that_lambda_gave_up_on_is_not_waited_for_for_ever(aws: FakeAws, clock: Clock) -> None:
    sent("d0")
    with pytest.raises(DrainPending):
        call(drain_backfill.handler, route=ROUTE.model_dump())
    for _ in range(2):  # the first time the receipts are counted, the second time they have not grown
        clock.now += STUCK_SECONDS + 1
        with pytest.raises(DrainPending if _ == 0 else BackfillIncomplete) as caught:
            call(drain_backfill.handler, route=ROUTE.model_dump())
    assert "no page of any segment has come for 15 minutes" in str(caught.value)
    aws.bucket.objects["aws/lambda/given-up"] = b""
    aws.bucket.put_at["aws/lambda/given-up"] = PLAN.begun_at  # S3 keeps whole seconds
    with pytest.raises(BackfillIncomplete, match="1 batches of them were given up"):
        call(drain_backfill.handler, route=ROUTE.model_dump())


def test_pages_that_an_earlier_execution_gave_up_on_do_not_fail_a_healthy_new_one(aws: FakeAws, clock: Clock) -> None:
    assert clock.now == NOW
    sent("d0")
    aws.bucket.objects["aws/lambda/given-up"] = b""
    aws.bucket.put_at["aws/lambda/given-up"] = PLAN.begun_at - 1
    for _ in range(3):
        with pytest.raises(DrainPending, match="have no receipt yet"):
            call(drain_backfill.handler, route=ROUTE.model_dump())


def test_a_wait_that_was_given_up_is_not_given_up_again_at_its_first_look(aws: FakeAws, clock: Clock) -> None:
    sent("d0")
    for _ in range(3):
        with pytest.raises((DrainPending, BackfillIncomplete)):
            call(drain_backfill.handler, route=ROUTE.model_dump())
        clock.now += STUCK_SECONDS + 1
    assert aws.control.read(pk_of_run(RUN), "drain")
    for _ in range(2):
        with pytest.raises(DrainPending):
            call(drain_backfill.handler, route=ROUTE.model_dump())
        clock.now += STUCK_SECONDS + 1


def test_pages_at_the_end_of_a_long_backlog_are_waited_for(aws: FakeAws, clock: Clock) -> None:
    aws.put_plan(PLAN.model_copy(update={"total_segments": 2}))
    for segment in range(2):
        open_books(RUN).receipts.put_sent(segment, Sent(0, (f"d{segment}",), 3), claim=1)
        done = Checkpoint(segment=segment, state="done", pages=1, records=1, items=3)
        open_books(RUN).receipts.put_checkpoint(done, claim=1)
    two: dict[str, Any] = {"plan": PLAN.model_copy(update={"total_segments": 2}).model_dump(mode="json")}
    for page in range(5):
        with pytest.raises(DrainPending):
            call(drain_backfill.handler, route=ROUTE.model_dump(), **two)
        clock.now += STUCK_SECONDS + 1
        # Segment 0 waits; the writer is busy with the other one.
        other = PageHeader(run=RUN, segment=1, page=page, part=0, parts=1, count=3, digest="d1")
        open_books(RUN).receipts.put_receipt(other, inserted=3, present=0, rejected=0)


def test_a_paused_migration_never_fails_because_no_page_comes(aws: FakeAws, clock: Clock) -> None:
    assert aws.control.documents  # in place
    sent("d0")
    open_books(RUN).caps.put(Throttle(caps=Caps(), revision=1, is_paused=True))
    for _ in range(5):
        with pytest.raises(DrainPending, match=r"paused by an operator.*1 of 1 pages have no receipt yet"):
            call(drain_backfill.handler, route=ROUTE.model_dump())
        clock.now += 24 * 3600
    open_books(RUN).caps.put(Throttle(caps=Caps(), revision=2))
    for _ in range(2):  # then the wait begins anew
        with pytest.raises(DrainPending):
            call(drain_backfill.handler, route=ROUTE.model_dump())
        clock.now += STUCK_SECONDS - 1
    clock.now += STUCK_SECONDS
    with pytest.raises((DrainPending, BackfillIncomplete)):
        call(drain_backfill.handler, route=ROUTE.model_dump())
    clock.now += STUCK_SECONDS + 1
    with pytest.raises(BackfillIncomplete, match="no page of any segment has come for 15 minutes"):
        call(drain_backfill.handler, route=ROUTE.model_dump())


def test_pages_that_a_cap_makes_rare_are_waited_for(aws: FakeAws, clock: Clock) -> None:
    assert aws.control.documents  # in place
    sent("d0")
    open_books(RUN).caps.put(Throttle(caps=Caps(target_writes=5), revision=1))
    for _ in range(7):
        with pytest.raises(DrainPending):
            call(drain_backfill.handler, route=ROUTE.model_dump())
        clock.now += 3600
    for _ in range(2):
        clock.now += 24 * 3600
        with pytest.raises((DrainPending, BackfillIncomplete)) as ended:
            call(drain_backfill.handler, route=ROUTE.model_dump())
    assert ended.type is BackfillIncomplete
    assert "no page of any segment has come for 451 minutes" in str(ended.value)


@pytest.mark.usefixtures("aws")
def test_a_page_that_kinesis_keeps_no_longer_is_told_at_once_and_not_after_the_wait(clock: Clock) -> None:
    open_books(RUN).receipts.put_sent(0, Sent(0, ("d0",), 3, NOW), claim=1)
    open_books(RUN).receipts.put_sent(0, Sent(1, ("d1",), 3, NOW + 60), claim=1)
    open_books(RUN).receipts.put_receipt(header(0, "d0"), inserted=3, present=0, rejected=0)
    open_books(RUN).receipts.put_checkpoint(Checkpoint(segment=0, state="done", pages=2, records=2, items=6), claim=1)
    clock.now = NOW + PAGES_KEPT_SECONDS + 59
    with pytest.raises(DrainPending):
        call(drain_backfill.handler, route=ROUTE.model_dump())
    clock.now += 1
    with pytest.raises(BackfillIncomplete) as caught:
        call(drain_backfill.handler, route=ROUTE.model_dump())
    assert str(caught.value) == (
        "segment 0 of 1: 1 of 2 pages have no receipt yet (page 1), and the oldest was sent 72.0 h ago, while Kinesis "
        "keeps a page for 72 h: it is in Kinesis no more, and cannot come; the log of WritePages has the reason: mend "
        "it, and resume: `python -m workflow resume` sends those pages again"
    )
