from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any, Literal

import pytest
from rich.console import Console

from tasks.core.segment import Checkpoint
from tasks.core.watermark import Watermark
from tests.workflow.recorded_histories import recorded, until
from workflow.definition import iter_phases, read_definition
from workflow.history import parse_history
from workflow.phases import History, Phase, Segment, State
from workflow.reading import lag_seconds
from workflow.status import Books, Mark, Status, duration, status_line, with_books, with_rates
from workflow.tables import history_view, phases_to_come, status_view

ARN = "arn:aws:states:eu-west-1:123456789012:execution:tableferry-asking:second"
BEGAN = datetime(2026, 1, 31, tzinfo=UTC)
NOW = BEGAN + timedelta(seconds=60)


def status_in(name: str, state: State = State.RUNNING, **phase: Any) -> Status:  # noqa: ANN401 — fields of Phase
    entered = Phase(name, state, BEGAN, **phase)
    return Status(ARN, NOW.timestamp(), History(state, BEGAN, None, (entered,)), total_segments=2)


def books(*entries: tuple[Literal["scanning", "done"], int, int, int | None]) -> dict[int, Books]:
    """Give segments their state, records, items and receipts."""
    return {
        segment: Books(Checkpoint(segment=segment, state=state, records=records, items=items), receipts)
        for segment, (state, records, items, receipts) in enumerate(entries)
    }


def test_items_and_backlog_are_the_sums_of_the_segments() -> None:
    status = with_books(
        replace(status_in("Backfill"), items_expected=100), books(("done", 5, 50, 5), ("scanning", 4, 30, 1))
    )
    assert (status.items, status.pages, status.receipts, status.backlog_pages) == (80, 9, 6, 3)
    assert (status.segments_done, status.items_expected) == (1, 100)


def test_once_all_is_scanned_the_count_of_items_is_exact() -> None:
    status = with_books(
        replace(status_in("Backfill"), items_expected=100), books(("done", 1, 7, 1), ("done", 0, 0, None))
    )
    assert (status.items_expected, status.backlog_pages) == (7, 0)


def test_a_backlog_that_was_not_counted_everywhere_is_not_told() -> None:
    assert with_books(status_in("Backfill"), books(("done", 5, 50, 5), ("done", 4, 30, None))).backlog_pages is None


def test_more_receipts_than_noted_pages_are_no_negative_backlog() -> None:
    """The writer may be ahead of a checkpoint, which is noted when the call of ScanSegment ends."""
    assert with_books(status_in("Backfill"), books(("scanning", 2, 20, 4), ("done", 3, 30, 1))).backlog_pages == 2


def test_rate_and_eta_come_from_earlier_readings() -> None:
    status = replace(status_in("Backfill"), items=700, items_expected=1000)
    told = with_rates(status, (Mark(NOW.timestamp() - 10, 600, 0),))
    assert (told.items_per_second, told.eta_seconds) == (10.0, 30.0)


def test_the_first_reading_takes_the_rate_since_the_phase_began() -> None:
    told = with_rates(replace(status_in("Backfill"), items=600, items_expected=1000), ())
    assert (told.items_per_second, told.eta_seconds) == (10.0, 40.0)


def test_old_readings_are_dropped() -> None:
    status = replace(status_in("Backfill"), items=600, items_expected=1000)
    marks = tuple(Mark(NOW.timestamp() - age, 0, 0) for age in (500, 100, 20))
    assert [NOW.timestamp() - mark.at for mark in with_rates(status, marks).marks] == [20.0, 0.0]


def test_no_progress_is_no_rate_and_no_eta() -> None:
    told = with_rates(replace(status_in("Backfill"), items_expected=1000), ())
    assert (told.items_per_second, told.eta_seconds) == (None, None)


def test_the_drain_says_when_the_backlog_is_written() -> None:
    status = replace(status_in("DrainBackfill"), pages=100, receipts=60, backlog_pages=40)
    assert with_rates(status, (Mark(NOW.timestamp() - 10, 0, 40),)).eta_seconds == 20.0


def test_the_proof_is_counted_in_segments() -> None:
    segments = (Segment(0, State.DONE, None), Segment(1, State.RUNNING, None))
    told = with_rates(status_in("Verify", segments=segments, succeeded=1, total_segments=4), ())
    assert told.progress is not None
    assert (told.progress.done, told.progress.total, told.eta_seconds) == (1, 4, 180.0)


def test_the_status_line_of_a_backfill() -> None:
    status = replace(
        status_in("Backfill"),
        items=528_000,
        items_expected=752_865,
        backlog_pages=3,
        lag_seconds=0.4,
        items_per_second=11830.0,
        eta_seconds=77.0,
    )
    assert status_line(status) == (
        "Backfill: 528000/752865 items 70.1%; rate=11830/s; backlog=3 pages; lag=0.4 s; State: running; ETA: 1m17s"
    )


def test_the_status_line_never_shows_a_wait_without_its_reason() -> None:
    status = status_in("DrainChanges", State.WAITING, reason="the replicator has not reached the tip of 1 of 2 shards")
    assert status_line(status) == (
        "DrainChanges; State: waiting, the replicator has not reached the tip of 1 of 2 shards"
    )


@pytest.mark.parametrize("name", ["succeeded", "denied", "aborted", "segment_failed"])
def test_whatever_waits_says_why_at_every_moment_of_a_run(name: str) -> None:
    events = recorded(name)
    for end in range(len(events)):
        history = parse_history(events[:end])
        line = status_line(Status(ARN, NOW.timestamp(), history))
        assert not line.endswith("waiting")
        assert ("waiting, " in line) == (history.state is State.WAITING)


def test_a_try_that_failed_is_shown_as_a_retry_with_its_reason() -> None:
    status = status_in("Backfill", reason="segment 3: PutRecordsIncomplete: 12 of 500 records refused (throttled)")
    assert "State: retrying, segment 3: PutRecordsIncomplete: 12 of 500" in status_line(status)


def test_the_status_line_of_a_failure_has_the_error_in_words() -> None:
    line = status_line(Status(ARN, NOW.timestamp(), parse_history(recorded("refused"))))
    assert line.startswith("Preflight; State: failed after ")
    assert ", Refused: source_table refused-source does not exist in eu-west-1; correct its name" in line


def test_the_status_line_of_a_success_counts_what_was_moved() -> None:
    status = replace(
        Status(ARN, NOW.timestamp(), parse_history(recorded("succeeded"))), items=20, inserted=18, present=2, rejected=0
    )
    assert status_line(status) == (
        f"Done: 20 items; inserted=18; present=2; rejected=0; State: done after {duration(status.seconds())}"
    )


def test_a_question_is_shown_with_the_commands_that_answer_it() -> None:
    history = parse_history(until(recorded("succeeded"), "TaskSubmitted"))
    line = status_line(Status(ARN, NOW.timestamp(), history))
    assert "ApproveCutOver; State: waiting, a person has to answer: `python -m workflow approve`, or `deny`" in line


def watermark(shard: str, *, changed_at: float, applied_at: float) -> Watermark:
    return Watermark(shard, "1", changed_at, applied_at, 0.0)


def test_the_lag_is_that_of_the_slowest_shard_in_use() -> None:
    marks = [watermark("a", changed_at=990, applied_at=991), watermark("b", changed_at=980, applied_at=992)]
    assert lag_seconds({mark.shard: mark for mark in marks}, since=0) == 12


def test_the_lag_of_a_closed_shard_or_of_another_run_is_not_told() -> None:
    closed = watermark("closed", changed_at=100, applied_at=500)
    live = watermark("live", changed_at=999, applied_at=1000)
    assert lag_seconds({"closed": closed, "live": live}, since=0) == 1
    assert lag_seconds({"closed": closed}, since=600) is None


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.04, "0.0s"), (4.24, "4.2s"), (59.4, "59s"), (77, "1m17s"), (11_100, "3h05m")]
)
def test_time_spans_are_short(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize("name", ["succeeded", "denied", "aborted", "segment_failed", "refused"])
def test_what_a_terminal_shows_has_every_phase_and_the_status_line(name: str) -> None:
    console = Console(record=True, width=2000, file=StringIO())
    history = parse_history(recorded(name))
    status = Status(ARN, NOW.timestamp(), history)
    console.print(status_view(status))
    shown = console.export_text()
    assert [phase.name for phase in history.phases if f"{phase.name} " not in shown] == []
    assert status_line(status) in shown
    console.print(history_view(history))
    assert f"Execution: {history.state} at " in console.export_text()


def test_a_segment_that_failed_is_shown_with_its_reason() -> None:
    console = Console(record=True, width=2000, file=StringIO())
    console.print(history_view(parse_history(recorded("segment_failed"))))
    shown = console.export_text()
    assert "Backfill: 0 of 3 segments done" in shown
    assert shown.count("ResourceNotFoundException: An error occurred") >= 3  # the phase, and two segments


def test_phases_to_come_are_those_behind_the_one_under_way_and_the_question_only_where_it_is_asked() -> None:
    names = list(iter_phases(read_definition()))
    assert phases_to_come(parse_history([])) == names
    asking = parse_history(until(recorded("succeeded"), "TaskStateEntered", "CompareDigests"))
    assert phases_to_come(asking) == names[names.index("ApproveCutOver") :]
    plan = asking.document["plan"]
    automatic = replace(asking, document={**asking.document, "plan": {**plan, "approval": "automatic"}})
    assert phases_to_come(automatic) == names[names.index("FenceSource") :]
    assert phases_to_come(parse_history(recorded("denied"))) == []
    assert phases_to_come(parse_history(recorded("succeeded"))) == []


def test_what_an_earlier_execution_has_sent_is_not_taken_for_the_pace_of_the_one_that_resumes_it() -> None:
    plan = parse_history(recorded("succeeded")).plan
    assert plan is not None
    status = replace(status_in("Backfill"), items=900, items_expected=1000)
    resumed = {"plan": plan.model_copy(update={"resume_from": ARN}).model_dump(mode="json")}
    told = replace(status, history=replace(status.history, document=resumed))
    assert with_rates(status, ()).items_per_second == 15.0
    assert (with_rates(told, ()).items_per_second, with_rates(told, ()).eta_seconds) == (None, None)
    assert with_rates(told, (Mark(NOW.timestamp() - 10, 800, 0),)).eta_seconds == 10.0
