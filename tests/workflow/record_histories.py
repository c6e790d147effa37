"""Record the histories in `recorded/` from real runs on the local AWS: `python tests/workflow/record_histories.py`.

They are what GetExecutionHistory answers, without what nobody reads: call parameters, and the data of states that only
pass it on.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from infra.local.client import LocalAwsProcess
from infra.local.deploy import deploy
from tasks.core.migration import Migration
from workflow.execution import approve, deny, read_events, start
from workflow.history import parse_history
from workflow.machine import Machine
from workflow.phases import History

FOLDER = Path(__file__).with_name("recorded")
WITHIN_SECONDS = 180
ITEMS = 20


class Recorder:
    def __init__(self, aws: LocalAwsProcess, name: str, settings: Mapping[str, Any]) -> None:
        self.session = aws.session("eu-west-1")
        self._aws, self._name = aws, name
        migration = Migration(
            migration=name,
            source_table=f"{name}-source",
            target_table=f"{name}-target",
            **{"total_segments": 3, "max_concurrency": 2, "settle_seconds": 1, "quiet_seconds": 1, **settings},
        )
        self.deployment = deploy(self.session, migration, timeouts={"WritePages": 5, "ReplicateChanges": 5})
        self.arn = ""

    def load(self) -> None:
        dynamodb = self.session.client("dynamodb")
        dynamodb.create_table(
            TableName=f"{self._name}-source",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for number in range(ITEMS):
            dynamodb.put_item(TableName=f"{self._name}-source", Item={"pk": {"S": f"item {number}"}})

    def start(self, name: str) -> None:
        self.arn = start(self.session, Machine(self.deployment.state_machine_arn), {}, name)

    def until(self, is_there: Callable[[History], bool]) -> None:
        deadline = time.monotonic() + WITHIN_SECONDS
        while not is_there(parse_history(read_events(self.session, self.arn).all)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.arn} did not get there")
            time.sleep(0.1)

    def until_over(self, name: str) -> None:
        self.until(lambda history: history.state.is_over)
        events = [_without_weight(event) for event in read_events(self.session, self.arn).all]
        text = ",\n".join(json.dumps(event, default=lambda at: at.isoformat()) for event in events)
        (FOLDER / f"{name}.json").write_text(f"[\n{text}\n]\n", encoding="utf-8")
        print(name, len(events), "events")  # noqa: T201 — a foreground program


def _without_weight(event: Any) -> dict[str, Any]:  # noqa: ANN401 — boto3's typed dict, changed in place
    for name, details in event.items():
        if not name.endswith("EventDetails"):
            continue
        if "cause" in details and details["cause"].startswith("{"):
            failure = json.loads(details["cause"])
            failure.pop("stackTrace", None)
            details["cause"] = json.dumps(failure)
        for field in ("parameters", "inputDetails", "outputDetails", "roleArn"):
            details.pop(field, None)
        if not event["type"].endswith("Exited") or event["type"] in {"ChoiceStateExited", "PassStateExited"}:
            details.pop("output", None)
        if details.get("name") not in {"ScanSegment", "VerifySegment"}:
            details.pop("input", None)
    return dict(event)


def main() -> None:
    """Record all."""
    FOLDER.mkdir(exist_ok=True)
    with LocalAwsProcess() as aws:
        asking = Recorder(aws, "asking", {})
        asking.load()
        asking.start("first")
        asking.until(lambda history: history.phase is not None and "a person" in history.phase.reason)
        deny(asking.session, asking.arn, "not today")
        asking.until_over("denied")
        asking.start("second")
        asking.until(lambda history: history.phase is not None and "a person" in history.phase.reason)
        approve(asking.session, asking.arn)
        asking.until_over("succeeded")

        failing = Recorder(aws, "failing", {"approval": "automatic"})
        failing.load()
        failing.start("first")
        failing.until(lambda history: history.last_visit("PlanSegments") is not None)
        failing.session.client("kinesis").delete_stream(StreamName=failing.deployment.pages_stream)
        failing.until_over("segment_failed")

        stopped = Recorder(aws, "stopped", {"settle_seconds": 600})
        stopped.load()
        stopped.start("first")
        stopped.until(lambda history: history.phase is not None and "settles" in history.phase.reason)
        stopped.session.client("stepfunctions").stop_execution(
            executionArn=stopped.arn, error="Stopped", cause="the operator changed their mind"
        )
        stopped.until_over("aborted")

        refused = Recorder(aws, "refused", {})
        refused.start("first")
        refused.until_over("refused")


if __name__ == "__main__":
    main()
