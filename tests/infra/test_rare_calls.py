"""Calls that few migrations make, by the real functions under their real roles."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.local.emulator.client import LocalAwsProcess
from tests.workflow.running import TOKYO, Running

WITHIN_SECONDS = 60
BOTH_IMAGES = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}


class Stepped:
    """A migration whose functions are called one by one."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.lambda_ = running.session.client("lambda")
        assert running.deployment is not None
        machine = running.deployment.state_machine_arn
        self.plan = self.call(
            "Preflight",
            input={},
            execution_name="one",
            execution_arn=f"{machine.replace(':stateMachine:', ':execution:')}:one",
            execution_started=datetime.now(UTC).isoformat(),
            state_machine_arn=machine,
        )

    def call(self, state: str, **payload: Any) -> Any:  # noqa: ANN401 — any JSON
        """Call a state's function until it does not wait any more, and return its result."""
        assert self.running.deployment is not None
        deadline = time.monotonic() + WITHIN_SECONDS
        while True:
            answer = self.lambda_.invoke(
                FunctionName=self.running.deployment.functions[state], Payload=json.dumps(payload)
            )
            result = json.loads(answer["Payload"].read())
            if "FunctionError" not in answer:
                return result
            assert result["errorType"].endswith("Pending"), result
            assert time.monotonic() < deadline, result
            time.sleep(0.3)

    def mapping(self, state: str) -> dict[str, Any]:
        """Return the mapping of a function that a stream drives."""
        assert self.running.deployment is not None
        (found,) = self.lambda_.list_event_source_mappings(FunctionName=self.running.deployment.functions[state])[
            "EventSourceMappings"
        ]
        return dict(found)

    def switch_off(self, state: str) -> None:
        """Switch a mapping off, as somebody might in the console."""
        self.lambda_.update_event_source_mapping(UUID=self.mapping(state)["UUID"], Enabled=False)
        deadline = time.monotonic() + WITHIN_SECONDS
        while self.mapping(state)["State"] != "Disabled":
            assert time.monotonic() < deadline
            time.sleep(0.2)


@pytest.fixture(scope="module")
def stepped(local_aws: LocalAwsProcess) -> Iterator[Stepped]:
    running = Running(local_aws)
    running.create_source(30, StreamSpecification=BOTH_IMAGES)
    running.deploy(window_seconds=1)  # the mapping gathers changes as on AWS, while all others here do not
    stepped = Stepped(running)
    stepped.call("CreateReplicas", plan=stepped.plan)
    yield stepped
    running.detach()


def test_a_watermark_of_an_earlier_mapping_is_not_taken_for_one_of_this(stepped: Stepped) -> None:
    table = stepped.running.session.resource("dynamodb").Table(
        f"tableferry-{stepped.running.migration.migration}-control"
    )
    stale = {"pk": "watermarks#forward#0", "sk": "shardId-of-an-earlier-stream"}
    table.put_item(Item={**stale, "document": "{}"})
    stepped.call("AttachReplicator", plan=stepped.plan)
    assert "Item" not in table.get_item(Key=stale, ConsistentRead=True)


def test_a_mapping_that_somebody_switched_off_is_switched_on_again(stepped: Stepped) -> None:
    stepped.call("AttachWriter", plan=stepped.plan)
    for attach, driven in (("AttachReplicator", "ReplicateChanges"), ("AttachWriter", "WritePages")):
        stepped.switch_off(driven)
        stepped.call(attach, plan=stepped.plan)
        assert stepped.mapping(driven)["State"] == "Enabled"


def test_a_mapping_that_is_switched_off_while_nobody_waits_is_seen_by_who_watches(stepped: Stepped) -> None:
    """The schedule itself does not run here: the function is called as it would call it."""
    stepped.call("AttachReplicator", plan=stepped.plan)
    stepped.call("AttachWriter", plan=stepped.plan)
    assert stepped.mapping("ReplicateChanges")["MaximumBatchingWindowInSeconds"] == 1
    assert stepped.call("WatchReplicator")["down"] == []
    stepped.switch_off("ReplicateChanges")
    running = stepped.running
    running.dynamodb.put_item(TableName=running.migration.source_table, Item={"pk": {"S": "while it is off"}})
    time.sleep(1)
    seen = stepped.call("WatchReplicator")
    assert "ReplicateChanges is Disabled" in seen["down"][0]
    assert seen["oldest_unapplied_seconds"] > 0
    stepped.call("AttachReplicator", plan=stepped.plan)


def test_replicas_are_added_to_a_table_with_items_by_a_role_of_its_own(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws, replica_regions=(TOKYO,), add_replicas="after-backfill")
    running.create_source(5, StreamSpecification=BOTH_IMAGES)
    running.deploy()
    stepped = Stepped(running)
    made = stepped.call("CreateReplicas", plan=stepped.plan)
    route = stepped.call("AttachReplicator", plan=stepped.plan)["route"]
    added = stepped.call("AddReplicas", plan=stepped.plan, route=route)
    running.detach()
    assert TOKYO not in made["regions"]
    assert added["regions"] == [TOKYO]


def test_a_segment_whose_kept_cursor_is_gone_is_scanned_from_its_beginning(stepped: Stepped) -> None:
    on = {"plan": stepped.plan, "route": stepped.call("AttachReplicator", plan=stepped.plan)["route"]}
    checkpoint = stepped.call("ScanSegment", **on, checkpoint=0)
    from_the_start = stepped.call("ScanSegment", **on, checkpoint={"segment": 0})
    assert (checkpoint["state"], checkpoint["items"]) == ("done", from_the_start["items"])


def test_the_receipts_of_a_segment_that_waits_for_the_writer_are_looked_at(stepped: Stepped) -> None:
    """Of small tables a segment is sent in one call, and none is ever far ahead."""
    on = {"plan": stepped.plan, "route": stepped.call("AttachReplicator", plan=stepped.plan)["route"]}
    stepped.call("AttachWriter", plan=stepped.plan)
    scanned = stepped.call("ScanSegment", **on, checkpoint={"segment": 0})
    deadline, looked = time.monotonic() + WITHIN_SECONDS, scanned
    while looked["written"] < scanned["pages"]:
        assert time.monotonic() < deadline, looked
        looked = stepped.call("ScanSegment", **on, checkpoint={**scanned, "state": "sent", "written": 0})
    assert looked["state"] == "done"


def test_a_refused_item_is_read_again_before_the_proof(stepped: Stepped) -> None:
    """One that was put right does not stop a redrive."""
    running = stepped.running
    assert running.deployment is not None
    key = {"pk": {"S": "key-2"}}
    running.session.client("s3").put_object(
        Bucket=running.deployment.rejects_bucket,
        Key=f"rejects/{stepped.plan['run']}/pages/0-0-0-digest.jsonl",
        Body=json.dumps({"reason": "no", "key": key, "item": None}).encode(),
    )
    item = running.dynamodb.get_item(TableName=running.migration.source_table, Key=key)["Item"]
    running.dynamodb.put_item(TableName=running.migration.target_table, Item=item)
    on = {"plan": stepped.plan, "route": stepped.call("AttachReplicator", plan=stepped.plan)["route"]}
    stepped.call("AttachWriter", plan=stepped.plan)
    for segment in range(stepped.plan["total_segments"]):
        stepped.call("ScanSegment", **on, checkpoint={"segment": segment})
    assert stepped.call("DrainBackfill", **on)["pages"] > 0


def test_a_rejected_change_is_read_again_before_traffic_moves(stepped: Stepped) -> None:
    """Whole migrations have none: one with a reject that was never put right stops before it comes so far."""
    running, now = stepped.running, datetime.now(UTC).isoformat()
    assert running.deployment is not None
    run, key = stepped.plan["run"], {"pk": {"S": "key-1"}}
    running.session.client("s3").put_object(
        Bucket=running.deployment.rejects_bucket,
        Key=f"rejects/{run}/changes/1.jsonl",
        Body=json.dumps({"reason": "no", "key": key, "item": None}).encode(),
    )
    item = running.dynamodb.get_item(TableName=running.migration.source_table, Key=key)["Item"]
    running.dynamodb.put_item(TableName=running.migration.target_table, Item=item)
    on = {"plan": stepped.plan, "route": stepped.call("AttachReplicator", plan=stepped.plan)["route"]}
    stepped.call("ProtectTarget", **on, entered=now, proven=now)
    assert stepped.call("DrainChanges", **on, entered=now)["shards"] == 1
    # Entered later: what another state has found equal is read again.
    later = datetime.now(UTC).isoformat()
    cut_over = stepped.call("CutOver", **on, verdict="equal", proven=now, entered=later, replica_ids={})
    assert cut_over["active_table"] == running.migration.target_table


def test_keys_that_differ_are_read_again_within_their_turns(local_aws: LocalAwsProcess) -> None:
    running = Running(local_aws, read_units_per_second=500)
    running.create_source(5, StreamSpecification=BOTH_IMAGES)
    running.deploy()
    stepped = Stepped(running)
    stepped.call("CreateReplicas", plan=stepped.plan)
    on = {"plan": stepped.plan, "route": stepped.call("AttachReplicator", plan=stepped.plan)["route"]}
    target, extra = running.migration.target_table, {"pk": {"S": "nobody's"}}
    for item in (*running.items(running.migration.source_table).values(), extra):
        running.dynamodb.put_item(TableName=target, Item=item)

    def verified(verify: dict[str, Any]) -> dict[str, Any]:
        of = {"plan": stepped.plan, "verification": verify["id"], "stage": verify["stage"]}
        for slice_ in verify["slices"]:
            assert stepped.call("VerifySegment", **of, slice=slice_)["state"] == "done"
        return verify

    planned = stepped.call("PlanVerify", plan=stepped.plan, entered=datetime.now(UTC).isoformat())
    suspect = verified(stepped.call("CompareDigests", **on, verify=verified(planned)))
    assert suspect["verdict"] == "suspect"
    running.dynamodb.delete_item(TableName=target, Key=extra)
    found = stepped.call("CompareDigests", **on, verify=suspect)
    running.detach()
    assert (found["verdict"], found["rechecked"]) == ("equal", 1)
