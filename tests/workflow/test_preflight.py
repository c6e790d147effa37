"""Preflight against real tables: each refusal says what, why and the way out, and nothing is changed by it."""

import json
from typing import Any

import pytest

from infra.local.emulator.client import LocalAwsProcess
from infra.local.rehearsal.deploy import zip_tasks
from tests.workflow.running import Running

pytestmark = pytest.mark.engines

STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


def preflight(running: Running, execution_input: object = None) -> dict[str, Any]:
    """Call the deployed Preflight as the state machine does; return its plan, or the error."""
    deployment = running.deployment or running.deploy()
    before = snapshot(running)
    answer = running.session.client("lambda").invoke(
        FunctionName=deployment.functions["Preflight"],
        Payload=json.dumps(
            {
                "input": {} if execution_input is None else execution_input,
                "execution_name": "run",
                "execution_arn": deployment.state_machine_arn.replace("stateMachine", "execution") + ":run",
                "execution_started": "2026-01-01T00:00:00Z",
                "state_machine_arn": deployment.state_machine_arn,
            }
        ).encode(),
    )
    result: dict[str, Any] = json.loads(answer["Payload"].read())
    assert snapshot(running) == before, "Preflight changed something"
    return result


def snapshot(running: Running) -> object:
    """What Preflight could have changed."""
    tables = []
    for table in (running.migration.source_table, running.migration.target_table):
        try:
            tables.append(running.dynamodb.describe_table(TableName=table)["Table"])
        except running.dynamodb.exceptions.ResourceNotFoundException:
            tables.append(None)
    assert running.deployment is not None
    control = running.dynamodb.scan(TableName=running.deployment.control_table)["Count"]
    mappings = running.session.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return tables, control, len(mappings), running.pointer()


def refusal(running: Running, execution_input: object = None) -> str:
    result = preflight(running, execution_input)
    assert result.get("errorType") == "Refused", result
    return str(result["errorMessage"])


def test_a_source_that_does_not_exist(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    assert f"{running.migration.source_table} does not exist" in refusal(running)


def test_a_target_with_items_of_others(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    running.create_source(items=1)
    running.create_table(running.migration.target_table)
    running.dynamodb.put_item(TableName=running.migration.target_table, Item={"pk": {"S": "theirs"}})
    message = refusal(running)
    assert "has items" in message
    assert "empty it, or name another target" in message


def test_a_target_with_another_key(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    running.create_source()
    running.create_table(
        running.migration.target_table,
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    message = refusal(running)
    assert "id (N)" in message
    assert "pk (S)" in message


def test_a_target_whose_items_expire_while_they_are_compared(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    running.create_source()
    running.create_table(running.migration.target_table)
    running.dynamodb.update_time_to_live(
        TableName=running.migration.target_table,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": "gone_at"},
    )
    message = refusal(running)
    assert f"items of target_table {running.migration.target_table} expire by gone_at" in message
    assert "CutOver turns on what the source has" in message


def test_a_target_of_another_shape_and_of_little_capacity(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "city")]
    by_city = {
        "IndexName": "by-city",
        "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    running.create_source(items=100, AttributeDefinitions=attributes, GlobalSecondaryIndexes=[by_city])
    running.create_table(
        running.migration.target_table,
        BillingMode="PROVISIONED",
        ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1},
    )
    message = refusal(running)
    assert "does not have by-city" in message
    assert "too few write units" not in message, "the scan waits for it, and so few items are written in time"
    plan = preflight(running, {"without_indexes": ["by-city"]})
    assert plan["without_indexes"] == ["by-city"]


def test_a_pointer_that_says_a_third_table(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    running.create_source()
    name = f"/tableferry/{running.migration.migration}/active-table"
    running.session.client("ssm").put_parameter(Name=name, Value="orders-of-old", Type="String")
    assert "deploy a migration whose source is orders-of-old" in refusal(running)


def test_a_stream_without_both_images(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    running.create_source(StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    message = refusal(running)
    assert "KEYS_ONLY" in message
    assert "disable that stream" in message


def test_a_third_reader_on_the_stream(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    running.create_source(StreamSpecification=STREAM)
    stream = running.dynamodb.describe_table(TableName=running.migration.source_table)["Table"]["LatestStreamArn"]
    functions = running.session.client("lambda")
    for name in ("search-index", "audit"):
        functions.create_function(
            FunctionName=f"{running.migration.migration}-{name}",
            Runtime="python3.14",
            Role="arn:aws:iam::123456789012:role/of-another-application",
            Handler="tasks.plan_verify.handler",
            Code={"ZipFile": zip_tasks()},
        )
        functions.create_event_source_mapping(
            EventSourceArn=stream,
            FunctionName=f"{running.migration.migration}-{name}",
            StartingPosition="LATEST",
            Enabled=False,
        )
    message = refusal(running)
    assert "already has 2 readers" in message
    assert "search-index" in message


def test_unknown_regions_and_the_targets_own(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws, replica_regions=("eu-west-1", "mars-north-1"))
    running.create_source()
    message = refusal(running)
    assert "mars-north-1" in message
    assert "names eu-west-1, where the target itself is" in message


@pytest.mark.parametrize(
    ("execution_input", "said"),
    [
        ({"total_segmets": 3}, "unknown field 'total_segmets'"),
        ({"total_segments": 0}, "total_segments"),
        ({"source_table": "another"}, "'source_table' cannot be overridden"),
        ([], "array"),
    ],
)
def test_an_input_that_is_wrong_is_refused_by_name(
    local_aws: LocalAwsProcess, execution_input: object, said: str
) -> None:
    running = Running(local_aws)
    running.create_source()
    assert said in refusal(running, execution_input)


def test_the_consoles_sample_input_counts_as_no_input(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    running.create_source()
    assert preflight(running, {"Comment": "Insert your JSON here"}) == preflight(running, {})


def test_overrides_reach_the_plan(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws)
    running.create_source()
    plan = preflight(running, {"total_segments": 3, "approval": "required"})
    assert (plan["total_segments"], plan["approval"]) == (3, "required")


def test_a_second_execution_beside_a_running_one(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws, approval="required")
    running.create_source(items=3)
    first = running.start()
    try:
        second = running.wait(running.start())
    finally:
        running.stepfunctions.stop_execution(executionArn=first)
    assert (second.status, second.error) == ("FAILED", "Refused")
    assert first in second.message


def test_many_reasons_are_told_at_once(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws, replica_regions=("mars-north-1",))
    assert refusal(running).count(" | ") == 1
