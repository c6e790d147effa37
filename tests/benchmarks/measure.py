"""What a copier's process takes: measured by itself, around the copying only; and how such a process is run."""

import json
import os
import re
import resource
import select
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from tempfile import TemporaryFile
from typing import Any

from infra.local.emulator.client import PROJECT_ROOT

STOP_WITHIN_SECONDS = 60.0


class CopierFailed(Exception):  # noqa: N818 — it reads as what it says, like the project's other errors
    """A copier ended otherwise than by copying, or not in time; the message has what it last said."""

    @property
    def reason(self) -> str:
        """The line of it that names an error, or its last one."""
        lines = [line.strip() for line in str(self).splitlines()]
        named = [line for line in lines[1:] if re.match(r"[\w.]*(Error|Exception)\b", line)]
        return (named or lines)[-1][:200]


@dataclass(frozen=True)
class Measured:
    """What one copy took."""

    items: int
    """That the copier says it has copied."""
    cpu_seconds: float
    """User and system, of the copier's process with all its threads. Its start and its first calls do not count."""
    seconds: float
    """By the clock."""
    peak_bytes: int
    """The most memory that the process has held."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """CPU seconds of its parts, where it has some."""

    @property
    def cpu_microseconds_an_item(self) -> float:
        """CPU microseconds an item, which are CPU seconds a million items."""
        return self.cpu_seconds / self.items * 1e6

    @property
    def items_a_second(self) -> float:
        """Items a second by the clock."""
        return self.items / self.seconds


class Meter:
    """Adds up CPU and time of this process, by part of the work."""

    def __init__(self) -> None:
        self._parts: dict[str, float] = {}
        self._seconds = 0.0

    @contextmanager
    def on(self, part: str) -> Iterator[None]:
        """Count what is done within as this part's."""
        cpu, clock = _cpu_seconds(), time.perf_counter()
        try:
            yield
        finally:
            self._parts[part] = self._parts.get(part, 0.0) + _cpu_seconds() - cpu
            self._seconds += time.perf_counter() - clock

    def measured(self, items: int) -> Measured:
        """Return the sums."""
        return Measured(items, sum(self._parts.values()), self._seconds, peak_bytes(), self._parts)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_bytes() -> int:
    """Return the most memory that this process has held. Not by getrusage: that includes what its parent held."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def say(measured: Measured) -> None:
    """Say what was measured to whoever runs this process. Before, standard output was the copier's log."""
    os.write(_RESULT_TO, json.dumps(asdict(measured)).encode() + b"\n")


_RESULT_TO = 1


def keep_stdout_for_the_result() -> None:
    """Send everything else that is printed to nowhere, as a Lambda's log goes elsewhere too."""
    global _RESULT_TO  # noqa: PLW0603 — one process, one result
    _RESULT_TO = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def run(
    command: Sequence[str],
    task: Mapping[str, Any],
    environment: Mapping[str, str],
    *,
    within_seconds: float,
    then: Callable[[], object] = lambda: None,
) -> Measured:
    """Run a copier once.

    Args:
        command: that starts it.
        task: what it is to copy, given to it as its last argument.
        environment: by which it finds AWS.
        within_seconds: for how long it may run.
        then: done once it says that it has copied. Then its standard input is closed, and it ends; one that follows the
            source's stream first applies what is left of it.

    Raises:
        CopierFailed: it ended otherwise, or not in time.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    with (
        TemporaryFile() as log,
        Popen(
            [*command, json.dumps(dict(task))],
            cwd=PROJECT_ROOT,
            env=inherited | dict(environment),
            stdin=PIPE,
            stdout=PIPE,
            stderr=log,
        ) as process,
    ):
        assert process.stdin
        assert process.stdout
        try:
            readable, _, _ = select.select([process.stdout], [], [], within_seconds)
            line = process.stdout.readline() if readable else b""
            if line:
                then()
            process.stdin.close()
            code = process.wait(STOP_WITHIN_SECONDS if line else 1.0)
        except TimeoutExpired:
            code = -1
        finally:
            if process.poll() is None:
                process.kill()
        if code or not line:
            log.seek(0)
            said = log.read().decode("utf-8", "replace").strip()[-3000:]
            raise CopierFailed(f"{command[-1]} {dict(task)} ended with {code} after {line[:200]!r}; it said:\n{said}")
        return Measured(**json.loads(line))
