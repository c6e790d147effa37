"""Roles at work: functions, mappings and state machines of the local AWS do what their roles allow, and no more."""

import io
import itertools
import json
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from botocore.exceptions import ClientError

from infra.local.emulator.__main__ import RECORD_VARIABLE
from infra.local.emulator.client import ACCOUNT, LocalAwsProcess
from infra.local.emulator.permissions.permissions import REQUIREMENTS_PATH
from infra.local.emulator.permissions.record import Record
from infra.local.emulator.permissions.requirements.requirement import Requirement

pytestmark = pytest.mark.engines

REGION = "eu-west-1"
NUMBERS = itertools.count()
SOURCE = """
import boto3
from botocore.exceptions import ClientError

def handler(event, context):
    client = boto3.client(event["service"])
    try:
        answer = getattr(client, event["call"])(**event["with"])
    except ClientError as error:
        refused, answer = error.response["Error"], error.response["ResponseMetadata"]
        return {"code": refused["Code"], "message": refused["Message"], "status": answer["HTTPStatusCode"]}
    return {"errors": [one["Error"] for one in answer.get("Responses", []) if "Error" in one]}
"""
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)

T = TypeVar("T")


def until(condition: Callable[[], T], seconds: float = 30.0) -> T:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)
    return value


def allow(action: str | list[str], resource: str, **condition: dict[str, str]) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Action": action,
        "Resource": resource,
        **({"Condition": condition} if condition else {}),
    }


class Stage:
    """One function with a role of its own, and a table."""

    def __init__(self, aws: LocalAwsProcess) -> None:
        number = next(NUMBERS)
        self.endpoint_url = aws.endpoint_url
        self.session = aws.session(REGION)
        self.iam, self.lambda_, self.dynamodb = (self.session.client(name) for name in ("iam", "lambda", "dynamodb"))
        self.function, self.role, self.table = f"guarded-{number}", f"guarded-role-{number}", f"guarded-table-{number}"
        self.table_arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{self.table}"
        self.function_arn = ""
        self.stream_arn = ""

    def make_role(self, *statements: dict[str, Any]) -> str:
        arn: str = self.iam.create_role(RoleName=self.role, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
        if statements:
            self.give(*statements)
        return arn

    def give(self, *statements: dict[str, Any]) -> None:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        self.iam.put_role_policy(RoleName=self.role, PolicyName="own", PolicyDocument=document)

    def make_function(self, source: str = SOURCE) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", source)
        self.function_arn = self.lambda_.create_function(
            FunctionName=self.function,
            Role=f"arn:aws:iam::{ACCOUNT}:role/{self.role}",
            Runtime="python3.12",
            Handler="app.handler",
            Code={"ZipFile": packed.getvalue()},
            Timeout=20,
        )["FunctionArn"]

    def make_table(self) -> None:
        self.stream_arn = self.dynamodb.create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )["TableDescription"]["LatestStreamArn"]

    def call(self, service: str, call: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - boto3's own
        """Let the function make one call, and return what came of it."""
        payload = json.dumps({"service": service, "call": call, "with": arguments})
        answer = self.lambda_.invoke(FunctionName=self.function, Payload=payload)
        body: dict[str, Any] = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    def refusal(self, action: str, resource: str) -> str:
        return (
            f"User: arn:aws:sts::{ACCOUNT}:assumed-role/{self.role}/{self.function} is not authorized to perform: "
            f"{action} on resource: {resource} because no identity-based policy allows the {action} action"
        )

    def recorded(self, kind: str = "used", caller: str = "") -> dict[tuple[str, str], dict[str, Any]]:
        with urllib.request.urlopen(self.endpoint_url + REQUIREMENTS_PATH) as answer:  # noqa: S310 - ours
            record = json.load(answer)[kind]
        return {(one["action"], one["resource"]): one for one in record.get(caller or self.function, [])}


@pytest.fixture
def stage(local_aws: LocalAwsProcess) -> Iterator[Stage]:
    made = Stage(local_aws)
    yield made
    if made.function_arn:
        made.lambda_.delete_function(FunctionName=made.function)


def test_a_function_without_partiql_insert_cannot_put_a_page(stage: Stage) -> None:
    stage.make_table()
    stage.make_role(allow("dynamodb:PutItem", stage.table_arn))
    stage.make_function()
    statements = [
        {"Statement": f"INSERT INTO \"{stage.table}\" VALUE {{'k': ?}}", "Parameters": [{"S": str(n)}]} for n in (1, 2)
    ]
    refused = stage.call("dynamodb", "batch_execute_statement", Statements=statements)
    error = {"Code": "AccessDenied", "Message": stage.refusal("dynamodb:PartiQLInsert", stage.table_arn)}
    assert refused == {"errors": [error, error]}
    assert stage.dynamodb.scan(TableName=stage.table)["Count"] == 0

    stage.give(allow("dynamodb:PartiQLInsert", stage.table_arn))
    assert stage.call("dynamodb", "batch_execute_statement", Statements=statements) == {"errors": []}
    assert stage.dynamodb.scan(TableName=stage.table)["Count"] == 2


def test_a_function_may_not_touch_a_table_of_another(stage: Stage) -> None:
    stage.make_table()
    stage.make_role(allow("dynamodb:*", stage.table_arn))
    stage.make_function()
    item = {"k": {"S": "a"}}
    assert stage.call("dynamodb", "put_item", TableName=stage.table, Item=item) == {"errors": []}
    other = stage.table_arn + "-of-another"
    refused = stage.call("dynamodb", "put_item", TableName=stage.table + "-of-another", Item=item)
    assert refused == {
        "code": "AccessDeniedException",
        "message": stage.refusal("dynamodb:PutItem", other),
        "status": 400,
    }


HERE = f"{REGION}:{ACCOUNT}"
MACHINE = f"arn:aws:states:{HERE}:stateMachine:m"
REFUSED: list[tuple[str, str, dict[str, str], str, str]] = [
    ("dynamodb", "describe_limits", {}, "dynamodb:DescribeLimits", "*"),
    ("kinesis", "list_shards", {"StreamName": "s"}, "kinesis:ListShards", f"arn:aws:kinesis:{HERE}:stream/s"),
    ("lambda", "get_account_settings", {}, "lambda:GetAccountSettings", "*"),
    ("lambda", "list_event_source_mappings", {}, "lambda:ListEventSourceMappings", "*"),
    ("s3", "put_object", {"Bucket": "b", "Key": "x/y", "Body": "z"}, "s3:PutObject", '"arn:aws:s3:::b/x/y"'),
    ("ssm", "get_parameter", {"Name": "/a/b"}, "ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/a/b"),
    ("stepfunctions", "list_executions", {"stateMachineArn": MACHINE}, "states:ListExecutions", MACHINE),
]
OF_REST = {"lambda": ("AccessDeniedException", 403), "s3": ("AccessDenied", 403)}


@pytest.mark.parametrize(("service", "call", "arguments", "action", "resource"), REFUSED)
def test_boto3_takes_a_refusal_for_anything_but_access_denied(
    stage: Stage, service: str, call: str, arguments: dict[str, str], action: str, resource: str
) -> None:
    stage.make_role()
    stage.make_function()
    code, status = OF_REST.get(service, ("AccessDeniedException", 400))
    message = stage.refusal(action, resource)
    assert stage.call(service, call, **arguments) == {"code": code, "message": message, "status": status}


def test_a_call_that_nobody_knows_is_not_passed_unchecked(stage: Stage) -> None:
    stage.make_role(allow("*", "*"))
    stage.make_function()
    refused = stage.call("s3", "list_buckets")
    assert refused["code"] == "AccessDenied"
    assert "does not know what s3 GET / needs" in refused["message"]


def test_a_policy_that_can_not_be_judged_does_not_pass_for_an_allow(stage: Stage) -> None:
    stage.make_table()
    stage.make_role({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"})
    stage.make_function()
    refused = stage.call("dynamodb", "describe_table", TableName=stage.table)
    assert refused["code"] == "AccessDeniedException"
    assert "NotAction" in refused["message"]


def test_an_explicit_deny_is_not_overruled_by_an_allow(stage: Stage) -> None:
    stage.make_table()
    deny = {"Effect": "Deny", "Action": "dynamodb:Delete*", "Resource": "*"}
    stage.make_role(allow("dynamodb:*", "*"), deny)
    stage.make_function()
    refused = stage.call("dynamodb", "delete_item", TableName=stage.table, Key={"k": {"S": "a"}})
    assert refused["message"].endswith("with an explicit deny in an identity-based policy")


def test_a_role_that_iam_does_not_know_is_not_checked_but_recorded(stage: Stage) -> None:
    stage.make_table()
    stage.make_function()
    assert stage.call("dynamodb", "scan", TableName=stage.table) == {"errors": []}
    assert stage.recorded()["dynamodb:Scan", stage.table_arn]["count"] == 1


def test_the_record_tells_something_else_than_was_called(stage: Stage) -> None:
    stage.make_table()
    stage.make_role(
        allow("dynamodb:GetItem", "*"), allow("events:PutEvents", "*", StringEquals={"events:source": "mine"})
    )
    stage.make_function()
    for _ in range(2):
        stage.call("dynamodb", "get_item", TableName=stage.table, Key={"k": {"S": "a"}})
    bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
    entry = {"DetailType": "t", "Detail": "{}"}
    assert "errors" in stage.call("events", "put_events", Entries=[{**entry, "Source": "mine"}])
    assert stage.call("events", "put_events", Entries=[{**entry, "Source": "other"}])["code"] == "AccessDeniedException"
    stage.call("dynamodb", "delete_item", TableName=stage.table, Key={"k": {"S": "a"}})
    given = {"events:source": ["mine"], "events:detail-type": ["t"]}
    used = stage.recorded()
    assert {key: (one["count"], one["context"]) for key, one in used.items()} == {
        ("dynamodb:GetItem", stage.table_arn): (2, {}),
        ("events:PutEvents", bus): (1, given),
    }
    assert set(stage.recorded("refused")) == {("dynamodb:DeleteItem", stage.table_arn), ("events:PutEvents", bus)}


def test_the_record_of_a_local_aws_is_not_lost_when_it_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "records"
    monkeypatch.setenv(RECORD_VARIABLE, str(folder))
    with LocalAwsProcess() as aws:
        stage = Stage(aws)
        stage.make_function()
        stage.call("dynamodb", "list_tables")
    (file,) = folder.iterdir()
    (used,) = json.loads(file.read_text())["used"][stage.function]
    assert used == {"action": "dynamodb:ListTables", "resource": "*", "context": {}, "count": 1}


def test_two_local_awss_do_not_write_over_each_others_record(tmp_path: Path) -> None:
    for caller in ("f", "g"):
        record = Record()
        record.use(caller, (Requirement("x:Y", "*"),))
        record.write_to(tmp_path)
    callers = {name for file in tmp_path.glob("*.json") for name in json.loads(file.read_text())["used"]}
    assert callers == {"f", "g"}


READING = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]


def test_a_mapping_is_not_made_for_a_function_that_may_not_read_the_stream(stage: Stage) -> None:
    stage.make_table()
    stage.make_role(allow(READING, stage.stream_arn))  # ListStreams is missing
    stage.make_function("def handler(event, context): pass")
    with pytest.raises(ClientError) as caught:
        stage.lambda_.create_event_source_mapping(
            EventSourceArn=stage.stream_arn, FunctionName=stage.function, StartingPosition="TRIM_HORIZON"
        )
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"
    assert f"Cannot access stream {stage.stream_arn}. Please ensure the role can" in str(caught.value)


def test_a_mapping_delivers_nothing_once_the_role_may_not_read_the_stream_and_says_why(stage: Stage) -> None:
    stage.make_table()
    stage.make_role(allow(READING, stage.stream_arn), allow("dynamodb:ListStreams", "*"))
    stage.make_function("def handler(event, context): print('delivered', len(event['Records']))")
    mapping = stage.lambda_.create_event_source_mapping(
        EventSourceArn=stage.stream_arn, FunctionName=stage.function, StartingPosition="TRIM_HORIZON"
    )["UUID"]

    def result() -> str:
        said: str = stage.lambda_.get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
        return said

    stage.dynamodb.put_item(TableName=stage.table, Item={"k": {"S": "a"}})
    until(lambda: result() == "OK")
    reads = {(action, stage.stream_arn) for action in READING}
    until(lambda: stage.recorded()["dynamodb:GetRecords", stage.stream_arn]["count"] > 1)
    assert set(stage.recorded()) == {*reads, ("dynamodb:ListStreams", "*")}

    stage.give(allow("dynamodb:DescribeStream", stage.stream_arn))
    stage.dynamodb.put_item(TableName=stage.table, Item={"k": {"S": "b"}})
    until(lambda: result().startswith(f"PROBLEM: Cannot access stream {stage.stream_arn}"))

    stage.give(allow(READING, stage.stream_arn))
    until(lambda: result() == "OK")
    stage.lambda_.delete_event_source_mapping(UUID=mapping)


def test_a_kinesis_mapping_reads_and_discards_by_another_role_than_the_functions(stage: Stage) -> None:
    kinesis, s3 = stage.session.client("kinesis"), stage.session.client("s3")
    kinesis.create_stream(StreamName=stage.table, ShardCount=1)
    until(
        lambda: (
            kinesis.describe_stream_summary(StreamName=stage.table)["StreamDescriptionSummary"]["StreamStatus"]
            == "ACTIVE"
        )
    )
    stream = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{stage.table}"
    bucket = f"arn:aws:s3:::{stage.table}"
    s3.create_bucket(Bucket=stage.table, CreateBucketConfiguration={"LocationConstraint": REGION})
    stage.make_role(allow("kinesis:*", stream), allow("s3:PutObject", f"{bucket}/aws/lambda/*"))
    stage.make_function("def handler(event, context): raise ValueError")

    def attach() -> str:
        mapping: str = stage.lambda_.create_event_source_mapping(
            EventSourceArn=stream,
            FunctionName=stage.function,
            StartingPosition="TRIM_HORIZON",
            MaximumRetryAttempts=0,
            DestinationConfig={"OnFailure": {"Destination": bucket}},
        )["UUID"]
        return mapping

    with pytest.raises(ClientError, match="s3:ListBucket"):
        attach()
    stage.give(
        allow("kinesis:*", stream), allow("s3:PutObject", f"{bucket}/aws/lambda/*"), allow("s3:ListBucket", bucket)
    )
    mapping = attach()
    kinesis.put_record(StreamName=stage.table, PartitionKey="k", Data=b"x")
    until(lambda: s3.list_objects_v2(Bucket=stage.table)["KeyCount"])
    used = stage.recorded()
    assert {("kinesis:GetRecords", stream), ("kinesis:ListShards", stream)} <= set(used)
    assert any(action == "s3:PutObject" and f"/{mapping}/shardId" in resource for action, resource in used)
    stage.lambda_.delete_event_source_mapping(UUID=mapping)


def test_a_state_machine_may_not_call_a_function_that_its_role_does_not_name(stage: Stage) -> None:
    role = stage.make_role(allow("lambda:InvokeFunction", "arn:aws:lambda:*:*:function:another"))
    stage.make_function("def handler(event, context): return 'ran'")
    states = stage.session.client("stepfunctions")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": stage.function_arn, "Payload": {}},
        "End": True,
    }
    machine = states.create_state_machine(
        name=stage.role, definition=json.dumps({"StartAt": "A", "States": {"A": task}}), roleArn=role
    )["stateMachineArn"]

    def outcome(name: str) -> dict[str, Any]:
        execution = states.start_execution(stateMachineArn=machine, name=name)["executionArn"]

        def ended() -> dict[str, Any] | None:
            said: dict[str, Any] = states.describe_execution(executionArn=execution)
            return None if said["status"] == "RUNNING" else said

        found = until(ended)
        assert found
        return found

    failed = outcome("first")
    assert failed["status"] == "FAILED"
    assert "not authorized to perform: lambda:InvokeFunction" in failed["cause"]
    stage.give(allow("lambda:InvokeFunction", stage.function_arn))
    assert outcome("second")["status"] == "SUCCEEDED"
    assert ("lambda:InvokeFunction", stage.function_arn) in stage.recorded(caller=stage.role)
