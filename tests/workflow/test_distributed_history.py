"""A Distributed Map's history, in the shapes that AWS documents, says the same as the inline one it was made from."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from rich.console import Console

from tasks.core.copy.segment import Checkpoint
from tasks.core.run.course import course_of
from tasks.core.run.phases import Phase, Standing
from tests.workflow.distributed_histories import Distributed, distribute, pages_of, redriven, status_of
from tests.workflow.recorded_histories import RECORDED, recorded
from tests.workflow.test_execution import EXECUTION, History
from workflow.execution import read_events
from workflow.status import with_noted
from workflow.tables import history_view

ENDED_IN_ITS_MAP = ("ExecutionAborted", "ExecutionTimedOut")
"""Our engine has no such ending within a Map: its histories are cut there, and given the event that AWS documents."""


def table(phases: tuple[Phase, ...]) -> list[Phase]:
    """Return the phases without what only one kind of Map has."""
    return [replace(phase, map_runs=()) for phase in phases]


def inline_of(name: str) -> list[dict[str, Any]]:
    """Return a recorded history; or one that ends in the middle of its Map, once a segment is done and one retried."""
    if name not in ENDED_IN_ITS_MAP:
        return recorded(name)
    events = recorded("retried")
    done = next(place for place, event in enumerate(events) if event["type"] == "MapIterationSucceeded")
    end = {"type": name, "id": done + 2, "previousEventId": 0}
    return [*events[: done + 1], {**end, "timestamp": events[done]["timestamp"] + timedelta(seconds=1)}]


@pytest.mark.parametrize("name", [*RECORDED, *ENDED_IN_ITS_MAP])
def test_a_distributed_maps_history_parses_to_the_table_of_the_inline_one(name: str) -> None:
    inline = inline_of(name)
    made = distribute(inline)
    course, expected = course_of(made.events, made.map_runs), course_of(inline)
    assert course.state is expected.state
    assert table(course.phases) == table(expected.phases)
    assert course.document == expected.document


@pytest.mark.parametrize(
    ("name", "state"), [("ExecutionAborted", Standing.ABORTED), ("ExecutionTimedOut", Standing.TIMED_OUT)]
)
def test_an_execution_that_ends_in_its_map_keeps_each_segments_last_cursor(name: str, state: Standing) -> None:
    made = distribute(inline_of(name))
    course = course_of(made.events, made.map_runs)
    backfill = course.last_visit("Backfill")
    assert backfill is not None
    assert (course.state, backfill.state, backfill.succeeded) == (state, state, 1)
    assert {segment.state for segment in backfill.segments} == {Standing.DONE, Standing.ABORTED}
    begun = [segment.reached for segment in backfill.segments if segment.state is Standing.ABORTED]
    assert any(isinstance(reached, Checkpoint) and reached.cursor for reached in begun)


def test_retries_of_a_child_are_counted_with_its_segment() -> None:
    made = distribute(recorded("retried"))
    backfill = course_of(made.events, made.map_runs).last_visit("Backfill")
    assert backfill is not None
    assert {segment.name: segment.retries for segment in backfill.segments} == {
        "segment 0": 1,
        "segment 1": 0,
        "segment 2": 1,
    }


@pytest.mark.parametrize("name", ["succeeded", "segment_failed", "retried", *ENDED_IN_ITS_MAP])
def test_children_that_succeeded_need_not_be_read_to_be_counted(name: str) -> None:
    made = distribute(inline_of(name))
    for whole, part in zip(
        course_of(made.events, made.map_runs).phases,
        course_of(made.events, made.unsuccessful).phases,
        strict=True,
    ):
        assert part.succeeded == whole.succeeded
        assert part.segments == tuple(segment for segment in whole.segments if segment.state is not Standing.DONE)


def test_a_map_run_tells_how_many_of_its_segments_are_done_before_any_child_is_read() -> None:
    made = distribute(recorded("succeeded"))
    backfill = course_of(made.events).last_visit("Backfill")
    assert backfill is not None
    assert (backfill.total_segments, backfill.segments, len(backfill.map_runs)) == (3, (), 1)


def test_segments_whose_children_are_not_read_come_from_the_control_table() -> None:
    made = distribute(recorded("segment_failed"))
    noted = {2: Checkpoint(segment=2, pages=4, items=40), 0: Checkpoint(segment=0, pages=9, items=90)}
    backfill = with_noted(course_of(made.events, made.unsuccessful), noted).last_visit("Backfill")
    assert backfill is not None
    states = {segment.name: (segment.state, segment.reached and segment.reached.pages) for segment in backfill.segments}
    assert states["segment 2"] == (Standing.ABORTED, 4)
    assert states["segment 0"] == (Standing.FAILED, 0), "the history knows it better"


def test_a_redriven_map_goes_on_with_the_children_that_had_not_succeeded() -> None:
    made = redriven(distribute(recorded("segment_failed")))
    course = course_of(made.events, made.map_runs)
    backfill = course.last_visit("Backfill")
    assert backfill is not None
    assert (course.state, course.error, backfill.state) == (Standing.RUNNING, "", Standing.RUNNING)
    assert {segment.state for segment in backfill.segments} == {Standing.DONE}
    assert {segment.reached.pages for segment in backfill.segments if segment.reached} == {9}


def test_the_last_page_of_a_long_history_is_not_its_end() -> None:
    """AWS gives 1,000 events at once; a token leads to the rest."""
    made = distribute(recorded("succeeded"))
    for size in (1, 7, 1000):
        answers = History(pages_of(made.events, size))
        events = read_events(answers.session, EXECUTION).all
        assert list(events) == made.events
        assert course_of(events, made.map_runs) == course_of(made.events, made.map_runs)


def test_children_are_told_by_how_they_ended() -> None:
    def statuses(made: Distributed) -> list[str]:
        return sorted(status_of(child) for children in made.children.values() for child in children)

    assert set(statuses(distribute(recorded("succeeded")))) == {"SUCCEEDED"}
    assert "FAILED" in statuses(distribute(recorded("segment_failed")))
    assert statuses(distribute(recorded("retried"))) == ["FAILED", "SUCCEEDED", "SUCCEEDED"]
    for name in ENDED_IN_ITS_MAP:
        assert set(statuses(distribute(inline_of(name)))) == {"SUCCEEDED", "ABORTED"}


def test_the_history_of_a_distributed_map_is_printed_with_its_segments() -> None:
    made = distribute(recorded("segment_failed"))
    console = Console(record=True, width=200)
    console.print(history_view(course_of(made.events, made.unsuccessful)))
    text = console.export_text()
    assert "Backfill: 0 of 3 segments done" in text
    assert "ResourceNotFoundException" in text
