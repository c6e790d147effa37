"""The parts that the suite stands on: the mock file, the shortened definition, the forwarder, the summary."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.local.emulator.client import PROJECT_ROOT
from tests.step_functions_local.container import AMAZONS_IMAGE, IMAGE_VARIABLE
from tests.step_functions_local.lambda_forwarder import forwarding
from tests.step_functions_local.mock_file import MockFileInvalid, Return, Throw, read_mock_file
from tests.step_functions_local.report import PROPERTY, summary
from tests.step_functions_local.responder import ANSWERS, responding
from tests.step_functions_local.scripted import MACHINE, MOCK_FILE, RENDERED
from tests.step_functions_local.shortened import changes, shortened
from workflow.definition import iter_states

TASKS = {name: state for name, state in iter_states(RENDERED) if state["Type"] == "Task"}
INVOKE = "2015-03-31/functions/scripted-PlanSegments/invocations"
NOWHERE = "203.0.113.7"
"""An address that is no machine's, kept for examples."""


def test_a_shortened_machine_is_the_reviewed_one_but_for_numbers_of_seconds() -> None:
    found = list(changes(RENDERED, shortened(RENDERED, approval_seconds=2)))
    assert len(found) > 40
    for where, reviewed, short in found:
        assert where.endswith(("/IntervalSeconds", "/ApproveCutOver/TimeoutSeconds")), where
        assert 1 <= short < reviewed, where


def test_a_change_that_is_no_number_of_seconds_is_not_let_pass() -> None:
    for name, value in (("Next", "CutOver"), ("Retry", []), ("TimeoutSeconds", "2")):
        changed = shortened(RENDERED)
        changed["States"]["ApproveCutOver"][name] = value
        with pytest.raises(ValueError, match="only numbers of seconds may differ"):
            list(changes(RENDERED, changed))


def test_no_case_of_the_mock_file_names_a_state_that_is_not_there() -> None:
    machines = read_mock_file(MOCK_FILE)
    assert set(machines) == {MACHINE}
    for case, states in machines[MACHINE].items():
        assert states, f"{case} mocks nothing"
        assert set(states) <= set(TASKS), case


def test_no_mocked_result_has_another_shape_than_that_of_an_invocation() -> None:
    for case, states in read_mock_file(MOCK_FILE)[MACHINE].items():
        for state, answers in states.items():
            for answer in answers:
                if isinstance(answer, Return) and not TASKS[state]["Resource"].endswith(".waitForTaskToken"):
                    assert set(answer.result) == {"StatusCode", "Payload"}, case


def test_no_state_is_without_an_answer_of_the_responder() -> None:
    assert set(ANSWERS) == set(TASKS)


def written(folder: Path, responses: dict[str, Any], *, used: str = "R") -> Path:
    file = folder / "mocks.json"
    machines = {"m": {"TestCases": {"c": {"S": used}}}}
    file.write_text(json.dumps({"StateMachines": machines, "MockedResponses": responses}), encoding="utf-8")
    return file


def test_attempts_are_counted_over_ranges(tmp_path: Path) -> None:
    throw = {"Throw": {"Error": "E", "Cause": "c"}}
    file = written(tmp_path, {"R": {"3": {"Return": None}, "1-2": throw, "0": {"Return": {"a": 1}}}})
    assert read_mock_file(file)["m"]["c"]["S"] == (Return({"a": 1}), Throw("E", "c"), Throw("E", "c"), Return(None))


@pytest.mark.parametrize(
    ("responses", "said"),
    [
        ({"R": {"1": {"Return": 1}}}, "where attempt 0 is next"),
        ({"R": {"0": {"Return": 1}, "2": {"Return": 1}}}, "where attempt 1 is next"),
        ({"R": {"1-0": {"Return": 1}}}, "where attempt 0 is next"),
        ({"R": {"0": {"Retrun": 1}}}, "an answer is"),
        ({"R": {"0": {"Throw": {"Error": "E"}}}}, "an answer is"),
        ({"Other": {"0": {"Return": 1}}}, "there is no mocked response 'R'"),
    ],
)
def test_a_mock_file_with_a_slip_is_refused_and_the_slip_named(
    tmp_path: Path, responses: dict[str, Any], said: str
) -> None:
    with pytest.raises(MockFileInvalid, match=said):
        read_mock_file(written(tmp_path, responses))


def post(url: str, body: bytes) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=body, method="POST")  # noqa: S310 - an address of this test
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - see above
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_a_container_can_reach_functions_here_and_nothing_else() -> None:
    event = json.dumps({"plan": {"run": "r", "total_segments": 1}}).encode()
    with responding() as responder, forwarding(responder.url, "127.0.0.1") as port:
        status, body = post(f"http://127.0.0.1:{port}/{INVOKE}", event)
        assert (status, json.loads(body)) == (200, {"checkpoints": [{"segment": 0, "state": "new"}], "left": "some"})
        for path in ("", "2015-03-31/functions/", f"{INVOKE}/more", f"x/{INVOKE}"):
            assert post(f"http://127.0.0.1:{port}/{path}", event)[0] == 403
        assert responder.calls("r") == {"PlanSegments": 1}


def test_where_the_bridge_is_not_ours_nothing_but_this_machine_reaches_the_forwarder() -> None:
    with responding() as responder, forwarding(responder.url, NOWHERE) as port:
        status, _ = post(f"http://127.0.0.1:{port}/{INVOKE}", b'{"plan": {"run": "r", "total_segments": 1}}')
        assert status == 200


def test_ci_and_the_document_name_the_image_and_the_variable_that_the_tests_read() -> None:
    for file in (".ci/with-docker", "docs/testing-with-step-functions-local.md"):
        text = (PROJECT_ROOT / file).read_text(encoding="utf-8")
        assert AMAZONS_IMAGE in text, file
        assert IMAGE_VARIABLE in text, file


def test_a_green_run_says_on_which_engines_it_ran() -> None:
    reports = [SimpleNamespace(user_properties=[(PROPERTY, name)]) for name in ("embedded", "container", "embedded")]
    assert summary([*reports, SimpleNamespace(user_properties=[])]) == (
        "Step Functions Local was: container, 1 passed; embedded, 2 passed"
    )
    assert not summary([SimpleNamespace(user_properties=[("other", "x")])])
