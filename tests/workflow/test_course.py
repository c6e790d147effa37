import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks.core import errors
from tasks.core.copy.segment import Checkpoint
from tasks.core.prove.verification import VerifySlice
from tasks.core.run.course import ANSWER_WANTED, PENDING, course_of, message_of
from tasks.core.run.phases import Standing
from tests.workflow.recorded_histories import recorded, until
from workflow.definition import iter_states, read_definition

BEGAN = datetime(2026, 1, 31, tzinfo=UTC)


class Script:
    """Events of an execution as it goes on, each a second after the one before."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.add("ExecutionStarted")

    def add(self, kind: str, previous: int | None = None, **details: object) -> int:
        number = len(self.events) + 1
        event = {"id": number, "type": kind, "timestamp": BEGAN + timedelta(seconds=number)}
        event["previousEventId"] = number - 1 if previous is None else previous
        if details:
            name = "StateEntered" if kind.endswith("StateEntered") else kind
            name = "StateExited" if kind.endswith("StateExited") else name
            event[f"{name[0].lower()}{name[1:]}EventDetails"] = details
        self.events.append(event)
        return number

    def fail(self, error: str, message: str, previous: int | None = None) -> int:
        self.add("TaskScheduled", previous)
        return self.add("TaskFailed", error=error, cause=json.dumps({"errorMessage": message, "errorType": error}))


def scan(segment: int, state: str = "scanning", pages: int = 0) -> str:
    return json.dumps({"scan": {"checkpoint": {"segment": segment, "state": state, "pages": pages}}})


def test_every_phase_of_a_whole_run_is_there_in_order_and_done() -> None:
    course = course_of(recorded("succeeded"))
    assert course.state is Standing.DONE
    assert [phase.name for phase in course.phases] == [
        name
        for name, state in iter_states(read_definition())
        if state["Type"] in {"Task", "Map"} and name not in {"ScanSegment", "VerifySegment"}
    ]
    assert {phase.state for phase in course.phases} == {Standing.DONE}
    assert {phase.reason for phase in course.phases} == {""}
    times = [at for phase in course.phases for at in (phase.entered_at, phase.exited_at) if at is not None]
    assert times == sorted(times)
    assert len(times) == 2 * len(course.phases)
    assert course.started_at is not None
    assert course.ended_at is not None
    assert course.started_at <= times[0] <= times[-1] <= course.ended_at


def test_plan_and_proof_come_with_the_history() -> None:
    course = course_of(recorded("succeeded"))
    assert course.plan is not None
    assert (course.plan.source.name, course.plan.total_segments) == ("asking-source", 3)
    assert course.verification is not None
    assert (course.verification.verdict, course.verification.source_items) == ("equal", 20)


def test_each_segment_keeps_the_checkpoint_that_its_own_iteration_reached() -> None:
    backfill = course_of(recorded("succeeded")).last_visit("Backfill")
    assert backfill is not None
    assert backfill.total_segments == 3
    checkpoints = [segment.reached for segment in backfill.segments]
    assert sorted(isinstance(reached, Checkpoint) and reached.segment for reached in checkpoints) == [0, 1, 2]
    assert {reached.state for reached in checkpoints if reached} == {"done"}
    assert sum(reached.items for reached in checkpoints if reached) == 20


def test_each_verified_slice_is_told_by_table_and_segment() -> None:
    verify = course_of(recorded("succeeded")).last_visit("Verify")
    assert verify is not None
    slices = [segment.reached for segment in verify.segments if isinstance(segment.reached, VerifySlice)]
    assert {(reached.table, reached.segment) for reached in slices} == {
        (table, segment) for table in ("source", "target") for segment in range(3)
    }
    assert {reached.state for reached in slices} == {"done"}


def test_a_wait_is_told_with_the_reason_of_its_last_pending() -> None:
    course = course_of(until(recorded("aborted"), "TaskFailed", "AttachReplicator"))
    assert course.state is Standing.WAITING
    assert course.phase is not None
    assert (course.phase.name, course.phase.waits) == ("AttachReplicator", 1)
    assert course.phase.reason == "the stream of stopped-source is being enabled"


def test_a_wait_goes_on_while_the_state_asks_again() -> None:
    events = recorded("aborted")
    answered = len(until(events, "TaskFailed", "AttachReplicator"))
    assert events[answered]["type"] == "TaskScheduled"
    course = course_of(events[: answered + 1])
    assert course.state is Standing.WAITING


def test_a_question_to_a_person_is_a_wait() -> None:
    course = course_of(until(recorded("succeeded"), "TaskSubmitted"))
    assert course.state is Standing.WAITING
    assert course.phase is not None
    assert (course.phase.name, course.phase.reason) == ("ApproveCutOver", ANSWER_WANTED)


def test_a_denied_approval_is_a_failure_there() -> None:
    course = course_of(recorded("denied"))
    assert (course.state, course.error) == (Standing.FAILED, "ApprovalDenied")
    assert course.phase is not None
    assert (course.phase.name, course.phase.state) == ("ApproveCutOver", Standing.FAILED)
    assert course.phase.exited_at == course.ended_at


def test_a_refusal_is_told_in_its_own_words() -> None:
    course = course_of(recorded("refused"))
    assert (course.state, course.error) == (Standing.FAILED, "Refused")
    assert message_of(course.error, course.cause).startswith("source_table refused-source does not exist")


def test_an_aborted_execution_keeps_what_it_waited_for() -> None:
    course = course_of(recorded("aborted"))
    assert course.state is Standing.ABORTED
    assert course.phase is not None
    assert course.phase.state is Standing.ABORTED
    assert "settle_seconds=600" in course.phase.reason


def test_a_failed_segment_names_itself_and_its_error_and_the_others_keep_their_cursor() -> None:
    course = course_of(recorded("segment_failed"))
    backfill = course.last_visit("Backfill")
    assert backfill is not None
    assert (course.state, backfill.state) == (Standing.FAILED, Standing.FAILED)
    assert backfill.reason.startswith("segment 0: ResourceNotFoundException: ")
    assert backfill.total_segments == 3
    assert {segment.index for segment in backfill.segments} == {0, 1}  # two at a time: the third was never begun
    assert {segment.state for segment in backfill.segments} == {Standing.FAILED}
    assert {segment.reason.partition(":")[0] for segment in backfill.segments} == {"ResourceNotFoundException"}
    assert {segment.reached.pages for segment in backfill.segments if segment.reached} == {0}


@pytest.mark.parametrize("name", ["succeeded", "denied", "segment_failed", "aborted", "refused"])
def test_a_history_cut_anywhere_tells_what_is_known_so_far(name: str) -> None:
    events = recorded(name)
    seen = 0
    for end in range(len(events) + 1):
        course = course_of(events[:end])
        assert len(course.phases) >= seen
        seen = len(course.phases)
        assert all(phase.state is Standing.DONE for phase in course.phases[:-1])


def test_a_segment_is_followed_through_the_worker_that_did_another_one_before() -> None:
    """An iteration's first event may follow the last one of another iteration: that one must not get its events."""
    script = Script()
    script.add("MapStateEntered", name="Backfill", input="{}")
    script.add("MapStateStarted", length=2)
    script.add("MapIterationStarted", name="Backfill", index=0)
    script.add("TaskStateEntered", name="ScanSegment", input=scan(0))
    script.add("TaskStateExited", name="ScanSegment", output=scan(0, "done", 7))
    script.add("MapIterationSucceeded", name="Backfill", index=0)
    script.add("MapIterationStarted", name="Backfill", index=1)
    script.add("TaskStateEntered", name="ScanSegment", input=scan(1, pages=3))
    script.fail("PutRecordsIncomplete", "12 of 500 records refused")
    phase = course_of(script.events).phase
    assert phase is not None
    first, second = phase.segments
    assert (first.state, first.reason, first.reached) == (
        Standing.DONE,
        "",
        Checkpoint(segment=0, state="done", pages=7),
    )
    assert (second.state, second.reason, second.reached) == (
        Standing.RUNNING,
        "PutRecordsIncomplete: 12 of 500 records refused",
        Checkpoint(segment=1, pages=3),
    )
    assert phase.reason == "segment 1: PutRecordsIncomplete: 12 of 500 records refused"


def test_interleaved_iterations_do_not_get_each_others_events() -> None:
    script = Script()
    script.add("MapStateEntered", name="Backfill", input="{}")
    started = script.add("MapStateStarted", length=2)
    zero = script.add("MapIterationStarted", started, name="Backfill", index=0)
    one = script.add("MapIterationStarted", started, name="Backfill", index=1)
    zero = script.add("TaskStateEntered", zero, name="ScanSegment", input=scan(0))
    one = script.add("TaskStateEntered", one, name="ScanSegment", input=scan(1))
    script.add("TaskStateExited", zero, name="ScanSegment", output=scan(0, pages=5))
    script.fail("AwsUnavailable", "throttled", one)
    phase = course_of(script.events).phase
    assert phase is not None
    assert [segment.reached and segment.reached.pages for segment in phase.segments] == [5, 0]
    assert [segment.reason for segment in phase.segments] == ["", "AwsUnavailable: throttled"]


def test_only_tries_after_a_failure_are_retries() -> None:
    script = Script()
    script.add("TaskStateEntered", name="DrainChanges", input="{}")
    script.fail("AwsUnavailable", "throttled")
    script.fail("ChangesPending", "1 of 2 shards")
    script.add("TaskScheduled")
    phase = course_of(script.events).phase
    assert phase is not None
    assert (phase.retries, phase.waits, phase.state) == (1, 1, Standing.WAITING)


def test_a_retry_that_succeeded_leaves_no_reason() -> None:
    script = Script()
    script.add("TaskStateEntered", name="DrainChanges", input="{}")
    script.fail("AwsUnavailable", "throttled")
    script.add("TaskScheduled")
    script.add("TaskSucceeded")
    phase = course_of(script.events).phase
    assert phase is not None
    assert (phase.retries, phase.reason, phase.state) == (1, "", Standing.RUNNING)


@pytest.mark.parametrize(
    ("ending", "state"), [("ExecutionTimedOut", Standing.TIMED_OUT), ("ExecutionAborted", Standing.ABORTED)]
)
def test_the_end_of_the_execution_ends_its_phase(ending: str, state: Standing) -> None:
    script = Script()
    script.add("TaskStateEntered", name="DrainChanges", input="{}")
    script.add("TaskScheduled")
    script.add(ending, 0)
    course = course_of(script.events)
    assert (course.state, course.phases[0].state) == (state, state)


def test_a_task_that_timed_out_for_good_says_so() -> None:
    script = Script()
    script.add("TaskStateEntered", name="ApproveCutOver", input="{}")
    script.add("TaskScheduled")
    script.add("TaskTimedOut", error="States.Timeout", cause="")
    script.add("ExecutionFailed", error="States.Timeout")
    course = course_of(script.events)
    assert (course.state, course.phases[0].state) == (Standing.FAILED, Standing.TIMED_OUT)


def test_answers_that_come_after_the_end_do_not_bring_an_execution_back_to_life() -> None:
    script = Script()
    entered = script.add("TaskStateEntered", name="DrainChanges", input="{}")
    script.add("TaskScheduled", entered)
    script.add("ExecutionAborted", 0)
    script.add("TaskSucceeded", 3)
    course = course_of(script.events)
    assert (course.state, course.phases[0].state) == (Standing.ABORTED, Standing.ABORTED)


def test_a_redrive_goes_on_where_it_failed() -> None:
    script = Script()
    script.add("TaskStateEntered", name="DrainChanges", input="{}")
    script.fail("DriftFound", "the target refused changes")
    script.add("ExecutionFailed", error="DriftFound")
    script.add("ExecutionRedriven", redriveCount=1)
    script.add("TaskScheduled")
    course = course_of(script.events)
    assert (course.state, course.error, course.ended_at) == (Standing.RUNNING, "", None)
    assert [(phase.name, phase.state) for phase in course.phases] == [("DrainChanges", Standing.RUNNING)]


def test_a_second_visit_of_a_state_is_a_phase_of_its_own() -> None:
    script = Script()
    for _ in range(2):
        script.add("TaskStateEntered", name="CompareDigests", input="{}")
        script.add("TaskStateExited", name="CompareDigests", output="{}")
        script.add("ChoiceStateEntered", name="IsEqual", input="{}")
        script.add("ChoiceStateExited", name="IsEqual", output="{}")
    assert [phase.name for phase in course_of(script.events).phases] == ["CompareDigests"] * 2


def test_waits_are_exactly_the_errors_that_the_machine_waits_for() -> None:
    waited_for = {
        name
        for _, state in iter_states(read_definition())
        for retrier in state.get("Retry", [])
        for name in retrier["ErrorEquals"]
        if issubclass(getattr(errors, name, Exception), errors.Pending)
    }
    assert waited_for == PENDING


@pytest.mark.parametrize(
    ("error", "cause", "message"),
    [
        ("Refused", '{"errorMessage": "no such table", "errorType": "Refused"}', "no such table"),
        ("States.Runtime", "a plain sentence", "a plain sentence"),
        ("States.Timeout", "", "States.Timeout"),
        ("Odd", '{"errorType": "Odd"}', "Odd"),
        ("Odd", "[1]", "[1]"),
    ],
)
def test_a_failure_says_its_message_whatever_the_form(error: str, cause: str, message: str) -> None:
    assert message_of(error, cause) == message
