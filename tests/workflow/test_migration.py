"""The real state machine, the real tasks and live writes, on the local engines."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from infra.aws.functions.registry import FUNCTIONS
from infra.local.emulator.client import LocalAwsProcess
from infra.local.rehearsal.deploy import zip_tasks
from infra.local.rehearsal.judge.comparer import Place, compare
from infra.local.rehearsal.owner import airports
from infra.local.rehearsal.owner.application import Application, Settings
from infra.local.rehearsal.owner.journal import Journal
from infra.local.rehearsal.owner.table import KEY_ATTRIBUTES, create_table, load
from infra.local.rehearsal.owner.wire import Wire
from tests.workflow.running import REGION, TOKYO, Ended, Running, side_by_side

pytestmark = pytest.mark.engines

TOMBSTONE = "tableferry:tombstone"


Ran = tuple[Running, Ended]


def deletes_while_pages_may_come(running: Running) -> Ended:
    running.create_source(items=60)

    def delete_some(arn: str) -> None:
        # Before the writer is detached, so that tombstones are really there to be purged.
        if running.is_past(arn, "AttachReplicator") and not running.is_past(arn, "DetachWriter"):
            for number in range(5):
                running.dynamodb.delete_item(
                    TableName=running.migration.source_table, Key={"pk": {"S": f"key-{number}"}}
                )

    return running.run({"Comment": "Insert your JSON here"}, during=delete_some)


def tampered_with(running: Running) -> Ended:
    running.create_source(items=40)
    tampered = False

    def tamper(arn: str) -> None:
        nonlocal tampered
        if not tampered and running.is_past(arn, "DrainBackfill"):
            target = running.migration.target_table
            running.dynamodb.put_item(TableName=target, Item={"pk": {"S": "nobody's"}})
            running.dynamodb.delete_item(TableName=target, Key={"pk": {"S": "key-1"}})
            running.dynamodb.put_item(TableName=target, Item={"pk": {"S": "key-2"}, "n": {"N": "999"}})
            tampered = True

    ended = running.run(during=tamper)
    running.detach()
    return ended


def empty(running: Running) -> Ended:
    """An empty table, whose stream somebody else begins to read while it is migrated."""
    running.create_source()
    attached: list[str] = []

    def attach(arn: str) -> None:
        if attached or not running.is_past(arn, "AttachReplicator"):
            return
        source = running.dynamodb.describe_table(TableName=running.migration.source_table)["Table"]
        attached.append(f"{running.migration.migration}-search")
        functions = running.session.client("lambda")
        functions.create_function(
            FunctionName=attached[0],
            Runtime="python3.14",
            Role="arn:aws:iam::123456789012:role/of-another-application",
            Handler="tasks.plan_verify.handler",
            Code={"ZipFile": zip_tasks()},
        )
        functions.create_event_source_mapping(
            EventSourceArn=source["LatestStreamArn"], FunctionName=attached[0], StartingPosition="LATEST", Enabled=False
        )

    return running.run(during=attach)


AWKWARD: dict[str, dict[str, Any]] = {
    "pk": {"B": b"\x00\xff"},
    "sk": {"N": "-12345678901234567890.123456789012345678"},
    'it\'s "quoted"': {"BS": [b"\x00", b"\x01"]},
    "content": {"S": "a customer's words"},
    "status": {"NULL": True},
}


def awkward(running: Running) -> Ended:
    running.create_source(
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "B"},
            {"AttributeName": "sk", "AttributeType": "N"},
            {"AttributeName": LEGACY, "AttributeType": "S"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[index("by-update", LEGACY)],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    running.dynamodb.put_item(TableName=running.migration.source_table, Item=AWKWARD)
    # Once the item is there: a table that is made with this index would refuse it.
    running.dynamodb.update_table(
        TableName=running.migration.source_table,
        AttributeDefinitions=[{"AttributeName": "status", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": index("by-status", "status")}],
    )
    return running.run({"without_indexes": ["by-status"]})


LEGACY = "aws:rep:updatetime"
"""Of a global table of version 2017; never copied, so an index over it would be empty."""


def index(name: str, key: str) -> dict[str, Any]:
    schema = [{"AttributeName": key, "KeyType": "HASH"}]
    return {"IndexName": name, "KeySchema": schema, "Projection": {"ProjectionType": "ALL"}}


SCENARIOS: tuple[Callable[[Running], Ended], ...] = (
    deletes_while_pages_may_come,
    tampered_with,
    empty,
    awkward,
)


@pytest.fixture(scope="module")
def ran(local_aws: LocalAwsProcess) -> Iterator[Mapping[str, Future[Ran]]]:
    """Migrations that run beside the ones under writes."""
    with side_by_side(local_aws, SCENARIOS) as futures:
        yield futures


@pytest.mark.parametrize("version_attribute", [None, "updatedAt"], ids=["insert if absent", "version decides"])
def test_no_accepted_write_is_lost_and_no_deleted_item_comes_back(
    local_aws: LocalAwsProcess, ran: Mapping[str, Future[Ran]], tmp_path: Path, version_attribute: str | None
) -> None:
    assert len(ran) == len(SCENARIOS)  # the others run beside this one
    running = Running(local_aws, replica_regions=(TOKYO,), version_attribute=version_attribute)
    migration, journal_path = running.migration, tmp_path / "journal.jsonl"
    create_table(running.dynamodb, migration.source_table)
    # Of no item: what expires would be lost to the comparison. The setting goes to every Region of the target.
    running.dynamodb.update_time_to_live(
        TableName=migration.source_table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "gone_at"}
    )
    wire = Wire(running.session)
    with Journal(journal_path) as notes:
        load(wire, migration.source_table, airports.items(600, 7), notes)
    wire.close()
    settings = Settings(
        source=migration.source_table,
        pointer=f"/tableferry/{migration.migration}/active-table",
        journal=str(journal_path),
        region=REGION,
        writes_per_second=15,
        seed=7,
        writers=4,
    )
    running.deploy()
    with Application(settings, local_aws.environment()) as application:
        ended = running.run()
        assert (ended.status, ended.message) == ("SUCCEEDED", "")
        application.wait_for(lambda counted: counted.tables.get(migration.target_table, 0) > 20)
        counted = application.stop()

    assert running.pointer() == migration.target_table
    ttl = running.dynamodb.describe_time_to_live(TableName=migration.target_table)["TimeToLiveDescription"]
    assert ttl["AttributeName"] == "gone_at"
    assert counted.accepted["delete"] > 0
    assert counted.accepted["recreate"] > 0
    comparison = compare(
        journal_path,
        [
            Place("source", running.session, migration.source_table, written_as=migration.source_table),
            Place("target", running.session, migration.target_table),
            Place("Tokyo", local_aws.session(TOKYO), migration.target_table, settle_seconds=30),
        ],
    )
    assert comparison.equal, list(comparison.samples())


def test_every_phase_is_a_state_in_the_history_and_nothing_but_the_target_is_left(
    ran: Mapping[str, Future[Ran]],
) -> None:
    running, ended = ran["deletes_while_pages_may_come"].result()
    assert (ended.status, ended.message) == ("SUCCEEDED", "")
    expected = {function.state for function in FUNCTIONS if function.is_state}
    assert set(ended.states) >= (expected - {"ApproveCutOver"})  # approval is automatic here
    source, target = running.items(running.migration.source_table), running.items(running.migration.target_table)
    assert len(source) == 55
    assert target == source
    mappings = running.session.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert not [mapping for mapping in mappings if running.migration.migration in mapping["FunctionArn"]]
    described = running.dynamodb.describe_table(TableName=running.migration.source_table)["Table"]
    assert not described.get("StreamSpecification", {}).get("StreamEnabled", False)
    assert running.deployment is not None
    control = running.dynamodb.get_paginator("scan").paginate(TableName=running.deployment.control_table)
    ledger = [item for page in control for item in page["Items"] if item["pk"]["S"].startswith("tombstones#")]
    assert ledger == []


def test_drift_stops_before_the_cut_over_and_names_the_keys(ran: Mapping[str, Future[Ran]]) -> None:
    running, ended = ran["tampered_with"].result()
    assert (ended.status, ended.error) == ("FAILED", "DriftFound")
    assert "1 missing, 1 extra, 1 mismatched" in ended.message
    for key in ("key-1", "nobody's", "key-2"):
        assert key in ended.message
    assert "redrive" in ended.message
    assert "999" not in ended.message
    assert running.pointer() is None
    assert "CutOver" not in ended.states


def test_a_reader_that_came_during_the_migration_is_not_cut_off(ran: Mapping[str, Future[Ran]]) -> None:
    running, ended = ran["empty"].result()
    assert ended.status == "SUCCEEDED"
    assert ended.output["detached"]["source_stream"] == f"kept: read by {running.migration.migration}-search"
    described = running.dynamodb.describe_table(TableName=running.migration.source_table)["Table"]
    assert described["StreamSpecification"]["StreamEnabled"]


def test_an_empty_table_migrates(ran: Mapping[str, Future[Ran]]) -> None:
    running, ended = ran["empty"].result()
    assert (ended.status, ended.message) == ("SUCCEEDED", "")
    assert running.items(running.migration.target_table) == {}


def test_one_item_with_an_awkward_key_arrives_whole_and_leaves_no_trace_but_its_key(
    ran: Mapping[str, Future[Ran]],
) -> None:
    running, ended = ran["awkward"].result()
    assert (ended.status, ended.message) == ("SUCCEEDED", "")
    assert running.dynamodb.scan(TableName=running.migration.target_table)["Items"] == [AWKWARD]
    assert AWKWARD["content"]["S"] not in json.dumps(ended.events, default=str), "item data is not for the history"
    described = running.dynamodb.describe_table(TableName=running.migration.source_table)["Table"]
    assert described["StreamSpecification"]["StreamEnabled"], "the owner's own stream stays"


def test_an_item_that_an_index_would_refuse_arrives_without_that_index(ran: Mapping[str, Future[Ran]]) -> None:
    """The way out is never to change production data."""
    running, ended = ran["awkward"].result()
    assert ended.status == "SUCCEEDED"
    source = running.dynamodb.describe_table(TableName=running.migration.source_table)["Table"]
    assert {made["IndexName"] for made in source["GlobalSecondaryIndexes"]} == {"by-status", "by-update"}
    target = running.dynamodb.describe_table(TableName=running.migration.target_table)["Table"]
    assert "GlobalSecondaryIndexes" not in target
    assert target["DeletionProtectionEnabled"]
    assert running.rejects() == {}


def test_the_demos_table_is_keyed_as_the_journal_says() -> None:
    assert KEY_ATTRIBUTES == ("icao", "cycle")
