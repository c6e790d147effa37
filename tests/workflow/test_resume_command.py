"""Which way the command goes on by, and what it shows before it asks."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from tasks.aws.books.control import pk_of_run
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import Refused
from tests.unit.aws_fakes import FakeControl
from tests.unit.step_functions_fake import FakeStepFunctions
from tests.workflow.recorded_histories import recorded, until
from workflow import execution
from workflow.refusals import CommandRefused
from workflow.resume import Ahead, Prospect, Way, go_on, look_ahead
from workflow.tables import prospect_view

if TYPE_CHECKING:
    import boto3

    from tasks.aws.books.control import ControlTable

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:tableferry-killed"
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:tableferry-killed:first"
SESSION = cast("boto3.Session", None)


class Redrivable(FakeStepFunctions):
    """An execution that failed in its Map, as Step Functions itself would have it."""

    def __init__(self) -> None:
        super().__init__()
        self.add(EXECUTION, "FAILED", recorded("retried"))
        self.more: dict[str, Any] = {"redriveStatus": "REDRIVABLE", "stateMachineArn": MACHINE}
        self.definitions = ({"StartAt": "Preflight"}, {"StartAt": "Preflight"})
        self.redriven: list[str] = []
        self.started: list[dict[str, Any]] = []

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803 — boto3's name
        return {**super().describe_execution(executionArn=executionArn), **self.more}

    def describe_state_machine_for_execution(self, **_: object) -> dict[str, Any]:
        return {"definition": json.dumps(self.definitions[0])}

    def describe_state_machine(self, **_: object) -> dict[str, Any]:
        return {"definition": json.dumps(self.definitions[1], indent=1)}

    def redrive_execution(self, *, executionArn: str) -> None:  # noqa: N803 — boto3's name
        self.redriven.append(executionArn)

    def start_execution(self, **given: Any) -> dict[str, Any]:  # noqa: ANN401 — boto3's own
        self.started.append(given)
        return {"executionArn": f"{EXECUTION}-again"}


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> Redrivable:
    fake, table = Redrivable(), FakeControl([])
    noted = [(0, "done", 4, 8), (1, "done", 4, 8), (2, "scanning", 3, 6)]
    for segment, state, pages, items in noted:
        document = {"segment": segment, "state": state, "pages": pages, "records": pages, "items": items}
        table.put(pk_of_run("first", str(segment)), "checkpoint", document)
    monkeypatch.setattr(execution, "stepfunctions", lambda *_: fake)
    monkeypatch.setattr(execution, "control_table", lambda *_: cast("ControlTable", table))
    monkeypatch.setattr(execution, "item_count", lambda *_: 20)
    return fake


def shown(prospect: Prospect) -> str:
    console = Console(record=True, width=200)
    console.print(prospect_view(prospect))
    return console.export_text()


def test_an_execution_that_can_be_redriven_is_redriven(states: Redrivable) -> None:
    prospect = look_ahead(SESSION, EXECUTION)
    assert prospect.way is Way.REDRIVE
    assert go_on(SESSION, prospect) == EXECUTION
    assert (states.redriven, states.started) == ([EXECUTION], [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"redriveStatus": "NOT_REDRIVABLE", "redriveStatusReason": "Execution is older than 14 days."}, "14 days"),
        ({"redriveStatus": "REDRIVABLE_BY_MAP_RUN"}, "a redrive is not possible"),
        ({"redriveStatus": None}, "Step Functions offers none"),
    ],
)
def test_one_that_can_not_is_gone_on_from_in_a_new_execution(
    states: Redrivable, change: dict[str, Any], words: str
) -> None:
    states.more |= change
    prospect = look_ahead(SESSION, EXECUTION)
    assert prospect.way is Way.NEW_EXECUTION
    assert words in prospect.why
    assert go_on(SESSION, prospect, "again") == f"{EXECUTION}-again"
    assert states.redriven == []
    assert json.loads(states.started[0]["input"]) == {"resume_from": EXECUTION}


def test_a_state_machine_that_was_deployed_anew_is_not_passed_by_with_the_old_definition(states: Redrivable) -> None:
    states.definitions = ({"StartAt": "Preflight"}, {"StartAt": "Another"})
    assert "was deployed anew" in look_ahead(SESSION, EXECUTION).why


def test_settings_are_changed_by_a_new_execution_only(states: Redrivable) -> None:
    prospect = look_ahead(SESSION, EXECUTION, {"max_concurrency": 3})
    assert prospect.way is Way.NEW_EXECUTION
    go_on(SESSION, prospect)
    assert json.loads(states.started[0]["input"]) == {"max_concurrency": 3, "resume_from": EXECUTION}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("BackfillIncomplete", "pages have to be sent again"),
        ("PreconditionFailed", "Preflight looks again at what failed"),
    ],
)
def test_what_a_redrive_would_only_meet_again_is_resumed_in_a_new_execution(
    states: Redrivable, error: str, words: str
) -> None:
    """A replicator that somebody detached is attached again by a new execution, and never by a redrive."""
    events = recorded("retried")
    end = next(event for event in events if event["type"] == "ExecutionFailed")
    end["executionFailedEventDetails"]["error"] = error
    states.histories[EXECUTION] = events
    prospect = look_ahead(SESSION, EXECUTION)
    assert prospect.way is Way.NEW_EXECUTION
    assert words in prospect.why


def test_late_writes_that_are_lost_are_no_reason_to_delete_the_table_that_traffic_is_at(states: Redrivable) -> None:
    events = until(recorded("succeeded"), "TaskStateExited", "CutOver")
    last = {
        "type": "ExecutionFailed",
        "id": events[-1]["id"] + 1,
        "previousEventId": events[-1]["id"],
        "timestamp": events[-1]["timestamp"],
        "executionFailedEventDetails": {"error": "ChangesLost", "cause": "said the test"},
    }
    states.histories[EXECUTION] = [*events, last]
    with pytest.raises(
        CommandRefused, match=r"traffic is at asking-target, and stays there\. .* carry it over by hand"
    ) as caught:
        look_ahead(SESSION, EXECUTION)
    assert "delete the target" not in str(caught.value)


def test_a_refusal_of_preflight_is_redriven_and_never_resumed_by_a_new_execution(states: Redrivable) -> None:
    states.histories[EXECUTION] = recorded("refused")
    assert look_ahead(SESSION, EXECUTION).way is Way.REDRIVE
    states.more["redriveStatus"] = "NOT_REDRIVABLE"
    with pytest.raises(CommandRefused, match="never left Preflight"):
        look_ahead(SESSION, EXECUTION)


@pytest.mark.parametrize(
    ("written", "then", "where"),
    [
        ('"source":', '"source_table":', r"plan\.source: Field required"),
        ('"quiet_seconds":', '"calm_seconds":', r"plan\.calm_seconds: Extra inputs"),
        ('"quiet_seconds":1,', "", r"plan\.quiet_seconds: Field required"),
    ],
)
def test_an_execution_of_another_version_is_refused_by_name_and_never_misread(
    states: Redrivable, written: str, then: str, where: str
) -> None:
    for event in states.histories[EXECUTION]:
        left = event.get("stateExitedEventDetails", {})
        if "output" in left:
            left["output"] = left["output"].replace(written, then)
    with pytest.raises(Refused, match=rf"by another version of tableferry, .* \({where}"):
        look_ahead(SESSION, EXECUTION)
    assert (states.redriven, states.started) == ([], [])


def test_after_the_cut_over_only_a_redrive_can_finish(states: Redrivable) -> None:
    states.histories[EXECUTION] = until(recorded("succeeded"), "TaskStateExited", "DrainLateWrites")
    assert look_ahead(SESSION, EXECUTION).way is Way.REDRIVE
    states.more["redriveStatus"] = "NOT_REDRIVABLE"
    with pytest.raises(CommandRefused, match="traffic was moved already, and after that only a redrive can finish"):
        look_ahead(SESSION, EXECUTION)


def test_what_will_be_read_again_is_shown_before_it_starts(states: Redrivable) -> None:
    text = shown(look_ahead(SESSION, EXECUTION))
    assert states.redriven == []
    assert f"{EXECUTION}: FAILED Runtime.ExitError" in text
    assert "2 of 3 segments need no scan any more; so far 11 pages with 22 items were sent" in text
    assert "segments to scan: 1; pages to read again: 3" in text
    assert "items to read: about 4 of 20" in text
    assert "it goes on by a redrive: Step Functions can redrive it" in text


def test_segments_that_were_never_begun_are_counted_and_those_that_cost_most_stand_first(states: Redrivable) -> None:
    known = look_ahead(SESSION, EXECUTION)
    ahead = [Ahead(Checkpoint(segment=segment), Checkpoint(segment=segment)) for segment in range(3, 4096)]
    again = [Ahead(Checkpoint(segment=at, pages=2), Checkpoint(segment=at, pages=2 + at)) for at in range(3)]
    text = shown(replace(known, total_segments=4096, ahead=(*again, *ahead)))
    assert "segments to scan: 4096, of which 4093 were never begun; pages to read again: 3" in text
    rows = [line.split()[0] for line in text.splitlines() if line.rstrip().endswith(" pages")]
    assert rows == ["2", "1", "0"]
    assert len(text.splitlines()) < 15
    assert states.redriven == []


def test_beside_a_running_execution_nothing_is_started(states: Redrivable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "running_executions", lambda *_: ["arn:running"])
    with pytest.raises(CommandRefused, match=r"is running \(arn:running\)"):
        look_ahead(SESSION, EXECUTION)
    assert states.redriven == []
