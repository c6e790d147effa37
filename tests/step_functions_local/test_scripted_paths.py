"""The rare paths of the machine, by script, on Step Functions Local: waits, refusals, throttles, answers."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.step_functions_local.engines import ENGINES, StepFunctionsLocal, engine_running
from tests.step_functions_local.responder import FunctionError, Responder, Throttled, responding
from tests.step_functions_local.scripted import MOCK_FILE, RENDERED, Scripted, failures
from workflow.definition import iter_phases

APPROVAL_SECONDS = 2

STARTS: Mapping[str, Callable[[Scripted], str]] = {
    "all goes well": lambda scripted: scripted.start(),
    "refused": lambda scripted: scripted.start("Refused"),
    "pending": lambda scripted: scripted.start("ReplicasPending"),
    "throttled": lambda scripted: scripted.start("LambdaThrottled"),
    "fails three times": lambda scripted: scripted.start("SegmentFailsThreeTimes", total_segments=1),
    "fails for good": lambda scripted: scripted.start("SegmentFailsForGood", total_segments=1),
    "unreadable": lambda scripted: scripted.start("SegmentUnreadable", total_segments=1),
    "nothing left": lambda scripted: scripted.start("NothingLeft"),
    "drift": lambda scripted: scripted.start("Drift", approval="required"),
    "approval mocked": lambda scripted: scripted.start("Approved", approval="required"),
    "denial mocked": lambda scripted: scripted.start("Denied", approval="required"),
    "approved": lambda scripted: scripted.start(approval="required"),
    "denied": lambda scripted: scripted.start(approval="required"),
    "nobody answers": lambda scripted: scripted.start_impatient(APPROVAL_SECONDS),
    "lambda throttles": lambda scripted: scripted.start(
        script={
            "PlanSegments": [Throttled(), Throttled(), FunctionError("AwsUnavailable")],
            "DrainBackfill": [FunctionError("DrainPending")],
        }
    ),
    "a function fails": lambda scripted: scripted.start(
        script={"DrainBackfill": [FunctionError("BackfillIncomplete")]}
    ),
}
"""Started all at once: they wait more than they work."""


@pytest.fixture(scope="module")
def responder() -> Iterator[Responder]:
    with responding() as responder:
        yield responder


@pytest.fixture(scope="module", params=list(ENGINES))
def engine(request: pytest.FixtureRequest, responder: Responder) -> Iterator[StepFunctionsLocal]:
    with engine_running(request.param, responder.url, MOCK_FILE) as engine:
        yield engine


@pytest.fixture(scope="module")
def scripted(engine: StepFunctionsLocal, responder: Responder) -> Scripted:
    return Scripted(engine, responder)


@pytest.fixture(scope="module")
def arns(scripted: Scripted) -> dict[str, str]:
    return {name: start(scripted) for name, start in STARTS.items()}


def test_no_phase_is_left_out_and_each_loop_is_walked(scripted: Scripted, arns: dict[str, str]) -> None:
    ended = scripted.ended(arns["all goes well"])
    assert (ended.status, ended.error) == ("SUCCEEDED", "")
    first = list(dict.fromkeys(state for state in ended.states if state in set(iter_phases(RENDERED))))
    assert first == [phase for phase in iter_phases(RENDERED) if phase != "ApproveCutOver"], "approval is automatic"
    calls = scripted.calls(arns["all goes well"])
    assert {state: count for state, count in calls.items() if count > 1} == {
        "ScanSegment": 4,  # two segments, each in two calls
        "VerifySegment": 4,  # two slices, looked at twice
        "CompareDigests": 2,
    }
    assert ended.output["cut_over"] == {"active_table": "scripted-target", "at": 2.5}


def test_a_resume_that_has_nothing_left_to_scan_passes_the_map_by(scripted: Scripted, arns: dict[str, str]) -> None:
    """AWS does not say what a distributed Map makes of an empty array."""
    ended = scripted.ended(arns["nothing left"])
    assert ended.status == "SUCCEEDED"
    assert "Backfill" not in ended.states
    assert ended.states.index("DrainBackfill") == ended.states.index("IsScanLeft") + 1
    assert "ScanSegment" not in scripted.calls(arns["nothing left"])


def test_a_refusal_is_not_tried_again_and_nothing_is_changed(scripted: Scripted, arns: dict[str, str]) -> None:
    ended = scripted.ended(arns["refused"])
    assert (ended.status, ended.error, ended.states) == ("FAILED", "Refused", ["Preflight"])
    assert "orders" in ended.message
    assert failures(ended) == ["Refused"]
    assert scripted.calls(arns["refused"]) == {}


def test_what_is_pending_is_asked_again_until_it_is_there(scripted: Scripted, arns: dict[str, str]) -> None:
    ended = scripted.ended(arns["pending"])
    assert ended.status == "SUCCEEDED"
    assert failures(ended) == ["ReplicasPending"] * 2
    assert "CreateReplicas" not in scripted.calls(arns["pending"]), "all its calls are mocked"


def test_a_throttled_function_is_called_again(scripted: Scripted, arns: dict[str, str]) -> None:
    ended = scripted.ended(arns["throttled"])
    assert ended.status == "SUCCEEDED"
    assert failures(ended) == ["Lambda.TooManyRequestsException"] * 2
    assert scripted.calls(arns["throttled"])["ScanSegment"] == 2, "one segment, by the mocked answer"


def test_the_engine_names_a_real_throttle_and_a_real_error_as_the_retries_do(
    scripted: Scripted, arns: dict[str, str]
) -> None:
    ended = scripted.ended(arns["lambda throttles"])
    assert (ended.status, ended.message) == ("SUCCEEDED", "")
    throttles = ["Lambda.TooManyRequestsException"] * 2
    assert failures(ended) == [*throttles, "AwsUnavailable", "DrainPending"]
    calls = scripted.calls(arns["lambda throttles"])
    assert (calls["PlanSegments"], calls["DrainBackfill"]) == (4, 2)


def test_a_function_that_gives_up_ends_the_execution_by_its_own_error(scripted: Scripted, arns: dict[str, str]) -> None:
    ended = scripted.ended(arns["a function fails"])
    assert (ended.status, ended.error) == ("FAILED", "BackfillIncomplete")
    assert scripted.calls(arns["a function fails"])["DrainBackfill"] == 1
    assert "DetachWriter" not in ended.states


def test_a_segment_that_fails_three_times_does_not_end_the_migration(scripted: Scripted, arns: dict[str, str]) -> None:
    ended = scripted.ended(arns["fails three times"])
    assert ended.status == "SUCCEEDED"
    assert failures(ended) == ["PutRecordsIncomplete"] * 3


def test_no_traffic_moves_over_a_segment_that_fails_for_good(scripted: Scripted, arns: dict[str, str]) -> None:
    ended = scripted.ended(arns["fails for good"])
    assert (ended.status, ended.error) == ("FAILED", "PutRecordsIncomplete")
    assert failures(ended) == ["PutRecordsIncomplete"] * 9, "the call and its eight retries"
    assert not {"DrainBackfill", "CutOver"} & set(ended.states)


def test_a_page_that_nobody_can_read_is_not_read_again(scripted: Scripted, arns: dict[str, str]) -> None:
    ended = scripted.ended(arns["unreadable"])
    assert (ended.status, ended.error) == ("FAILED", "PageUnreadable")
    assert failures(ended) == ["PageUnreadable"]


def test_drift_is_never_put_to_a_person_and_never_cut_over(scripted: Scripted, arns: dict[str, str]) -> None:
    ended = scripted.ended(arns["drift"])
    assert (ended.status, ended.error) == ("FAILED", "DriftFound")
    assert ended.states[-1] == "CompareDigests"
    assert not {"ApproveCutOver", "ProtectTarget", "CutOver"} & set(scripted.calls(arns["drift"]))


def test_traffic_moves_once_a_person_said_yes(scripted: Scripted, arns: dict[str, str]) -> None:
    token = scripted.token(arns["approved"])
    assert "ProtectTarget" not in scripted.calls(arns["approved"]), "not before the answer"
    scripted.engine.client.send_task_success(taskToken=token, output="{}")
    ended = scripted.ended(arns["approved"])
    assert ended.status == "SUCCEEDED"
    assert "CutOver" in ended.states
    assert token not in str(ended.output), "a token stays in its own state"


def test_a_person_who_says_no_ends_it_before_the_late_rule(scripted: Scripted, arns: dict[str, str]) -> None:
    token = scripted.token(arns["denied"])
    scripted.engine.client.send_task_failure(taskToken=token, error="ApprovalDenied", cause="not on a Friday")
    ended = scripted.ended(arns["denied"])
    assert (ended.status, ended.error) == ("FAILED", "ApprovalDenied")
    assert failures(ended) == ["ApprovalDenied"]
    assert ended.states[-1] == "ApproveCutOver"
    assert scripted.calls(arns["denied"])["ApproveCutOver"] == 1, "a no is not asked again"


def test_silence_is_no_yes(scripted: Scripted, arns: dict[str, str]) -> None:
    ended = scripted.ended(arns["nobody answers"])
    assert ended.error == "States.Timeout"
    assert ended.status in {"FAILED", "TIMED_OUT"}
    assert ended.states[-1] == "ApproveCutOver"
    calls = scripted.calls(arns["nobody answers"])
    assert calls["ApproveCutOver"] == 1, "nobody is asked twice"
    assert "ProtectTarget" not in calls


@pytest.mark.parametrize(
    ("run", "expected"),
    [("approval mocked", ("SUCCEEDED", "")), ("denial mocked", ("FAILED", "ApprovalDenied"))],
    ids=["yes", "no"],
)
def test_a_mocked_answer_counts_without_a_token(
    scripted: Scripted, arns: dict[str, str], run: str, expected: tuple[str, str]
) -> None:
    ended = scripted.ended(arns[run])
    assert (ended.status, ended.error) == expected
    calls: dict[str, Any] = scripted.calls(arns[run])
    assert "ApproveCutOver" not in calls
    assert ("ProtectTarget" in calls) == (expected[0] == "SUCCEEDED")
