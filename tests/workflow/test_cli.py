"""The command line, against the local AWS as it is used against AWS: in a process of its own, by its environment."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.local.emulator.client import LocalAwsProcess, environment
from tests.workflow.running import REGION, Running

PROJECT_ROOT = Path(__file__).resolve().parents[2]
WITHIN_SECONDS = 300.0
QUESTION = "a person has to answer"
NOBODY_LISTENS = "http://127.0.0.1:9"
EXECUTION = f"arn:aws:states:{REGION}:123456789012:execution:tableferry-orders:first"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "workflow", *arguments]


def variables(aws: dict[str, str]) -> dict[str, str]:
    """Return the environment with these settings of the SDK and no others."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | aws


def workflow(aws: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 — our own command line
        command(*arguments),
        cwd=PROJECT_ROOT,
        env=variables(aws),
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_SECONDS,
    )


@contextmanager
def watching(aws: dict[str, str], arn: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(  # noqa: S603 — our own command line
        command("status", arn, "--watch", "--every", "0.3"),
        cwd=PROJECT_ROOT,
        env=variables(aws),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as watcher:
        deadline = threading.Timer(WITHIN_SECONDS, watcher.kill)  # ends whoever reads its lines, too
        deadline.start()
        try:
            yield watcher
        finally:
            deadline.cancel()
            watcher.kill()


def through(lines: Iterable[str], words: str) -> Iterator[str]:
    """Return lines up to the first one with these words."""
    for line in lines:
        yield line
        if words in line:
            return
    raise AssertionError(f"no line with {words!r}")


def wait_for_question(aws: dict[str, str], arn: str) -> str:
    return wait_for(QUESTION, aws, arn)


def wait_for(words: str, aws: dict[str, str], arn: str) -> str:
    deadline = time.monotonic() + WITHIN_SECONDS
    while words not in (line := workflow(aws, "status", arn).stdout):
        assert time.monotonic() < deadline, line
        assert "State: failed" not in line, line
        time.sleep(1)
    return line


def pause_throttle_and_let_go_on(aws: dict[str, str], arn: str) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while (paused := workflow(aws, "pause", arn)).returncode:
        assert "has no plan yet" in paused.stderr
        assert time.monotonic() < deadline
    assert "changes are still replicated" in paused.stdout
    assert "Backfill: 0/30 items 0.0%; " in wait_for("State: paused by an operator: `python -m workflow unp", aws, arn)
    capped = workflow(aws, "throttle", arn, "--read-units", "200", "--write-units", "300.5")
    assert (capped.returncode, "it go on; in force within 15 s" in capped.stdout) == (0, True), "still paused"
    released = workflow(aws, "unpause", arn)
    assert "goes on within 15 s, capped: reads 200/s, writes 300.5/s" in released.stdout
    again = workflow(aws, "unpause", arn)
    assert (again.returncode, "the migration is not paused" in again.stderr) == (2, True)
    assert "; capped: reads 200/s, writes 300.5/s; " in wait_for("capped: reads", aws, arn)


@pytest.mark.engines
def test_a_cut_over_is_started_watched_denied_and_in_the_next_run_approved(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws, approval="required", total_segments=3)
    running.create_source(30)
    machine = running.deploy().state_machine_arn
    aws, migration = local_aws.environment(), running.migration.migration
    assert "was never executed" in workflow(aws, "status", "--migration", migration).stderr

    started = workflow(aws, "start", "--state-machine", machine, "--name", "first", "--input", '{"quiet_seconds": 1}')
    arn = started.stdout.strip()
    assert (started.returncode, arn.rpartition(":")[2]) == (0, "first")
    beside = workflow(aws, "start", "--state-machine", machine, "--name", "beside")
    assert (beside.returncode, f"is running ({arn}), and two would undo" in beside.stderr) == (2, True)
    pause_throttle_and_let_go_on(aws, arn)
    with watching(aws, arn) as watcher:
        early = workflow(aws, "approve", arn)
        assert (early.returncode, "asks nothing now" in early.stderr) == (2, True)
        assert watcher.stdout is not None
        # Denied only once the watcher has seen the question: what it sees before that is the machine's affair.
        watched = list(through(watcher.stdout, QUESTION))
        assert watched[-1].startswith("ApproveCutOver; inserted=30; rejected=0; ")
        assert "; State: waiting, " in watched[-1]
        denied = workflow(aws, "deny", "--migration", migration, "--reason", "not today")
        assert denied.returncode == 0
        watched += watcher.stdout
        assert watcher.wait() == 1
    assert watched[-1].startswith("ApproveCutOver; ")
    assert "State: failed after " in watched[-1]
    assert running.pointer() is None
    printed = workflow(aws, "history", arn)
    assert printed.returncode == 1
    assert "ApprovalDenied" in printed.stdout

    # Resumed behind DetachWriter: no segment is left to scan, the target is not refused, and the proof is made anew.
    resumed = workflow(aws, "resume", "--migration", migration, "--yes")
    assert "segments to scan: 0; pages to read again: 0" in resumed.stderr
    assert "it goes on by a new execution: a redrive is not possible" in resumed.stderr
    second = resumed.stdout.strip()
    wait_for_question(aws, second)
    stale = workflow(aws, "approve", arn)
    assert (stale.returncode, "is over (failed)" in stale.stderr) == (2, True)
    approved = workflow(aws, "approve", "--migration", migration)
    assert approved.returncode == 0
    assert "proven equal: 30 items at the source, 30 at the target" in approved.stdout
    again = workflow(aws, "approve", second)
    assert (again.returncode, "asks nothing now" in again.stderr) == (2, True)
    seen = workflow(aws, "status", second, "--watch", "--every", "0.3").stdout
    assert seen.rstrip().rpartition("\n")[2].startswith("Done: 30 items; inserted=30; rejected=0; State: done after ")
    printed = workflow(aws, "history", second)
    assert printed.returncode == 0
    assert "\nDetachReplicator  done " in printed.stdout
    assert running.pointer() == running.migration.target_table


@pytest.mark.engines
def test_a_failed_execution_says_why_and_exits_with_1(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    running.deploy()
    aws, migration = local_aws.environment(), running.migration.migration
    arn = workflow(aws, "start", "--migration", migration).stdout.strip()
    watched = workflow(aws, "status", arn, "--watch", "--every", "0.3")
    assert watched.returncode == 1
    assert f"Refused: source_table {running.migration.source_table} does not exist" in watched.stdout
    printed = workflow(aws, "history", "--migration", migration)
    assert printed.returncode == 1
    assert f"Refused: source_table {running.migration.source_table} does not exist" in printed.stdout


@pytest.mark.engines
def test_what_is_not_there_is_refused_with_what_is(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    machine = running.deploy().state_machine_arn
    aws, migration = local_aws.environment(), running.migration.migration
    unknown = workflow(aws, "status", "--migration", "nowhere")
    assert unknown.returncode == 2
    assert "no migration 'nowhere' is deployed in eu-west-1 (deployed there: " in unknown.stderr
    assert migration in unknown.stderr
    elsewhere = workflow(aws, "status", "--migration", migration, "--region", "eu-west-3")
    assert (elsewhere.returncode, "is deployed in eu-west-3" in elsewhere.stderr) == (2, True)
    wrong = workflow(aws, "start", "--state-machine", f"{machine}-x")
    assert (wrong.returncode, "StateMachineDoesNotExist" in wrong.stderr) == (2, True)
    lost = workflow(aws, "status", f"{machine.replace('stateMachine', 'execution')}:lost")
    assert (lost.returncode, "ExecutionDoesNotExist" in lost.stderr) == (2, True)
    unset = {name: value for name, value in aws.items() if "REGION" not in name}
    nowhere = workflow(unset, "status")
    assert (nowhere.returncode, "give --region, or set AWS_DEFAULT_REGION" in nowhere.stderr) == (2, True)
    as_told = workflow({**unset, "AWS_DEFAULT_REGION": REGION}, "status", "--migration", "nowhere")
    assert "is deployed in eu-west-1" in as_told.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["start", "--input", "[]"], "is a JSON array, which holds no settings"),
        (["start", "--input", '{"total_segments": 0}'], "total_segments: Input should be greater than or equal to 1"),
        (["start", "--name", "bad name!"], "'bad name!' is no execution's name: it has ' '"),
        (["start", "--input", '{"segments": 4}'], "unknown field 'segments'"),
        (["start", "--input", "@/nowhere/input.json"], "correct its path"),
        (["start", "--input", '{"approval": "required", "approval": "automatic"}'], "the input has 'approval' twice"),
        (["status", "--region", "mars north"], "correct what it names among the SDK's settings"),
        (["status", "orders"], "is no execution's ARN"),
        (["history", EXECUTION.replace("tableferry-", "")], "not one of tableferry's"),
        (["status", EXECUTION], "is the network there?"),
        (["start", "--migration", "orders", "--what"], "No such option"),
        (["start", "--input", '{"resume_from": "yesterday\'s"}', "--migration", "orders"], "is no execution's ARN"),
        (["start", "--input", '{"quiet_seconds": 5}', "--migration", "orders"], "is the network there?"),
        (["resume", "orders"], "is no execution's ARN"),
        (["resume", EXECUTION, "--input", '{"segments": 4}'], "unknown field 'segments'"),
        (["resume", EXECUTION, "--name", "2026/11/29", "--yes"], "'2026/11/29' is no execution's name: it has '/'"),
        (["resume", EXECUTION.replace(":first", "/Backfill:first")], "is one child of the Map Backfill"),
        (["resume", EXECUTION, "--yes"], "is the network there?"),
    ],
)
def test_a_command_that_can_not_be_carried_out_is_refused_in_words_with_2(arguments: list[str], words: str) -> None:
    refused = workflow(environment(NOBODY_LISTENS), *arguments)
    assert refused.returncode == 2
    assert words in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("AWS_ENDPOINT_URL", "localhost:8000", "Invalid endpoint: localhost:8000"),
        ("AWS_ENDPOINT_URL_SFN", "not an address", "the endpoint's address (with http:// or https:// before it)"),
        ("AWS_CONFIG_FILE", __file__, "setting up the AWS SDK: Unable to parse config file"),
        ("AWS_PROFILE", "nobody's", "correct AWS_PROFILE"),
    ],
)
def test_a_setting_of_the_sdk_that_is_wrong_is_no_failed_execution(variable: str, value: str, words: str) -> None:
    """Exit code 1 says that the execution failed, and whoever watches it would be called."""
    refused = workflow({**environment(NOBODY_LISTENS), variable: value}, "status", EXECUTION)
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False), refused.stderr
    assert words in refused.stderr


def test_without_credentials_the_way_out_is_told() -> None:
    aws = environment(NOBODY_LISTENS)
    refused = workflow({name: value for name, value in aws.items() if "_KEY" not in name}, "status", EXECUTION)
    assert (refused.returncode, "set AWS_PROFILE, or sign in again" in refused.stderr) == (2, True)
