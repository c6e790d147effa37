"""Deploys a migration into the local AWS with the same calls that reach AWS, by plain boto3."""

import io
import json
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from infra.functions import FUNCTIONS, Function, Name, function_of
from tasks.core.migration import Migration
from workflow.definition import Engine, render
from workflow.machine import Names

TASKS_FOLDER = Path(__file__).resolve().parents[2] / "tasks"
ROLE_ARN = "arn:aws:iam::123456789012:role/tableferry"
"""The local AWS checks no permissions; roles come with the deployment on AWS."""

LOCAL_TIMEOUTS = {"WritePages": 15, "ReplicateChanges": 10}
"""Detaching waits one time-out of these two: on this machine their batches are short, and so is the wait."""
LOCAL_TIMEOUT_MOST = 60
LOCAL_CONCURRENCY = {"ScanSegment": 3, "VerifySegment": 3, "WritePages": 2, "ReplicateChanges": 1}
"""Two cores are shared by all of AWS here."""
POLL_SECONDS = 2
READY_WITHIN_SECONDS = 60


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
        for file in sorted(TASKS_FOLDER.rglob("*.py")):
            package.write(file, file.relative_to(TASKS_FOLDER.parent))
    return buffer.getvalue()


def deploy(
    session: boto3.Session,
    settings: Migration,
    *,
    shards: int = 2,
    timeouts: Mapping[str, int] = LOCAL_TIMEOUTS,
    concurrency: Mapping[str, int] = LOCAL_CONCURRENCY,
) -> Deployment:
    """Deploy a migration.

    Args:
        session: of the local AWS, in the Region of source and target.
        settings: the migration's settings, which `{}` then starts with.
        shards: of the Kinesis stream that carries pages.
        timeouts: seconds by state, in place of the function's own.
        concurrency: workers by state.
    """
    called = Names(settings.migration)
    stream_arn = _create_stream(session, called.pages_stream, shards)
    _create_control_table(session, called.control_table)
    location: Any = {"LocationConstraint": session.region_name}
    session.client("s3").create_bucket(Bucket=called.rejects_bucket, CreateBucketConfiguration=location)
    seconds = {
        function.state: timeouts.get(function.state, min(function.timeout_seconds, LOCAL_TIMEOUT_MOST))
        for function in FUNCTIONS
    }
    values: dict[Name, str] = {
        "MIGRATION_SETTINGS": settings.model_dump_json(exclude_defaults=True),
        "CONTROL_TABLE": called.control_table,
        "PAGES_STREAM_ARN": stream_arn,
        "REJECTS_BUCKET": called.rejects_bucket,
        "WRITE_PAGES_FUNCTION": function_of("WritePages").function_name(settings.migration),
        "WRITE_PAGES_TIMEOUT_SECONDS": str(seconds["WritePages"]),
        "REPLICATE_CHANGES_FUNCTION": function_of("ReplicateChanges").function_name(settings.migration),
        "REPLICATE_CHANGES_TIMEOUT_SECONDS": str(seconds["ReplicateChanges"]),
    }
    package = zip_tasks()
    arns = {}
    for function in FUNCTIONS:
        environment: dict[str, str] = {name: values[name] for name in function.names}
        arns[function.state] = _create_function(
            session, function, settings.migration, package, environment, seconds[function.state]
        )
        if function.state in concurrency:
            session.client("lambda").put_function_concurrency(
                FunctionName=function.function_name(settings.migration),
                ReservedConcurrentExecutions=concurrency[function.state],
            )
    holes = {function.hole: arns[function.state] for function in FUNCTIONS if function.driven_by == "state machine"}
    definition = render(Engine.EMBEDDED, holes, most_poll_seconds=POLL_SECONDS)
    state_machine_arn = session.client("stepfunctions").create_state_machine(
        name=called.state_machine, definition=json.dumps(definition), roleArn=ROLE_ARN
    )["stateMachineArn"]
    return Deployment(
        migration=settings.migration,
        region=session.region_name,
        state_machine_arn=state_machine_arn,
        control_table=called.control_table,
        pages_stream=called.pages_stream,
        rejects_bucket=called.rejects_bucket,
        functions=arns,
    )


def _create_function(
    session: boto3.Session,
    function: Function,
    migration: str,
    package: bytes,
    environment: Mapping[str, str],
    timeout_seconds: int,
) -> str:
    arn: str = session.client("lambda").create_function(
        FunctionName=function.function_name(migration),
        Runtime="python3.13",
        Handler=function.handler,
        Role=ROLE_ARN,
        Code={"ZipFile": package},
        Timeout=timeout_seconds,
        MemorySize=function.memory_mb,
        Environment={"Variables": {"POWERTOOLS_LOG_LEVEL": "INFO", **environment}},
    )["FunctionArn"]
    return arn


def _create_stream(session: boto3.Session, name: str, shards: int) -> str:
    kinesis = session.client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=shards)
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while True:
        described = kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]
        if described["StreamStatus"] == "ACTIVE":
            return described["StreamARN"]
        if time.monotonic() > deadline:
            raise TimeoutError(f"stream {name} is {described['StreamStatus']} after {READY_WITHIN_SECONDS} s")
        time.sleep(0.1)


def _create_control_table(session: boto3.Session, name: str) -> None:
    dynamodb = session.client("dynamodb")
    dynamodb.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
