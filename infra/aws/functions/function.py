"""What is known of a function: what an entry of the registry says."""

from dataclasses import dataclass
from typing import Literal

from infra.aws.functions.grants import Grant
from tasks.core.metrics import DONE, FAILURES, WAITS, Metric
from workflow.machine import Names

Name = Literal[
    "MIGRATION_SETTINGS",
    "CONTROL_TABLE",
    "PAGES_STREAM_ARN",
    "REJECTS_BUCKET",
    "WRITE_PAGES_FUNCTION",
    "WRITE_PAGES_TIMEOUT_SECONDS",
    "REPLICATE_CHANGES_FUNCTION",
    "REPLICATE_CHANGES_TIMEOUT_SECONDS",
    "STREAM_READS_PER_SECOND",
    "REPLICATE_CHANGES_WINDOW_SECONDS",
]
"""What `tasks/aws/session/deployment.py` reads from the environment."""

WaitAlarm = Literal["ReplicatorStuck", "WaitLong"]
"""The alarms that look at waits."""


@dataclass(frozen=True, slots=True)
class Wait:
    """What a state waits for that can say: not yet."""

    progress_of: tuple[str, ...] = ()
    """The states whose `Progress` its wait is for. None: it is for AWS, or for a time to pass; there only the length of
    the wait tells that it is stuck."""
    alarm: WaitAlarm | None = "WaitLong"
    """Which alarm looks at it; None for a wait that ends by itself. A state that waits for a time to pass too, or whose
    source nobody writes to, brings no progress of the replicator and is not stuck: `WaitLong` looks at it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One Lambda function: a module of `tasks/`, what it may take, what it may do, and what is watched of it."""

    state: str
    """The state's name; of a function that is none, the name it would have."""
    driven_by: Literal["state machine", "pages", "changes", "schedule"] = "state machine"
    timeout_seconds: int = 60
    memory_mb: int = 512
    names: tuple[Name, ...] = ()
    """The names it is given, and no others."""
    grants: tuple[Grant, ...] = ()
    """What its role allows, but for what every role does, and for keys."""
    metrics: tuple[Metric, ...] = ()
    """What it puts out, but for what every function does, and for waits."""
    wait: Wait | None = None
    """What it waits for; None if it never does."""
    throttles_alarm: bool = True
    """Whether the alarm on throttling looks at it, if it says `Throttles`. An alarm looks at ten metrics at most."""

    @property
    def module(self) -> str:
        """`scan_segment` for `ScanSegment`."""
        return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in self.state).lstrip("_")

    @property
    def handler(self) -> str:
        """Lambda's name of the entry point."""
        return f"tasks.{self.module}.handler"

    @property
    def hole(self) -> str:
        """The definition's hole for the function's ARN."""
        return f"{self.state}Arn"

    @property
    def is_state(self) -> bool:
        """Whether the state machine calls it; otherwise a stream or a schedule does."""
        return self.driven_by == "state machine"

    def function_name(self, migration: str) -> str:
        """Return the function's name in a migration's deployment."""
        return Names(migration).function(self.state)

    def puts_out(self, metric: Metric) -> bool:
        """Return whether it puts a metric out."""
        return metric in {*self.metrics, DONE, FAILURES} or (metric == WAITS and self.wait is not None)
