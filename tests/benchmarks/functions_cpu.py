"""What the functions of a migration take in the local AWS: CPU of the processes that run them, by function.

Each function runs in processes of its own there, as on Lambda, and the system says of each process what CPU it has
used. A process is looked at again and again while it lives, so what it has used since the last look is not seen: a
process that ends had nothing to do by then. Its start, in which Python loads boto3, is in it, as a cold start
on AWS is billed: of a small table that is most of it.
"""

import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

LOOK_SECONDS: Final = 0.2
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PARENT, _USER, _SYSTEM = 1, 11, 12
"""Places in /proc/<pid>/stat, counted from the state, which stands behind the process's name."""


@dataclass
class Used:
    """What the processes of one function have used."""

    processes: int = 0
    cpu_seconds: float = 0.0
    """User and system, the start of each process included."""


@dataclass
class FunctionsCpu:
    """Looks at the processes that a process has started, from `start` to `stop`.

    Args:
        host: the process's id: the local AWS's.
    """

    host: int
    _seen: dict[int, tuple[str, float]] = field(default_factory=dict)
    _is_over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> Self:
        """Begin to look."""
        self._thread = threading.Thread(target=self._look_until_it_is_over, daemon=True)
        self._thread.start()
        return self

    @property
    def seen(self) -> set[int]:
        """Processes of functions that were looked at so far."""
        return set(self._seen)

    def stop(self) -> dict[str, Used]:
        """Look once more, and return what was used, by function, the largest first."""
        self._is_over.set()
        if self._thread:
            self._thread.join()
        self._look()
        found: dict[str, Used] = {}
        for name, seconds in self._seen.values():
            used = found.setdefault(name, Used())
            used.processes += 1
            used.cpu_seconds += seconds
        return dict(sorted(found.items(), key=lambda each: -each[1].cpu_seconds))

    def _look_until_it_is_over(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        for process in children_of(self.host):
            name = self._seen[process][0] if process in self._seen else function_of(process)
            seconds = cpu_seconds_of(process)
            if name and seconds is not None:
                self._seen[process] = name, seconds


def children_of(process: int) -> list[int]:
    """Return the ids of the processes that a process has started."""
    return [
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdecimal() and (stat := _stat_of(int(folder.name))) and int(stat[_PARENT]) == process
    ]


def function_of(process: int) -> str:
    """Return the state whose function a process runs; empty if it runs none, or is not there."""
    try:
        environment = Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return ""
    variables = dict(entry.partition(b"=")[::2] for entry in environment.split(b"\0"))
    return variables.get(b"AWS_LAMBDA_FUNCTION_NAME", b"").decode().rpartition("-")[2]


def cpu_seconds_of(process: int) -> float | None:
    """Return what a process has used so far, user and system; `None` if it is not there."""
    stat = _stat_of(process)
    return (int(stat[_USER]) + int(stat[_SYSTEM])) / _TICKS if stat else None


def _stat_of(process: int) -> list[str]:
    """Return what the system says of a process, from its state on; nothing if it is not there."""
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
