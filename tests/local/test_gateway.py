"""The gateway of the local AWS: what it routes, translates, limits and counts."""

import asyncio
import base64
import io
import itertools
import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from botocore.exceptions import ClientError

from infra.local.emulator.answers import Answer, refusal
from infra.local.emulator.client import ACCOUNT, LocalAwsProcess
from infra.local.emulator.dynamodb_api import DynamoDBApi
from infra.local.emulator.engines.dynamodb_calls import DynamoDBCalls
from infra.local.emulator.engines.kinesis_calls import KinesisCalls
from infra.local.emulator.engines.moto_app import MotoApp
from infra.local.emulator.engines.upstream import EngineGone, Upstream
from infra.local.emulator.gateway import Gateway, operation_of
from infra.local.emulator.replicas.replicas import Replicas

REGION = "eu-west-1"
NUMBERS = itertools.count()

engines = pytest.mark.engines


def wait_until(true: Callable[[], bool], within_seconds: float = 20.0) -> None:
    deadline = time.monotonic() + within_seconds
    while not true():
        assert time.monotonic() < deadline, f"not so within {within_seconds} s"
        time.sleep(0.02)


def refused(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def new_table(aws: LocalAwsProcess, region: str = REGION) -> dict[str, Any]:
    described: dict[str, Any] = (
        aws.session(region)
        .client("dynamodb")
        .create_table(
            TableName=f"gateway-{next(NUMBERS)}",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )["TableDescription"]
    )
    return described


def new_stream(aws: LocalAwsProcess) -> str:
    name = f"gateway-{next(NUMBERS)}"
    kinesis = aws.session().client("kinesis")
    kinesis.create_stream(StreamName=name, ShardCount=1)
    wait_until(lambda: status(kinesis, name) == "ACTIVE")
    return name


def status(kinesis: Any, name: str) -> str:  # noqa: ANN401 - LocalSession's clients are untyped
    return str(kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"])


def calls(aws: LocalAwsProcess) -> dict[str, int]:
    with urllib.request.urlopen(f"{aws.endpoint_url}/_tableferry/calls") as answer:  # noqa: S310 - our own http address
        counted: dict[str, int] = json.load(answer)
    return counted


@engines
def test_arns_name_the_region_and_account_as_on_aws(local_aws: LocalAwsProcess) -> None:
    for region in (REGION, "ap-northeast-1"):
        table = new_table(local_aws, region)
        prefix = f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{table['TableName']}"
        assert table["TableArn"] == prefix
        assert table["LatestStreamArn"].startswith(f"{prefix}/stream/")
        streams = local_aws.session(region).client("dynamodbstreams")
        listed = streams.list_streams(TableName=table["TableName"])["Streams"]
        assert [stream["StreamArn"] for stream in listed] == [table["LatestStreamArn"]]
        described = streams.describe_stream(StreamArn=table["LatestStreamArn"])["StreamDescription"]
        assert described["StreamArn"] == table["LatestStreamArn"]


@engines
def test_a_table_may_be_named_by_its_arn(local_aws: LocalAwsProcess) -> None:
    table = new_table(local_aws)
    name, arn = table["TableName"], table["TableArn"]
    client = local_aws.session().client("dynamodb")
    item = {"k": {"S": arn}, "TableName": {"S": arn}}
    client.put_item(TableName=arn, Item=item)
    client.batch_write_item(RequestItems={arn: [{"PutRequest": {"Item": {"k": {"S": "batch"}}}}]})
    client.transact_write_items(TransactItems=[{"Put": {"TableName": arn, "Item": {"k": {"S": "transaction"}}}}])
    assert client.describe_table(TableName=arn)["Table"]["TableName"] == name
    assert {one["k"]["S"] for one in client.scan(TableName=arn)["Items"]} == {arn, "batch", "transaction"}
    assert client.get_item(TableName=name, Key={"k": {"S": arn}})["Item"] == item
    got = client.batch_get_item(RequestItems={arn: {"Keys": [{"k": {"S": arn}}]}})
    assert got["Responses"] == {arn: [item]}


@engines
def test_item_data_that_looks_like_an_engine_arn_is_left_alone(local_aws: LocalAwsProcess) -> None:
    table = new_table(local_aws)
    client = local_aws.session().client("dynamodb")
    strange = "arn:aws:dynamodb:ddblocal:000000000000:table/x"
    item = {
        "k": {"S": strange},
        "text": {"S": f'"awsRegion":"ddblocal","TableName":"{strange}"'},
        "awsRegion": {"M": {"awsRegion": {"S": "ddblocal"}}},
    }
    client.put_item(TableName=table["TableName"], Item=item)
    assert client.scan(TableName=table["TableName"])["Items"] == [item]
    streams = local_aws.session().client("dynamodbstreams")
    stream = {"StreamArn": table["LatestStreamArn"]}
    shard = streams.describe_stream(**stream)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(**stream, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
    [record] = streams.get_records(ShardIterator=iterator)["Records"]
    assert record["awsRegion"] == REGION
    assert record["dynamodb"]["NewImage"] == item


@engines
def test_regions_are_worlds_of_their_own_and_access_keys_are_not(local_aws: LocalAwsProcess) -> None:
    name = new_table(local_aws)["TableName"]
    elsewhere = local_aws.session("us-west-2").client("dynamodb")
    assert refused(lambda: elsewhere.describe_table(TableName=name))[0] == "ResourceNotFoundException"
    other_keys = {"aws_access_key_id": "ak", "aws_secret_access_key": "sk"}
    assert local_aws.session().client("dynamodb", **other_keys).describe_table(TableName=name)["Table"]


@engines
def test_kinesis_takes_what_aws_takes_and_refuses_more(local_aws: LocalAwsProcess) -> None:
    stream = new_stream(local_aws)
    kinesis = local_aws.session().client("kinesis")
    largest = {"Data": b"x" * ((1 << 20) - 1), "PartitionKey": "p"}
    assert kinesis.put_records(StreamName=stream, Records=[largest])["FailedRecordCount"] == 0
    too_large = {**largest, "PartitionKey": "pp"}
    code, message = refused(lambda: kinesis.put_records(StreamName=stream, Records=[too_large]))
    assert (code, "1048576" in message) == ("ValidationException", True)
    assert refused(lambda: kinesis.put_record(StreamName=stream, **too_large))[0] == "ValidationException"


@engines
def test_other_services_are_motos(local_aws: LocalAwsProcess) -> None:
    session = local_aws.session()
    s3 = session.client("s3")
    bucket = f"gateway-{next(NUMBERS)}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket=bucket, Key="a folder/ä%2F.bin", Body=b"\x00\xff" * 1000, Metadata={"with_underscore": "1"})
    head = s3.head_object(Bucket=bucket, Key="a folder/ä%2F.bin")
    assert (head["ContentLength"], head["Metadata"]) == (2000, {"with_underscore": "1"})
    assert s3.get_object(Bucket=bucket, Key="a folder/ä%2F.bin")["Body"].read() == b"\x00\xff" * 1000
    ssm = session.client("ssm")
    ssm.put_parameter(Name="/gateway/x", Value="v", Type="String", Overwrite=True)
    assert ssm.get_parameter(Name="/gateway/x")["Parameter"]["Value"] == "v"
    assert session.client("sts").get_caller_identity()["Account"] == ACCOUNT
    assert (
        session.client("events").put_events(Entries=[{"Source": "a", "DetailType": "b", "Detail": "{}"}])[
            "FailedEntryCount"
        ]
        == 0
    )


@engines
def test_what_moto_lacks_is_said_in_words(local_aws: LocalAwsProcess) -> None:
    quotas = local_aws.session().client("service-quotas")
    code, message = refused(lambda: quotas.list_service_quotas(ServiceCode="dynamodb"))
    assert (code, "list_service_quotas" in message) == ("UnknownOperationException", True)


@engines
def test_state_machines_run_for_real_and_find_functions_here(local_aws: LocalAwsProcess) -> None:
    states = local_aws.session().client("stepfunctions")
    definition = {
        "StartAt": "Call",
        "States": {
            "Call": {
                "Type": "Task",
                "Resource": "arn:aws:states:::lambda:invoke",
                "Parameters": {"FunctionName": "there-is-no-such-function", "Payload": {}},
                "Catch": [{"ErrorEquals": ["Lambda.ResourceNotFoundException"], "Next": "Missing"}],
                "End": True,
            },
            "Missing": {"Type": "Pass", "Result": {"is": "missing"}, "End": True},
        },
    }
    machine = states.create_state_machine(
        name=f"gateway-{next(NUMBERS)}",
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/any",
        definition=json.dumps(definition),
    )["stateMachineArn"]
    before = calls(local_aws).get("lambda.Invoke", 0)
    execution = states.start_execution(stateMachineArn=machine, name=f"e{time.time_ns()}", input="{}")["executionArn"]
    wait_until(lambda: states.describe_execution(executionArn=execution)["status"] != "RUNNING")
    assert json.loads(states.describe_execution(executionArn=execution)["output"]) == {"is": "missing"}
    assert calls(local_aws)["lambda.Invoke"] > before


@engines
def test_calls_are_counted_by_operation(local_aws: LocalAwsProcess) -> None:
    name = new_table(local_aws)["TableName"]
    before = calls(local_aws)
    client = local_aws.session().client("dynamodb")
    for _ in range(3):
        client.scan(TableName=name)
    local_aws.session().client("ssm").describe_parameters()
    after = calls(local_aws)
    assert after["Scan"] - before.get("Scan", 0) == 3
    assert after["ssm.DescribeParameters"] - before.get("ssm.DescribeParameters", 0) == 1


@engines
def test_an_unknown_lambda_call_is_refused_in_words(local_aws: LocalAwsProcess) -> None:
    code, message = refused(lambda: local_aws.session().client("lambda").list_layers())
    assert (code, "has no Lambda call" in message) == ("ResourceNotFoundException", True)


class FakeUpstream(Upstream):
    """An engine that gives one answer, or hangs up."""

    def __init__(self, answer: Answer | None) -> None:
        super().__init__(1, idle_seconds=1)
        self.answer = answer
        self.sent: list[bytes] = []

    async def send(self, headers: Any, body: bytes) -> Answer:  # noqa: ANN401 - nothing is read from them
        assert headers["Authorization"]
        self.sent.append(body)
        if self.answer is None:
            raise EngineGone("hung up")
        return self.answer


class NoMoto(MotoApp):
    """Stands where moto does, for calls that never reach it."""

    def __init__(self) -> None:
        """Nothing of moto is loaded."""


def call_through(
    gateway: Gateway, target: str = "DynamoDB_20120810.Scan", body: bytes = b"{}"
) -> tuple[int, dict[str, Any], str]:
    """One call through a gateway in this process: status, body and error type."""

    async def call() -> tuple[int, dict[str, Any], str]:
        app = gateway.application(lambda _app: None)
        async with TestClient(TestServer(app)) as client:
            scope = "AWS4-HMAC-SHA256 Credential=a/20200101/eu-west-1/any/aws4_request"
            headers = {"X-Amz-Target": target, "Authorization": scope}
            answer = await client.post("/", data=io.BytesIO(body), headers=headers)
            return answer.status, await answer.json(content_type=None), answer.headers.get("x-amzn-ErrorType", "")

    return asyncio.run(call())


def gateway_to(upstream: Upstream) -> Gateway:
    dynamodb = DynamoDBCalls(upstream, account=ACCOUNT)
    api = DynamoDBApi(dynamodb, Replicas(dynamodb, delay_seconds=0))
    return Gateway(dynamodb=api, kinesis=KinesisCalls(upstream), moto=NoMoto(), region=REGION)


def test_an_engine_that_hangs_up_is_an_error_that_sdks_retry() -> None:
    status_code, body, error = call_through(gateway_to(FakeUpstream(None)))
    assert (status_code, error) == (500, "InternalServerError")
    assert "hung up" in body["message"]


SMALL = {"Data": "eA==", "PartitionKey": "p"}
LARGEST = {"Data": base64.b64encode(b"x" * ((1 << 20) - 1)).decode(), "PartitionKey": "p"}


@pytest.mark.parametrize(
    ("records", "error", "words"),
    [
        ([SMALL] * 500, "", ""),
        ([SMALL] * 501, "ValidationException", "less than or equal to 500"),
        ([LARGEST] * 5, "", ""),
        ([*[LARGEST] * 5, SMALL], "InvalidArgumentException", "exceeds 5 MB"),
        ([SMALL, {**LARGEST, "PartitionKey": "ä"}], "ValidationException", "records.2.member.data"),
        ([{"Data": "eA==", "PartitionKey": '"PartitionKey"'}] * 300, "", ""),
    ],
    ids=["500", "501", "5 MiB", "more than 5 MiB", "a record over 1 MiB", "a key that looks like a member"],
)
def test_records_are_limited_as_on_aws(records: list[dict[str, str]], error: str, words: str) -> None:
    upstream = FakeUpstream(Answer(200, {}, b"{}"))
    body = json.dumps({"StreamName": "s", "Records": records}).encode()
    _, said, refused_as = call_through(gateway_to(upstream), "Kinesis_20131202.PutRecords", body)
    assert refused_as == error
    assert words in said.get("message", "")
    assert upstream.sent == ([] if error else [body])


def test_a_hook_before_may_answer_instead_of_the_engine() -> None:
    upstream = FakeUpstream(Answer(200, {}, b"{}"))
    gateway = gateway_to(upstream)

    async def pass_on(_request: web.Request) -> None:
        return None

    async def throttle(request: web.Request) -> web.StreamResponse | None:
        if operation_of(request) != "Scan":
            return None
        return refusal("ProvisionedThroughputExceededException", "slow down")

    gateway.before += [pass_on, throttle]
    assert call_through(gateway)[2] == "ProvisionedThroughputExceededException"
    assert upstream.sent == []


def test_a_hook_after_may_change_an_answer_that_was_carried_out() -> None:
    upstream = FakeUpstream(Answer(200, {"x-amz-crc32": "1"}, b'{"Count": 1}'))
    gateway = gateway_to(upstream)

    async def lose(_request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        assert isinstance(response, web.Response)
        assert response.body == b'{"Count": 1}'
        return refusal("InternalServerError", "the answer was lost", status=500)

    gateway.after.append(lose)
    assert call_through(gateway)[0] == 500
    assert upstream.sent == [b"{}"]


HEAD = b"HTTP/1.1 200 OK\r\nX-Amz-Crc32: 7\r\n"
CHUNKS = b"5\r\nhello\r\n6;a=b\r\n world\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "wire",
    [HEAD + b"Content-Length: 11\r\n\r\nhello world", HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + CHUNKS],
    ids=["length", "chunked"],
)
def test_answers_of_enginesare_read_however_they_are_cut_into_packets(wire: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for size in (1, 7, len(wire)):
            await reader.readuntil(b"body")
            for start in range(0, len(wire), size):
                writer.write(wire[start : start + size])
                await writer.drain()
                await asyncio.sleep(0)
        await reader.readuntil(b"body")
        writer.close()

    async def talk() -> list[Answer]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            upstream = Upstream(server.sockets[0].getsockname()[1], idle_seconds=60)
            answers = [await upstream.send({}, b"body") for _ in range(3)]
            with pytest.raises(EngineGone, match="hung up before it answered"):
                await upstream.send({}, b"body")
            await upstream.close()
            return answers

    for answer in asyncio.run(talk()):
        assert (answer.status, answer.body, answer.headers["x-amz-crc32"]) == (200, b"hello world", "7")
