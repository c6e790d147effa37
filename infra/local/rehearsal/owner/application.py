"""The application that owns the table, as demonstration and tests hold it: a child process, started and stopped.

It has a process, and so an interpreter lock, of its own, in order that a busy parent does not slow its writes.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

_PROJECT = Path(__file__).parents[4]
_READY_SECONDS = 60.0
_STOP_SECONDS = 45.0


@dataclass(frozen=True)
class Settings:
    """What the application is started with.

    Attributes:
        source: the table's name before the cut-over.
        pointer: the SSM parameter that names the table from the cut-over on.
        journal: path of the journal, which tells it what the table holds; `table.load` began it.
        region: where the table and the pointer are.
        writes_per_second: writes begun a second, over all writers.
        seed: decides operations, keys and values (not their times).
        writers: threads, each with keys of its own.
    """

    source: str
    pointer: str
    journal: str
    region: str
    writes_per_second: float = 100.0
    seed: int = 1
    writers: int = 16


@dataclass(frozen=True)
class Counted:
    """What the application has done so far.

    Attributes:
        accepted: accepted writes by operation.
        tables: accepted writes by table.
        errors: errors by name, refusals included.
        refused: writes that a table refused.
        put_off: writes that waited after the cut-over because the key's last write had not reached the target yet.
        uncertain: writes whose answer was lost.
        unsettled: those of them whose outcome stayed unknown.
        seconds: how long it has been writing.
    """

    accepted: dict[str, int] = field(default_factory=dict)
    tables: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    put_off: int = 0
    uncertain: int = 0
    unsettled: int = 0
    seconds: float = 0.0

    @property
    def writes(self) -> int:
        """Accepted writes of all operations."""
        return sum(self.accepted.values())

    @property
    def writes_per_second(self) -> float:
        """Accepted writes a second since the start."""
        return self.writes / self.seconds if self.seconds else 0.0


class Application:
    """Starts the application, tells its counts, stops it.

    Args:
        settings: what it is to do.
        environment: the AWS_* variables that lead it to the local AWS; nothing else of that kind is handed on.
    """

    def __init__(self, settings: Settings, environment: Mapping[str, str]) -> None:
        self._settings = settings
        self._environment = environment
        self._child: subprocess.Popen[str] | None = None
        self._counted: Counted | None = None
        self._reader: threading.Thread | None = None

    def start(self) -> Self:
        """Start the child and wait until it writes.

        Raises:
            RuntimeError: the child ended, or is not ready after a minute.
        """
        argument = json.dumps(asdict(self._settings))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        self._child = subprocess.Popen(
            [sys.executable, "-m", "infra.local.rehearsal.owner", argument],
            cwd=_PROJECT,
            env=inherited | dict(self._environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_counts, args=(self._child,), daemon=True)
        self._reader.start()
        try:
            self._wait("ready", lambda: self._counted is not None, _READY_SECONDS)
        except RuntimeError:
            self._end(self._child)
            raise
        return self

    @property
    def counted(self) -> Counted:
        """What it has done, about a second ago while it runs, exactly once it has stopped."""
        return self._counted or Counted()

    def wait_for(self, wanted: Callable[[Counted], bool], timeout_seconds: float = 60.0) -> Counted:
        """Wait until the counts are as wanted, and return them.

        Raises:
            RuntimeError: the child ended, or the time is over.
        """
        self._wait("where it was wanted", lambda: wanted(self.counted), timeout_seconds)
        return self.counted

    def stop(self) -> Counted:
        """Let writes under way finish, end the child and return what it did in all.

        Raises:
            RuntimeError: the child failed (its error is on standard error); its journal may lack writes.
        """
        child = self._child
        if child is None:
            raise RuntimeError("the application was not started; call start() first")
        code = self._end(child)
        if code:
            raise RuntimeError(f"the application ended with code {code}; its standard error says why")
        return self.counted

    def _end(self, child: "subprocess.Popen[str]") -> int:
        """Close the child's standard input, wait for it, kill it if it does not end; return its exit code."""
        if child.stdin and not child.stdin.closed:
            child.stdin.close()
        try:
            code = child.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            code = child.wait()
        if self._reader:
            self._reader.join()
        if child.stdout:
            child.stdout.close()
        return code

    def _read_counts(self, child: "subprocess.Popen[str]") -> None:
        for line in child.stdout or ():
            self._counted = Counted(**json.loads(line))

    def _wait(self, state: str, reached: Callable[[], bool], timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not reached():
            if self._child is None or self._child.poll() is not None:
                raise RuntimeError(f"the application ended before it was {state}; its standard error says why")
            if time.monotonic() > deadline:
                raise RuntimeError(f"the application was not {state} after {timeout_seconds:g} s: {self._counted}")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is None:
            return
        if error is None:
            self.stop()
        else:
            self._end(self._child)  # the first error is the one to report
