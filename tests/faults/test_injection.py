"""Each action does to a call what it says, seen from boto3 without retries, on the real engines."""

import io
import itertools
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)

from infra.local.emulator.client import LocalAwsProcess
from tests.faults.faulty import Faulty
from tests.local.lambda_in_tests import until

pytestmark = pytest.mark.engines

NUMBERS = itertools.count(1)


class Prober:
    """A caller with a name and a table of its own."""

    def __init__(self, aws: LocalAwsProcess) -> None:
        self.name = f"prober-{next(NUMBERS)}"
        self.aws = aws
        self.faulty = Faulty(aws)
        self.dynamodb = self.client("dynamodb")
        aws.session().client("dynamodb").create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )

    def client(self, service: str, **settings: Any) -> Any:  # noqa: ANN401 - botocore's settings, an untyped client
        config = Config(retries={"total_max_attempts": 1}, user_agent_extra=f"app/{self.name}", **settings)
        return self.aws.session().client(service, config=config)

    def fault(self, action: str, **settings: object) -> AbstractContextManager[None]:
        rule = {"name": action, "action": action, "caller": self.name, **settings}
        return self.faulty.faults(self.name, [rule])

    def put(self, key: str) -> None:
        self.dynamodb.put_item(TableName=self.name, Item={"k": {"S": key}})

    def keys(self) -> set[str]:
        """Return what is there, as somebody sees it whom no fault meets."""
        items = self.aws.session().client("dynamodb").scan(TableName=self.name, ConsistentRead=True)["Items"]
        return {item["k"]["S"] for item in items}

    def fired(self) -> int:
        return sum(self.faulty.fired(self.name).values())


@pytest.fixture
def prober(local_aws: LocalAwsProcess) -> Prober:
    return Prober(local_aws)


def refused_as(call: Callable[[], object]) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        call()
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


CALLS: dict[str, Callable[[Prober], object]] = {
    "dynamodb": lambda prober: prober.put("a"),
    "kinesis": lambda prober: prober.client("kinesis").list_streams(),
    "lambda": lambda prober: prober.client("lambda").list_functions(),
    "ssm": lambda prober: prober.client("ssm").describe_parameters(),
    "s3": lambda prober: prober.client("s3").list_buckets(),
}


@pytest.mark.parametrize(
    ("service", "action", "expected"),
    [
        ("dynamodb", "throttle", (400, "ProvisionedThroughputExceededException")),
        ("kinesis", "throttle", (400, "ProvisionedThroughputExceededException")),
        ("lambda", "throttle", (429, "TooManyRequestsException")),
        ("ssm", "throttle", (400, "ThrottlingException")),
        ("s3", "throttle", (503, "SlowDown")),
        ("dynamodb", "error", (500, "InternalServerError")),
        ("kinesis", "error", (500, "InternalFailure")),
        ("lambda", "error", (500, "ServiceException")),
        ("s3", "error", (500, "InternalError")),
    ],
)
def test_a_refusal_reaches_the_sdk_as_the_services_own(
    prober: Prober, service: str, action: str, expected: tuple[int, str]
) -> None:
    with prober.fault(action):
        assert refused_as(lambda: CALLS[service](prober)) == expected
        assert prober.fired() == 1
    assert prober.keys() == set()


def test_a_rule_may_name_the_error_itself(prober: Prober) -> None:
    with prober.fault("error", error="AccessDeniedException", status=400):
        assert refused_as(lambda: prober.put("a")) == (400, "AccessDeniedException")


def test_a_reset_call_was_not_carried_out_and_a_lost_answer_was(prober: Prober) -> None:
    with prober.fault("reset"), pytest.raises((ConnectionClosedError, HTTPClientError)):
        prober.put("reset")
    with prober.fault("lose-answer"), pytest.raises((ConnectionClosedError, HTTPClientError)):
        prober.put("lost")
    assert prober.keys() == {"lost"}


def test_a_delayed_call_is_carried_out_late_but_never_once_its_caller_has_given_up(prober: Prober) -> None:
    began = time.monotonic()
    with prober.fault("delay", seconds=0.5):
        prober.put("late")
        assert time.monotonic() - began >= 0.5
        prober.dynamodb = prober.client("dynamodb", read_timeout=0.2)
        with pytest.raises(ReadTimeoutError):
            prober.put("given up")
        time.sleep(0.6)
    assert prober.keys() == {"late"}


def test_a_hanging_call_is_never_answered_nor_carried_out(prober: Prober) -> None:
    prober.dynamodb = prober.client("dynamodb", read_timeout=0.3)
    with prober.fault("hang"), pytest.raises(ReadTimeoutError):
        prober.put("a")
    assert prober.keys() == set()


def test_an_iterator_expires(prober: Prober) -> None:
    streams = prober.client("dynamodbstreams")
    with prober.fault("expired-iterator", operation="dynamodbstreams.GetRecords"):
        assert refused_as(lambda: streams.get_records(ShardIterator="x"))[1] == "ExpiredIteratorException"


def test_a_read_of_a_shard_brings_no_records_and_the_next_one_all_of_them(prober: Prober) -> None:
    prober.put("a")
    streams = prober.client("dynamodbstreams")
    arn = prober.dynamodb.describe_table(TableName=prober.name)["Table"]["LatestStreamArn"]
    (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    begin = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = streams.get_shard_iterator(**begin)["ShardIterator"]
    with prober.fault("no-records", operation="dynamodbstreams.GetRecords"):
        answer = streams.get_records(ShardIterator=iterator)
    assert answer["Records"] == []
    (record,) = streams.get_records(ShardIterator=answer["NextShardIterator"])["Records"]
    assert record["dynamodb"]["Keys"] == {"k": {"S": "a"}}


def test_writes_that_come_back_unprocessed_are_not_in_the_table(prober: Prober) -> None:
    puts = [{"PutRequest": {"Item": {"k": {"S": str(number)}}}} for number in range(25)]
    with prober.fault("refuse-some", members=3):
        left = prober.dynamodb.batch_write_item(RequestItems={prober.name: puts})["UnprocessedItems"][prober.name]
    refused = {put["PutRequest"]["Item"]["k"]["S"] for put in left}
    assert len(refused) == 3
    assert prober.keys() == {str(number) for number in range(25)} - refused


def test_keys_that_come_back_unprocessed_are_not_among_the_answers(prober: Prober) -> None:
    keys = [{"k": {"S": str(number)}} for number in range(5)]
    for key in keys:
        prober.put(key["k"]["S"])
    asked = {prober.name: {"Keys": keys, "ConsistentRead": True}}
    with prober.fault("refuse-some", members=2):
        answer = prober.dynamodb.batch_get_item(RequestItems=asked)
    left = answer["UnprocessedKeys"][prober.name]
    assert left["ConsistentRead"] is True
    assert len(left["Keys"]) == 2
    found = answer["Responses"][prober.name]
    assert sorted(item["k"]["S"] for item in [*found, *left["Keys"]]) == list("01234")


def test_a_batch_of_which_nothing_is_taken_is_throttled_as_a_whole(prober: Prober) -> None:
    puts = [{"PutRequest": {"Item": {"k": {"S": "a"}}}}]
    with prober.fault("refuse-some"):
        code = refused_as(lambda: prober.dynamodb.batch_write_item(RequestItems={prober.name: puts}))[1]
    assert code == "ProvisionedThroughputExceededException"
    assert prober.keys() == set()


def test_one_statement_of_25_fails_in_its_own_place(prober: Prober) -> None:
    insert = f"INSERT INTO \"{prober.name}\" VALUE {{'k': ?}}"
    statements = [{"Statement": insert, "Parameters": [{"S": str(number)}]} for number in range(25)]
    with prober.fault("refuse-some", error="InternalServerError"):
        answers = prober.dynamodb.batch_execute_statement(Statements=statements)["Responses"]
    refused = {str(number) for number, answer in enumerate(answers) if "Error" in answer}
    assert len(answers) == 25
    assert len(refused) == 1
    assert answers[int(min(refused))]["Error"]["Code"] == "InternalServerError"
    assert prober.keys() == {str(number) for number in range(25)} - refused


@pytest.mark.parametrize(("records", "taken"), [(4, 2), (1, 0)], ids=["half", "none"])
def test_records_that_kinesis_refuses_are_not_in_the_stream(prober: Prober, records: int, taken: int) -> None:
    kinesis = prober.client("kinesis")
    kinesis.create_stream(StreamName=prober.name, ShardCount=1)
    prober.aws.session().client("kinesis").get_waiter("stream_exists").wait(
        StreamName=prober.name, WaiterConfig={"Delay": 1}
    )
    entries = [{"Data": str(number).encode(), "PartitionKey": "p"} for number in range(records)]
    with prober.fault("refuse-some", operation="kinesis.PutRecords", members=2):
        answer = kinesis.put_records(StreamName=prober.name, Records=entries)
    assert answer["FailedRecordCount"] == records - taken
    kept = {str(number).encode() for number, result in enumerate(answer["Records"]) if "ErrorCode" not in result}
    shard = kinesis.list_shards(StreamName=prober.name)["Shards"][0]["ShardId"]
    iterator = kinesis.get_shard_iterator(StreamName=prober.name, ShardId=shard, ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    found = {record["Data"] for record in kinesis.get_records(ShardIterator=iterator)["Records"]}
    assert found == kept
    assert len(found) == taken


def test_a_short_page_has_a_cursor_and_loses_no_item(prober: Prober) -> None:
    for number in range(5):
        prober.put(str(number))
    with prober.fault("short-page", items=2, operation="Scan"):
        pages = list(prober.dynamodb.get_paginator("scan").paginate(TableName=prober.name))
    assert [page["Count"] for page in pages] == [2, 2, 1]
    assert {item["k"]["S"] for page in pages for item in page["Items"]} == set("01234")


FUNCTION = """
import boto3, os
def handler(event, context):
    boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item={"k": {"S": event}})
    return "heard"
"""


@pytest.fixture
def invoke(prober: Prober) -> Iterator[Callable[[str], Any]]:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("app.py", FUNCTION)
    client = prober.aws.session().client("lambda")
    client.create_function(
        FunctionName=prober.name,
        Role="arn:aws:iam::123456789012:role/test",
        Runtime="python3.13",
        Handler="app.handler",
        Code={"ZipFile": packed.getvalue()},
        Timeout=4,
        Environment={"Variables": {"TABLE": prober.name}},
    )
    yield lambda event: json.load(client.invoke(FunctionName=prober.name, Payload=json.dumps(event))["Payload"])
    client.delete_function(FunctionName=prober.name)


def test_a_worker_killed_before_its_call_has_written_nothing_and_one_killed_after_it_has(
    prober: Prober, invoke: Callable[[str], Any]
) -> None:
    for kill in ("kill-before", "kill-after"):
        with prober.fault(kill, operation="PutItem"):
            said = invoke(kill)
            assert prober.fired() == 1
        assert said["errorType"] == "Runtime.ExitError"
        assert "SIGKILL" in said["errorMessage"]
    assert invoke("next") == "heard"  # another worker takes over
    assert prober.keys() == {"kill-after", "next"}


def test_a_function_whose_call_hangs_ends_at_its_time_out(prober: Prober, invoke: Callable[[str], Any]) -> None:
    with prober.fault("hang", operation="PutItem"):
        assert invoke("hangs")["errorType"] == "Sandbox.Timedout"
    assert prober.keys() == set()


def test_a_kill_meets_no_caller_that_is_no_worker(prober: Prober) -> None:
    with prober.fault("kill-before"):
        prober.put("a")
        assert prober.fired() == 0
    assert prober.keys() == {"a"}


def test_a_rule_that_mentions_another_table_leaves_this_one_alone(prober: Prober) -> None:
    with prober.fault("throttle", mentions=f"{prober.name}-other"):
        prober.put("a")
    assert prober.keys() == {"a"}


def test_the_restarted_gateway_refuses_calls_and_then_answers_at_the_same_address(prober: Prober) -> None:
    prober.put("before")
    prober.faulty.restart(3.0)
    # It answers first and goes down a moment later; how soon, and how soon it is back, is the machine's affair.
    until(lambda: refuses_connections(prober))
    with pytest.raises(EndpointConnectionError):
        prober.put("meanwhile")
    until(lambda: not refuses_connections(prober))
    prober.put("after")
    assert prober.keys() == {"before", "after"}


def refuses_connections(prober: Prober) -> bool:
    try:
        prober.dynamodb.describe_table(TableName=prober.name)
    except EndpointConnectionError:
        return True
    except ConnectionClosedError:  # it was cut in the middle
        return False
    return False


def test_two_rules_of_one_name_and_a_misspelt_rule_are_refused(prober: Prober) -> None:
    twice = [{"name": "a", "action": "reset", "caller": prober.name}] * 2
    for rules in (twice, [{"name": "a", "action": "rest"}]):
        with pytest.raises(OSError, match="HTTP Error 4"), prober.faulty.faults(prober.name, rules):
            pass
    assert prober.faulty.fired(prober.name) == {}
