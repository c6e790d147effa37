"""Deploys a migration into the local AWS: the stack that AWS gets, synthesized and made here resource by resource.

What differs is told to the stack, and nothing is wired a second time: shorter timeouts, inline Maps with short waits,
shards in place of a stream on demand, and no time to gather changes in.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import boto3

from infra.aws.functions.function import Function
from infra.aws.functions.registry import FUNCTIONS, function_of
from infra.aws.synth import synthesize
from infra.local.emulator.template import Template
from tasks.core.settings.migration import Migration
from workflow.definition import Engine
from workflow.machine import Names
from workflow.settings import Placement, Settings

TASKS_FOLDER = Path(__file__).resolve().parents[3] / "tasks"

LOCAL_TIMEOUTS = {"WritePages": 15, "ReplicateChanges": 10}
"""Detaching waits one timeout of these two: on this machine their batches are short, and so is the wait."""
LOCAL_TIMEOUT_MOST = 60
LOCAL_CONCURRENCY = {"ScanSegment": 3, "VerifySegment": 3, "WritePages": 2, "ReplicateChanges": 1}
"""Two cores are shared by all of AWS here."""
POLL_SECONDS = 2
STREAM_READS_PER_SECOND = 200.0
"""A shard here takes as many as the machine can make. How many answers without records are a tip stays the same."""
WINDOW_SECONDS = 0
"""For how long changes are gathered: nobody pays here for a call, and whoever watches would wait for it."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """Names of what was deployed."""

    migration: str
    region: str
    state_machine_arn: str
    control_table: str
    pages_stream: str
    rejects_bucket: str
    functions: Mapping[str, str] = field(default_factory=dict)
    """State to function ARN."""


def zip_tasks() -> bytes:
    """Return the Lambda package: `tasks/` and nothing else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as package:
        files = (file for kind in ("*.py", "*.json") for file in TASKS_FOLDER.rglob(kind))
        for file in sorted(files):
            package.write(file, file.relative_to(TASKS_FOLDER.parent))
    return buffer.getvalue()


def deploy(
    session: boto3.Session,
    migration: Migration,
    *,
    shards: int = 2,
    timeouts: Mapping[str, int] = LOCAL_TIMEOUTS,
    window_seconds: int = WINDOW_SECONDS,
) -> Deployment:
    """Deploy a migration.

    Args:
        session: of the local AWS, in the Region of source and target.
        migration: its settings, which `{}` then starts with.
        shards: of the Kinesis stream that carries pages.
        timeouts: seconds by state, in place of the function's own.
        window_seconds: for how long changes are gathered before the replicator is called.

    Raises:
        KeyError: no function has the name of such a state.
    """
    placement = Placement(
        region=session.region_name,
        pages_shards=shards,
        stream_reads_per_second=STREAM_READS_PER_SECOND,
        replicator_window_seconds=window_seconds,
    )
    synthesized = synthesize(
        Settings(migration=migration, deployment=placement),
        code=TASKS_FOLDER,
        functions=scaled(FUNCTIONS, timeouts),
        engine=Engine.EMBEDDED,
        most_poll_seconds=POLL_SECONDS,
    )
    template = Template(session, synthesized["Resources"], zip_tasks())
    template.deploy()
    called = Names(migration.migration)
    for state, workers in LOCAL_CONCURRENCY.items():
        session.client("lambda").put_function_concurrency(
            FunctionName=called.function(function_of(state).state), ReservedConcurrentExecutions=workers
        )
    arns = {made.ref: made.arn for made in template.physical("AWS::Lambda::Function").values()}
    (machine,) = template.physical("AWS::StepFunctions::StateMachine").values()
    (bucket,) = template.physical("AWS::S3::Bucket").values()
    return Deployment(
        migration=migration.migration,
        region=session.region_name,
        state_machine_arn=machine.arn,
        control_table=called.control_table,
        pages_stream=called.pages_stream,
        rejects_bucket=bucket.ref,
        functions={function.state: arns[called.function(function.state)] for function in FUNCTIONS},
    )


def scaled(functions: Sequence[Function], timeouts: Mapping[str, int]) -> list[Function]:
    """Return the functions with this machine's timeouts.

    Raises:
        KeyError: no function has the name of such a state.
    """
    own = {function_of(state).state: seconds for state, seconds in timeouts.items()}
    return [
        replace(function, timeout_seconds=own.get(function.state, min(function.timeout_seconds, LOCAL_TIMEOUT_MOST)))
        for function in functions
    ]
