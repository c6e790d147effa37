"""What is read of a Map Run: only children that did not succeed, and none of them twice once it is over."""

from typing import TYPE_CHECKING, cast

import pytest

from tasks.core.run.course import course_of
from tasks.core.run.phases import Standing
from tests.unit.step_functions_fake import FakeStepFunctions
from tests.workflow.distributed_histories import Distributed, distribute, status_of
from tests.workflow.recorded_histories import recorded
from workflow import execution, map_runs
from workflow.map_runs import ENDED_BADLY, read_map_runs

if TYPE_CHECKING:
    import boto3

EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:tableferry-killed:first"
SESSION = cast("boto3.Session", None)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> FakeStepFunctions:
    fake = FakeStepFunctions()
    monkeypatch.setattr(execution, "stepfunctions", lambda *_: fake)
    return fake


def put(states: FakeStepFunctions, made: Distributed) -> None:
    for run, children in made.children.items():
        for number, child in enumerate(children):
            states.add(f"{run}:child-{number}", status_of(child), child, run)


def test_an_inline_maps_execution_has_none(states: FakeStepFunctions) -> None:
    assert read_map_runs(SESSION, EXECUTION, course_of(recorded("retried"))).runs == {}
    assert states.read == []


def test_the_children_that_failed_are_read_once_and_the_others_are_counted(states: FakeStepFunctions) -> None:
    made = distribute(recorded("retried"))
    put(states, made)
    course = course_of(made.events)
    read = read_map_runs(SESSION, EXECUTION, course, statuses=ENDED_BADLY)
    assert [arn.rpartition("-")[2] for arn in states.read] == ["2"]
    backfill = course_of(made.events, read.runs).last_visit("Backfill")
    assert backfill is not None
    assert (backfill.total_segments, backfill.succeeded) == (3, 2)
    assert [(segment.name, segment.state) for segment in backfill.segments] == [("segment 2", Standing.FAILED)]
    assert backfill.reason.startswith("segment 2: Runtime.ExitError")
    again = read_map_runs(SESSION, EXECUTION, course, statuses=ENDED_BADLY, known=read)
    assert len(states.read) == 1, "a child that is over does not change"
    assert again == read


def test_a_map_run_with_very_many_children_is_not_read_for_ever(
    states: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = distribute(recorded("segment_failed"))
    put(states, made)
    monkeypatch.setattr(map_runs, "CHILDREN_MOST", 1)
    read = read_map_runs(SESSION, EXECUTION, course_of(made.events))
    assert len(states.read) == 1
    assert len(next(iter(read.runs.values())).children) == 1
