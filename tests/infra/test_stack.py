"""The stack: what is in it, what is not, and that it is what the migration needs."""

import json
from pathlib import Path

import pytest
from cfnlint.api import ManualArgs, lint_all, lint_by_config

from infra.aws.functions.function import Function
from infra.aws.functions.registry import FUNCTIONS
from infra.aws.synth import synthesize
from tasks.aws.books.control import KEPT_SECONDS
from tasks.core.copy.back_pressure import PAGES_KEPT_HOURS
from tests.infra.synthesized import TASKS, example, functions, joined, resources, template
from workflow.definition import Engine, render
from workflow.machine import Names
from workflow.settings import ReservedConcurrency

NAMES = Names("orders")
BY_STATE = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: str(function.state))


@BY_STATE
def test_each_function_is_what_the_list_says(function: Function) -> None:
    deployed = functions()[NAMES.function(function.state)]
    assert deployed["Handler"] == function.handler
    assert deployed["Timeout"] == function.timeout_seconds
    assert deployed["MemorySize"] == function.memory_mb
    assert deployed["Architectures"] == ["arm64"]
    assert deployed["Runtime"] == "python3.14"
    assert deployed["TracingConfig"] == {"Mode": "Active"}


@BY_STATE
def test_no_function_is_given_a_name_that_it_does_not_read(function: Function) -> None:
    given = functions()[NAMES.function(function.state)]["Environment"]["Variables"]
    assert set(given) == {*function.names, "POWERTOOLS_LOG_LEVEL"}


def test_what_streams_drive_has_a_share_of_lambdas_concurrency_where_it_is_given_one() -> None:
    assert not [name for name, deployed in functions().items() if "ReservedConcurrentExecutions" in deployed]
    reserved = ReservedConcurrency(write_pages=20, replicate_changes=50)
    found = functions(synthesize(example(reserved_concurrency=reserved), code=TASKS))
    shares = {name: deployed.get("ReservedConcurrentExecutions") for name, deployed in found.items()}
    given = {NAMES.function("WritePages"): 20, NAMES.function("ReplicateChanges"): 50}
    assert {name: share for name, share in shares.items() if share is not None} == given


def test_every_function_of_the_list_is_there_and_no_other() -> None:
    assert set(functions()) == {NAMES.function(function.state) for function in FUNCTIONS}


@BY_STATE
def test_no_two_functions_share_a_role(function: Function) -> None:
    roles = [str(deployed["Role"]) for deployed in functions().values()]
    assert roles.count(str(functions()[NAMES.function(function.state)]["Role"])) == 1


def test_what_writes_the_pages_is_told_its_own_time_out() -> None:
    """A shorter one in the environment would let deletes stop leaving tombstones while a page is still written."""
    for state in ("WritePages", "ReplicateChanges"):
        variable = {
            "WritePages": "WRITE_PAGES_TIMEOUT_SECONDS",
            "ReplicateChanges": "REPLICATE_CHANGES_TIMEOUT_SECONDS",
        }
        told = {
            deployed["Environment"]["Variables"][variable[state]]
            for deployed in functions().values()
            if variable[state] in deployed["Environment"]["Variables"]
        }
        assert told == {str(functions()[NAMES.function(state)]["Timeout"])}


def test_neither_source_nor_target_goes_with_the_stack() -> None:
    tables = {table["TableName"] for table in resources("AWS::DynamoDB::Table").values()}
    assert tables == {NAMES.control_table}


def test_what_was_rejected_stays_when_the_stack_goes_and_nothing_else_does() -> None:
    kept = {
        name
        for name, resource in template()["Resources"].items()
        if resource.get("DeletionPolicy") not in {None, "Delete"}
    }
    assert {template()["Resources"][name]["Type"] for name in kept} == {"AWS::S3::Bucket"}
    (policy,) = {template()["Resources"][name]["DeletionPolicy"] for name in kept}
    assert policy == "RetainExceptOnCreate", "a creation that is rolled back leaves nothing"


def test_the_ledgers_can_be_brought_back_and_are_encrypted() -> None:
    (table,) = resources("AWS::DynamoDB::Table").values()
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires", "Enabled": True}


def test_the_bucket_of_rejected_items_is_closed_to_the_public_and_to_plain_http() -> None:
    (bucket,) = resources("AWS::S3::Bucket").values()
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert "BucketName" not in bucket, "the names of buckets are global, and this one outlives the stack"
    (policy,) = resources("AWS::S3::BucketPolicy").values()
    (statement,) = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_no_item_is_kept_in_the_bucket_for_ever_nor_for_less_time_than_the_ledger_that_counts_it() -> None:
    (bucket,) = resources("AWS::S3::Bucket").values()
    rule, of_proofs = bucket["LifecycleConfiguration"]["Rules"]
    assert (of_proofs["Prefix"], of_proofs["ExpirationInDays"]) == ("proof/", 15), "a redrive needs them for 14 days"
    assert (rule["Status"], "Prefix" in rule, "TagFilters" in rule) == ("Enabled", False, False), "of all objects"
    assert rule["ExpirationInDays"] * 24 * 3600 == KEPT_SECONDS > 14 * 24 * 3600, "a redrive needs them for 14 days"
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_pages_are_encrypted_and_outlast_a_weekend() -> None:
    (stream,) = resources("AWS::Kinesis::Stream").values()
    assert stream["StreamEncryption"]["EncryptionType"] == "KMS"
    assert stream["RetentionPeriodHours"] == PAGES_KEPT_HOURS >= 60
    assert stream["StreamModeDetails"] == {"StreamMode": "ON_DEMAND"}


def test_shards_that_were_asked_for_are_there() -> None:
    other = synthesize(example(pages_shards=7), code=TASKS)
    (stream,) = resources("AWS::Kinesis::Stream", other).values()
    assert (stream["ShardCount"], stream["StreamModeDetails"]) == (7, {"StreamMode": "PROVISIONED"})


def test_the_machine_that_is_deployed_is_the_one_that_was_reviewed() -> None:
    (machine,) = resources("AWS::StepFunctions::StateMachine").values()
    deployed = json.loads(joined(machine["DefinitionString"]))
    arns = {
        properties["FunctionName"]: f"<{name}.Arn>" for name, properties in resources("AWS::Lambda::Function").items()
    }
    holes = {function.hole: arns[NAMES.function(function.state)] for function in FUNCTIONS if function.is_state}
    assert deployed == render(Engine.AWS, holes)
    maps = [state for state in deployed["States"].values() if state["Type"] == "Map"]
    assert {state["ItemProcessor"]["ProcessorConfig"]["Mode"] for state in maps} == {"DISTRIBUTED"}


def test_the_machines_log_holds_no_cursor() -> None:
    (machine,) = resources("AWS::StepFunctions::StateMachine").values()
    assert machine["LoggingConfiguration"]["IncludeExecutionData"] is False
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
    assert machine["TracingConfiguration"] == {"Enabled": True}


def test_no_log_is_kept_for_ever() -> None:
    assert {group["RetentionInDays"] for group in resources("AWS::Logs::LogGroup").values()} == {90}


def test_every_part_can_be_told_from_that_of_another_migration() -> None:
    untagged = {
        name
        for name, resource in template()["Resources"].items()
        if resource["Type"]
        not in {
            "AWS::CloudWatch::Dashboard",  # knows no tags in CloudFormation
            "AWS::Lambda::Permission",
            "AWS::S3::BucketPolicy",
            "AWS::SNS::TopicPolicy",
        }
        and {"Key": "tableferry:migration", "Value": "orders"} not in resource["Properties"].get("Tags", [])
    }
    assert untagged == set()


def test_cloudformation_would_take_the_template(tmp_path: Path) -> None:
    file = tmp_path / "template.json"
    file.write_text(json.dumps(template()), encoding="utf-8")
    found = lint_by_config(
        ManualArgs(
            templates=[str(file)],
            regions=["eu-west-1"],
            ignore_checks=["W3005"],  # CDK lets a function wait for its role, which it refers to anyway
        )
    )
    assert [str(match) for match in found] == []


def test_step_functions_would_take_the_definition() -> None:
    arn = "arn:aws:lambda:eu-west-1:123456789012:function:any"
    holes = {function.hole: arn for function in FUNCTIONS if function.is_state}
    definition = render(Engine.AWS, holes)

    def lint(text: str) -> list[str]:
        machine = {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {"RoleArn": "arn:aws:iam::123456789012:role/any", "DefinitionString": text},
        }
        whole = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {"Machine": machine}}
        # Informational rules speak of the template around it.
        return [match.rule.id for match in lint_all(json.dumps(whole)) if not match.rule.id.startswith("I")]

    assert lint(json.dumps(definition)) == []
    del definition["States"]["Backfill"]["ItemProcessor"]["StartAt"]
    assert "E3601" in lint(json.dumps(definition)), "the check sees what is wrong"


def test_the_longest_name_of_a_migration_fits_into_every_name() -> None:
    """Else the synthesis, or the deployment, would end in somebody else's words."""
    settings = example()
    longest = settings.migration.model_copy(update={"migration": "a" * 36})
    other = synthesize(settings.model_copy(update={"migration": longest}), code=TASKS)
    assert max(map(len, functions(other))) == 64
    assert all(len(rule["Name"]) <= 64 for rule in resources("AWS::Events::Rule", other).values())
    (machine,) = resources("AWS::StepFunctions::StateMachine", other).values()
    assert len(machine["StateMachineName"]) <= 80
