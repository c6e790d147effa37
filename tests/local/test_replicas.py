"""Global-table replicas of the local AWS against AWS's documented behaviour (version 2019.11.21)."""

import functools
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.emulator.client import LocalAwsProcess

pytestmark = pytest.mark.engines

HOME, TOKYO, OHIO = "eu-west-1", "ap-northeast-1", "us-east-2"
NUMBERS = itertools.count()

# Every type, awkward values among them: 38 digits, sets, empty strings, binary.
TYPED: dict[str, Any] = {
    "n": {"N": "12345678901234567890123456789012345678"},
    "ns": {"NS": ["3", "-0.000000000001", "1E+30"]},
    "ss": {"SS": ["b", "a"]},
    "b": {"B": b"\x00\xff"},
    "bs": {"BS": [b"z", b""]},
    "m": {"M": {"l": {"L": [{"NULL": True}, {"BOOL": False}, {"S": ""}]}}},
}


@functools.cache
def client_of(aws: LocalAwsProcess, region: str) -> Any:  # noqa: ANN401 - LocalSession's clients are untyped
    """A client that all tests share: it takes longer to make than some of them last."""
    return aws.session(region).client("dynamodb")


class Tables:
    """One table name, with a client per region."""

    def __init__(self, aws: LocalAwsProcess, name: str) -> None:
        self.name = name
        self._aws = aws

    def __getitem__(self, region: str) -> Any:  # noqa: ANN401 - LocalSession's clients are untyped
        return client_of(self._aws, region)

    def create(self, region: str = HOME, **more: Any) -> None:  # noqa: ANN401 - CreateTable's own parameters
        settings: dict[str, Any] = {
            "TableName": self.name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}],
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        }
        settings |= more
        self[region].create_table(**{name: value for name, value in settings.items() if value is not None})

    def change(self, *updates: dict[str, Any], region: str = HOME) -> dict[str, Any]:
        said: dict[str, Any] = self[region].update_table(TableName=self.name, ReplicaUpdates=list(updates))
        return said

    def add(self, target: str, region: str = HOME) -> None:
        self.change({"Create": {"RegionName": target}}, region=region)
        wait_until(lambda: self.replicas(region).get(target) == "ACTIVE")

    def describe(self, region: str = HOME) -> dict[str, Any]:
        described: dict[str, Any] = self[region].describe_table(TableName=self.name)["Table"]
        return described

    def replicas(self, region: str = HOME) -> dict[str, str]:
        return {one["RegionName"]: one["ReplicaStatus"] for one in self.describe(region).get("Replicas", [])}

    def protect(self, region: str, *, enabled: bool) -> None:
        self[region].update_table(TableName=self.name, DeletionProtectionEnabled=enabled)

    def is_protected(self, region: str) -> bool:
        return bool(self.describe(region)["DeletionProtectionEnabled"])

    def exists(self, region: str) -> bool:
        return self.name in self[region].list_tables()["TableNames"]

    def put(self, key: str, region: str = HOME, **attributes: dict[str, Any]) -> None:
        self[region].put_item(TableName=self.name, Item={"k": {"S": key}, **attributes})

    def delete(self, key: str, region: str = HOME) -> None:
        self[region].delete_item(TableName=self.name, Key={"k": {"S": key}})

    def lose(self, key: str, region: str) -> None:
        self._aws.lose_item(self.name, region, {"k": {"S": key}})

    def get(self, key: str, region: str = HOME) -> dict[str, Any] | None:
        item: dict[str, Any] | None = (
            self[region].get_item(TableName=self.name, Key={"k": {"S": key}}, ConsistentRead=True).get("Item")
        )
        return item

    def items(self, region: str = HOME) -> dict[str, dict[str, Any]]:
        pages = self[region].get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True)
        return {item["k"]["S"]: item for page in pages for item in page["Items"]}


def wait_until(true: Callable[[], bool], within_seconds: float = 20.0) -> None:
    deadline = time.monotonic() + within_seconds
    while not true():
        assert time.monotonic() < deadline, f"not so within {within_seconds} s"
        time.sleep(0.02)


@pytest.fixture
def tables(local_aws: LocalAwsProcess) -> Iterator[Tables]:
    made = Tables(local_aws, f"replicated-{next(NUMBERS)}")
    yield made
    for region in (TOKYO, OHIO, HOME):
        if made.exists(region) and made.replicas(region):
            continue  # it goes with the local AWS: AWS lets no source of a replica be deleted for a day
        if made.exists(region):
            made[region].delete_table(TableName=made.name)


@pytest.fixture(scope="module")
def slow_aws() -> Iterator[LocalAwsProcess]:
    """One whose replicas come and go no sooner than it ends: what is under way stays so."""
    with LocalAwsProcess(options=("--replica-seconds", "600")) as aws:
        yield aws


@pytest.fixture
def slow_tables(slow_aws: LocalAwsProcess) -> Tables:
    return Tables(slow_aws, f"replicated-{next(NUMBERS)}")


@pytest.fixture
def pair(tables: Tables) -> Tables:
    """A table in two regions."""
    tables.create()
    tables.add(TOKYO)
    return tables


def refused(call: Callable[[], object]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_replica_is_creating_at_first_and_the_table_is_updating_meanwhile(slow_tables: Tables) -> None:
    tables = slow_tables
    tables.create()
    answer = tables.change({"Create": {"RegionName": TOKYO}})["TableDescription"]
    assert answer["TableStatus"] == "UPDATING"
    assert tables.replicas() == {TOKYO: "CREATING"}
    assert tables.describe(TOKYO)["TableStatus"] == "CREATING"
    assert refused(lambda: tables.put("k", TOKYO))[0] == "ResourceNotFoundException"


def test_a_replica_that_has_come_is_active_and_each_region_names_the_other(pair: Tables) -> None:
    described = pair.describe()
    assert (described["TableStatus"], described["GlobalTableVersion"]) == ("ACTIVE", "2019.11.21")
    there = pair.describe(TOKYO)
    assert (there["TableStatus"], pair.replicas(TOKYO)) == ("ACTIVE", {HOME: "ACTIVE"})
    assert there["TableArn"] == f"arn:aws:dynamodb:{TOKYO}:123456789012:table/{pair.name}"
    assert there["StreamSpecification"]["StreamViewType"] == "NEW_AND_OLD_IMAGES"


def test_a_replica_has_the_indexes_and_the_ttl_of_its_source(tables: Tables) -> None:
    attributes = [{"AttributeName": name, "AttributeType": "S"} for name in ("k", "s", "other")]
    keys = [{"AttributeName": "k", "KeyType": "HASH"}, {"AttributeName": "s", "KeyType": "RANGE"}]
    local_keys = [keys[0], {"AttributeName": "other", "KeyType": "RANGE"}]
    by_other = [{"AttributeName": "other", "KeyType": "HASH"}]
    tables.create(
        AttributeDefinitions=attributes,
        KeySchema=keys,
        GlobalSecondaryIndexes=[
            {"IndexName": "by-other", "KeySchema": by_other, "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ],
        LocalSecondaryIndexes=[
            {"IndexName": "local-other", "KeySchema": local_keys, "Projection": {"ProjectionType": "ALL"}}
        ],
    )
    tables[HOME].update_time_to_live(
        TableName=tables.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    tables.add(TOKYO)
    here, there = tables.describe(), tables.describe(TOKYO)
    assert here["KeySchema"] == there["KeySchema"] == keys
    for kind in ("GlobalSecondaryIndexes", "LocalSecondaryIndexes"):
        shapes = [
            [(index["IndexName"], index["KeySchema"], index["Projection"]) for index in one[kind]]
            for one in (here, there)
        ]
        assert shapes[0] == shapes[1]
    ttl = tables[TOKYO].describe_time_to_live(TableName=tables.name)["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}


def test_an_index_added_and_a_ttl_set_later_reach_the_replica(pair: Tables) -> None:
    pair[TOKYO].update_time_to_live(
        TableName=pair.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
    )
    index = {
        "IndexName": "by-v",
        "KeySchema": [{"AttributeName": "v", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    pair[HOME].update_table(
        TableName=pair.name,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("k", "v")],
        GlobalSecondaryIndexUpdates=[{"Create": index}],
    )
    ttl = pair[HOME].describe_time_to_live(TableName=pair.name)["TimeToLiveDescription"]
    assert ttl["AttributeName"] == "expires"
    assert [one["IndexName"] for one in pair.describe(TOKYO)["GlobalSecondaryIndexes"]] == ["by-v"]


def test_existing_items_and_writes_during_the_copy_reach_a_new_replica(tables: Tables) -> None:
    tables.create()
    for number in range(60):
        tables.put(f"old-{number}", v={"S": "x" * 1000})
    tables.change({"Create": {"RegionName": TOKYO}})
    for number in range(60):
        tables.put(f"new-{number}")
        tables.delete(f"old-{number}") if number % 2 else tables.put(f"old-{number}", v={"S": "again"})
    wait_until(lambda: tables.replicas() == {TOKYO: "ACTIVE"})
    expected = tables.items()
    assert len(expected) == 90
    wait_until(lambda: tables.items(TOKYO) == expected)


def test_every_type_arrives_as_it_is(pair: Tables) -> None:
    pair.put("typed", **TYPED)
    wait_until(lambda: pair.get("typed", TOKYO) is not None)
    assert pair.get("typed", TOKYO) == pair.get("typed")


@pytest.mark.parametrize("origin", [HOME, TOKYO])
def test_puts_updates_and_deletes_travel_both_ways(pair: Tables, origin: str) -> None:
    other = TOKYO if origin == HOME else HOME
    pair.put("k", origin, v={"S": "1"})
    wait_until(lambda: pair.get("k", other) == {"k": {"S": "k"}, "v": {"S": "1"}})
    pair[origin].update_item(
        TableName=pair.name,
        Key={"k": {"S": "k"}},
        UpdateExpression="SET v = :v",
        ExpressionAttributeValues={":v": {"S": "2"}},
    )
    wait_until(lambda: pair.get("k", other) == {"k": {"S": "k"}, "v": {"S": "2"}})
    pair.delete("k", origin)
    wait_until(lambda: pair.get("k", other) is None)


def test_writes_by_batch_transaction_and_partiql_are_replicated_too(pair: Tables) -> None:
    client = pair[HOME]
    client.batch_write_item(RequestItems={pair.name: [{"PutRequest": {"Item": {"k": {"S": "batch"}}}}]})
    client.transact_write_items(TransactItems=[{"Put": {"TableName": pair.name, "Item": {"k": {"S": "transaction"}}}}])
    client.batch_execute_statement(Statements=[{"Statement": f"INSERT INTO \"{pair.name}\" VALUE {{'k': 'partiql'}}"}])
    wait_until(lambda: set(pair.items(TOKYO)) == {"batch", "transaction", "partiql"})


def test_a_replicated_change_does_not_come_back(pair: Tables) -> None:
    pair.put("k", v={"S": "1"})
    wait_until(lambda: pair.get("k", TOKYO) is not None)
    pair.put("last", TOKYO)
    wait_until(lambda: pair.get("last") is not None)
    streams = pair._aws.session(HOME).client("dynamodbstreams")  # noqa: SLF001 - the same local AWS
    arn = pair.describe()["LatestStreamArn"]
    shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
    iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = streams.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    assert [record["dynamodb"]["Keys"]["k"]["S"] for record in records] == ["k", "last"]


def test_regions_written_at_once_end_up_equal(pair: Tables) -> None:
    for number in range(60):
        pair.put(f"k{number % 5}", (HOME, TOKYO)[number % 2], v={"N": str(number)})
        if number % 7 == 0:
            pair.delete(f"k{number % 5}", (TOKYO, HOME)[number % 2])

    def unchanged() -> bool:
        before = pair.items()
        if pair.items(TOKYO) != before:
            return False
        time.sleep(0.5)  # several rounds: what still ran from one region to the other would have arrived
        return pair.items(TOKYO) == before == pair.items()

    wait_until(unchanged)


def test_the_later_of_two_writers_wins(pair: Tables) -> None:
    for first, second in ((HOME, TOKYO), (TOKYO, HOME)):
        key = f"first-{first}"
        pair.put(key, first, v={"S": "early"})
        wait_until(lambda: pair.get(key, second) is not None)  # noqa: B023 - called at once
        pair.put(key, second, v={"S": "late"})
        pair.put(f"{key}-last", second)
        wait_until(lambda: pair.get(f"{key}-last", first) is not None)  # noqa: B023 - called at once
        assert [pair.items(region)[key]["v"]["S"] for region in (HOME, TOKYO)] == ["late", "late"]


def test_three_regions_are_equal_and_a_replica_may_be_added_from_any_of_them(pair: Tables) -> None:
    pair.put("before")
    pair.add(OHIO, region=TOKYO)
    assert [one["RegionName"] for one in pair.describe()["Replicas"]] == [TOKYO, OHIO]
    for region in (HOME, TOKYO, OHIO):
        pair.put(f"from-{region}", region)
    expected = {"before", *(f"from-{region}" for region in (HOME, TOKYO, OHIO))}
    for region in (HOME, TOKYO, OHIO):
        wait_until(lambda region=region: set(pair.items(region)) == expected)  # type: ignore[misc]  # mypy infers no type for a lambda with a default


def test_a_removed_replica_is_deleted_with_its_table_and_may_be_added_again(pair: Tables) -> None:
    answer = pair.change({"Delete": {"RegionName": TOKYO}})["TableDescription"]
    assert [one["ReplicaStatus"] for one in answer["Replicas"]] == ["DELETING"]
    wait_until(lambda: not pair.replicas())
    assert not pair.exists(TOKYO)
    assert "GlobalTableVersion" not in pair.describe()
    pair.put("k")
    pair.add(TOKYO)
    assert set(pair.items(TOKYO)) == {"k"}


def test_delete_table_takes_a_replica_out_of_its_group(pair: Tables) -> None:
    pair[TOKYO].delete_table(TableName=pair.name)
    wait_until(lambda: not pair.replicas())
    pair[HOME].delete_table(TableName=pair.name)
    assert not pair.exists(HOME)


def test_a_protected_replica_is_neither_removed_nor_deleted(pair: Tables) -> None:
    pair.protect(TOKYO, enabled=True)
    for call in (
        lambda: pair.change({"Delete": {"RegionName": TOKYO}}),
        lambda: pair[TOKYO].delete_table(TableName=pair.name),
    ):
        code, message = refused(call)
        assert (code, "protected against deletion" in message) == ("ValidationException", True)
    assert pair.replicas() == {TOKYO: "ACTIVE"}
    pair.put("k")
    wait_until(lambda: pair.get("k", TOKYO) is not None)
    pair.protect(TOKYO, enabled=False)
    pair.change({"Delete": {"RegionName": TOKYO}})
    wait_until(lambda: not pair.exists(TOKYO))


def test_deletion_protection_is_each_regions_own_and_outlasts_the_others_changes(tables: Tables) -> None:
    tables.create(DeletionProtectionEnabled=True)
    tables.add(TOKYO)
    assert [tables.is_protected(region) for region in (HOME, TOKYO)] == [True, False]
    tables.protect(HOME, enabled=False)
    tables.protect(TOKYO, enabled=True)
    # AWS makes this change in all Regions.
    tables[HOME].update_table(TableName=tables.name, BillingMode="PAY_PER_REQUEST")
    assert [tables.is_protected(region) for region in (HOME, TOKYO)] == [False, True]
    tables.protect(TOKYO, enabled=False)


def test_each_region_has_an_id_of_its_own_and_a_replica_made_anew_has_another(pair: Tables) -> None:
    here, there = pair.describe()["TableId"], pair.describe(TOKYO)["TableId"]
    assert here != there
    assert pair.change({"Delete": {"RegionName": TOKYO}})["TableDescription"]["TableId"] == here
    wait_until(lambda: not pair.replicas())
    pair.add(TOKYO)
    assert pair.describe()["TableId"] == here
    assert pair.describe(TOKYO)["TableId"] not in {here, there}


def test_the_source_of_a_new_replica_cannot_be_deleted_for_a_day(pair: Tables) -> None:
    code, message = refused(lambda: pair[HOME].delete_table(TableName=pair.name))
    assert (code, "acted as a source region" in message) == ("ValidationException", True)
    code, message = refused(lambda: pair.change({"Delete": {"RegionName": HOME}}, region=TOKYO))
    assert (code, "acted as a source region" in message) == ("ValidationException", True)


def test_a_stream_with_both_images_is_needed(tables: Tables) -> None:
    tables.create(StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"})
    code, message = refused(lambda: tables.change({"Create": {"RegionName": TOKYO}}))
    assert (code, "NEW_AND_OLD_IMAGES" in message) == ("ValidationException", True)
    assert not tables.exists(TOKYO)


def test_a_provisioned_table_without_auto_scaling_gets_no_replica(tables: Tables) -> None:
    tables.create(BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 5, "WriteCapacityUnits": 5})
    code, message = refused(lambda: tables.change({"Create": {"RegionName": TOKYO}}))
    assert (code, "Pay-Per-Request" in message) == ("ValidationException", True)


def test_a_table_of_that_name_in_the_other_region_is_not_taken_over(tables: Tables) -> None:
    tables.create()
    tables.create(TOKYO)
    tables.put("theirs", TOKYO)
    code, message = refused(lambda: tables.change({"Create": {"RegionName": TOKYO}}))
    assert (code, "already existed as tables" in message) == ("ValidationException", True)
    assert not tables.replicas()
    assert set(tables.items(TOKYO)) == {"theirs"}


def test_one_replica_change_at_a_time(slow_tables: Tables) -> None:
    tables = slow_tables
    tables.create()
    both = [{"Create": {"RegionName": region}} for region in (TOKYO, OHIO)]
    code, message = refused(lambda: tables.change(*both))
    assert (code, "more than one create or delete" in message) == ("ValidationException", True)
    tables.change(both[0])
    assert refused(lambda: tables.change(both[1]))[0] == "ResourceInUseException"
    assert refused(lambda: tables.change({"Delete": {"RegionName": TOKYO}}))[0] == "ResourceInUseException"
    assert refused(lambda: tables[TOKYO].delete_table(TableName=tables.name))[0] == "ResourceInUseException"


def test_once_a_replica_has_come_the_next_may_be_made(pair: Tables) -> None:
    pair.add(OHIO)
    assert pair.replicas() == {TOKYO: "ACTIVE", OHIO: "ACTIVE"}


@pytest.mark.parametrize(
    ("update", "words"),
    [
        ({"Create": {"RegionName": HOME}}, "local region"),
        ({"Create": {"RegionName": "eu-nowhere-1"}}, "is not supported"),
        ({"Create": {"RegionName": TOKYO}}, "already existed as tables"),
        ({"Delete": {"RegionName": OHIO}}, f"[{OHIO}]"),
        ({"Update": {"RegionName": TOKYO}}, "no actions specified"),
    ],
)
def test_replica_changes_that_make_no_sense_are_refused(pair: Tables, update: dict[str, Any], words: str) -> None:
    code, message = refused(lambda: pair.change(update))
    assert (code, words in message) == ("ValidationException", True)


def test_the_stream_of_a_replicated_table_cannot_be_switched_off(pair: Tables) -> None:
    switch_off = {"StreamEnabled": False}
    code, message = refused(lambda: pair[TOKYO].update_table(TableName=pair.name, StreamSpecification=switch_off))
    assert (code, "Disabling Stream" in message) == ("ValidationException", True)


def test_replicas_of_a_table_that_does_not_exist_are_refused(tables: Tables) -> None:
    assert refused(lambda: tables.change({"Create": {"RegionName": TOKYO}}))[0] == "ResourceNotFoundException"


def test_an_item_that_one_replica_loses_stays_in_all_others(pair: Tables) -> None:
    """What AWS never does on purpose, a test of the proof has to be able to."""
    pair.put("k")
    pair.put("kept")
    wait_until(lambda: set(pair.items(TOKYO)) == {"k", "kept"})
    pair.lose("k", TOKYO)
    pair.put("last", TOKYO)  # its stream is read behind the loss
    wait_until(lambda: pair.get("last") is not None)
    assert set(pair.items(TOKYO)) == {"kept", "last"}
    assert set(pair.items()) == {"k", "kept", "last"}
