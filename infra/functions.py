"""The functions: one per module of `tasks/`, what each may take and which names it is given.

Both deployments read this list, the one on AWS and the one on this machine, so nothing is wired twice.
"""

from dataclasses import dataclass
from typing import Literal

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
]
"""What `tasks/aws/deployment.py` reads from the environment."""


@dataclass(frozen=True, slots=True)
class Function:
    """One Lambda function."""

    state: str
    """The state's name; of a function that a stream drives, the name it would have."""
    names: tuple[Name, ...] = ()
    """The names it is given, and no others."""
    timeout_seconds: int = 60
    memory_mb: int = 512
    driven_by: Literal["state machine", "pages", "changes"] = "state machine"

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

    def function_name(self, migration: str) -> str:
        """Return the function's name in a migration's deployment."""
        return Names(migration).function(self.state)


FUNCTIONS = (
    Function("Preflight", ("MIGRATION_SETTINGS", "CONTROL_TABLE", "REPLICATE_CHANGES_FUNCTION")),
    Function("CreateReplicas"),
    Function(
        "AttachReplicator",
        ("CONTROL_TABLE", "REPLICATE_CHANGES_FUNCTION", "REPLICATE_CHANGES_TIMEOUT_SECONDS"),
        timeout_seconds=300,
    ),
    Function("AttachWriter", ("CONTROL_TABLE", "PAGES_STREAM_ARN", "WRITE_PAGES_FUNCTION", "REJECTS_BUCKET")),
    # A resume reads the history of each child that did not succeed, some twenty a second.
    Function("PlanSegments", ("CONTROL_TABLE",), timeout_seconds=900),
    Function("ScanSegment", ("CONTROL_TABLE", "PAGES_STREAM_ARN"), timeout_seconds=300, memory_mb=1024),
    Function("DrainBackfill", ("CONTROL_TABLE", "REJECTS_BUCKET"), timeout_seconds=300),
    Function(
        "DetachWriter", ("CONTROL_TABLE", "PAGES_STREAM_ARN", "WRITE_PAGES_FUNCTION", "WRITE_PAGES_TIMEOUT_SECONDS")
    ),
    Function("PlanVerify"),
    Function("VerifySegment", ("CONTROL_TABLE",), timeout_seconds=300, memory_mb=1769),
    Function("CompareDigests", ("CONTROL_TABLE",), timeout_seconds=600, memory_mb=1769),
    Function("ApproveCutOver", ("CONTROL_TABLE",)),
    Function("FenceSource", ("CONTROL_TABLE",), timeout_seconds=300, memory_mb=1024),
    Function("DrainChanges", ("CONTROL_TABLE", "REJECTS_BUCKET"), timeout_seconds=300, memory_mb=1024),
    Function("PurgeTombstones", ("CONTROL_TABLE", "REPLICATE_CHANGES_TIMEOUT_SECONDS"), timeout_seconds=300),
    Function(
        "CutOver",
        ("CONTROL_TABLE", "REJECTS_BUCKET", "REPLICATE_CHANGES_TIMEOUT_SECONDS"),
        timeout_seconds=300,
        memory_mb=1024,
    ),
    Function("DrainLateWrites", ("CONTROL_TABLE", "REJECTS_BUCKET"), timeout_seconds=300, memory_mb=1024),
    Function("DetachReplicator", ("CONTROL_TABLE", "REPLICATE_CHANGES_FUNCTION")),
    # One full CPU each (1,769 MB): they are where the items pass.
    Function("WritePages", ("CONTROL_TABLE", "REJECTS_BUCKET"), timeout_seconds=120, memory_mb=1769, driven_by="pages"),
    Function(
        "ReplicateChanges",
        ("CONTROL_TABLE", "REJECTS_BUCKET"),
        timeout_seconds=60,
        memory_mb=1769,
        driven_by="changes",
    ),
)


def function_of(state: str) -> Function:
    """Return a function by its state's name."""
    return next(function for function in FUNCTIONS if function.state == state)
