"""What has to be so before a migration's stack may go, and what stays when it is gone."""

import boto3
from botocore.exceptions import ClientError

from infra.functions import FUNCTIONS
from tasks.core.errors import Refused
from tasks.core.migration import Migration
from workflow.machine import Names
from workflow.refusals import in_words


def check_destroyable(session: boto3.Session, migration: str) -> None:
    """Make sure that nothing of a migration is under way.

    Args:
        session: of the stack's Region.
        migration: its name.

    Raises:
        Refused: there is no such stack, an execution runs, or a stream still drives a function.
    """
    names = Names(migration)
    with in_words(f"looking whether {names.state_machine} can be removed"):
        stacks = session.client("cloudformation").describe_stacks
        try:
            stacks(StackName=names.state_machine)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise Refused(
                f"there is no stack {names.state_machine} in {session.region_name}; nothing is to be removed"
            ) from None
        reasons = [*_running(session, names), *_attached(session, names)]
    if reasons:
        raise Refused(f"{names.state_machine} is still at work: {' | '.join(reasons)}")


def _running(session: boto3.Session, names: Names) -> list[str]:
    client = session.client("stepfunctions")
    machines = [
        machine["stateMachineArn"]
        for page in client.get_paginator("list_state_machines").paginate()
        for machine in page["stateMachines"]
        if machine["name"] == names.state_machine
    ]
    return [
        f"execution {execution['name']} is running; wait for its end, or stop it"
        for machine in machines
        for execution in client.list_executions(stateMachineArn=machine, statusFilter="RUNNING")["executions"]
    ]


def _attached(session: boto3.Session, names: Names) -> list[str]:
    client = session.client("lambda")
    driven = [names.function(function.state) for function in FUNCTIONS if function.driven_by != "state machine"]
    return [
        f"{function} is attached to {mapping['EventSourceArn']} (mapping {mapping['UUID']}); let the execution end, or "
        "give the run up as docs/fine-print.md says"
        for function in driven
        for page in client.get_paginator("list_event_source_mappings").paginate(FunctionName=function)
        for mapping in page["EventSourceMappings"]
    ]


def what_stays(session: boto3.Session, migration: Migration) -> str:
    """Return, for the operator, what removing the stack leaves."""
    names = Names(migration.migration)
    with in_words(f"describing the stack {names.state_machine}"):
        outputs = session.client("cloudformation").describe_stacks(StackName=names.state_machine)["Stacks"][0][
            "Outputs"
        ]
    bucket = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "RejectsBucketName")
    return (
        f"The tables {migration.source_table} and {migration.target_table} stay as they are, and so do the pointer "
        f"/tableferry/{migration.migration}/active-table, which the application reads, and the bucket {bucket} with "
        "what was rejected. Ledgers, logs and what is left in the stream of pages go."
    )


def lift_protection(session: boto3.Session, migration: str) -> None:
    """Let the stack be removed."""
    names = Names(migration)
    with in_words(f"lifting the termination protection of {names.state_machine}"):
        session.client("cloudformation").update_termination_protection(
            StackName=names.state_machine, EnableTerminationProtection=False
        )
