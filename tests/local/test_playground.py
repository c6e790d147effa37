"""`make local`: what it prints works as it is printed, and Ctrl-C leaves nothing."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.local.emulator.client import PROJECT_ROOT, LocalSession
from tests.local.process_tree import descendants, is_running

pytestmark = pytest.mark.engines

ITEMS = 40
WITHIN_SECONDS = 300.0


def without_aws(more: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | dict(more)


def wait_until(true: Callable[[], bool], what: Callable[[], object]) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not true():
        assert time.monotonic() < deadline, what()
        time.sleep(0.2)


class Playground:
    """The child, and what it has printed so far."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self.child = child
        self.said = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.child.stdout is not None
        for line in self.child.stdout:
            self.said += line

    def wait_until_ready(self) -> None:
        wait_until(lambda: "Ctrl-C" in self.said or self.child.poll() is not None, lambda: self.said)
        assert self.child.poll() is None, self.said

    def line(self, start: str) -> str:
        """Return the one printed line that begins so."""
        (found,) = [line.strip() for line in self.said.splitlines() if line.strip().startswith(start)]
        return found

    def ours(self, command: str) -> str:
        """Return the printed line of one of our commands."""
        (found,) = re.findall(rf"^ *(\S+ -m workflow {command}\b.*)$", self.said, re.MULTILINE)
        return str(found)

    def shell(self, command: str) -> str:
        """Return what a terminal is given: the exports, then a command, both as printed."""
        return f"{self.line('export ')}\nexec {command}"

    def run(self, command: str) -> str:
        done = subprocess.run(  # noqa: S603 — what our own program told to run
            ["/bin/sh", "-c", self.shell(command)],
            cwd=PROJECT_ROOT,
            env=without_aws({}),
            capture_output=True,
            text=True,
            check=False,
            timeout=WITHIN_SECONDS,
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def end(self) -> int:
        """Press Ctrl-C and return the exit code."""
        self.child.send_signal(signal.SIGINT)
        try:
            return self.child.wait(60)
        finally:
            self.child.kill()
            self._reader.join()


@contextmanager
def started() -> Iterator[Playground]:
    with subprocess.Popen(
        [sys.executable, "-m", "infra.local.rehearsal.playground"],
        cwd=PROJECT_ROOT,
        env=without_aws({"ITEMS": str(ITEMS)}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as child:
        playground = Playground(child)
        try:
            yield playground
        finally:
            if child.poll() is None:
                playground.end()


@contextmanager
def watching(playground: Playground, path: Path) -> Iterator["subprocess.Popen[str]"]:
    with (
        path.open("w") as output,
        subprocess.Popen(  # noqa: S603 — what our own program told to run
            ["/bin/sh", "-c", playground.shell(playground.ours("status"))],
            cwd=PROJECT_ROOT,
            env=without_aws({}),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        ) as watcher,
    ):
        try:
            yield watcher
        finally:
            watcher.kill()


def start_as_printed(playground: Playground) -> str:
    """Start an execution by the printed command of AWS's command line, or by boto3 if that is not installed."""
    command = playground.line("aws ")
    if shutil.which("aws"):
        return str(json.loads(playground.run(command))["executionArn"])
    words = shlex.split(command)
    assert words[:3] == ["aws", "stepfunctions", "start-execution"]
    arguments: dict[str, Any] = {}
    for option, value in zip(words[3::2], words[4::2], strict=True):
        first, *rest = option.removeprefix("--").split("-")
        arguments[first + "".join(map(str.capitalize, rest))] = value
    variables = dict(word.split("=", 1) for word in shlex.split(playground.line("export "))[1:])
    session = LocalSession(variables["AWS_ENDPOINT_URL"], variables["AWS_REGION"])
    return str(session.client("stepfunctions").start_execution(**arguments)["executionArn"])


def test_a_migration_is_run_by_the_printed_commands_and_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    watched = tmp_path / "watched.txt"
    with started() as playground:
        playground.wait_until_ready()
        arn = playground.run(playground.ours("start")).strip()
        assert ":execution:tableferry-airports:" in arn
        with watching(playground, watched) as watcher:
            wait_until(lambda: "a person has to answer" in watched.read_text() or watcher.poll() is not None, str)
            assert watcher.poll() is None, watched.read_text()
            approved = playground.run(playground.ours("approve"))
            assert f"proven equal: {ITEMS} items at the source, {ITEMS} at the target" in approved
            assert watcher.wait(WITHIN_SECONDS) == 0, watched.read_text()
        assert watched.read_text().rstrip().rpartition("\n")[2].startswith(f"Done: {ITEMS} items; ")

        again = start_as_printed(playground)  # it is under way while everything ends
        assert again == f"{arn.rpartition(':')[0]}:first"
        before = playground.said
        family = descendants(playground.child.pid)
        assert len(family) >= 4, "the local AWS, DynamoDB Local, kinesis-local and Lambda workers"
        assert playground.end() == 0
        assert playground.said == before
        wait_until(lambda: not any(map(is_running, family)), lambda: [pid for pid in family if is_running(pid)])


def test_ctrl_c_while_it_is_being_set_up_leaves_nothing_either() -> None:
    with started() as playground:
        child = playground.child.pid
        wait_until(lambda: bool(descendants(child)) or playground.child.poll() is not None, lambda: playground.said)
        family = descendants(child)
        assert family
        assert playground.end() == 0
        assert playground.said == ""
        wait_until(lambda: not any(map(is_running, family)), lambda: [pid for pid in family if is_running(pid)])
