"""How far a scan runs ahead of the writer: a page that Kinesis forgets before it was written would be lost unseen."""

import re
from typing import Any

import pytest

from tasks.core.copy.back_pressure import (
    AGE_MOST_SECONDS,
    PAGES_KEPT_SECONDS,
    PARTS_AHEAD_MOST,
    PARTS_AHEAD_TO_GO_ON,
    Ahead,
    ahead_of,
    is_expired,
    why_wait,
)
from tasks.core.copy.receipts import Receipt, Sent
from tasks.core.copy.segment import GIBIBYTE, plan_total_segments
from workflow.definition import iter_states, read_definition

NOW = 1_000_000.0
TERABYTE = 1024 * GIBIBYTE
EVENTS_MOST = 25_000
"""Of one execution's history, a Map's child's too (Step Functions, "Quotas")."""


def receipt(page: int, part: int = 0, digest: str = "d") -> Receipt:
    return Receipt(page, part, digest, inserted=1, present=0, rejected=0)


def sent(page: int, parts: int = 1, age: float | None = 0.0) -> Sent:
    return Sent(page, ("d",) * parts, parts, None if age is None else NOW - age)


def test_parts_without_a_receipt_are_counted_and_the_oldest_page_is_told() -> None:
    ledger = [sent(0, age=90), sent(1, parts=3, age=60), sent(2, parts=0, age=50), sent(3, age=30)]
    receipts = [receipt(0), receipt(1, 1)]
    assert ahead_of(4, ledger, receipts, written=0, now=NOW) == Ahead(parts=3, oldest=NOW - 60, written=1)


def test_what_is_known_to_be_written_is_not_read_again() -> None:
    assert ahead_of(4, [sent(2), sent(3)], [receipt(2)], written=2, now=NOW) == Ahead(1, NOW, written=3)
    assert ahead_of(4, [sent(3)], [receipt(3)], written=3, now=NOW) == Ahead(0, None, written=4)
    assert ahead_of(4, [], [], written=4, now=NOW) == Ahead(written=4)


def test_the_receipt_of_a_first_sending_does_not_count_for_the_second() -> None:
    assert ahead_of(1, [sent(0)], [receipt(0, 0, "of an earlier sending")], written=0, now=NOW).parts == 1


def test_a_page_that_an_earlier_call_sent_behind_where_this_one_begins_is_not_waited_for() -> None:
    """It is sent again, and its entry in the ledger is replaced."""
    assert ahead_of(1, [sent(0), sent(1), sent(2)], [receipt(0)], written=0, now=NOW) == Ahead(written=1)


def test_a_page_that_is_lost_holds_no_scan_back_for_ever() -> None:
    """The drain says that it is lost, and a resume sends it again; all other pages are wanted whatever comes of it."""
    ledger = [sent(0, age=PAGES_KEPT_SECONDS), sent(1, age=5)]
    assert ahead_of(2, ledger, [], written=0, now=NOW) == Ahead(1, NOW - 5, written=0)
    assert not why_wait(ahead_of(1, ledger, [], written=0, now=NOW), parts_most=0, now=NOW)


@pytest.mark.parametrize(
    ("ahead", "reason"),
    [
        (Ahead(), ""),
        (Ahead(PARTS_AHEAD_MOST, NOW), ""),
        (Ahead(PARTS_AHEAD_MOST + 1, NOW - 90), "the writer has to catch up: 129 parts .* the oldest for 90 s"),
        (Ahead(PARTS_AHEAD_MOST + 1, NOW - 600), "the oldest for 10 min"),
        (Ahead(1, NOW - AGE_MOST_SECONDS), ""),
        (
            Ahead(1, NOW - AGE_MOST_SECONDS - 1),
            "stands still: 1 parts .* the oldest for 18.0 h, .* keeps a page for 72 h",
        ),
        (Ahead(PARTS_AHEAD_MOST + 1, None), "the writer has to catch up"),
    ],
)
def test_a_scan_waits_with_a_reason(ahead: Ahead, reason: str) -> None:
    said = why_wait(ahead, parts_most=PARTS_AHEAD_MOST, now=NOW)
    assert bool(said) == bool(reason)
    assert re.search(reason, said), said


def test_pages_are_counted_between_looks() -> None:
    ahead = Ahead(written=7).with_sent(0, at=NOW - 9).with_sent(2, at=NOW - 5).with_sent(3, at=NOW)
    assert ahead == Ahead(5, NOW - 5, written=7)


def test_a_page_is_called_lost_only_once_kinesis_keeps_it_no_longer() -> None:
    assert not is_expired(NOW - PAGES_KEPT_SECONDS + 1, now=NOW)
    assert is_expired(NOW - PAGES_KEPT_SECONDS, now=NOW)
    assert not is_expired(None, now=NOW)


def retrier_of_the_wait() -> dict[str, Any]:
    scan = dict(iter_states(read_definition()))["ScanSegment"]
    (retrier,) = [found for found in scan["Retry"] if found["ErrorEquals"] == ["ScanPending"]]
    return dict(retrier)


class Segment:
    """One segment against a writer of an even pace, by the policy and the retrier of the definition, second by second.

    Args:
        parts: in the whole segment.
        written_a_second: parts.
        sent_a_second: parts, while it is not held back.
    """

    CALL_SECONDS = 150
    EVENTS_A_CALL = 9
    """Task entered, scheduled, started, succeeded, exited; choice entered, exited: seven, and two to spare."""
    EVENTS_A_WAIT = 3
    """Task scheduled, started, failed."""

    def __init__(self, parts: int, written_a_second: float, sent_a_second: float = 3.0) -> None:
        self.ahead = 0.0
        self.most_ahead = 0.0
        self.idle_seconds = 0.0
        self.seconds = 0.0
        self.events = 10
        retrier, left = retrier_of_the_wait(), float(parts)
        while left > 0:
            delay = retrier["IntervalSeconds"]
            while why_wait(Ahead(int(self.ahead)), parts_most=PARTS_AHEAD_TO_GO_ON, now=NOW):
                self.events += self.EVENTS_A_WAIT
                self._pass(delay, written_a_second)
                delay = min(delay * retrier["BackoffRate"], retrier["MaxDelaySeconds"])
            self.events += self.EVENTS_A_CALL
            for _ in range(self.CALL_SECONDS):
                if left <= 0 or why_wait(Ahead(int(self.ahead)), parts_most=PARTS_AHEAD_MOST, now=NOW):
                    break
                self.ahead += sent_a_second
                left -= sent_a_second
                self.most_ahead = max(self.most_ahead, self.ahead)
                self._pass(1, written_a_second)

    def _pass(self, seconds: float, written_a_second: float) -> None:
        self.seconds += seconds
        self.idle_seconds += max(0.0, seconds - self.ahead / written_a_second)
        self.ahead = max(0.0, self.ahead - seconds * written_a_second)


PACES = (0.04, 0.1, 0.25, 1.0, 2.0)
"""Parts a second that the writer takes of one of some 40 segments: at the first one 100 TB would take two years."""


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize("terabytes", [1, 100])
def test_a_segment_that_waits_for_weeks_does_not_fill_its_history(terabytes: int, pace: float) -> None:
    size = terabytes * TERABYTE
    parts = size // plan_total_segments(size) // 1_000_000
    segment = Segment(parts, pace)
    assert segment.events < EVENTS_MOST
    assert segment.most_ahead <= PARTS_AHEAD_MOST + 4


@pytest.mark.parametrize("pace", PACES)
def test_the_writer_does_not_run_dry_while_the_scan_waits(pace: float) -> None:
    segment = Segment(2_000, pace)
    assert segment.idle_seconds <= 0.02 * segment.seconds
