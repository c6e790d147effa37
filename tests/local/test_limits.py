"""Limits on tables and shards: the real tasks meet a world with capacity, and get through it."""

import itertools
import json
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local.emulator.client import LocalAwsProcess
from infra.local.emulator.limits.limit import Bucket
from infra.local.emulator.limits.limits import LIMITS_PATH
from infra.local.emulator.limits.sizes import item_bytes, read_units, write_units
from tasks import write_pages
from tasks.aws.books import books
from tasks.aws.copy import pages
from tasks.aws.dynamodb import target
from tasks.aws.session import clients, wire
from tasks.core.copy.page import encode_page, read_header, take_apart
from tests.unit.aws_fakes import PLAN, RUN, STREAM, TARGET, Context, kinesis_event

NUMBERS = itertools.count(1)


def test_a_bucket_gives_its_rate_and_no_more_however_large_the_pieces() -> None:
    now = [0.0]
    bucket = Bucket(10, 1.0, lambda: now[0])
    taken = 0.0
    for _ in range(1000):
        now[0] += 0.1
        taken += 3 * bucket.take(3)
    assert 1000 <= taken <= 1000 + 10 + 3
    assert bucket.refused > 0


def test_sizes_are_those_of_the_documents() -> None:
    assert item_bytes({"pk": {"S": "ab"}, "n": {"N": "1234"}, "m": {"M": {"x": {"L": [{"BOOL": True}]}}}}) == 19
    assert [write_units(size) for size in (0, 1024, 1025)] == [1, 1, 2]
    assert [read_units(size, is_consistent=True) for size in (1, 4096, 4097)] == [1, 1, 2]
    assert read_units(4096, is_consistent=False) == 0.5


class Limited:
    """A local AWS with limits."""

    def __init__(self, aws: LocalAwsProcess) -> None:
        self.aws = aws
        self.name = f"limited-{next(NUMBERS)}"
        session = aws.session()
        self.dynamodb, self.kinesis = (
            session.client(service, config=Config(retries={"total_max_attempts": 1}))
            for service in ("dynamodb", "kinesis")
        )

    def table(self, name: str, *keys: str) -> None:
        """Make a table."""
        self.dynamodb.create_table(
            TableName=name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[
                {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
        )

    @contextmanager
    def limits(self, *limits: dict[str, Any]) -> Iterator[None]:
        """Set limits for the time of a block."""
        self._call("PUT", LIMITS_PATH, list(limits))
        try:
            yield
        finally:
            for limit in limits:
                self._call("DELETE", f"{LIMITS_PATH}?of={limit.get('table') or limit.get('stream')}")

    def refused(self, of: str) -> int:
        """Return how often something was refused."""
        told = self._call("GET", LIMITS_PATH)
        return sum(each["refused"] for each in told if of in {each.get("table"), each.get("stream")})

    def _call(self, method: str, path: str, body: object = None) -> Any:  # noqa: ANN401 — any JSON
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.aws.endpoint_url + path, data=data, method=method)  # noqa: S310 — our own
        with urllib.request.urlopen(request) as answer:  # noqa: S310 — see above
            return json.load(answer)


@pytest.fixture
def limited(local_aws: LocalAwsProcess) -> Limited:
    return Limited(local_aws)


def puts(count: int) -> list[dict[str, Any]]:
    return [{"PutRequest": {"Item": {"pk": {"S": str(number)}}}} for number in range(count)]


@pytest.mark.engines
def test_each_call_beyond_a_tables_limit_is_answered_as_aws_answers_it(limited: Limited) -> None:
    name, dynamodb = limited.name, limited.dynamodb
    limited.table(name, "pk")
    with limited.limits({"table": name, "write_units": 0.01, "read_units": 0.01, "burst_seconds": 500}):
        left = dynamodb.batch_write_item(RequestItems={name: puts(25)})["UnprocessedItems"][name]
        assert len(left) == 20
        with pytest.raises(ClientError, match="ProvisionedThroughputExceededException"):
            dynamodb.put_item(TableName=name, Item={"pk": {"S": "one"}})
        with pytest.raises(ClientError, match="ProvisionedThroughputExceededException"):
            dynamodb.batch_write_item(RequestItems={name: puts(2)})
        statements = [{"Statement": f"INSERT INTO \"{name}\" VALUE {{'pk': ?}}", "Parameters": [{"S": "new"}]}]
        answer = dynamodb.batch_execute_statement(Statements=statements)["Responses"]
        assert [response["Error"]["Code"] for response in answer] == ["ProvisionedThroughputExceeded"]
        item = {"Put": {"TableName": name, "Item": {"pk": {"S": "two"}}}}
        with pytest.raises(ClientError) as cancelled:
            dynamodb.transact_write_items(TransactItems=[item])
        assert [reason["Code"] for reason in cancelled.value.response["CancellationReasons"]] == ["ThrottlingError"]
        keys = [{"pk": {"S": str(number)}} for number in range(20)]
        found = dynamodb.batch_get_item(RequestItems={name: {"Keys": keys, "ConsistentRead": True}})
        assert len(found["UnprocessedKeys"][name]["Keys"]) == 15
        with pytest.raises(ClientError, match="ProvisionedThroughputExceededException"):
            dynamodb.scan(TableName=name)
        assert limited.refused(name) == 20 + 1 + 2 + 1 + 1 + 15 + 1
    there = {item["pk"]["S"] for item in dynamodb.scan(TableName=name)["Items"]}
    assert there == {str(number) for number in range(25)} - {put["PutRequest"]["Item"]["pk"]["S"] for put in left}
    with limited.limits({"table": name, "write_units": 0.01, "is_on_demand": True, "burst_seconds": 100}):
        dynamodb.put_item(TableName=name, Item={"pk": {"S": "one"}})
        with pytest.raises(ClientError, match="ThrottlingException"):
            dynamodb.put_item(TableName=name, Item={"pk": {"S": "two"}})


@pytest.fixture
def deployed(limited: Limited, monkeypatch: pytest.MonkeyPatch) -> Iterator[Limited]:
    """Let tasks in this process find the local AWS, with a target, a control table and a stream of two shards."""
    for name, value in limited.aws.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CONTROL_TABLE", f"{limited.name}-control")
    monkeypatch.setenv("REJECTS_BUCKET", "none")
    limited.table(f"{limited.name}-control", "pk", "sk")
    limited.table(limited.name, "pk")
    limited.kinesis.create_stream(StreamName=limited.name, ShardCount=2)
    limited.kinesis.get_waiter("stream_exists").wait(StreamName=limited.name, WaiterConfig={"Delay": 1})
    wires = (wire.to_dynamodb, wire.to_kinesis, wire.to_books)
    caches = (clients.dynamodb, clients.kinesis, *wires, books.own_table, target.pace_of)
    for cache in caches:
        cache.cache_clear()
    yield limited
    for made in (wire.to_dynamodb(limited.aws.region), wire.to_kinesis(), wire.to_books()):
        made.close()
    for cache in caches:
        cache.cache_clear()


def page(items: list[dict[str, Any]], number: int) -> bytes:
    body = json.dumps({"Items": items, "Count": len(items), "ScannedCount": len(items)}).encode()
    (record,) = encode_page(take_apart(body), run=RUN, segment=0, number=number)
    return record


@pytest.mark.engines
def test_the_writer_gets_through_a_throttled_target_and_puts_every_item_once(deployed: Limited) -> None:
    ours = TARGET.model_copy(update={"name": deployed.name, "region": deployed.aws.region})
    plan = PLAN.model_copy(update={"target": ours})
    books.own_table().put("migration", "plan", {"plan": plan.model_dump(mode="json"), "stream_arn": STREAM})
    items = [{"pk": {"S": f"{number:03}"}} for number in range(400)]
    records = [page(items[start : start + 200], start // 200) for start in (0, 200)]
    calls = 0
    with deployed.limits({"table": deployed.name, "write_units": 100, "burst_seconds": 0.2}):
        began = time.monotonic()
        while write_pages.handler(kinesis_event(*records), Short())["batchItemFailures"]:
            calls += 1
            assert time.monotonic() - began < 60
        seconds = time.monotonic() - began
        assert deployed.refused(deployed.name) > 0
        (told,) = deployed._call("GET", LIMITS_PATH)  # noqa: SLF001 — of this test
    assert calls > 0, "no page came again: nothing was seen of what comes after"
    assert told["taken"] == {"write_units": 400}, "an insert that finds its key taken takes a unit as well"
    assert seconds < 30, "it waits for much longer than it has to"
    assert deployed.dynamodb.scan(TableName=deployed.name, Select="COUNT")["Count"] == 400
    found = [books.open_books(RUN).receipts.read_progress(read_header(record)) for record in records]
    assert found == [None, None], "each page has its receipt"


class Short(Context):
    """A call that has two seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._ends_at = time.monotonic() + 2

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override] # as in Context
        return int((self._ends_at - time.monotonic()) * 1000)


@pytest.mark.engines
def test_a_scan_that_meets_a_throttled_shard_loses_no_record(deployed: Limited) -> None:
    described = deployed.kinesis.describe_stream_summary(StreamName=deployed.name)["StreamDescriptionSummary"]
    records = [page([{"pk": {"S": f"{number}"}}], number) for number in range(120)]
    # The tries wait by chance: what is refused has to fit into the shortest of their waits.
    with deployed.limits({"stream": deployed.name, "records": 100}):
        pages.put_all(described["StreamARN"], records)
        assert deployed.refused(deployed.name) > 0
    found = []
    for shard in deployed.kinesis.list_shards(StreamName=deployed.name)["Shards"]:
        iterator = deployed.kinesis.get_shard_iterator(
            StreamName=deployed.name, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found += [record["Data"] for record in deployed.kinesis.get_records(ShardIterator=iterator)["Records"]]
    assert sorted(found) == sorted(records), "each of them once"
