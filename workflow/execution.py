"""Executions of a migration's state machine: found, started, read and answered, all by boto3.

It works on whatever the SDK is pointed at. What AWS answers with an error comes as `CommandRefused`, in words.
"""

import functools
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config

from tasks.aws.books.books import Books
from tasks.aws.books.control import ControlTable
from tasks.aws.run.execution_history import EVENTS_AT_ONCE
from tasks.aws.session.wire import Wire
from tasks.core.errors import Refused
from tasks.core.prove.verification import Verification
from tasks.core.run.course import course_of
from tasks.core.run.events import Event
from tasks.core.run.phases import Course, Standing
from tasks.core.run.plan import running_reason
from tasks.core.settings.migration import DEPLOYED_FIELDS, apply_overrides, overrides_in, parse_migration
from workflow.machine import MACHINE_PREFIX, Machine
from workflow.refusals import CommandRefused, in_words

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_stepfunctions import SFNClient

APPROVAL_STATE: Final = "ApproveCutOver"
NAME_CHARACTERS_MOST = 80
"""Of an execution's name."""
_NEVER_IN_A_NAME = '<>{}[]?*"#%\\^|~`$&,;:/'
"""Nor white space and control characters (Step Functions, API reference of StartExecution)."""
_ODD_CHARACTER = re.compile(rf"[\s\x00-\x1f\x7f-\x9f\ufffe\uffff\ud800-\udfff\U0010ffff{re.escape(_NEVER_IN_A_NAME)}]")

_STAND_INS: Final[Mapping[str, Any]] = {
    "migration": "x",
    "source_table": "-" * 255,
    "target_table": "." * 255,
}
"""For what only the deployment knows, and has to; nobody's tables are called so."""

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
        CommandRefused: there is none, or more than one and no name.
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
        raise CommandRefused(
            f"{what} is deployed {where} (deployed there: {deployed}); give another --region or --migration, or deploy"
        )
    if len(named) > 1:
        raise CommandRefused(f"several migrations are deployed {where}: {deployed}; name one with --migration")
    return named[0]


def check_input(text: str) -> dict[str, Any]:
    """Check an execution's input by Preflight's rules, as far as they need no table and no deployed settings.

    Returns:
        The input as it was given.

    Raises:
        CommandRefused: it is no JSON object, or has fields or values that no migration has; in Preflight's words.
    """
    try:
        execution_input = json.loads(text, object_pairs_hook=_each_field_once)
    except ValueError as error:
        raise CommandRefused(f"the input is no JSON ({error}); give an object, such as {{}}") from None
    given = overrides_in(execution_input) if isinstance(execution_input, dict) else {}
    # What is fixed by the deployment is not known here, so it is taken for what was deployed.
    fixed = {name: given[name] for name in DEPLOYED_FIELDS if name in given}
    try:
        apply_overrides(parse_migration({**_STAND_INS, **fixed}), execution_input)
    except Refused as refusal:
        raise CommandRefused(str(refusal)) from None
    return dict(execution_input)


def with_max_cost(execution_input: Mapping[str, Any], usd: float) -> dict[str, Any]:
    """Return an execution's input with the most that the run may cost.

    Raises:
        CommandRefused: the input says it too, or it is no amount of money.
    """
    if "max_cost_usd" in execution_input:
        raise CommandRefused("--max-cost and the input's max_cost_usd say the same; keep one of them")
    return check_input(json.dumps({**execution_input, "max_cost_usd": usd}))


def _each_field_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's fields; JSON itself would take the last of two with one name, and say nothing.

    Raises:
        CommandRefused: a field is given twice.
    """
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CommandRefused(f"the input has {', '.join(map(repr, twice))} twice; keep one of them")
    return dict(pairs)


def check_name(name: str | None) -> None:
    """Check an execution's name by the rules of Step Functions.

    Raises:
        CommandRefused: it would be taken for none.
    """
    if name is None:
        return
    odd = sorted(set(_ODD_CHARACTER.findall(name)))
    if odd:
        why = f"it has {', '.join(map(repr, odd))}"
    elif not 1 <= len(name) <= NAME_CHARACTERS_MOST:
        why = f"it has {len(name)} characters"
    else:
        return
    raise CommandRefused(
        f"{name!r} is no execution's name: {why}, and Step Functions takes 1 to {NAME_CHARACTERS_MOST} characters, no "
        f"white space, no control character and none of {_NEVER_IN_A_NAME}; give a name of letters, digits, - and _, "
        "or leave --name out"
    )


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
        CommandRefused: there was none yet.
    """
    client = stepfunctions(session, machine.region)
    with in_words(f"listing the executions of {machine.name}"):
        running = client.list_executions(stateMachineArn=machine.arn, statusFilter="RUNNING", maxResults=1)
        newest = (
            running["executions"] or client.list_executions(stateMachineArn=machine.arn, maxResults=1)["executions"]
        )
    if not newest:
        raise CommandRefused(f"{machine.name} was never executed; start it: `python -m workflow start`")
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


def check_nothing_runs(session: boto3.Session, machine: Machine) -> None:
    """Make sure that no execution of the migration is under way, before one is started or redriven.

    Raises:
        CommandRefused: there is one; in Preflight's words.
    """
    running = running_executions(session, machine)
    if running:
        raise CommandRefused(running_reason(running))


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
    return ControlTable(_wire(session, machine.region), machine.control_table)


@functools.cache
def _wire(session: boto3.Session, region: str) -> Wire:
    with in_words("setting up the AWS SDK"):
        return Wire(_dynamodb(session, region), session.get_credentials())


def item_count(session: boto3.Session, region: str, table: str) -> int:
    """Return about how many items a table has: DynamoDB counts every six hours."""
    with in_words(f"describing {table} in {region}"):
        return _dynamodb(session, region).describe_table(TableName=table)["Table"]["ItemCount"]


def approve(session: boto3.Session, execution_arn: str) -> tuple[Verification | None, tuple[str, ...]]:
    """Answer the question whether to cut over with yes.

    Returns:
        The proof that it was asked with, and what hangs on the source for its owner to move.

    Raises:
        CommandRefused: the execution does not ask, or it is another one that does.
    """
    course = course_of(read_events(session, execution_arn).all)
    token = _approval_token(session, execution_arn, course)
    with in_words(f"approving the cut-over of execution {execution_arn}"):
        _stepfunctions_of(session, execution_arn).send_task_success(taskToken=token, output="{}")
    return course.verification, () if course.plan is None else course.plan.to_move


def deny(session: boto3.Session, execution_arn: str, reason: str) -> None:
    """Answer the question whether to cut over with no: the execution fails there, and a redrive asks again.

    Raises:
        CommandRefused: the execution does not ask, or it is another one that does.
    """
    course = course_of(read_events(session, execution_arn).all)
    token = _approval_token(session, execution_arn, course)
    with in_words(f"denying the cut-over of execution {execution_arn}"):
        _stepfunctions_of(session, execution_arn).send_task_failure(
            taskToken=token, error="ApprovalDenied", cause=reason
        )


def _approval_token(session: boto3.Session, execution_arn: str, course: Course) -> str:
    if course.state.is_over:
        raise CommandRefused(f"execution {execution_arn} is over ({course.state}): it asks nothing any more")
    phase = course.phase
    if phase is None or phase.name != APPROVAL_STATE or phase.state is not Standing.WAITING:
        raise CommandRefused(
            f"execution {execution_arn} asks nothing now: it is in {phase.name if phase else 'no state yet'}, and asks "
            f"in {APPROVAL_STATE}, once the proof is green; look at `python -m workflow status`"
        )
    machine = Machine.of_execution(execution_arn)
    with in_words(f"reading {machine.control_table}"):
        asked = Books(control_table(session, machine), "").record.read_approval()
    if asked is None or asked[0] != execution_arn:
        raise CommandRefused(
            f"the question in {machine.control_table} is that of {asked[0] if asked else 'no execution'}, not of "
            f"{execution_arn}; answer that one, or redrive yours, which then asks again"
        )
    return asked[1]


def _stepfunctions_of(session: boto3.Session, execution_arn: str) -> "SFNClient":
    return stepfunctions(session, Machine.of_execution(execution_arn).region)


@functools.cache
def stepfunctions(session: boto3.Session, region: str | None) -> "SFNClient":
    """Return the client of Step Functions in a Region, made once."""
    with in_words("setting up the AWS SDK"), _settings_in_words():
        return session.client("stepfunctions", region_name=region, config=_CONFIG)


@functools.cache
def _dynamodb(session: boto3.Session, region: str) -> "DynamoDBClient":
    with in_words("setting up the AWS SDK"), _settings_in_words():
        return session.client("dynamodb", region_name=region, config=_CONFIG)


@contextmanager
def _settings_in_words() -> Iterator[None]:
    """Turn what the SDK finds wrong with its own settings, which is a plain `ValueError` too, into `CommandRefused`."""
    try:
        yield
    except ValueError as error:
        raise CommandRefused(
            f"setting up the AWS SDK: {error}; correct what it names among the SDK's settings: the endpoint's address "
            "(with http:// or https:// before it), --region or AWS_DEFAULT_REGION, the file that AWS_CONFIG_FILE names"
        ) from error
