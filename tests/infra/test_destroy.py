"""Removing a stack: never in the midst of a migration, and never what it would be sorry for."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.aws.destroy import check_destroyable, lift_protection, what_stays
from infra.local.emulator.client import LocalAwsProcess, LocalSession
from tests.workflow.running import Running
from workflow.refusals import CommandRefused


class Stacks:
    """CloudFormation's record of one stack. The local AWS is deployed from the template without CloudFormation."""

    def __init__(self, name: str, outputs: dict[str, str]) -> None:
        self.stack = {
            "StackName": name,
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
            "EnableTerminationProtection": True,
        }

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803 — boto3's name
        if StackName != self.stack["StackName"]:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        return {"Stacks": [self.stack]}

    def update_termination_protection(self, *, StackName: str, EnableTerminationProtection: bool) -> None:  # noqa: N803
        assert StackName == self.stack["StackName"]
        self.stack["EnableTerminationProtection"] = EnableTerminationProtection


class Session(LocalSession):
    """A session of the local AWS, with CloudFormation's record of one stack."""

    def __init__(self, aws: LocalAwsProcess, stacks: Stacks) -> None:
        super().__init__(aws.endpoint_url, aws.region)
        self.stacks = stacks

    def client(self, service_name: str, **arguments: Any) -> Any:  # type: ignore[override]  # noqa: ANN401 — as LocalSession's
        return self.stacks if service_name == "cloudformation" else super().client(service_name, **arguments)


@pytest.fixture(scope="module")
def running(local_aws: LocalAwsProcess) -> Iterator[Running]:
    running = Running(local_aws, approval="required")
    running.create_source(10)
    running.deploy()
    yield running
    running.detach()


@pytest.fixture(scope="module")
def session(running: Running) -> Session:
    assert running.deployment is not None
    name = f"tableferry-{running.migration.migration}"
    return Session(running.aws, Stacks(name, {"RejectsBucketName": running.deployment.rejects_bucket}))


def test_nothing_is_removed_while_an_execution_runs_or_a_stream_drives_a_function(
    running: Running, session: Session
) -> None:
    name = running.migration.migration
    check_destroyable(session, name)
    arn = running.start()
    try:
        with pytest.raises(CommandRefused) as caught:
            check_destroyable(session, name)
        assert "is running; wait for its end, or stop it" in str(caught.value)
        deadline = time.monotonic() + 120
        while not running.is_past(arn, "AttachReplicator"):
            assert time.monotonic() < deadline
            time.sleep(0.3)
    finally:
        running.stepfunctions.stop_execution(executionArn=arn)
    running.wait(arn)
    with pytest.raises(CommandRefused) as caught:
        check_destroyable(session, name)
    message = str(caught.value)
    assert "is running" not in message
    assert f"tableferry-{name}-ReplicateChanges is attached to arn:aws:dynamodb:" in message
    assert "docs/fine-print.md" in message, "the way out"


def test_a_stack_that_is_not_there_is_not_taken_for_removed(session: Session) -> None:
    with pytest.raises(CommandRefused, match="there is no stack tableferry-other"):
        check_destroyable(session, "other")


def test_the_operator_is_told_what_stays(running: Running, session: Session) -> None:
    words = what_stays(session, running.migration)
    assert running.migration.source_table in words
    assert running.migration.target_table in words
    assert running.deployment is not None
    assert running.deployment.rejects_bucket in words
    assert f"/tableferry/{running.migration.migration}/active-table" in words


def test_a_stack_that_was_never_made_whole_can_be_removed(running: Running) -> None:
    """CloudFormation keeps a first deployment that failed as an empty stack, without outputs, functions or machine."""
    half_made = Session(running.aws, Stacks("tableferry-half-made", {}))
    check_destroyable(half_made, "half-made")
    migration = running.migration.model_copy(update={"migration": "half-made"})
    assert "bucket" not in what_stays(half_made, migration)


def test_the_operator_is_told_what_can_not_be_gone_on_with_any_more(running: Running, session: Session) -> None:
    words = what_stays(session, running.migration)
    assert ": without the stack it can be neither redriven nor resumed" in words


def test_the_protection_is_lifted_of_this_stack(running: Running, session: Session) -> None:
    name = running.migration.migration
    lift_protection(session, name)
    assert session.stacks.stack["EnableTerminationProtection"] is False
