"""What IAM is asked for each call that `tasks/` makes, by the Service Authorization Reference."""

import ast
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.emulator.permissions.requirements.partiql import action_and_table
from infra.local.emulator.permissions.requirements.requirement import Call, Requirement, UnknownCall
from infra.local.emulator.permissions.requirements.service_requirements import (
    destination_requirements,
    poller_requirements,
    requirements_of,
)
from infra.local.emulator.permissions.requirements.table_names import distinct_statements, first_member, only_table
from tasks.core.model.item import Item, json_bytes
from tests.contract.call_graph import Module, modules
from tests.property.typed_json import BOUNDED, HOSTILE, items
from tests.statements import insert_of

REGION = "eu-west-1"
ACCOUNT = "123456789012"
HERE = f"{REGION}:{ACCOUNT}"
TABLE = f"arn:aws:dynamodb:{HERE}:table/t"
STREAM = f"{TABLE}/stream/2026-01-01T00:00:00.000"
PAGES = f"arn:aws:kinesis:{HERE}:stream/s"
FUNCTION = f"arn:aws:lambda:{HERE}:function:f"
MAPPING = f"arn:aws:lambda:{HERE}:event-source-mapping:u-1"
MACHINE = f"arn:aws:states:{HERE}:stateMachine:m"
EXECUTION = MACHINE.replace(":stateMachine:", ":execution:") + ":one"
KEY = {"k": {"S": "a"}}


class World:
    """One global table and one mapping."""

    def replica_regions(self, table: str, region: str) -> tuple[str, ...]:
        return ("ap-northeast-1",) if (table, region) == ("global", REGION) else ()

    def function_of_mapping(self, uuid: str) -> str | None:
        return FUNCTION if uuid == "u-1" else None


def needed(service: str, operation: str, body: object = None, **more: Any) -> list[tuple[str, str, dict[str, Any]]]:  # noqa: ANN401 - a call's own
    """Return (action, resource, context) of all that a call needs."""
    raw = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    found = requirements_of(Call(service, operation, REGION, ACCOUNT, raw, **more), World())
    return [(one.action, one.resource, {key: list(values) for key, values in one.context}) for one in found]


def on(action: str, resource: str = TABLE, **keys: list[str]) -> tuple[str, str, dict[str, Any]]:
    return action, resource, {name.replace("_", ":", 1): values for name, values in keys.items()}


INSERT = {"Statement": "INSERT INTO \"t\" VALUE {'k': ?}", "Parameters": [{"S": "a"}]}
TAGS = {"aws:TagKeys": ["a:b"], "aws:RequestTag/a:b": ["c"]}
REPLICA = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/t"
REPLICATION_ROLE = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/replication.dynamodb.amazonaws.com/"
    "AWSServiceRoleForDynamoDBReplication"
)
ENTRY = {"Source": "tableferry", "DetailType": "Cut Over", "Detail": "{}"}
OF_AN_EVENT = {"events:source": ["tableferry"], "events:detail-type": ["Cut Over"]}
PATH = "/2015-03-31/event-source-mappings"

# By service and operation: the body and whatever else, and what it needs.
NEEDS: dict[tuple[str, str], tuple[object, dict[str, Any], list[tuple[str, str, dict[str, Any]]]]] = {
    ("dynamodb", "BatchExecuteStatement"): ({"Statements": [INSERT, INSERT]}, {}, [on("dynamodb:PartiQLInsert")]),
    ("dynamodb", "BatchGetItem"): (
        {"RequestItems": {"t": {"Keys": [KEY]}, "t2": {"Keys": [KEY]}}},
        {},
        [on("dynamodb:BatchGetItem"), on("dynamodb:BatchGetItem", f"{TABLE}2")],
    ),
    ("dynamodb", "BatchWriteItem"): (
        {"RequestItems": {"t": [{"DeleteRequest": {"Key": KEY}}]}},
        {},
        [on("dynamodb:BatchWriteItem")],
    ),
    ("dynamodb", "CreateTable"): (
        {"TableName": "t", "Tags": [{"Key": "a:b", "Value": "c"}]},
        {},
        [on("dynamodb:CreateTable"), ("dynamodb:TagResource", TABLE, TAGS)],
    ),
    ("dynamodb", "DeleteItem"): ({"TableName": "t", "Key": KEY}, {}, [on("dynamodb:DeleteItem")]),
    ("dynamodb", "DescribeKinesisStreamingDestination"): (
        {"TableName": "t"},
        {},
        [on("dynamodb:DescribeKinesisStreamingDestination")],
    ),
    ("dynamodb", "DescribeLimits"): ({}, {}, [on("dynamodb:DescribeLimits", "*")]),
    ("dynamodb", "DescribeTable"): ({"TableName": TABLE}, {}, [on("dynamodb:DescribeTable")]),
    ("dynamodb", "DescribeTimeToLive"): ({"TableName": "t"}, {}, [on("dynamodb:DescribeTimeToLive")]),
    ("dynamodb", "GetItem"): ({"Key": KEY, "TableName": "t"}, {}, [on("dynamodb:GetItem")]),
    ("dynamodb", "PutItem"): ({"TableName": "t", "Item": KEY}, {}, [on("dynamodb:PutItem")]),
    ("dynamodb", "Query"): (
        {"TableName": "t", "IndexName": "i"},
        {},
        [on("dynamodb:Query", f"{TABLE}/index/i")],
    ),
    ("dynamodb", "Scan"): ({"TableName": "t", "Segment": 0, "TotalSegments": 1}, {}, [on("dynamodb:Scan")]),
    ("dynamodb", "UpdateItem"): ({"TableName": "t", "Key": KEY}, {}, [on("dynamodb:UpdateItem")]),
    ("dynamodb", "TransactWriteItems"): (
        {"TransactItems": [{"Put": {"TableName": "t"}}, {"Delete": {"TableName": "t2"}}]},
        {},
        [on("dynamodb:PutItem"), on("dynamodb:DeleteItem", f"{TABLE}2")],
    ),
    ("dynamodb", "UpdateTable"): (
        {"TableName": "t", "ReplicaUpdates": [{"Create": {"RegionName": "ap-northeast-1"}}]},
        {},
        [
            on("dynamodb:UpdateTable"),
            *(
                on(f"dynamodb:{action}", table)
                for table in (TABLE, REPLICA)
                for action in (
                    "CreateTable",
                    "CreateTableReplica",
                    "Query",
                    "Scan",
                    "UpdateItem",
                    "PutItem",
                    "GetItem",
                    "DeleteItem",
                    "BatchWriteItem",
                )
            ),
            on("dynamodb:DescribeTable", REPLICA),
            on("dynamodb:DescribeLimits", "*"),
            on(
                "iam:CreateServiceLinkedRole",
                REPLICATION_ROLE,
                iam_AWSServiceName=["replication.dynamodb.amazonaws.com"],
            ),
        ],
    ),
    ("dynamodb", "UpdateTimeToLive"): (
        {"TableName": "global"},
        {},
        [
            on("dynamodb:UpdateTimeToLive", f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/global")
            for region in (REGION, "ap-northeast-1")
        ],
    ),
    ("dynamodbstreams", "DescribeStream"): ({"StreamArn": STREAM}, {}, [on("dynamodb:DescribeStream", STREAM)]),
    ("dynamodbstreams", "GetRecords"): (
        {"ShardIterator": f"000|{STREAM}|AAAA"},
        {},
        [on("dynamodb:GetRecords", STREAM)],
    ),
    ("dynamodbstreams", "GetShardIterator"): ({"StreamArn": STREAM}, {}, [on("dynamodb:GetShardIterator", STREAM)]),
    ("cloudwatch", "GetMetricData"): (
        {"MetricDataQueries": []},
        {},
        [on("cloudwatch:GetMetricData", "*")],
    ),
    ("events", "PutEvents"): (
        {"Entries": [ENTRY, ENTRY]},
        {},
        [("events:PutEvents", f"arn:aws:events:{HERE}:event-bus/default", OF_AN_EVENT)],
    ),
    ("kinesis", "DescribeStreamSummary"): ({"StreamARN": PAGES}, {}, [on("kinesis:DescribeStreamSummary", PAGES)]),
    ("kinesis", "PutRecords"): ({"StreamARN": PAGES, "Records": []}, {}, [on("kinesis:PutRecords", PAGES)]),
    ("lambda", "CreateEventSourceMapping"): (
        {"EventSourceArn": STREAM, "FunctionName": "f"},
        {"path": PATH},
        [on("lambda:CreateEventSourceMapping", "*", lambda_FunctionArn=[FUNCTION])],
    ),
    ("lambda", "DeleteEventSourceMapping"): (
        {},
        {"path": f"{PATH}/u-1"},
        [on("lambda:DeleteEventSourceMapping", MAPPING, lambda_FunctionArn=[FUNCTION])],
    ),
    ("lambda", "GetAccountSettings"): (
        {},
        {"path": "/2016-08-19/account-settings/"},
        [on("lambda:GetAccountSettings", "*")],
    ),
    ("lambda", "ListEventSourceMappings"): ({}, {"path": PATH}, [on("lambda:ListEventSourceMappings", "*")]),
    ("lambda", "UpdateEventSourceMapping"): (
        {"Enabled": True},
        {"path": f"{PATH}/u-1"},
        [on("lambda:UpdateEventSourceMapping", MAPPING, lambda_FunctionArn=[FUNCTION])],
    ),
    ("s3", "GetObject"): ({}, {"path": "/b/rejects/r.jsonl"}, [on("s3:GetObject", "arn:aws:s3:::b/rejects/r.jsonl")]),
    ("s3", "ListObjectsV2"): (
        {},
        {"path": "/b", "query": {"list-type": "2", "prefix": "rejects/r/"}},
        [on("s3:ListBucket", "arn:aws:s3:::b", s3_prefix=["rejects/r/"])],
    ),
    ("s3", "PutObject"): ({}, {"path": "/b/rejects/r.jsonl"}, [on("s3:PutObject", "arn:aws:s3:::b/rejects/r.jsonl")]),
    ("ssm", "GetParameter"): (
        {"Name": "/tableferry/m/active-table"},
        {},
        [on("ssm:GetParameter", f"arn:aws:ssm:{HERE}:parameter/tableferry/m/active-table")],
    ),
    ("ssm", "PutParameter"): ({"Name": "p"}, {}, [on("ssm:PutParameter", f"arn:aws:ssm:{HERE}:parameter/p")]),
    ("states", "DescribeExecution"): ({"executionArn": EXECUTION}, {}, [on("states:DescribeExecution", EXECUTION)]),
    ("states", "GetExecutionHistory"): (
        {"executionArn": EXECUTION},
        {},
        [on("states:GetExecutionHistory", EXECUTION)],
    ),
    ("states", "ListExecutions"): ({"stateMachineArn": MACHINE}, {}, [on("states:ListExecutions", MACHINE)]),
}


# Which calls `tasks/` makes, read from its source

SERVICES = {
    "cloudwatch": "cloudwatch",
    "dynamodb": "dynamodb",
    "dynamodb_of": "dynamodb",
    "dynamodb_streams": "dynamodbstreams",
    "events": "events",
    "kinesis": "kinesis",
    "lambda_": "lambda",
    "s3": "s3",
    "ssm": "ssm",
    "stepfunctions": "states",
}
"""By the function of `tasks.aws.session.clients` that makes the client: the service as requirements call it."""
BOTO3_NAMES = {"states": "stepfunctions"}
OPERATIONS: dict[str, dict[str, str]] = {
    service: boto3.client(
        BOTO3_NAMES.get(service, service),  # type: ignore[call-overload] # any service
        region_name=REGION,
        aws_access_key_id="none",
        aws_secret_access_key="none",  # noqa: S106 - no secret
    ).meta.method_to_api_mapping
    for service in SERVICES.values()
}
DYNAMODB_OPERATIONS = frozenset(OPERATIONS["dynamodb"].values())
METHODS = {method for mapping in OPERATIONS.values() for method in mapping}


CLIENTS = {
    "CloudWatchClient": "cloudwatch",
    "'DynamoDBClient'": "dynamodb",
    "'BaseClient'": "none",  # of which no call is made: it is asked where its service is
    "'SFNClient'": "states",
}
"""A client that is passed on, by its annotation."""


def service_of(node: ast.AST, names: dict[str, str]) -> str | None:
    """Return the service whose client an expression is."""
    match node:
        case ast.Call(func=ast.Attribute(attr=attr)) | ast.Call(func=ast.Name(id=attr)) if attr in SERVICES:
            return SERVICES[attr]
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return names.get(name)
        case _:
            return None


def clients_by_name(tree: ast.AST) -> dict[str, str]:
    """Return the service of each variable, parameter and attribute that holds a client."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and node.arg == "client" and node.annotation:
            names["client"] = CLIENTS[ast.unparse(node.annotation)]
        if isinstance(node, ast.Assign) and (service := service_of(node.value, {})):
            names.update({target.id: service for target in node.targets if isinstance(target, ast.Name)})
    return names


def calls_in(module: Module) -> Iterator[tuple[str, str]]:
    """Yield (service, operation) of every call; `?` for the service of a client that this method cannot tell."""
    names = clients_by_name(module.tree)
    has_wire = any(isinstance(node, ast.Attribute) and node.attr == "_wire" for node in ast.walk(module.tree))
    called = {id(node.func) for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="call", value=wire), args=[ast.Constant(value=operation), *_]):
                yield ("kinesis" if "to_kinesis" in ast.unparse(wire) else "dynamodb"), str(operation)
            case ast.Constant(value=str(operation)) if has_wire and operation in DYNAMODB_OPERATIONS:
                yield "dynamodb", operation  # handed on to where the call is made
            case ast.Call(func=ast.Attribute(attr="get_paginator", value=client), args=[ast.Constant(value=method)]):
                yield named(str(method), service_of(client, names))
            case ast.Attribute(attr=method, value=client) if method in METHODS:
                service = service_of(client, names)
                # A function of one of our modules may have such a name; a client may not go unseen.
                is_ours = isinstance(client, ast.Name) and client.id in module.modules
                if service or (id(node) in called and not is_ours):
                    yield named(method, service)
            case _:
                pass


def named(method: str, service: str | None) -> tuple[str, str]:
    return (service, OPERATIONS[service].get(method, method)) if service else ("?", method)


def calls_of_tasks() -> set[tuple[str, str]]:
    return {call for module in modules().values() for call in calls_in(module)}


def test_no_call_of_tasks_goes_without_anybody_knowing_what_it_needs() -> None:
    assert calls_of_tasks() == set(NEEDS)


def test_every_client_that_is_passed_on_says_of_which_service_it_is() -> None:
    for module in modules().values():
        annotations = {
            ast.unparse(node.annotation) if node.annotation else ""
            for node in ast.walk(module.tree)
            if isinstance(node, ast.arg) and node.arg == "client"
        }
        assert len(annotations) <= 1, f"{module.name} has clients of two services under one name"
        assert annotations <= set(CLIENTS)


@pytest.mark.parametrize(("service", "operation"), sorted(NEEDS))
def test_no_call_needs_more_or_less_than_aws_asks(service: str, operation: str) -> None:
    body, more, expected = NEEDS[service, operation]
    found = needed(service, operation, body, **more)
    assert sorted(found, key=repr) == sorted(expected, key=repr)


@pytest.mark.parametrize("service", ["dynamodb", "dynamodbstreams", "kinesis", "lambda", "s3", "ssm", "states", "sqs"])
def test_an_operation_that_nobody_knows_is_not_passed(service: str) -> None:
    with pytest.raises(UnknownCall, match="does not know what"):
        needed(service, "ExportTableToPointInTime")


@pytest.mark.parametrize(
    ("service", "operation", "body", "more"),
    [
        ("dynamodb", "PutItem", b"no JSON", {}),
        ("dynamodb", "BatchExecuteStatement", {"Statements": [{"Statement": "TRUNCATE t"}]}, {}),
        ("dynamodb", "TransactWriteItems", {"TransactItems": [{"Strange": {"TableName": "t"}}]}, {}),
        ("dynamodbstreams", "GetRecords", {"ShardIterator": "opaque"}, {}),
        ("kinesis", "GetRecords", {"ShardIterator": "opaque"}, {}),
        ("s3", "PutObject", {}, {"path": "/b/k", "headers": {"x-amz-acl": "public-read"}}),
        ("ssm", "PutParameter", {"Name": "p", "Tags": []}, {}),
    ],
)
def test_a_call_that_does_not_tell_all_it_is_about_is_not_passed(
    service: str, operation: str, body: object, more: dict[str, Any]
) -> None:
    with pytest.raises(UnknownCall):
        needed(service, operation, body, **more)


def test_an_iterator_that_getrecords_answered_is_not_of_another_stream() -> None:
    iterator = f"000|{STREAM.replace(HERE, 'ddblocal:000000000000')}|AAAA"
    assert needed("dynamodbstreams", "GetRecords", {"ShardIterator": iterator}) == [on("dynamodb:GetRecords", STREAM)]


def test_a_removed_replica_needs_no_less_than_a_deleted_table() -> None:
    body = {"TableName": "t", "ReplicaUpdates": [{"Delete": {"RegionName": "ap-northeast-1"}}]}
    assert needed("dynamodb", "UpdateTable", body) == [
        on("dynamodb:UpdateTable"),
        on("dynamodb:DeleteTable", REPLICA),
        on("dynamodb:DeleteTableReplica", REPLICA),
    ]


def test_a_member_of_a_transaction_is_not_missed() -> None:
    writes = [{kind: {"TableName": table}} for kind, table in (("Put", "t"), ("ConditionCheck", "t2"), ("Put", "t"))]
    assert needed("dynamodb", "TransactWriteItems", {"TransactItems": writes}) == [
        on("dynamodb:PutItem"),
        on("dynamodb:ConditionCheckItem", f"{TABLE}2"),
    ]


def test_a_mapping_can_not_be_turned_to_a_function_that_the_role_does_not_name() -> None:
    body = {"FunctionName": "g"}
    assert needed("lambda", "UpdateEventSourceMapping", body, path=f"{PATH}/u-1") == [
        on("lambda:UpdateEventSourceMapping", MAPPING, lambda_FunctionArn=[FUNCTION]),
        on("lambda:UpdateEventSourceMapping", MAPPING, lambda_FunctionArn=[FUNCTION[:-1] + "g"]),
    ]


def test_lambda_asks_no_less_of_a_role_than_its_guide_says() -> None:
    assert {one.action for one in poller_requirements(STREAM)} == {
        f"dynamodb:{name}" for name in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")
    }
    pages = ("DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards")
    assert {one.action for one in poller_requirements(PAGES)} == {
        f"kinesis:{name}" for name in (*pages, "SubscribeToShard")
    }
    assert destination_requirements("arn:aws:s3:::b", "u") == (
        Requirement("s3:PutObject", "arn:aws:s3:::b/aws/lambda/u/"),
        Requirement("s3:ListBucket", "arn:aws:s3:::b"),
    )


# PartiQL


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("INSERT INTO \"t\" VALUE {'a': ?}", ("dynamodb:PartiQLInsert", "t", "")),
        ('insert into "a.b-c" value ?', ("dynamodb:PartiQLInsert", "a.b-c", "")),
        ("UPDATE \"t\" SET a=1 WHERE k='FROM x'", ("dynamodb:PartiQLUpdate", "t", "")),
        ("DELETE FROM t WHERE k=1", ("dynamodb:PartiQLDelete", "t", "")),
        ('SELECT "FROM" FROM "t" WHERE k=1', ("dynamodb:PartiQLSelect", "t", "")),
        ('SELECT * FROM "t"."i"', ("dynamodb:PartiQLSelect", "t", "i")),
        ("EXISTS(SELECT * FROM \"t\" WHERE k='a')", ("dynamodb:PartiQLSelect", "t", "")),
        ('INSERT INTO "we""ird" VALUE {}', ("dynamodb:PartiQLInsert", 'we"ird', "")),
    ],
)
def test_a_statement_is_not_taken_for_one_on_another_table(statement: str, expected: tuple[str, str, str]) -> None:
    assert action_and_table(statement) == expected


# Names without parsing

CUNNING = st.sampled_from(
    ["],", '],"U":[', "Statement", '"Statement":"DELETE FROM \\"x\\"', "RequestItems", '{"TableName":"x"', *HOSTILE]
)
cunning_items: st.SearchStrategy[Item] = st.one_of(
    items, st.dictionaries(CUNNING.filter(len), st.builds(dict, S=CUNNING), min_size=1)
)


@given(some=st.lists(cunning_items, min_size=1, max_size=4), spaced=st.booleans())
@BOUNDED
def test_an_item_is_never_taken_for_a_table_or_a_statement(some: list[Item], *, spaced: bool) -> None:
    def written(request: dict[str, Any]) -> bytes:
        return json.dumps(request).encode() if spaced else json_bytes(request)

    puts = [{"PutRequest": {"Item": item}} for item in some]
    assert only_table(written({"RequestItems": {"t": puts}})) in {"t", None}
    assert only_table(written({"RequestItems": {"t": puts, "u": puts}})) is None
    assert only_table(written({"RequestItems": {"t": puts, 'u"': puts}})) is None
    assert first_member(written({"TableName": "t", "Item": some[0]}), "TableName") == "t"
    assert first_member(written({"Item": some[0], "TableName": "t"}), "TableName") is None
    statements = [insert_of("t", item) for item in some]
    written_down = [{"Statement": one["Statement"], "Parameters": one["Parameters"]} for one in statements if one]
    found = {json.loads(raw) for raw in distinct_statements(written({"Statements": written_down}))}
    assert found == {str(one["Statement"]) for one in written_down}


def test_the_usual_batch_is_not_parsed_whole() -> None:
    batch = {"RequestItems": {"t": [{"PutRequest": {"Item": {"k": {"L": [{"S": "a"}, {"S": "b"}]}}}}]}}
    assert only_table(json_bytes(batch)) == "t"
    assert needed("dynamodb", "BatchWriteItem", json_bytes(batch)[:-3]) == [on("dynamodb:BatchWriteItem")]
