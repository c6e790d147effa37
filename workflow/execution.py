"""Executions of a migration's state machine: found, started, read and answered, all by boto3.

It works on whatever the SDK is pointed at. Every error comes as `Refused`, in words.
"""

import functools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from tasks.aws.control import ControlTable
from tasks.aws.migration_record import read_approval
from tasks.core.errors import Refused
from tasks.core.history import Event
from tasks.core.migration import Migration
from tasks.core.verification import Verification
from workflow.history import parse_history
from workflow.machine import MACHINE_PREFIX, Machine
from workflow.phases import History, State
from workflow.refusals import in_words

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_stepfunctions import SFNClient

APPROVAL_STATE: Final = "ApproveCutOver"
EVENTS_AT_ONCE = 1000
"""GetExecutionHistory returns no more."""

_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4}, connect_timeout=5, read_timeout=30, max_pool_connections=4
)


@dataclass(frozen=True, slots=True)
class Events:
    """The events of an execution so far, and what makes the next reading cheap.

    A page that has a token to a next one is full and never changes; only the last page is read again.
    """

    all: tuple[Event, ...] = ()
    settled: int = 0
    """The first so many events are of full pages."""
    token: str | None = None
    """Of the page behind them."""


def find_machine(
    session: boto3.Session, *, state_machine: str | None = None, migration: str | None = None, region: str | None = None
) -> Machine:
    """Return the state machine that is meant: by its ARN, by the migration's name, or the only one there is.

    Raises:
        Refused: there is none, or more than one and no name.
    """
    if state_machine is not None:
        machine = Machine.of(state_machine)
        with in_words(f"looking for {machine.name} in {machine.region}"):
            stepfunctions(session, machine.region).describe_state_machine(stateMachineArn=machine.arn)
        return machine
    region = region or session.region_name
    where = f"in {region}" if region else "in a Region"
    with in_words(f"listing the state machines {where}"):
        pages = stepfunctions(session, region).get_paginator("list_state_machines").paginate()
        arns = [machine["stateMachineArn"] for page in pages for machine in page["stateMachines"]]
    machines = [Machine(arn) for arn in arns if arn.split(":")[6].startswith(MACHINE_PREFIX)]
    deployed = ", ".join(sorted(machine.migration for machine in machines)) or "none"
    named = [machine for machine in machines if migration is None or machine.migration == migration]
    if not named:
        what = "no migration" if migration is None else f"no migration {migration!r}"
        raise Refused(
            f"{what} is deployed {where} (deployed there: {deployed}); give another --region or --migration, or deploy"
        )
    if len(named) > 1:
        raise Refused(f"several migrations are deployed {where}: {deployed}; name one with --migration")
    return named[0]


def check_input(text: str) -> dict[str, Any]:
    """Check an execution's input as far as that is possible without the deployed settings; Preflight checks the rest.

    Raises:
        Refused: it is no JSON object, or has fields that no migration has.
    """
    try:
        execution_input = json.loads(text)
    except ValueError as error:
        raise Refused(f"the input is no JSON ({error}); give an object, such as {{}}") from None
    if not isinstance(execution_input, Mapping):
        raise Refused(
            "the input is JSON, but no object; give {} for the deployed settings, or an object of fields to override"
        )
    unknown = sorted(set(execution_input) - set(Migration.model_fields))
    if unknown and set(execution_input) != {"Comment"}:
        raise Refused(
            f"unknown field {', '.join(map(repr, unknown))}; the fields are {', '.join(Migration.model_fields)}"
        )
    return dict(execution_input)


def start(session: boto3.Session, machine: Machine, execution_input: Mapping[str, Any], name: str | None = None) -> str:
    """Start an execution and return its ARN; without a name it gets one of the time."""
    name = name or time.strftime("%Y-%m-%dT%H-%M-%SZ", time.gmtime())
    with in_words(f"starting {machine.name} as {name!r}"):
        return stepfunctions(session, machine.region).start_execution(
            stateMachineArn=machine.arn, name=name, input=json.dumps(execution_input)
        )["executionArn"]


def latest_execution(session: boto3.Session, machine: Machine) -> str:
    """Return the ARN of the running execution, or of the newest one.

    Raises:
        Refused: there was none yet.
    """
    client = stepfunctions(session, machine.region)
    with in_words(f"listing the executions of {machine.name}"):
        running = client.list_executions(stateMachineArn=machine.arn, statusFilter="RUNNING", maxResults=1)
        newest = (
            running["executions"] or client.list_executions(stateMachineArn=machine.arn, maxResults=1)["executions"]
        )
    if not newest:
        raise Refused(f"{machine.name} was never executed; start it: `python -m workflow start`")
    return newest[0]["executionArn"]


def running_executions(session: boto3.Session, machine: Machine) -> list[str]:
    """Return the ARNs of the executions that are running."""
    pages = stepfunctions(session, machine.region).get_paginator("list_executions")
    with in_words(f"listing the executions of {machine.name}"):
        return [
            found["executionArn"]
            for page in pages.paginate(stateMachineArn=machine.arn, statusFilter="RUNNING")
            for found in page["executions"]
        ]


def read_events(session: boto3.Session, execution_arn: str, so_far: Events | None = None) -> Events:
    """Read an execution's history, or what is new of it.

    Args:
        session: the SDK's session.
        execution_arn: which execution.
        so_far: what an earlier call returned.
    """
    client = _stepfunctions_of(session, execution_arn)
    so_far = so_far or Events()
    events, settled, token = list(so_far.all[: so_far.settled]), so_far.settled, so_far.token
    with in_words(f"reading the history of execution {execution_arn}"):
        while True:
            where: dict[str, Any] = {"nextToken": token} if token else {}
            try:
                page = client.get_execution_history(executionArn=execution_arn, maxResults=EVENTS_AT_ONCE, **where)
            except client.exceptions.InvalidToken:  # a page's token lasts a day, and a migration may last weeks
                if token is None:
                    raise
                events, settled, token = [], 0, None
                continue
            events += page["events"]
            if not page.get("nextToken"):
                return Events(tuple(events), settled, token)
            settled, token = len(events), page["nextToken"]


def control_table(session: boto3.Session, machine: Machine) -> ControlTable:
    """Return the migration's control table."""
    return ControlTable(_dynamodb(session, machine.region), machine.control_table)


def item_count(session: boto3.Session, region: str, table: str) -> int:
    """Return about how many items a table has: DynamoDB counts every six hours."""
    with in_words(f"describing {table} in {region}"):
        return _dynamodb(session, region).describe_table(TableName=table)["Table"]["ItemCount"]


def approve(session: boto3.Session, execution_arn: str) -> Verification | None:
    """Answer the question whether to cut over with yes, and return the proof that it was asked with.

    Raises:
        Refused: the execution does not ask, or it is another one that does.
    """
    history = parse_history(read_events(session, execution_arn).all)
    token = _approval_token(session, execution_arn, history)
    with in_words(f"approving the cut-over of execution {execution_arn}"):
        _stepfunctions_of(session, execution_arn).send_task_success(taskToken=token, output="{}")
    return history.verification


def deny(session: boto3.Session, execution_arn: str, reason: str) -> None:
    """Answer the question whether to cut over with no: the execution fails there, and a redrive asks again.

    Raises:
        Refused: the execution does not ask, or it is another one that does.
    """
    history = parse_history(read_events(session, execution_arn).all)
    token = _approval_token(session, execution_arn, history)
    with in_words(f"denying the cut-over of execution {execution_arn}"):
        _stepfunctions_of(session, execution_arn).send_task_failure(
            taskToken=token, error="ApprovalDenied", cause=reason
        )


def _approval_token(session: boto3.Session, execution_arn: str, history: History) -> str:
    if history.state.is_over:
        raise Refused(f"execution {execution_arn} is over ({history.state}): it asks nothing any more")
    phase = history.phase
    if phase is None or phase.name != APPROVAL_STATE or phase.state is not State.WAITING:
        raise Refused(
            f"execution {execution_arn} asks nothing now: it is in {phase.name if phase else 'no state yet'}, and asks "
            f"in {APPROVAL_STATE}, once the proof is green; look at `python -m workflow status`"
        )
    machine = Machine.of_execution(execution_arn)
    with in_words(f"reading {machine.control_table}"):
        asked = read_approval(control_table(session, machine))
    if asked is None or asked[0] != execution_arn:
        raise Refused(
            f"the question in {machine.control_table} is that of {asked[0] if asked else 'no execution'}, not of "
            f"{execution_arn}; answer that one, or redrive yours, which then asks again"
        )
    return asked[1]


def _stepfunctions_of(session: boto3.Session, execution_arn: str) -> "SFNClient":
    return stepfunctions(session, Machine.of_execution(execution_arn).region)


@functools.cache
def stepfunctions(session: boto3.Session, region: str | None) -> "SFNClient":
    """Return the client of Step Functions in a Region, made once."""
    return session.client("stepfunctions", region_name=region, config=_CONFIG)


@functools.cache
def _dynamodb(session: boto3.Session, region: str) -> "DynamoDBClient":
    return session.client("dynamodb", region_name=region, config=_CONFIG)
