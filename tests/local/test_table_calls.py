"""Table ids and deletion protection of the local AWS against AWS's documented behaviour."""

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.emulator.answers import Answer
from infra.local.emulator.client import ACCOUNT, LocalAwsProcess
from infra.local.emulator.engines.table_calls import TableCalls

HOME, TOKYO = "eu-west-1", "ap-northeast-1"
NUMBERS = itertools.count()

PROTECTED = (
    "Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first."
)
BOTH_IMAGES = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
BY_V = {
    "IndexName": "by-v",
    "KeySchema": [{"AttributeName": "v", "KeyType": "HASH"}],
    "Projection": {"ProjectionType": "ALL"},
}

engines = pytest.mark.engines


class Table:
    """One table name in one region."""

    def __init__(self, aws: LocalAwsProcess, name: str, region: str = HOME) -> None:
        self.name = name
        self.arn = f"arn:aws:dynamodb:{region}:{ACCOUNT}:table/{name}"
        self.client = aws.session(region).client("dynamodb")

    def create(self, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - CreateTable's own parameters
        described: dict[str, Any] = self.client.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            **more,
        )["TableDescription"]
        return described

    def update(self, *, named: str = "", **changes: Any) -> dict[str, Any]:  # noqa: ANN401 - UpdateTable's own
        described: dict[str, Any] = self.client.update_table(TableName=named or self.name, **changes)[
            "TableDescription"
        ]
        return described

    def describe(self, *, named: str = "") -> dict[str, Any]:
        described: dict[str, Any] = self.client.describe_table(TableName=named or self.name)["Table"]
        return described

    def delete(self, *, named: str = "") -> dict[str, Any]:
        described: dict[str, Any] = self.client.delete_table(TableName=named or self.name)["TableDescription"]
        return described

    @property
    def is_protected(self) -> bool:
        return bool(self.describe()["DeletionProtectionEnabled"])

    @property
    def exists(self) -> bool:
        return self.name in self.client.list_tables()["TableNames"]


@pytest.fixture
def table(local_aws: LocalAwsProcess) -> Iterator[Table]:
    made = Table(local_aws, f"table-calls-{next(NUMBERS)}")
    yield made
    if made.exists:
        made.update(DeletionProtectionEnabled=False)
        made.delete()


def refused(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@engines
def test_every_description_of_a_table_has_the_same_id(table: Table) -> None:
    made = table.create()["TableId"]
    assert str(uuid.UUID(made)) == made
    assert table.describe()["TableId"] == table.describe(named=table.arn)["TableId"] == made
    assert table.update(StreamSpecification=BOTH_IMAGES)["TableId"] == made
    assert table.update(named=table.arn, DeletionProtectionEnabled=True)["TableId"] == made
    assert table.update(DeletionProtectionEnabled=False)["TableId"] == made
    assert table.delete(named=table.arn)["TableId"] == made


@engines
def test_a_table_made_anew_under_its_name_has_another_id(table: Table) -> None:
    made = []
    for _ in range(20):
        made.append(table.create()["TableId"])
        table.delete()
    assert len(set(made)) == len(made)


@engines
def test_tables_of_one_name_in_two_regions_have_ids_of_their_own(local_aws: LocalAwsProcess, table: Table) -> None:
    elsewhere = Table(local_aws, table.name, TOKYO)
    made = table.create()["TableId"], elsewhere.create()["TableId"]
    assert made[0] != made[1]
    assert (table.describe()["TableId"], elsewhere.describe()["TableId"]) == made
    elsewhere.delete()


@engines
@pytest.mark.parametrize(
    "change",
    [
        {"StreamSpecification": BOTH_IMAGES},
        {
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("k", "v")],
            "GlobalSecondaryIndexUpdates": [{"Create": BY_V}],
        },
        {"BillingMode": "PROVISIONED", "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}},
        {"BillingMode": "PAY_PER_REQUEST"},
    ],
    ids=["stream", "index", "throughput", "billing mode"],
)
@pytest.mark.parametrize("enabled", [True, False])
def test_an_update_that_does_not_name_deletion_protection_leaves_it(
    table: Table,
    change: dict[str, Any],
    enabled: bool,  # noqa: FBT001 - pytest passes parameters by name
) -> None:
    table.create(DeletionProtectionEnabled=enabled)
    assert table.update(named=table.arn, **change)["DeletionProtectionEnabled"] is enabled
    assert table.is_protected is enabled


@engines
def test_deletion_protection_alone_may_be_set_over_and_over(table: Table) -> None:
    assert table.create()["DeletionProtectionEnabled"] is False
    for enabled in (True, True, False, False, True):
        assert table.update(DeletionProtectionEnabled=enabled)["DeletionProtectionEnabled"] is enabled
        assert table.is_protected is enabled


@engines
def test_a_protected_table_is_not_deleted_until_its_protection_is_off(table: Table) -> None:
    table.create(DeletionProtectionEnabled=True)
    table.update(StreamSpecification=BOTH_IMAGES)
    for name in (table.name, table.arn):
        assert refused(lambda: table.delete(named=name)) == ("ValidationException", PROTECTED)  # noqa: B023 - called at once
    table.client.put_item(TableName=table.name, Item={"k": {"S": "still there"}})
    table.update(named=table.arn, DeletionProtectionEnabled=False)
    table.delete()
    assert not table.exists


@engines
def test_an_update_of_nothing_is_refused_for_a_protected_table_too(table: Table) -> None:
    table.create(DeletionProtectionEnabled=True)
    assert refused(table.update)[0] == "ValidationException"
    attributes = [{"AttributeName": "k", "AttributeType": "S"}]
    assert refused(lambda: table.update(AttributeDefinitions=attributes))[0] == "ValidationException"


@engines
def test_calls_of_a_table_that_is_not_there_are_refused_as_before(table: Table) -> None:
    for call in (table.describe, table.delete, lambda: table.update(StreamSpecification=BOTH_IMAGES)):
        assert refused(call)[0] == "ResourceNotFoundException"


class FakeEngine:
    """One table as DynamoDB Local keeps it.

    Args:
        seconds: How long a call takes from its beginning, of which a creation bears the date, to its end; a deletion
            takes no time.
    """

    def __init__(self, seconds: float) -> None:
        self.table: dict[str, Any] = {"TableName": "t", "CreationDateTime": 0.0, "DeletionProtectionEnabled": False}
        self._seconds = seconds

    async def send(self, operation: str, _region: str, body: bytes) -> Answer:
        request = json.loads(body)
        dated = int(time.time() * 1000) / 1000
        await asyncio.sleep(0 if operation == "DeleteTable" else self._seconds)
        if operation == "CreateTable":
            self.table["CreationDateTime"] = dated
        if operation == "UpdateTable":
            self.table["DeletionProtectionEnabled"] = request.get("DeletionProtectionEnabled", False)
        described = {"Table" if operation == "DescribeTable" else "TableDescription": self.table}
        return Answer(200, {"x-amz-crc32": "1", "content-type": "json"}, json.dumps(described).encode())


def answers(engine: FakeEngine, *calls: tuple[str, dict[str, Any]], region: str = HOME) -> list[Answer]:
    """What calls at once are answered."""

    async def call() -> list[Answer]:
        tables = TableCalls(engine.send)
        return await asyncio.gather(
            *(tables.answer(name, region, json.dumps({"TableName": "t", **more}).encode()) for name, more in calls)
        )

    return asyncio.run(call())


def ids(answered: list[Answer]) -> set[str]:
    return {table["TableId"] for answer in answered for table in json.loads(answer.body).values()}


@pytest.mark.parametrize("seconds", [0.0, 0.005], ids=["faster than the clock", "waiting for each other"])
def test_creations_and_deletions_at_once_never_give_two_tables_one_id(seconds: float) -> None:
    create: tuple[str, dict[str, Any]] = ("CreateTable", {})
    delete: tuple[str, dict[str, Any]] = ("DeleteTable", {})
    made = answers(FakeEngine(seconds), *[create, delete] * 10)[::2]
    assert len(ids(made)) == 10


def test_tables_made_in_two_regions_in_one_millisecond_have_two_ids() -> None:
    engine = FakeEngine(0)
    described = [answers(engine, ("DescribeTable", {}), region=region)[0] for region in (HOME, TOKYO)]
    assert len(ids(described)) == 2


def test_an_update_under_way_does_not_undo_the_protection_set_meanwhile() -> None:
    engine = FakeEngine(0.005)
    mute = ("UpdateTable", {"StreamSpecification": BOTH_IMAGES})
    answers(engine, mute, ("UpdateTable", {"DeletionProtectionEnabled": True}))
    assert engine.table["DeletionProtectionEnabled"] is True


def test_the_checksum_of_the_engines_own_answer_does_not_go_with_another() -> None:
    [described] = answers(FakeEngine(0), ("DescribeTable", {}))
    assert described.headers == {"content-type": "json"}
