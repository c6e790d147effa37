"""A migration deployed into the local AWS and run, for tests of the whole."""

import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from infra.local.emulator.client import LocalAwsProcess
from infra.local.rehearsal.deploy import Deployment, deploy
from tasks.core.settings.migration import Migration

REGION = "eu-west-1"
TOKYO = "ap-northeast-1"
ENDS_WITHIN_SECONDS = 900.0
SHORT_TIMEOUTS = {"WritePages": 8, "ReplicateChanges": 8}
"""Timeouts in seconds. Detaching waits one of each, and a rule is in force after one: these tables are small."""
_NUMBERS = itertools.count(1)

Event = dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """How an execution ended."""

    status: str
    error: str
    message: str
    output: dict[str, Any]
    events: list[Event]

    @property
    def states(self) -> list[str]:
        """States in the order in which they were entered."""
        return [
            event["stateEnteredEventDetails"]["name"] for event in self.events if "stateEnteredEventDetails" in event
        ]


class Running:
    """One migration in the local AWS."""

    def __init__(self, aws: LocalAwsProcess, *, region: str = REGION, **settings: Any) -> None:  # noqa: ANN401 — the model's
        name = f"test-{next(_NUMBERS)}-{time.time_ns() % 1_000_000}"
        self.migration = Migration.model_validate(
            {
                "migration": name,
                "source_table": f"{name}-source",
                "target_table": f"{name}-target",
                "approval": "automatic",
                "total_segments": 4,
                "max_concurrency": 3,
                "settle_seconds": 1,
                "quiet_seconds": 2,
                **settings,
            }
        )
        self.aws = aws
        self.session = aws.session(region)
        self.dynamodb = self.session.client("dynamodb")
        self.stepfunctions = self.session.client("stepfunctions")
        self.deployment: Deployment | None = None
        self._left: dict[str, set[str]] = {}

    def deploy(self, timeouts: Mapping[str, int] = SHORT_TIMEOUTS, **more: int) -> Deployment:
        """Deploy it, with one shard for its pages.

        Args:
            timeouts: seconds by state, of those that are not to have their own.
            more: other parameters of the local deployment.
        """
        self.deployment = deploy(self.session, self.migration, shards=1, timeouts=timeouts, **more)
        return self.deployment

    def create_source(self, items: int = 0, **more: Any) -> None:  # noqa: ANN401 — CreateTable's own parameters
        """Create the source with some plain items."""
        self.create_table(self.migration.source_table, **more)
        for start in range(0, items, 25):
            puts = [
                {"PutRequest": {"Item": {"pk": {"S": f"key-{number}"}, "n": {"N": str(number)}}}}
                for number in range(start, min(items, start + 25))
            ]
            self.dynamodb.batch_write_item(RequestItems={self.migration.source_table: puts})

    def create_table(self, table: str, **more: Any) -> None:  # noqa: ANN401 — CreateTable's own parameters
        """Create a table whose key is `pk`, unless told otherwise."""
        settings: dict[str, Any] = {
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        }
        self.dynamodb.create_table(TableName=table, **(settings | more))

    def start(self, execution_input: object = None) -> str:
        """Start an execution and return its ARN."""
        deployment = self.deployment or self.deploy()
        arn: str = self.stepfunctions.start_execution(
            stateMachineArn=deployment.state_machine_arn,
            name=f"run-{time.time_ns()}",
            input=json.dumps({} if execution_input is None else execution_input),
        )["executionArn"]
        return arn

    def run(self, execution_input: object = None, during: Callable[[str], object] | None = None) -> Ended:
        """Start an execution and wait for its end.

        Args:
            execution_input: of the execution.
            during: called about twice a second with the execution's ARN.
        """
        return self.wait(self.start(execution_input), during)

    def wait(self, arn: str, during: Callable[[str], object] | None = None) -> Ended:
        """Wait for an execution's end."""
        deadline = time.monotonic() + ENDS_WITHIN_SECONDS
        while True:
            described = self.stepfunctions.describe_execution(executionArn=arn)
            if described["status"] != "RUNNING":
                break
            if during is not None:
                during(arn)
            if time.monotonic() > deadline:
                raise TimeoutError(f"{arn} runs for more than {ENDS_WITHIN_SECONDS} s; last: {self.events(arn)[-1]}")
            time.sleep(0.4)
        cause = described.get("cause") or ""
        try:
            message = str(json.loads(cause)["errorMessage"])
        except (ValueError, TypeError, KeyError):
            message = cause
        return Ended(
            status=described["status"],
            error=described.get("error") or "",
            message=message,
            output=json.loads(described.get("output") or "{}"),
            events=self.events(arn),
        )

    def detach(self) -> None:
        """Delete the mappings that a failed execution leaves attached; read on, they cost the engines more and more."""
        client = self.session.client("lambda")
        for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
            if f":tableferry-{self.migration.migration}-" in mapping["FunctionArn"]:
                self._delete_mapping(mapping["UUID"])

    def _delete_mapping(self, uuid: str) -> None:
        client, deadline = self.session.client("lambda"), time.monotonic() + ENDS_WITHIN_SECONDS
        while True:
            try:
                client.delete_event_source_mapping(UUID=uuid)
                return
            except client.exceptions.ResourceInUseException:  # it is still being made
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def events(self, arn: str) -> list[Event]:
        """Return an execution's history."""
        pages = self.stepfunctions.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [event for page in pages for event in page["events"]]

    def left(self, arn: str) -> set[str]:
        """Return the states that the execution has left so far."""
        events = self.events(arn)
        left = {event["stateExitedEventDetails"]["name"] for event in events if "stateExitedEventDetails" in event}
        self._left[arn] = left
        return left

    def is_past(self, arn: str, state: str) -> bool:
        """Whether the execution has left a state."""
        # A history is long, and costs the local Step Functions more than all else: it is not read for what is known.
        return state in self._left.get(arn, ()) or state in self.left(arn)

    def items(self, table: str, region: str = REGION) -> dict[str, Any]:
        """Return a table's items by the JSON text of their `pk`."""
        return {json.dumps(item["pk"]): item for item in self._iter_items(table, region)}

    def _iter_items(self, table: str, region: str) -> Iterator[dict[str, Any]]:
        client = self.aws.session(region).client("dynamodb")
        for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            yield from page["Items"]

    def rejects(self) -> dict[str, list[dict[str, Any]]]:
        """Return the lines of all rejects, by their object's name within the run."""
        if self.deployment is None:
            return {}
        s3, bucket = self.session.client("s3"), self.deployment.rejects_bucket
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="rejects/")
        names = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {
            name.split("/", 2)[2]: [
                json.loads(line) for line in s3.get_object(Bucket=bucket, Key=name)["Body"].read().splitlines()
            ]
            for name in names
        }

    def pointer(self) -> str | None:
        """Return what the pointer says."""
        ssm = self.session.client("ssm")
        name = f"/tableferry/{self.migration.migration}/active-table"
        found = ssm.get_parameters(Names=[name])["Parameters"]
        return found[0]["Value"] if found else None


ResultT = TypeVar("ResultT")


@contextmanager
def side_by_side(
    aws: LocalAwsProcess,
    scenarios: Iterable[Callable[[Running], ResultT]],
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    at_once: int = 2,
) -> Iterator[Mapping[str, Future[tuple[Running, ResultT]]]]:
    """Run migrations beside each other, and beside the tests: they wait more than they work.

    Args:
        aws: the local AWS.
        scenarios: each runs one migration. A test takes its own by its name.
        settings: of a scenario's migration, by the scenario's name.
        at_once: so many at a time.
    """

    def run(scenario: Callable[[Running], ResultT]) -> tuple[Running, ResultT]:
        running = Running(aws, **(settings or {}).get(scenario.__name__, {}))
        return running, scenario(running)

    with ThreadPoolExecutor(at_once) as threads:
        yield {scenario.__name__: threads.submit(run, scenario) for scenario in scenarios}
