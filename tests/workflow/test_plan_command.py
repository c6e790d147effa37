"""`python -m workflow plan` against the local AWS: what it predicts is what the run that follows takes, and is told."""

import json
import urllib.request
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import yaml

from infra.local.emulator.client import LocalAwsProcess
from tests.workflow.running import REGION, Running
from tests.workflow.test_cli import workflow

pytestmark = pytest.mark.engines

WITHIN = 0.05
ITEMS = 1000
CALLS = ("Scan", "BatchExecuteStatement", "kinesis.PutRecords")
"""Those that carry items. Nobody else makes them here."""
NO_BOUND = 1e9
OF_ACTION = {"PartiQLInsert": "BatchExecuteStatement"}
OF_MAPPINGS = frozenset(
    {"GetRecords", "GetShardIterator", "ListShards", "DescribeStream", "DescribeStreamSummary", "SubscribeToShard"}
)
"""What a function's role is asked for by the mapping that drives it."""


def asked(aws: LocalAwsProcess, path: str, *, put: object = None) -> str:
    """Ask the local AWS something of its own."""
    call = urllib.request.Request(  # noqa: S310 — our own http address
        f"{aws.endpoint_url}/_tableferry/{path}",
        data=None if put is None else json.dumps(put).encode(),
        method="GET" if put is None else "PUT",
    )
    with urllib.request.urlopen(call) as answer:  # noqa: S310 — see above
        text: str = answer.read().decode()
    return text


def counted(aws: LocalAwsProcess) -> dict[str, int]:
    """Return how many calls that carry items the gateway has seen so far."""
    calls: dict[str, int] = json.loads(asked(aws, "calls"))
    return {name: calls.get(name, 0) for name in CALLS}


def create_source_of_all_sizes(running: Running) -> None:
    """Fill the source with items that take one to four write units."""
    running.create_source()
    for start in range(0, ITEMS, 25):
        puts = [
            {"PutRequest": {"Item": {"pk": {"S": f"key-{number}"}, "text": {"S": "x" * (number * 37 % 3600)}}}}
            for number in range(start, start + 25)
        ]
        running.dynamodb.batch_write_item(RequestItems={running.migration.source_table: puts})


def metrics_in_log(running: Running, state: str) -> list[dict[str, Any]]:
    """Return the lines of a function's log that are metrics."""
    assert running.deployment is not None
    name = running.deployment.functions[state].rpartition(":")[2]
    lines = asked(running.aws, f"logs/{REGION}/{name}").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and '"CloudWatchMetrics"' in line]


def read_units_in_metrics(running: Running, state: str) -> float:
    """Return the read units of items that a function's own metrics tell of."""
    return sum(sum(line.get("ReadUnits", [])) for line in metrics_in_log(running, state))


def take_in_metrics(running: Running) -> None:
    """Make metrics of the functions' logs, as CloudWatch does on AWS; the local one does not."""
    cloudwatch = running.session.client("cloudwatch")
    for state in ("ScanSegment", "WritePages", "VerifySegment"):
        for line in metrics_in_log(running, state):
            at = datetime.fromtimestamp(line["_aws"]["Timestamp"] / 1000, UTC)
            for directive in line["_aws"]["CloudWatchMetrics"]:
                dimensions = [{"Name": name, "Value": line[name]} for name in directive["Dimensions"][0]]
                data = [
                    {
                        "MetricName": one["Name"],
                        "Dimensions": dimensions,
                        "Timestamp": at,
                        "Value": sum(line[one["Name"]]),
                    }
                    for one in directive["Metrics"]
                ]
                cloudwatch.put_metric_data(Namespace=directive["Namespace"], MetricData=data)


def needed_by(running: Running, state: str) -> Counter[str]:
    """Return how many calls a function made, by operation."""
    caller = f"tableferry-{running.migration.migration}-{state}"
    found: Counter[str] = Counter()
    for one in json.loads(asked(running.aws, "requirements"))["used"][caller]:
        service, _, action = one["action"].partition(":")
        if service in {"dynamodb", "kinesis"}:
            found[OF_ACTION.get(action, action)] += one["count"]
    return found


def calls_made(running: Running, state: str) -> float:
    """Return how often a function was called."""
    lines = metrics_in_log(running, state)
    return sum(sum(line.get(name, [])) for line in lines for name in ("Done", "Waits"))


@dataclass
class Ran:
    """A migration that was planned and run."""

    running: Running
    said: dict[str, Any]
    """By the plan."""
    said_before: dict[str, Any]
    """By the plan of the settings file, before anything was deployed."""
    report: dict[str, list[dict[str, Any]]]
    """What was made of the plan and of the run's metrics."""
    refused: str
    """What an execution says that may cost next to nothing."""
    called: dict[str, int]
    write_units: float
    """That the target took, as the gateway counts them."""
    needed: dict[str, Counter[str]]
    """By state, what its function asked for, as the local AWS counts it for each role."""


def planned(aws: LocalAwsProcess, *arguments: str) -> dict[str, Any]:
    done = workflow(aws.environment(), "plan", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.fixture(scope="module")
def ran(local_aws: LocalAwsProcess, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """Plan a migration, and run it."""
    running = Running(local_aws)
    create_source_of_all_sizes(running)
    file = tmp_path_factory.mktemp("settings") / "orders.yaml"
    fields = running.migration.model_dump(mode="json", exclude_defaults=True)
    file.write_text(yaml.safe_dump({**fields, "deployment": {"region": REGION, "pages_shards": 1}}), encoding="utf-8")
    said_before = planned(local_aws, "--settings", str(file))
    running.deploy()
    said = planned(local_aws, "--migration", running.migration.migration)
    plan_file = file.with_name("plan.json")
    plan_file.write_text(json.dumps(said), encoding="utf-8")
    started = workflow(
        local_aws.environment(), "start", "--migration", running.migration.migration, "--max-cost", "0.0001"
    )
    assert started.returncode == 0, started.stderr
    refused = running.wait(started.stdout.strip())
    assert refused.error == "Refused"
    # A limit that bounds nothing counts: DynamoDB Local does not say what a batch of statements took.
    asked(local_aws, "limits", put=[{"table": running.migration.target_table, "write_units": NO_BOUND}])
    before = counted(local_aws)
    arn = running.start()
    ended = running.wait(arn)
    assert ended.status == "SUCCEEDED", ended.message
    called = {name: count - before[name] for name, count in counted(local_aws).items()}
    (limit,) = json.loads(asked(local_aws, "limits"))
    take_in_metrics(running)
    reported = workflow(local_aws.environment(), "report", arn, "--json", "--plan", str(plan_file))
    assert reported.returncode == 0, reported.stderr
    report = json.loads(reported.stdout)
    needed = {state: needed_by(running, state) for state in said["predicted"]["functions"]}
    return Ran(running, said, said_before, report, refused.message, called, limit["taken"]["write_units"], needed)


def test_a_plan_predicts_the_calls_of_the_run_that_follows(ran: Ran) -> None:
    predicted = ran.said["predicted"]["calls"]
    assert ran.called == {name: pytest.approx(predicted[name.rpartition(".")[2]], rel=WITHIN) for name in CALLS}


def test_a_plan_predicts_the_units_that_the_run_takes(ran: Ran) -> None:
    predicted = ran.said["predicted"]["units"]
    for state in ("ScanSegment", "VerifySegment"):
        assert read_units_in_metrics(ran.running, state) == pytest.approx(predicted[state], rel=WITHIN), state
    assert ran.write_units == pytest.approx(predicted["WritePages"], rel=WITHIN)


@pytest.mark.parametrize("state", ["ScanSegment", "WritePages", "VerifySegment"])
def test_a_plan_predicts_all_calls_of_a_function_given_how_often_it_is_called(ran: Ran, state: str) -> None:
    """How often hangs on who waits for whom, and the plan says what each call more asks."""
    said = ran.said["predicted"]["functions"][state]
    more = calls_made(ran.running, state) - said["calls"]
    expected = {name: count + more * said["each"].get(name, 0) for name, count in said["in_all"].items()}
    made = {name: count for name, count in ran.needed[state].items() if name not in {*OF_MAPPINGS, "Query"}}
    assert made == {name: pytest.approx(count, rel=WITHIN) for name, count in expected.items()}


def test_a_plan_says_what_its_look_at_the_source_took(ran: Ran) -> None:
    sample, predicted = ran.said["sample"], ran.said["predicted"]["units"]
    assert (sample["pages"], sample["items"]) == (4, ITEMS)
    assert sample["read_units"] == pytest.approx(predicted["ScanSegment"], rel=WITHIN)
    assert ran.said["refused"] == []


def test_a_plan_of_the_settings_file_says_the_same_before_anything_is_deployed(ran: Ran) -> None:
    assert ran.said_before["predicted"] == ran.said["predicted"]
    assert ran.said_before["plan"] == ran.said["plan"]


def test_an_execution_that_costs_more_than_start_allows_is_refused_with_the_plans_sum(ran: Ran) -> None:
    assert "max_cost_usd is 0.00, and by its plan the run costs about" in ran.refused


def test_the_report_finds_the_run_within_five_percent_of_its_plan(ran: Ran) -> None:
    rows = {row["name"]: row for row in ran.report["counts"]}
    untold = {name for name, row in rows.items() if row["taken"] is None}
    assert untold == {"write units of pages"}, "of a batch of statements DynamoDB Local does not say what it took"
    assert len(rows) == 7
    for name in rows.keys() - untold:
        assert abs(rows[name]["off"]) <= WITHIN, rows[name]


def test_the_report_has_the_times_of_all_phases_and_the_money_that_is_counted(ran: Ran) -> None:
    seconds = {row["name"]: row["taken"] for row in ran.report["seconds"]}
    phases = ("until the first page", "copy", "proof", "cut-over")
    assert all(seconds[name] > 0 for name in phases)
    assert seconds["all of these"] == pytest.approx(sum(seconds[name] for name in phases))
    usd = {row["name"]: row for row in ran.report["usd"]}
    assert abs(usd["scan, read request units"]["off"]) <= WITHIN
    assert abs(usd["books, write request units"]["off"]) <= WITHIN
    assert usd["scan, calls of Lambda functions"]["taken"] is None, "which the local AWS does not tell CloudWatch"
    assert usd["all"]["predicted"] == pytest.approx(ran.said["bill"]["usd"], rel=0.01), "nobody waited for an answer"
