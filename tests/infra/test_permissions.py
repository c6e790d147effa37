"""Roles: each names its own resources, and each wildcard has its reason."""

import pytest

from infra.aws.functions.function import Function
from infra.aws.functions.registry import FUNCTIONS, function_of
from infra.aws.permissions import grants_of, machine_grants
from tests.infra.synthesized import example, joined, resources, statements
from workflow.machine import Names

NAMES = Names("orders")
BY_STATE = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: str(function.state))


@BY_STATE
def test_no_role_has_an_action_with_a_wildcard(function: Function) -> None:
    actions = [action for grant in grants_of(function, example()) for action in grant.actions]
    assert actions
    assert not [action for action in actions if "*" in action]


@BY_STATE
def test_every_wildcard_in_a_resource_has_its_reason(function: Function) -> None:
    for grant in grants_of(function, example()):
        assert bool(grant.wildcard) == any("*" in resource for resource in grant.resources), grant


def test_the_machine_may_call_its_own_functions_and_no_others() -> None:
    roles = resources("AWS::IAM::Role")
    (machine,) = (role for name, role in roles.items() if name.startswith("StateMachineRole"))
    invoke = next(one for one in statements(machine) if one["actions"] == ["lambda:InvokeFunction"])
    called = {resource.rpartition(":")[2] for resource in invoke["resources"]}
    assert called == {NAMES.function(one.state) for one in FUNCTIONS if one.is_state}


def test_every_wildcard_of_the_machine_has_its_reason() -> None:
    for grant in machine_grants(("f",), ("Backfill",)):
        assert bool(grant.wildcard) == any("*" in resource for resource in grant.resources), grant


def test_only_functions_that_make_mappings_may_and_only_of_the_function_that_a_stream_drives() -> None:
    may = {
        function.state: grant
        for function in FUNCTIONS
        for grant in grants_of(function, example())
        if "lambda:CreateEventSourceMapping" in grant.actions
    }
    assert set(may) == {"AttachReplicator", "AttachWriter"}
    for state, driven in (("AttachReplicator", "ReplicateChanges"), ("AttachWriter", "WritePages")):
        assert may[state].conditions["ArnEquals"]["lambda:FunctionArn"].endswith("{" + driven + "}")


def test_no_role_may_write_to_the_source() -> None:
    """The migration reads it and turns its stream on and off, whatever goes wrong."""
    writes = {"PutItem", "DeleteItem", "UpdateItem", "BatchWriteItem", "DeleteTable"}
    writes |= {"PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"}
    for role in resources("AWS::IAM::Role").values():
        for one in statements(role):
            if any(resource.endswith(":table/orders") for resource in one["resources"]):
                assert not {action.partition(":")[2] for action in one["actions"]} & writes


def test_no_role_may_delete_a_table_or_an_object() -> None:
    for role in resources("AWS::IAM::Role").values():
        for one in statements(role):
            assert not {"dynamodb:DeleteTable", "s3:DeleteObject", "kinesis:DeleteStream"} & set(one["actions"])


def test_without_replicas_nobody_may_make_any() -> None:
    alone = example()
    alone = alone.model_copy(update={"migration": alone.migration.model_copy(update={"replica_regions": ()})})
    adding = [function_of("CreateReplicas"), function_of("AddReplicas")]
    actions = {action for function in adding for grant in grants_of(function, alone) for action in grant.actions}
    assert "dynamodb:CreateTableReplica" not in actions
    assert "iam:CreateServiceLinkedRole" not in actions


def test_a_customer_managed_key_may_be_used_through_dynamodb_only() -> None:
    key = "arn:aws:kms:eu-west-1:123456789012:key/1"
    using = [
        (function.state, grant)
        for function in FUNCTIONS
        for grant in grants_of(function, example(kms_key_arns=(key,)))
        if "kms:Decrypt" in grant.actions
    ]
    assert {state for state, _ in using} >= {"ScanSegment", "WritePages", "ReplicateChanges", "CompareDigests"}
    assert all(grant.resources == (key,) for _, grant in using)
    services: dict[str, set[str]] = {}
    for state, grant in using:
        services.setdefault(grant.conditions["StringEquals"]["kms:ViaService"], set()).add(state)
    home, *elsewhere = (
        f"dynamodb.{region}.amazonaws.com" for region in ("eu-west-1", *example().migration.replica_regions)
    )
    assert set(services) == {home, *elsewhere}
    for service in elsewhere:
        assert services[service] == {"VerifySegment", "CompareDigests"}


def test_a_topic_that_has_a_policy_lets_the_alarms_in() -> None:
    (policy,) = resources("AWS::SNS::TopicPolicy").values()
    services = {
        statement["Principal"]["Service"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow" and "Service" in statement["Principal"]
    }
    assert services == {"cloudwatch.amazonaws.com", "events.amazonaws.com"}
    for statement in policy["PolicyDocument"]["Statement"]:
        if statement["Effect"] == "Allow":
            assert joined(statement["Resource"]).startswith("<Alarms")
