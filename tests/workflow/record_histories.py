"""Record the histories in `recorded/` from real runs on the local AWS: `python tests/workflow/record_histories.py`.

With names (`killed`) only those runs are made anew.

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

from infra.local.emulator.client import LocalAwsProcess
from infra.local.rehearsal.deploy import deploy
from tasks.core.run.course import course_of
from tasks.core.run.phases import Course
from tasks.core.settings.migration import Migration
from tests.faults.faulty import Faulty, RuleJson
from workflow.execution import approve, deny, read_events, start
from workflow.machine import Machine

FOLDER = Path(__file__).with_name("recorded")
WITHIN_SECONDS = 180
ITEMS = 20


class Recorder:
    def __init__(
        self,
        aws: LocalAwsProcess,
        name: str,
        settings: Mapping[str, Any],
        timeouts: Mapping[str, int] | None = None,
    ) -> None:
        self.session = aws.session("eu-west-1")
        self._aws, self._name = aws, name
        migration = Migration(
            migration=name,
            source_table=f"{name}-source",
            target_table=f"{name}-target",
            **{"total_segments": 3, "max_concurrency": 2, "settle_seconds": 1, "quiet_seconds": 1, **settings},
        )
        self.deployment = deploy(
            self.session, migration, timeouts={"WritePages": 5, "ReplicateChanges": 5, **(timeouts or {})}
        )
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

    def retry_once(self) -> None:
        """Let a scanning worker that dies be tried once more, not twenty times."""
        client, machine = self.session.client("stepfunctions"), self.deployment.state_machine_arn
        definition = json.loads(client.describe_state_machine(stateMachineArn=machine)["definition"])
        for retrier in definition["States"]["Backfill"]["ItemProcessor"]["States"]["ScanSegment"]["Retry"]:
            if "Runtime.ExitError" in retrier["ErrorEquals"]:
                retrier.update(MaxAttempts=1, IntervalSeconds=1)
        client.update_state_machine(stateMachineArn=machine, definition=json.dumps(definition))

    def start(self, name: str) -> None:
        self.arn = start(self.session, Machine(self.deployment.state_machine_arn), {}, name)

    def until(self, is_there: Callable[[Course], bool]) -> None:
        deadline = time.monotonic() + WITHIN_SECONDS
        while not is_there(course_of(read_events(self.session, self.arn).all)):
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


def asking(aws: LocalAwsProcess) -> None:
    """A migration that is asked about: denied at first, then approved."""
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


def failing(aws: LocalAwsProcess) -> None:
    """A migration whose stream of pages is gone."""
    failing = Recorder(aws, "failing", {"approval": "automatic"})
    failing.load()
    failing.start("first")
    failing.until(lambda history: history.last_visit("PlanSegments") is not None)
    failing.session.client("kinesis").delete_stream(StreamName=failing.deployment.pages_stream)
    failing.until_over("segment_failed")


def stopped(aws: LocalAwsProcess) -> None:
    """A migration that is stopped while it waits."""
    stopped = Recorder(aws, "stopped", {"settle_seconds": 600})
    stopped.load()
    stopped.start("first")
    stopped.until(lambda history: history.phase is not None and "settles" in history.phase.reason)
    stopped.session.client("stepfunctions").stop_execution(
        executionArn=stopped.arn, error="Stopped", cause="the operator changed their mind"
    )
    stopped.until_over("aborted")


def refused(aws: LocalAwsProcess) -> None:
    """A migration without a source."""
    refused = Recorder(aws, "refused", {})
    refused.start("first")
    refused.until_over("refused")


def killed(aws: LocalAwsProcess) -> None:
    """A migration of small pages whose first scanning call is killed, and all those of its last segment."""
    killed = Recorder(aws, "killed", {"approval": "automatic"}, {"ScanSegment": 4})
    killed.load()
    killed.retry_once()
    scanning = {"operation": "Scan", "caller": "tableferry-killed-ScanSegment"}
    rules: list[RuleJson] = [
        {"name": "dead", "action": "kill-before", **scanning, "mentions": '"Segment":2,'},
        {"name": "killed", "action": "kill-before", **scanning, "most": 1},
        {"name": "slow", "action": "delay", "seconds": 2.5, "operation": "kinesis.PutRecords"},
        {"name": "short", "action": "short-page", "items": 2, **scanning},
    ]
    with Faulty(aws).faults("killed", rules):
        killed.start("first")
        killed.until_over("retried")


RECORDED = {"asking": asking, "failing": failing, "stopped": stopped, "refused": refused, "killed": killed}


def main(names: list[str]) -> None:
    """Record all, or those that are named."""
    FOLDER.mkdir(exist_ok=True)
    with LocalAwsProcess() as aws:
        for name in names or RECORDED:
            RECORDED[name](aws)


if __name__ == "__main__":
    main(sys.argv[1:])
