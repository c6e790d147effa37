"""What has to be so before a migration's stack may go, and what stays when it is gone."""

from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import ClientError

from infra.aws.functions.streams import STREAMS
from tasks.core.settings.migration import Migration
from workflow.machine import Names
from workflow.refusals import CommandRefused, in_words

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef


def check_destroyable(session: boto3.Session, migration: str) -> None:
    """Make sure that nothing of a migration is under way. A stack that could not be made whole is, too.

    Args:
        session: of the stack's Region.
        migration: its name.

    Raises:
        CommandRefused: there is no such stack, an execution runs, or a stream still drives a function.
    """
    names = Names(migration)
    _stack(session, names)
    with in_words(f"looking whether {names.state_machine} can be removed"):
        reasons = [*_running(session, names), *_attached(session, names)]
    if reasons:
        raise CommandRefused(f"{names.state_machine} is still at work: {' | '.join(reasons)}")


def what_stays(session: boto3.Session, migration: Migration) -> str:
    """Return, for the operator, what removing the stack leaves, and what it takes along."""
    names = Names(migration.migration)
    outputs = _stack(session, names).get("Outputs", [])
    buckets = [output["OutputValue"] for output in outputs if output["OutputKey"] == "RejectsBucketName"]
    bucket = f", and the bucket {buckets[0]} with what was rejected" if buckets else ""
    with in_words(f"looking at the last execution of {names.state_machine}"):
        last = _last_execution(session, names)
    return (
        f"The tables {migration.source_table} and {migration.target_table} stay as they are, and so does the pointer "
        f"/tableferry/{migration.migration}/active-table, which the application reads{bucket}. Ledgers, logs, what is "
        f"left in the stream of pages, and the histories of executions go.{last}"
    )


def lift_protection(session: boto3.Session, migration: str) -> None:
    """Let the stack be removed."""
    names = Names(migration)
    with in_words(f"lifting the termination protection of {names.state_machine}"):
        session.client("cloudformation").update_termination_protection(
            StackName=names.state_machine, EnableTerminationProtection=False
        )


def _stack(session: boto3.Session, names: Names) -> "StackTypeDef":
    with in_words(f"describing the stack {names.state_machine}"):
        try:
            return session.client("cloudformation").describe_stacks(StackName=names.state_machine)["Stacks"][0]
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise CommandRefused(
                f"there is no stack {names.state_machine} in {session.region_name}; nothing is to be removed"
            ) from None


def _machines(session: boto3.Session, names: Names) -> list[str]:
    """Return the state machine's ARN, if it is there: a stack that could not be made whole has none."""
    return [
        machine["stateMachineArn"]
        for page in session.client("stepfunctions").get_paginator("list_state_machines").paginate()
        for machine in page["stateMachines"]
        if machine["name"] == names.state_machine
    ]


def _running(session: boto3.Session, names: Names) -> list[str]:
    client = session.client("stepfunctions")
    return [
        f"execution {execution['name']} is running; wait for its end, or stop it"
        for machine in _machines(session, names)
        for execution in client.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
    ]


def _attached(session: boto3.Session, names: Names) -> list[str]:
    client = session.client("lambda")
    reasons = []
    for function in (names.function(function.state) for function in STREAMS):
        try:
            for page in client.get_paginator("list_event_source_mappings").paginate(FunctionName=function):
                reasons += [
                    f"{function} is attached to {mapping['EventSourceArn']} (mapping {mapping['UUID']}); let the "
                    "execution end, or give the run up as docs/fine-print.md says"
                    for mapping in page["EventSourceMappings"]
                ]
        except client.exceptions.ResourceNotFoundException:
            continue  # of a stack that could not be made whole
    return reasons


def _last_execution(session: boto3.Session, names: Names) -> str:
    """Return a warning if the last execution could still be resumed."""
    client = session.client("stepfunctions")
    for machine in _machines(session, names):
        for execution in client.list_executions(stateMachineArn=machine, maxResults=1)["executions"]:
            if execution["status"] != "SUCCEEDED":
                return (
                    f" The last execution, {execution['name']}, is {execution['status']}: without the stack it can be "
                    "neither redriven nor resumed."
                )
    return ""
