"""PlanSegments of a resumed run: what is done is left alone, what is not goes on at its last cursor."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tasks import plan_segments
from tasks.aws.books.books import open_books
from tasks.aws.session import clients
from tasks.core.copy.checkpoints import STATE_BYTES_MOST
from tasks.core.copy.page import PageHeader
from tasks.core.copy.receipts import Sent
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import Superseded
from tasks.core.model.order import spread_out
from tasks.core.replicate.conflict import ReplicationRule
from tasks.core.run.plan import Plan
from tasks.core.settings.migration import MAX_SEGMENTS
from tests.unit.aws_fakes import PLAN, RUN, STREAM, Context, FakeAws
from tests.unit.step_functions_fake import FakeStepFunctions

MACHINE = "arn:aws:states:eu-central-1:123456789012:execution:tableferry-airports"
FIRST, SECOND = f"{MACHINE}:{RUN}", f"{MACHINE}:second"
BEGAN = datetime(2026, 1, 31, tzinfo=UTC)
SEGMENTS = 4


def plan(resume_from: str | None = None, begun_at: float = 500.0) -> Plan:
    return PLAN.model_copy(
        update={"total_segments": SEGMENTS, "resume_from": resume_from, "begun_at": begun_at, "max_concurrency": 2}
    )


def at(segment: int, pages: int = 0, *, done: bool = False) -> Checkpoint:
    cursor = {"pk": {"S": f"{segment}/{pages}"}} if pages and not done else None
    return Checkpoint(segment=segment, state="done" if done else "scanning", cursor=cursor, pages=pages, records=pages)


def dumped(checkpoint: Checkpoint) -> dict[str, Any]:
    return checkpoint.model_dump(mode="json", exclude_defaults=True)


class Script:
    """Events of one execution, in a line."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.add("ExecutionStarted")

    def add(self, kind: str, **details: object) -> "Script":
        number = len(self.events) + 1
        event = {"id": number, "previousEventId": number - 1, "type": kind, "timestamp": BEGAN + timedelta(0, number)}
        name = next((end for end in ("StateEntered", "StateExited") if kind.endswith(end)), kind)
        self.events.append(event | {f"{name[0].lower()}{name[1:]}EventDetails": details})
        return self

    def state(self, name: str, output: object) -> "Script":
        self.add("TaskStateEntered", name=name, input="{}")
        return self.add("TaskStateExited", name=name, output=json.dumps(output))

    def scanned(self, *reached: Checkpoint) -> "Script":
        """Let calls return: of a Map's child, or of an execution with an inline Map, each in its own iteration."""
        is_inline = any(event["type"] == "MapStateStarted" for event in self.events)
        for checkpoint in reached:
            if is_inline:
                self.add("MapIterationStarted", name="Backfill", index=checkpoint.segment)
            text = json.dumps({"scan": {"checkpoint": dumped(checkpoint)}})
            self.add("TaskStateExited", name="ScanSegment", output=text)
        return self

    def begun(self, checkpoint: Checkpoint) -> "Script":
        text = json.dumps({"scan": {"checkpoint": dumped(checkpoint)}})
        return self.add("TaskStateEntered", name="ScanSegment", input=text)


def parent(its: Plan, *planned: Checkpoint, map_runs: tuple[str, ...] = (), error: str = "Runtime.ExitError") -> Script:
    """Return an execution that laid out its segments and failed in the Map."""
    document: dict[str, Any] = {"plan": its.model_dump(mode="json")}
    script = Script().state("Preflight", document)
    document["segments"] = {"checkpoints": [dumped(checkpoint) for checkpoint in planned]}
    script.state("PlanSegments", document)
    script.add("MapStateEntered", name="Backfill", input="{}").add("MapStateStarted", length=len(planned))
    for arn in map_runs:
        script.add("MapRunStarted", mapRunArn=arn)
    return script.add("ExecutionFailed", error=error, cause="")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws().install(monkeypatch)
    fake.put_rule("leave-tombstones")
    return fake


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> FakeStepFunctions:
    fake = FakeStepFunctions()
    monkeypatch.setattr(clients, "stepfunctions", lambda: fake)
    return fake


def laid_out_by(its: Plan) -> list[Checkpoint]:
    """Return the checkpoints in the order in which they are begun."""
    answer = plan_segments.handler({"plan": its.model_dump(mode="json")}, Context())
    return [Checkpoint.model_validate(entry) for entry in json.loads(json.dumps(answer))["checkpoints"]]


def planned_by(its: Plan) -> list[Checkpoint]:
    return sorted(laid_out_by(its), key=lambda checkpoint: checkpoint.segment)


def note(*checkpoints: Checkpoint) -> None:
    for checkpoint in checkpoints:
        claim = open_books(RUN).receipts.claim_segment(checkpoint)
        open_books(RUN).receipts.put_checkpoint(checkpoint, claim=claim)


@pytest.mark.usefixtures("aws", "states")
def test_a_run_that_begins_has_every_segment_from_its_start() -> None:
    assert planned_by(plan()) == [at(segment) for segment in range(SEGMENTS)]


@pytest.mark.usefixtures("aws")
def test_what_is_left_is_begun_far_apart_and_each_segment_where_it_stands(states: FakeStepFunctions) -> None:
    """Those that a failure leaves are the last of a Map's and lie anywhere: in turn, two neighbours would go on."""
    total = 12
    whole = plan().model_copy(update={"total_segments": total})
    reached = [at(segment, segment + 1) for segment in range(total)]
    states.add(FIRST, "FAILED", parent(whole, *map(at, range(total))).scanned(*reached).events)
    note(*reached[:2], *(at(segment, 2, done=True) for segment in (2, 3)), *reached[4:])
    resumed = whole.model_copy(update={"resume_from": FIRST})
    left = [checkpoint for checkpoint in reached if checkpoint.segment not in {2, 3}]
    assert laid_out_by(resumed) == spread_out(left)
    assert laid_out_by(resumed) != left


@pytest.mark.usefixtures("aws")
def test_a_distributed_maps_children_that_succeeded_are_not_read(states: FakeStepFunctions) -> None:
    run = "arn:map-run"
    states.add(FIRST, "FAILED", parent(plan(), *map(at, range(SEGMENTS)), map_runs=(run,)).events)
    states.add("child 0", "SUCCEEDED", Script().begun(at(0)).scanned(at(0, 9, done=True)).events, run)
    states.add("child 1", "FAILED", Script().begun(at(1)).scanned(at(1, 3), at(1, 5)).events, run)
    states.add("child 2", "ABORTED", Script().begun(at(2)).events, run)
    note(at(0, 9, done=True), at(1, 7), at(2, 2))
    assert planned_by(plan(FIRST)) == [at(1, 5), at(2), at(3)]
    assert "child 0" not in states.read
    assert states.read.count("child 1") == 1


@pytest.mark.usefixtures("aws")
def test_a_resume_of_a_resume_goes_on_where_the_last_one_ended_and_looks_no_further_back(
    states: FakeStepFunctions,
) -> None:
    states.add(FIRST, "FAILED", parent(plan(), *map(at, range(SEGMENTS))).scanned(at(1, 3), at(2, 4)).events)
    second = parent(plan(FIRST, 600.0), at(1, 3), at(2, 4), at(3)).scanned(at(1, 8, done=True), at(2, 6))
    states.add(SECOND, "ABORTED", second.events)
    note(at(0, 5, done=True), at(1, 8, done=True), at(2, 7))
    assert planned_by(plan(SECOND, 700.0)) == [at(2, 6), at(3)]


@pytest.mark.usefixtures("aws")
def test_a_resume_that_failed_before_its_segments_were_laid_out_is_passed_over(states: FakeStepFunctions) -> None:
    states.add(FIRST, "FAILED", parent(plan(), *map(at, range(SEGMENTS))).scanned(at(1, 3)).events)
    early = Script().state("Preflight", {"plan": plan(FIRST, 600.0).model_dump(mode="json")})
    states.add(SECOND, "FAILED", early.add("ExecutionFailed", error="Refused", cause="").events)
    note(at(0, 5, done=True), at(1, 3), at(2, 2, done=True), at(3, 1, done=True))
    assert planned_by(plan(SECOND, 700.0)) == [at(1, 3)]


@pytest.mark.usefixtures("aws")
def test_a_history_that_is_forgotten_costs_reading_and_loses_nothing(states: FakeStepFunctions) -> None:
    early = Script().state("Preflight", {"plan": plan(FIRST, 600.0).model_dump(mode="json")})
    states.add(SECOND, "FAILED", early.events)
    note(at(0, 5, done=True), at(1, 3))
    assert planned_by(plan(SECOND, 700.0)) == [at(1), at(2), at(3)]


@pytest.mark.usefixtures("aws")
def test_a_new_map_run_of_a_redrive_is_a_scan_of_its_own(states: FakeStepFunctions) -> None:
    """It began where the first one began, and put other pages in place of those that the first one had sent."""
    states.add(FIRST, "FAILED", parent(plan(), *map(at, range(SEGMENTS)), map_runs=("one", "two")).events)
    states.add("child of one", "FAILED", Script().begun(at(0)).scanned(at(0, 7)).events, "one")
    states.add("child of two", "ABORTED", Script().begun(at(0)).scanned(at(0, 2)).events, "two")
    note(at(0, 3), at(1, 1, done=True), at(2, 1, done=True), at(3, 1, done=True))
    assert planned_by(plan(FIRST)) == [at(0, 2)]


@pytest.mark.parametrize("rule", [ReplicationRule.DELETE, ReplicationRule.TARGET_WINS])
@pytest.mark.usefixtures("states")
def test_behind_a_closed_door_nothing_is_scanned_any_more(aws: FakeAws, rule: ReplicationRule) -> None:
    """The backfill was drained. A page that is sent now would never be written, and never be missed."""
    aws.put_rule(rule.value)
    assert planned_by(plan(FIRST)) == []
    answer = plan_segments.handler({"plan": plan(FIRST).model_dump(mode="json")}, Context())
    assert answer["left"] == "none", "the machine passes the Map by"


@pytest.mark.usefixtures("aws", "states")
def test_a_run_of_ten_thousand_segments_can_begin_and_each_of_them_is_found() -> None:
    whole = plan().model_copy(update={"total_segments": MAX_SEGMENTS})
    answer = plan_segments.handler({"plan": whole.model_dump(mode="json")}, Context())
    assert len(json.dumps(answer)) <= STATE_BYTES_MOST + 100
    given = [Checkpoint.model_validate(one) for one in json.loads(json.dumps(answer))["checkpoints"]]
    kept = open_books(RUN).receipts.read_kept([one.segment for one in given])
    assert sorted(kept.values(), key=lambda one: one.segment) == [at(segment) for segment in range(MAX_SEGMENTS)]


@pytest.mark.usefixtures("aws")
def test_a_page_that_was_given_up_is_sent_again_and_its_wait_begins_anew(states: FakeStepFunctions) -> None:
    incomplete = parent(plan(), *map(at, range(SEGMENTS)), error="BackfillIncomplete")
    states.add(FIRST, "FAILED", incomplete.scanned(at(1, 2), at(1, 4), at(1, 6, done=True)).events)
    for segment in range(SEGMENTS):
        for page in range(6):
            open_books(RUN).receipts.put_sent(segment, Sent(page, (f"d{page}",), 1), claim=1)
            if (segment, page) != (1, 3):
                header = PageHeader(run=RUN, segment=segment, page=page, part=0, parts=1, count=1, digest=f"d{page}")
                open_books(RUN).receipts.put_receipt(header, inserted=1, present=0, rejected=0)
        note(at(segment, 6, done=True))
    waited = open_books(RUN).drain.read().waiting_for("page 3 of segment 1", now=1.0).with_receipts(23, now=1.0)
    open_books(RUN).drain.put(waited)
    assert planned_by(plan(FIRST)) == [at(1, 2)]
    progress = open_books(RUN).drain.read()
    assert (progress.waiting, progress.receipts) == ("", -1), "or the first look would give up again"


@pytest.mark.usefixtures("aws")
def test_cursors_that_do_not_fit_are_kept_and_the_next_resume_finds_them(
    states: FakeStepFunctions, monkeypatch: pytest.MonkeyPatch
) -> None:
    states.add(FIRST, "FAILED", parent(plan(), *map(at, range(SEGMENTS))).scanned(at(1, 3), at(2, 4)).events)
    monkeypatch.setattr("tasks.core.copy.checkpoints.STATE_BYTES_MOST", 100)
    given = planned_by(plan(FIRST))
    assert [(one.segment, one.kept, one.cursor) for one in given] == [
        (0, True, None),
        (1, True, None),
        (2, True, None),
        (3, True, None),
    ]
    states.add(SECOND, "ABORTED", parent(plan(FIRST, 600.0), *given).scanned(at(2, 5)).events)
    monkeypatch.setattr("tasks.core.copy.checkpoints.STATE_BYTES_MOST", 10_000)
    assert planned_by(plan(SECOND, 700.0)) == [at(0), at(1, 3), at(2, 5), at(3)]


@pytest.mark.usefixtures("states")
def test_an_execution_that_was_overtaken_lays_out_nothing(aws: FakeAws) -> None:
    open_books(RUN).record.put_plan(plan(FIRST, 800.0), STREAM)
    with pytest.raises(Superseded, match="a later execution goes on with run"):
        planned_by(plan(FIRST, 700.0))
    assert not [entry for entry in aws.log if entry[0] == "control.put" and "drain" in entry[1]]
