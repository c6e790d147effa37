from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any, Literal

import pytest
from rich.console import Console

from tasks.core.copy.segment import Checkpoint
from tasks.core.replicate.watermark import Watermark
from tasks.core.run.course import course_of
from tasks.core.run.document import Document, Segments
from tasks.core.run.phases import Course, Phase, Segment, Standing
from tasks.core.settings.caps import Caps, Throttle
from tests.workflow.recorded_histories import recorded, until, with_something_to_move
from workflow.definition import iter_phases, read_definition
from workflow.reading import lag_seconds
from workflow.status import Sample, SegmentBooks, Status, duration, status_line, with_books, with_noted, with_rates
from workflow.tables import history_view, phases_to_come, status_view

ARN = "arn:aws:states:eu-west-1:123456789012:execution:tableferry-asking:second"
BEGAN = datetime(2026, 1, 31, tzinfo=UTC)
NOW = BEGAN + timedelta(seconds=60)


def status_in(name: str, state: Standing = Standing.RUNNING, **phase: Any) -> Status:  # noqa: ANN401 — fields of Phase
    entered = Phase(name, state, BEGAN, **phase)
    return Status(ARN, NOW.timestamp(), Course(state, BEGAN, None, (entered,)), total_segments=2)


def books(*entries: tuple[Literal["scanning", "done"], int, int, int | None]) -> dict[int, SegmentBooks]:
    """Give segments their state, records, items and receipts."""
    return {
        segment: SegmentBooks(Checkpoint(segment=segment, state=state, records=records, items=items), receipts)
        for segment, (state, records, items, receipts) in enumerate(entries)
    }


def test_items_and_backlog_are_the_sums_of_the_segments() -> None:
    status = with_books(
        replace(status_in("Backfill"), items_expected=100), books(("done", 5, 50, 5), ("scanning", 4, 30, 1))
    )
    assert (status.items, status.pages, status.receipts, status.backlog_pages) == (80, 9, 6, 3)
    assert status.items_expected == 100


def test_once_all_is_scanned_the_count_of_items_is_exact() -> None:
    status = with_books(
        replace(status_in("Backfill"), items_expected=100), books(("done", 1, 7, 1), ("done", 0, 0, None))
    )
    assert (status.items_expected, status.backlog_pages) == (7, 0)


def test_a_backlog_that_was_not_counted_everywhere_is_not_told() -> None:
    assert with_books(status_in("Backfill"), books(("done", 5, 50, 5), ("done", 4, 30, None))).backlog_pages is None


def test_a_segment_is_told_by_its_own_number_and_not_by_its_place_in_the_map() -> None:
    """Segments are laid out far apart: the first two iterations may be segments 0 and 5."""
    laid_out = tuple(Checkpoint(segment=segment) for segment in (0, 5, 2))
    child = Segment(1, Standing.FAILED, (Checkpoint(segment=5, pages=3),), reason="a reason")
    phase = Phase(
        "Backfill", Standing.RUNNING, BEGAN, segments=(child, Segment(2, Standing.RUNNING)), map_runs=("arn",)
    )
    course = Course(Standing.RUNNING, BEGAN, None, (phase,), document=Document(segments=Segments(checkpoints=laid_out)))
    noted = {segment: Checkpoint(segment=segment, pages=1) for segment in (0, 1, 5)}
    shown = with_noted(course, noted).phases[0].segments
    assert [(segment.name, segment.index) for segment in shown] == [
        ("segment 0", 0),
        ("segment 5", 1),
        ("iteration 2", 2),
        ("segment 1", 4),
    ]


def test_the_status_line_says_why_a_scan_sends_nothing() -> None:
    """On AWS each segment's history is its own, and of those under way none is read: the control table says it."""
    why = "the writer has to catch up: 129 parts of pages have no receipt yet, the oldest for 41 min"
    held = {
        segment: SegmentBooks(Checkpoint(segment=segment, pages=200, records=200, items=10, waiting=waiting), 71)
        for segment, waiting in enumerate(["", why, why])
    }
    status = with_books(replace(status_in("Backfill"), items_expected=100), held)
    assert status_line(status) == (
        "Backfill: 30/100 items 30.0%; backlog=387 pages; State: waiting, 2 of the segments under way send nothing for "
        f"now: {why}"
    )
    assert with_books(replace(status_in("DrainBackfill"), items_expected=100), held).reason == ""
    ended = replace(status, course=replace(status.course, state=Standing.ABORTED))
    assert "waiting" not in status_line(ended)


def test_more_receipts_than_noted_pages_are_no_negative_backlog() -> None:
    """The writer may be ahead of a checkpoint, which is noted when the call of ScanSegment ends."""
    assert with_books(status_in("Backfill"), books(("scanning", 2, 20, 4), ("done", 3, 30, 1))).backlog_pages == 2


def test_rate_and_eta_come_from_earlier_readings() -> None:
    status = replace(status_in("Backfill"), items=700, items_expected=1000)
    rated = with_rates(status, (Sample(NOW.timestamp() - 10, 600, 0),))
    assert (rated.items_per_second, rated.eta_seconds) == (10.0, 30.0)


def test_the_first_reading_takes_the_rate_since_the_phase_began() -> None:
    rated = with_rates(replace(status_in("Backfill"), items=600, items_expected=1000), ())
    assert (rated.items_per_second, rated.eta_seconds) == (10.0, 40.0)


def test_old_readings_are_dropped() -> None:
    status = replace(status_in("Backfill"), items=600, items_expected=1000)
    samples = tuple(Sample(NOW.timestamp() - age, 0, 0) for age in (500, 100, 20))
    assert [NOW.timestamp() - sample.at for sample in with_rates(status, samples).samples] == [20.0, 0.0]


def test_no_progress_is_no_rate_and_no_eta() -> None:
    rated = with_rates(replace(status_in("Backfill"), items_expected=1000), ())
    assert (rated.items_per_second, rated.eta_seconds) == (None, None)


def test_the_drain_says_when_the_backlog_is_written() -> None:
    status = replace(status_in("DrainBackfill"), pages=100, receipts=60, backlog_pages=40)
    assert with_rates(status, (Sample(NOW.timestamp() - 10, 0, 40),)).eta_seconds == 20.0


def test_the_proof_is_counted_in_segments() -> None:
    segments = (Segment(0, Standing.DONE), Segment(1, Standing.RUNNING))
    rated = with_rates(status_in("Verify", segments=segments, succeeded=1, total_segments=4), ())
    assert rated.progress is not None
    assert (rated.progress.done, rated.progress.total, rated.eta_seconds) == (1, 4, 180.0)


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


PAUSED = Throttle(caps=Caps(), is_paused=True)


def test_the_status_line_says_that_an_operator_has_paused_it() -> None:
    for name in ("Backfill", "DrainBackfill", "Verify", "CompareDigests"):
        status = replace(status_in(name, reason="segment 3: TurnPending: no turn yet"), throttle=PAUSED)
        assert status_line(status) == (
            f"{name}; State: paused by an operator: `python -m workflow unpause` lets it go on"
        )
        assert status.is_paused
    drained = replace(status_in("DrainChanges", Standing.WAITING, reason="for the tip"), throttle=PAUSED)
    assert "State: waiting, for the tip" in status_line(drained), "it is not held back by a pause"
    over = replace(status_in("Backfill", Standing.ABORTED), throttle=PAUSED)
    assert "State: aborted" in status_line(over)


def test_the_status_line_says_what_is_capped() -> None:
    capped = Throttle(caps=Caps().with_reads(500).with_writes(200))
    assert status_line(replace(status_in("Backfill"), throttle=capped)) == (
        "Backfill; capped: reads 500/s, writes 200/s; State: running"
    )
    assert status_line(replace(status_in("Backfill"), throttle=Throttle(caps=Caps()))) == "Backfill; State: running"


def test_the_status_line_never_shows_a_wait_without_its_reason() -> None:
    status = status_in(
        "DrainChanges", Standing.WAITING, reason="the replicator has not reached the tip of 1 of 2 shards"
    )
    assert status_line(status) == (
        "DrainChanges; State: waiting, the replicator has not reached the tip of 1 of 2 shards"
    )


@pytest.mark.parametrize("name", ["succeeded", "denied", "aborted", "segment_failed"])
def test_whatever_waits_says_why_at_every_moment_of_a_run(name: str) -> None:
    events = recorded(name)
    for end in range(len(events)):
        course = course_of(events[:end])
        line = status_line(Status(ARN, NOW.timestamp(), course))
        assert not line.endswith("waiting")
        assert ("waiting, " in line) == (course.state is Standing.WAITING)


def test_a_try_that_failed_is_shown_as_a_retry_with_its_reason() -> None:
    status = status_in("Backfill", reason="segment 3: PutRecordsIncomplete: 12 of 500 records refused (throttled)")
    assert "State: retrying, segment 3: PutRecordsIncomplete: 12 of 500" in status_line(status)


def test_the_status_line_of_a_failure_has_the_error_in_words() -> None:
    line = status_line(Status(ARN, NOW.timestamp(), course_of(recorded("refused"))))
    assert line.startswith("Preflight; State: failed after ")
    assert ", Refused: source_table refused-source does not exist in eu-west-1; correct its name" in line


def test_the_status_line_of_a_success_counts_what_was_moved() -> None:
    status = replace(
        Status(ARN, NOW.timestamp(), course_of(recorded("succeeded"))), items=20, inserted=18, present=2, rejected=0
    )
    assert status_line(status) == (
        f"Done: 20 items; inserted=18; present=2; rejected=0; State: done after {duration(status.seconds())}"
    )


def test_a_question_is_shown_with_the_commands_that_answer_it() -> None:
    course = course_of(until(recorded("succeeded"), "TaskSubmitted"))
    line = status_line(Status(ARN, NOW.timestamp(), course))
    assert "ApproveCutOver; State: waiting, a person has to answer: `python -m workflow approve`, or `deny`" in line


def test_what_falls_silent_behind_the_cut_over_is_shown_with_the_question_and_at_the_end() -> None:
    trigger = "the trigger search-index reads the source's stream"
    events = with_something_to_move(recorded("succeeded"), trigger)
    asking, backfilling, ended = (
        course_of(found)
        for found in (until(events, "TaskSubmitted"), until(events, "TaskScheduled", "AttachReplicator"), events)
    )
    console = Console(record=True, width=2000, file=StringIO())
    for course, view_has_it in ((asking, True), (backfilling, False)):
        console.print(status_view(Status(ARN, NOW.timestamp(), course)))
        assert (f"To be moved or made anew by its owner: {trigger}" in console.export_text()) == view_has_it
    console.print(history_view(ended))
    shown = console.export_text()
    assert f"To be moved or made anew by its owner: {trigger}" in shown
    assert "Notice: asking-target keeps the items of this migration's earlier run" in shown


def watermark(shard: str, *, changed_at: float, applied_at: float) -> Watermark:
    return Watermark(shard, "1", changed_at, applied_at, 0.0)


def test_the_lag_is_that_of_the_slowest_shard_in_use() -> None:
    watermarks = [watermark("a", changed_at=990, applied_at=991), watermark("b", changed_at=980, applied_at=992)]
    assert lag_seconds({found.shard: found for found in watermarks}, since=0) == 12


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
    course = course_of(recorded(name))
    status = Status(ARN, NOW.timestamp(), course)
    console.print(status_view(status))
    shown = console.export_text()
    assert [phase.name for phase in course.phases if f"{phase.name} " not in shown] == []
    assert status_line(status) in shown
    console.print(history_view(course))
    assert f"Execution: {course.state} at " in console.export_text()


def test_a_segment_that_failed_is_shown_with_its_reason() -> None:
    console = Console(record=True, width=2000, file=StringIO())
    console.print(history_view(course_of(recorded("segment_failed"))))
    shown = console.export_text()
    assert "Backfill: 0 of 3 segments done" in shown
    assert shown.count("ResourceNotFoundException: An error occurred") >= 3  # the phase, and two segments


def test_phases_to_come_are_those_behind_the_one_under_way_and_the_question_only_where_it_is_asked() -> None:
    names = list(iter_phases(read_definition()))
    assert phases_to_come(course_of([])) == names
    asking = course_of(until(recorded("succeeded"), "TaskStateEntered", "CompareDigests"))
    assert phases_to_come(asking) == names[names.index("ApproveCutOver") :]
    assert asking.plan is not None
    plan = asking.plan.model_copy(update={"approval": "automatic"})
    automatic = replace(asking, document=asking.document.model_copy(update={"plan": plan}))
    assert phases_to_come(automatic) == names[names.index("ProtectTarget") :]
    assert phases_to_come(course_of(recorded("denied"))) == []
    assert phases_to_come(course_of(recorded("succeeded"))) == []


def test_what_an_earlier_execution_has_sent_is_not_taken_for_the_pace_of_the_one_that_resumes_it() -> None:
    plan = course_of(recorded("succeeded")).plan
    assert plan is not None
    status = replace(status_in("Backfill"), items=900, items_expected=1000)
    resumed = Document(plan=plan.model_copy(update={"resume_from": ARN}))
    rated = replace(status, course=replace(status.course, document=resumed))
    assert with_rates(status, ()).items_per_second == 15.0
    assert (with_rates(rated, ()).items_per_second, with_rates(rated, ()).eta_seconds) == (None, None)
    assert with_rates(rated, (Sample(NOW.timestamp() - 10, 800, 0),)).eta_seconds == 10.0
