"""A real migration, from Preflight to the end: the machine on Step Functions Local, its functions in the local AWS."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from infra.aws.functions.registry import FUNCTIONS
from infra.local.emulator.client import LocalAwsProcess, LocalSession
from tests.step_functions_local.container import NoContainer
from tests.step_functions_local.engines import ENGINES, REGION, ROLE, StepFunctionsLocal, skip
from tests.workflow.running import Ended, Running
from workflow import execution
from workflow.definition import Engine, render
from workflow.machine import Names

pytestmark = pytest.mark.engines

ITEMS = 60
DELETED = 5
POLL_SECONDS = 2


@dataclass(frozen=True)
class Migrated:
    """What became of one migration."""

    running: Running
    ended: Ended
    second: Ended
    """Another execution, started while the first one ran."""
    first_arn: str
    proven_items: tuple[int, ...]
    """What each answered question was asked with."""


Migrations = Mapping[str, tuple[StepFunctionsLocal, Future[Migrated]] | NoContainer]


class OperatorsSession(LocalSession):
    """An operator's session: Step Functions is the engine's, all else the local AWS's."""

    def __init__(self, aws: LocalAwsProcess, engine: StepFunctionsLocal) -> None:
        super().__init__(aws.endpoint_url, REGION)
        self._engine = engine

    def client(self, service_name: str, **arguments: Any) -> Any:  # type: ignore[override]  # noqa: ANN401 - as LocalSession's
        """Return a client."""
        if service_name == "stepfunctions":
            arguments["endpoint_url"] = self._engine.url
        return super().client(service_name, **arguments)


@pytest.fixture(scope="module")
def migrations(local_aws: LocalAwsProcess) -> Iterator[Migrations]:
    """A migration on each engine that can run here, side by side: they wait more than they work."""
    found: dict[str, tuple[StepFunctionsLocal, Future[Migrated]] | NoContainer] = {}
    with ExitStack() as engines, ThreadPoolExecutor(len(ENGINES)) as threads:
        for kind, run in ENGINES.items():
            try:
                engine = engines.enter_context(run(local_aws.endpoint_url, None))
            except NoContainer as reason:
                found[kind] = reason
            else:
                running = Running(local_aws, approval="required", quiet_seconds=1)
                running.create_source(items=ITEMS)
                deploy_with(running, engine)
                found[kind] = engine, threads.submit(migrate, running, OperatorsSession(local_aws, engine))
        yield found


@pytest.fixture(params=list(ENGINES))
def engine(request: pytest.FixtureRequest, migrations: Migrations) -> StepFunctionsLocal:
    found = migrations[request.param]
    if isinstance(found, NoContainer):
        skip(found)
    return found[0]


@pytest.fixture
def migrated(engine: StepFunctionsLocal, migrations: Migrations) -> Migrated:
    (future,) = [found[1] for found in migrations.values() if isinstance(found, tuple) and found[0] is engine]
    return future.result()


def migrate(running: Running, operator: OperatorsSession) -> Migrated:
    """Run a deployed migration under deletes, try to run it twice, and answer its question with yes."""
    deleted: list[int] = []
    seconds: list[str] = []
    proven: list[int] = []

    def write_and_answer(arn: str) -> None:
        left = running.left(arn)
        if "Preflight" in left and not seconds:
            seconds.append(running.start())
        if "AttachReplicator" in left and len(deleted) < DELETED:
            # While pages may still come, so that tombstones are there to be purged.
            key = {"pk": {"S": f"key-{len(deleted)}"}}
            running.dynamodb.delete_item(TableName=running.migration.source_table, Key=key)
            deleted.append(len(deleted))
        if not proven and is_asked(running, arn):
            proof, _ = execution.approve(operator, arn)
            proven.append(proof.source_items if proof else -1)

    arn = running.start()
    ended = running.wait(arn, write_and_answer)
    return Migrated(running, ended, running.wait(seconds[0]), arn, tuple(proven))


def deploy_with(running: Running, engine: StepFunctionsLocal) -> None:
    """Deploy a migration whose machine runs on the engine; the function that lists executions asks the engine."""
    deployed = running.deploy()
    holes = {f.hole: deployed.functions[f.state] for f in FUNCTIONS if f.is_state}
    engine.client.create_state_machine(
        name=Names(running.migration.migration).state_machine,
        definition=json.dumps(render(Engine.STEP_FUNCTIONS_LOCAL, holes, most_poll_seconds=POLL_SECONDS)),
        roleArn=ROLE,
    )
    client = running.session.client("lambda")
    preflight = client.get_function_configuration(FunctionName=deployed.functions["Preflight"])
    variables = {**preflight["Environment"]["Variables"], "AWS_ENDPOINT_URL_SFN": engine.url}
    client.update_function_configuration(FunctionName=preflight["FunctionArn"], Environment={"Variables": variables})
    running.stepfunctions = engine.client


def is_asked(running: Running, arn: str) -> bool:
    """Whether the question is asked by now: its function has ended, so that its token is in the control table."""
    submitted = [event for event in running.events(arn) if event["type"] == "TaskSubmitted"]
    return any(event["taskSubmittedEventDetails"]["resource"].endswith("waitForTaskToken") for event in submitted)


def test_no_state_is_left_out_between_preflight_and_the_end(migrated: Migrated) -> None:
    assert (migrated.ended.status, migrated.ended.message) == ("SUCCEEDED", "")
    assert {f.state for f in FUNCTIONS if f.is_state} <= set(migrated.ended.states)


def test_no_deleted_item_is_at_the_target_and_no_other_is_missing(migrated: Migrated) -> None:
    running = migrated.running
    items = running.items(running.migration.target_table)
    assert len(items) == ITEMS - DELETED
    assert items == running.items(running.migration.source_table)
    assert running.pointer() == running.migration.target_table
    mappings = running.session.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    assert not [mapping for mapping in mappings if running.migration.migration in mapping["FunctionArn"]]


def test_no_traffic_moves_before_the_operators_own_command_says_yes(migrated: Migrated) -> None:
    assert migrated.proven_items == (ITEMS - DELETED,)


def test_no_second_execution_runs_beside_the_first(migrated: Migrated) -> None:
    assert (migrated.second.status, migrated.second.error) == ("FAILED", "Refused")
    assert migrated.first_arn in migrated.second.message
