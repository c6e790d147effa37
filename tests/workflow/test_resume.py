"""One migration that dies four times under live writes, and is resumed each time until it is done."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from infra.local.emulator.client import LocalAwsProcess
from infra.local.rehearsal.judge.comparer import Comparison
from infra.local.rehearsal.judge.judge import judge
from infra.local.rehearsal.owner.application import Application, Settings
from infra.local.rehearsal.owner.journal import Journal
from infra.local.rehearsal.scene import load_airports
from tasks.aws.run.pointer import pointer_name
from tasks.core.copy.segment import Checkpoint
from tasks.core.run.course import course_of
from tasks.core.run.plan import Plan
from tests.faults.faulty import Faulty, RuleJson
from tests.faults.ordeal import callers
from tests.workflow.running import REGION, Ended, Running
from tests.workflow.test_cli import workflow

pytestmark = pytest.mark.engines

SEGMENTS = 4
POISONED = 1
"""The segment that everything happens to; the others are caught in whatever they are at."""
ITEMS = 160
PAGE_ITEMS = 5
PAGE_SECONDS = 0.4
TIMEOUTS = {"ScanSegment": 4, "WritePages": 3, "ReplicateChanges": 3}
PAGES_A_CALL = int(TIMEOUTS["ScanSegment"] / PAGE_SECONDS)
"""One time budget is half of the timeout; this is twice what fits into it."""


@dataclass
class Death:
    """One execution, and what the books said when it began and ended.

    Attributes:
        ended: How it ended.
        noted: By segment, the control table's checkpoint when it began.
        left: The same when it ended.
        scans: How often ScanSegment called Scan.
    """

    ended: Ended
    noted: Mapping[int, Checkpoint]
    left: Mapping[int, Checkpoint]
    scans: int

    @property
    def plan(self) -> Plan:
        """What Preflight resolved."""
        plan = course_of(self.ended.events).plan
        assert plan is not None
        return plan

    @property
    def begun(self) -> dict[int, Checkpoint]:
        """The checkpoints that its Map was given."""
        laid_out = course_of(self.ended.events).document.segments
        return {} if laid_out is None else {given.segment: given for given in laid_out.checkpoints}


@dataclass
class Story:
    """All of them, and the end."""

    running: Running
    deaths: dict[str, Death] = field(default_factory=dict)
    command: subprocess.CompletedProcess[str] | None = None
    comparison: Comparison | None = None
    refusals: dict[str, str] = field(default_factory=dict)
    arns: dict[str, str] = field(default_factory=dict)


class Teller:
    """Runs the executions of the story."""

    def __init__(self, running: Running, aws: LocalAwsProcess) -> None:
        self.running = running
        self.faulty = Faulty(aws)
        self.story = Story(running)
        self._arn = ""

    def patch_definition(self) -> None:
        """Let a worker that dies or times out be tried once more, not twenty times."""
        machine = self._machine
        definition = json.loads(
            self.running.stepfunctions.describe_state_machine(stateMachineArn=machine)["definition"]
        )
        scan = definition["States"]["Backfill"]["ItemProcessor"]["States"]["ScanSegment"]
        for retrier in scan["Retry"]:
            if "Sandbox.Timedout" in retrier["ErrorEquals"]:
                retrier.update(MaxAttempts=1, IntervalSeconds=1)
        self.running.stepfunctions.update_state_machine(stateMachineArn=machine, definition=json.dumps(definition))

    @property
    def _machine(self) -> str:
        assert self.running.deployment is not None
        return self.running.deployment.state_machine_arn

    def noted(self) -> dict[int, Checkpoint]:
        """Return the control table's checkpoints."""
        assert self.running.deployment is not None
        pages = self.running.dynamodb.get_paginator("scan").paginate(TableName=self.running.deployment.control_table)
        found = [
            Checkpoint.model_validate_json(item["document"]["S"])
            for page in pages
            for item in page["Items"]
            if item["sk"]["S"] == "checkpoint"
        ]
        return {checkpoint.segment: checkpoint for checkpoint in found}

    @contextmanager
    def faults(self, *rules: RuleJson, page_seconds: float = PAGE_SECONDS) -> Iterator[None]:
        """Make pages small and slow, beside other faults."""
        running = self.running
        always: Sequence[RuleJson] = (
            {
                "name": "slow",
                "action": "delay",
                "seconds": page_seconds,
                "operation": "kinesis.PutRecords",
                "caller": callers(running, "ScanSegment"),
            },
            {
                "name": "short-page",
                "action": "short-page",
                "operation": "Scan",
                "caller": callers(running, "ScanSegment"),
                "items": PAGE_ITEMS,
            },
        )
        with self.faulty.faults(running.migration.migration, [*rules, *always]):
            yield

    def scanning(self, action: str) -> RuleJson:
        """Return the rule that does something to each Scan of the one segment."""
        return {
            "name": action,
            "action": action,
            "operation": "Scan",
            "caller": callers(self.running, "ScanSegment"),
            "mentions": f'"Segment":{POISONED},',
        }

    def run(self, name: str, *, start: Any = None, during: Any = None) -> Ended:  # noqa: ANN401 — callables
        """Run one execution to its end; by default one that resumes the one before."""
        noted = self.noted()
        self._arn = start() if start else self.running.start({"resume_from": self._arn} if self._arn else {})
        ended = self.running.wait(self._arn, during)
        course = course_of(ended.events)
        for phase in course.phases:
            seconds = phase.seconds(course.ended_at or phase.entered_at)
            print(f"{name}: {phase.name} {phase.state} {seconds:.1f} s {phase.reason}")  # noqa: T201 — shown on failure
        scans = self.faulty.fired(self.running.migration.migration).get("short-page", 0)
        self.story.arns[name] = self._arn
        self.story.deaths[name] = Death(ended, noted, self.noted(), scans)
        return ended

    def resume_by_command(self) -> str:
        """Resume the execution before by the command line, and return the new one's ARN."""
        done = workflow(self.running.aws.environment(), "resume", self._arn, "--yes")
        self.story.command = done
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1]

    def refused(self, *arguments: str) -> str:
        """Return what a command says that is refused."""
        done = workflow(self.running.aws.environment(), *arguments)
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stderr

    def stop_once_a_page_is_behind(self, arn: str) -> None:
        """Stop the execution once a call of ScanSegment has returned; before that a resume of it is refused."""
        if "running" not in self.story.refusals:
            self.story.refusals["running"] = self.refused("resume", arn, "--yes")
        events = self.running.events(arn)
        if any(event.get("stateExitedEventDetails", {}).get("name") == "ScanSegment" for event in events):
            self.running.stepfunctions.stop_execution(executionArn=arn)

    def refuse_what_is_not_to_be_resumed(self) -> None:
        """Ask the command and Preflight for what both refuse, before anything is changed by it."""
        first, refusals = next(iter(self.story.arns.values())), self.story.refusals
        refusals["resumed already"] = self.refused("resume", first, "--yes")
        refusals["no"] = self.refused("resume", self._arn)
        before = self.noted()
        for name, given in {
            "Preflight, segments": {"resume_from": self._arn, "total_segments": 9},
            "Preflight, resumed already": {"resume_from": first},
            "Preflight, another": {"resume_from": self._arn.replace(":tableferry-", ":tableferry-x")},
        }.items():
            ended = self.running.run(given)
            assert (ended.error, ended.states) == ("Refused", ["Preflight"])
            refusals[name] = ended.message
        assert self.noted() == before

    def give_up_at_once(self) -> None:
        """Let the writer's mapping give up on a page after one retry: by itself it never does."""
        client = self.running.session.client("lambda")
        (uuid,) = (
            mapping["UUID"]
            for mapping in client.list_event_source_mappings()["EventSourceMappings"]
            if mapping["FunctionArn"].endswith(f"tableferry-{self.running.migration.migration}-WritePages")
        )
        client.update_event_source_mapping(UUID=uuid, MaximumRetryAttempts=1)

    def remove_given_up(self) -> int:
        """Remove what was given up, as the message says, and return how many objects that were."""
        assert self.running.deployment is not None
        s3, bucket = self.running.session.client("s3"), self.running.deployment.rejects_bucket
        found = s3.list_objects_v2(Bucket=bucket, Prefix="aws/lambda/").get("Contents", [])
        for entry in found:
            s3.delete_object(Bucket=bucket, Key=entry["Key"])
        return len(found)


@pytest.fixture(scope="module")
def story(local_aws: LocalAwsProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    running = Running(local_aws, total_segments=SEGMENTS, quiet_seconds=1)
    migration, journal_path = running.migration, tmp_path_factory.mktemp("journal") / "journal.jsonl"
    with Journal(journal_path) as notes:
        load_airports(running.session, migration.source_table, items=ITEMS, seed=7, notes=notes)
    running.deploy(TIMEOUTS)
    teller = Teller(running, local_aws)
    teller.patch_definition()
    settings = Settings(
        source=migration.source_table,
        pointer=pointer_name(migration.migration),
        journal=str(journal_path),
        region=REGION,
        writes_per_second=20,
        seed=7,
        writers=2,
    )
    with Application(settings, local_aws.environment()) as application:
        _die_four_times(teller)
        application.wait_for(lambda counted: counted.tables.get(migration.target_table, 0) > 10)
        application.stop()
    teller.story.comparison = judge(local_aws, migration, journal_path)
    yield teller.story
    running.detach()


def _die_four_times(teller: Teller) -> None:
    with teller.faults(teller.scanning("kill-before")):
        assert teller.run("crash").status == "FAILED"
    with teller.faults(teller.scanning("hang")):
        # The local engine calls an execution that is stopped within a Map FAILED; elsewhere it is ABORTED.
        assert teller.run("stop", during=teller.stop_once_a_page_is_behind).status in {"FAILED", "ABORTED"}
    teller.refuse_what_is_not_to_be_resumed()
    with teller.faults(teller.scanning("hang")):
        assert teller.run("timeout", start=teller.resume_by_command).status == "FAILED"
    teller.give_up_at_once()
    poison = {
        "name": "poison",
        "action": "error",
        "error": "ValidationException",
        "status": 400,
        "operation": "PutItem",
        "caller": callers(teller.running, "WritePages"),
        "mentions": f'#{POISONED}"',
    }
    with teller.faults(poison, page_seconds=0.01):
        assert teller.run("poison").status == "FAILED"
    assert teller.remove_given_up() > 0
    with teller.faults(page_seconds=0.01):
        assert teller.run("end").status == "SUCCEEDED"
    teller.story.refusals["succeeded"] = teller.refused("resume", "--migration", teller.running.migration.migration)


def test_four_deaths_and_resumes_under_live_writes_end_without_a_difference(story: Story) -> None:
    assert story.comparison is not None
    assert story.comparison.equal, list(story.comparison.samples())
    assert story.running.pointer() == story.running.migration.target_table
    errors = {name: death.ended.error for name, death in story.deaths.items() if name != "stop"}
    assert errors == {
        "crash": "Runtime.ExitError",
        "timeout": "Sandbox.Timedout",
        "poison": "BackfillIncomplete",
        "end": "",
    }
    assert len({death.plan.run for death in story.deaths.values()}) == 1, "receipts are kept under the run"


@pytest.mark.parametrize("name", ["stop", "timeout", "poison"])
def test_a_resume_scans_unfinished_segments_only_and_reads_no_more_than_one_calls_pages_again(
    story: Story, name: str
) -> None:
    death = story.deaths[name]
    unfinished = {
        segment for segment in range(SEGMENTS) if segment not in death.noted or death.noted[segment].state != "done"
    }
    assert POISONED in death.begun
    assert set(death.begun) <= unfinished
    # A call of the execution before may have come to the end of its segment in between.
    assert {death.left[segment].state for segment in unfinished - set(death.begun)} <= {"done"}
    for segment, begun in death.begun.items():
        reached = death.noted.get(segment, Checkpoint(segment=segment))
        assert reached.pages - begun.pages <= PAGES_A_CALL
        assert (begun.cursor is None) == (begun.pages == 0)


def test_a_segment_with_a_page_that_was_given_up_is_scanned_again_and_no_other_one(story: Story) -> None:
    death = story.deaths["end"]
    assert {checkpoint.state for checkpoint in death.noted.values()} == {"done"}
    assert set(death.begun) == {POISONED}
    assert death.scans == death.left[POISONED].pages - death.begun[POISONED].pages


def test_no_more_pages_are_scanned_in_all_than_there_are_and_were_under_way_at_each_death(story: Story) -> None:
    pages = sum(checkpoint.pages for checkpoint in story.deaths["end"].left.values())
    again = story.deaths["end"].scans
    lost = PAGES_A_CALL * SEGMENTS * 3
    assert sum(death.scans for death in story.deaths.values()) <= pages + again + lost


def test_the_command_tells_what_will_be_read_again_before_it_starts(story: Story) -> None:
    assert story.command is not None
    assert "segments to scan" in story.command.stdout + story.command.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("running", "is RUNNING, and two would undo each other's steps"),
        ("succeeded", "has succeeded, and there is nothing left to go on with"),
        ("resumed already", "was resumed already"),
        ("no", "nobody answered; give --yes"),
        ("Preflight, segments", "total_segments=9, but execution"),
        ("Preflight, resumed already", "was resumed already"),
        ("Preflight, another", "names an execution of another migration"),
    ],
)
def test_what_is_not_to_be_resumed_is_refused_in_words_before_anything_changes(
    story: Story, name: str, words: str
) -> None:
    assert words in story.refusals[name]
