"""Exact proof that every page is in the target."""

from dataclasses import replace

from tasks.core.copy.receipts import Receipt, SegmentDrain, Sent, compare_receipts


def receipt(page: int, part: int, digest: str) -> Receipt:
    return Receipt(page, part, digest, inserted=10, present=2, rejected=0)


SENT = [Sent(0, ("d0",), 12), Sent(1, ("d1a", "d1b"), 24), Sent(2, (), 0)]
RECEIPTS = [receipt(0, 0, "d0"), receipt(1, 0, "d1a"), receipt(1, 1, "d1b")]


def test_a_segment_is_drained_when_every_part_of_every_page_has_its_receipt() -> None:
    assert compare_receipts(3, SENT, RECEIPTS) == SegmentDrain(missing=(), inserted=30, present=6, rejected=0)
    assert compare_receipts(0, [], []) == SegmentDrain(missing=(), inserted=0, present=0, rejected=0)


def test_one_missing_part_is_not_hidden_by_the_others() -> None:
    for lost in RECEIPTS:
        drain = compare_receipts(3, SENT, [kept for kept in RECEIPTS if kept is not lost])
        assert drain.missing == (lost.page,)


def test_a_page_that_was_never_sent_is_not_taken_for_an_empty_one() -> None:
    assert compare_receipts(4, SENT, RECEIPTS).missing == (3,)
    assert compare_receipts(3, SENT[1:], RECEIPTS).missing == (0,)


def test_the_receipt_of_a_first_sending_never_stands_in_for_the_second() -> None:
    resent = [Sent(0, ("other",), 30), *SENT[1:]]
    assert compare_receipts(3, resent, RECEIPTS).missing == (0,)
    drain = compare_receipts(3, resent, [*RECEIPTS, receipt(0, 0, "other")])
    assert drain.missing == ()
    assert drain.inserted == 30, "the first sending's items are not counted twice"


def test_receipts_of_a_page_with_more_parts_than_before_do_not_satisfy_it() -> None:
    resent = [Sent(0, ("d0", "more"), 24), *SENT[1:]]
    assert compare_receipts(3, resent, RECEIPTS).missing == (0,)


def test_the_receipt_of_another_part_with_the_same_bytes_does_not_count_for_this_one() -> None:
    twins = [Sent(0, ("same", "same"), 24)]
    assert compare_receipts(1, twins, [receipt(0, 0, "same")]).missing == (0,)
    assert compare_receipts(1, twins, [receipt(0, 0, "same"), receipt(0, 1, "same")]).missing == ()


def test_a_page_beyond_the_segments_end_is_of_an_abandoned_attempt_and_not_waited_for() -> None:
    assert compare_receipts(3, [*SENT, Sent(3, ("late",), 5)], RECEIPTS).missing == ()


def test_rejects_are_counted_whichever_sending_found_them() -> None:
    earlier = replace(receipt(0, 0, "first sending"), rejected=3)
    assert compare_receipts(3, SENT, [earlier, *RECEIPTS]).rejected == 3


def test_a_second_delivery_of_the_same_receipt_counts_once() -> None:
    assert compare_receipts(3, SENT, RECEIPTS * 2).inserted == 30
