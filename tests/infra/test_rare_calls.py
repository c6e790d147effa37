"""Calls that few migrations make, by the real functions under their real roles."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from infra.local.client import LocalAwsProcess
from tests.workflow.running import Running

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
    running.deploy()
    stepped = Stepped(running)
    stepped.call("CreateReplicas", plan=stepped.plan)
    yield stepped
    running.detach()


def test_a_watermark_of_an_earlier_mapping_is_not_taken_for_one_of_this(stepped: Stepped) -> None:
    table = stepped.running.session.resource("dynamodb").Table(
        f"tableferry-{stepped.running.migration.migration}-control"
    )
    stale = {"pk": "watermarks", "sk": "shardId-of-an-earlier-stream"}
    table.put_item(Item={**stale, "document": "{}"})
    stepped.call("AttachReplicator", plan=stepped.plan)
    assert "Item" not in table.get_item(Key=stale, ConsistentRead=True)


def test_a_mapping_that_somebody_switched_off_is_switched_on_again(stepped: Stepped) -> None:
    stepped.call("AttachWriter", plan=stepped.plan)
    for attach, driven in (("AttachReplicator", "ReplicateChanges"), ("AttachWriter", "WritePages")):
        stepped.switch_off(driven)
        stepped.call(attach, plan=stepped.plan)
        assert stepped.mapping(driven)["State"] == "Enabled"


def test_a_segment_whose_kept_cursor_is_gone_is_scanned_from_its_beginning(stepped: Stepped) -> None:
    checkpoint = stepped.call("ScanSegment", plan=stepped.plan, checkpoint={"segment": 0, "kept": True})
    from_the_start = stepped.call("ScanSegment", plan=stepped.plan, checkpoint={"segment": 0})
    assert (checkpoint["state"], checkpoint["items"]) == ("done", from_the_start["items"])
