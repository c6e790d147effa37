"""Dashboard and alarms: they name metrics that are put out, and go off when they should, and only then."""

import functools
import json
import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.aws.functions.registry import emitters_of
from tasks.core import metrics
from tasks.core.copy.back_pressure import PAGES_KEPT_HOURS
from tasks.core.settings.caps import STUCK_SECONDS
from tests.infra.synthesized import joined, resources, template

LIMIT = 18 * 3600
DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
DOCUMENTED = re.findall(r"^\| `(\w+)` \| .+ \|$", DOCUMENT, re.MULTILINE)
"""The names of all alarms, known before there is a template: to collect tests must not start CDK."""
OWN = {metric.name: metric for metric in vars(metrics).values() if isinstance(metric, metrics.Metric)}


@functools.cache
def alarms() -> dict[str, dict[str, Any]]:
    """Return the alarms by their names."""
    return {
        properties["AlarmName"].removeprefix("tableferry-orders-"): properties
        for properties in resources("AWS::CloudWatch::Alarm").values()
    }


def parts(alarm: Mapping[str, Any]) -> tuple[str, dict[str, tuple[str, str, dict[str, str]]]]:
    """Return an alarm's expression, and (namespace, name, dimensions) of what it uses by id."""
    used, expression = {}, ""
    for entry in alarm["Metrics"]:
        if "Expression" in entry:
            expression = entry["Expression"]
        else:
            metric = entry["MetricStat"]["Metric"]
            dimensions = {one["Name"]: joined(one["Value"]) for one in metric["Dimensions"]}
            used[entry["Id"]] = (metric["Namespace"], metric["MetricName"], dimensions)
    return expression, used


def breaches(name: str, **values: float) -> bool:
    """Say whether one period with these values breaches.

    What CloudWatch makes of `missing + 1` it does not document, so here it is nothing, which breaches nothing.
    """
    expression, used = parts(alarms()[name])
    unknown = set(values) - {_called(one) for one in used.values()}
    assert not unknown, f"{name} does not look at {unknown}"
    value = evaluated(expression, {one: values.get(_called(called), math.nan) for one, called in used.items()})
    return bool(value > alarms()[name]["Threshold"])


def evaluated(expression: str, values: Mapping[str, float]) -> float:
    """Return the value of a sum of metrics, each of which may be without a value."""

    def filled(found: re.Match[str]) -> str:
        value = values[found[1]]
        return found[2] if math.isnan(value) else str(value)

    text = re.sub(r"FILL\(([a-z]+\d*), ([\d.]+)\)", filled, expression)
    text = re.sub(r"[a-z]+\d*", lambda found: str(values[found[0]]), text)
    terms = text.replace("- ", "+ -1 * ").split("+")
    return sum(math.prod(float(factor) for factor in term.split("*")) for term in terms)


def goes_off(name: str, calls: Iterable[tuple[float, dict[str, float]]]) -> bool:
    """Say whether an alarm goes off while calls put out values at these moments, in seconds."""
    alarm = alarms()[name]
    (period,) = {entry["MetricStat"]["Period"] for entry in alarm["Metrics"] if "MetricStat" in entry}
    bins: dict[int, dict[str, float]] = {}
    for at, values in calls:
        seen = bins.setdefault(int(at // period), {})
        for called, value in values.items():
            seen[called] = seen.get(called, 0) + value
    judged = [breaches(name, **bins.get(number, {})) for number in range(max(bins) + 1)]
    last = alarm["EvaluationPeriods"]
    return any(sum(judged[max(0, end - last) : end]) >= alarm["DatapointsToAlarm"] for end in range(1, len(judged) + 1))


def polls(every_seconds: float, hours: float, **values: float) -> list[tuple[float, dict[str, float]]]:
    """Return what a state puts out that polls for so long."""
    return [(number * every_seconds, values) for number in range(int(hours * 3600 / every_seconds))]


def _called(one: tuple[str, str, dict[str, str]]) -> str:
    _, name, dimensions = one
    state = dimensions.get("state") or dimensions.get("FunctionName", "").removeprefix("tableferry-orders-")
    return f"{name}_{state}" if state else name


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_an_alarm_looks_only_at_metrics_that_somebody_puts_out(name: str) -> None:
    expression, used = parts(alarms()[name])
    for namespace, metric, dimensions in used.values():
        if namespace == metrics.NAMESPACE:
            assert set(dimensions) == set(OWN[metric].dimensions)
            assert dimensions["migration"] == "orders"
            assert dimensions.get("state", emitters_of(OWN[metric])[0]) in emitters_of(OWN[metric])
    assert set(re.findall(r"[a-z]+\d*", expression)) == set(used), "one that is not used, or not there"
    assert set(re.findall(r"FILL\(([a-z]+\d*), 0\)", expression)) == set(used), "what is missing leaves no value behind"
    assert len(used) <= 10, "CloudWatch takes no more in an alarm"


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_every_alarm_reaches_somebody_and_says_what_to_do(name: str) -> None:
    alarm = alarms()[name]
    if name == "PagesGivenUp":
        assert "AlarmActions" not in alarm, "the rule itself sends a mail"
    else:
        (action,) = alarm["AlarmActions"]
        assert joined(action).startswith("<Alarms")
    assert len(alarm["AlarmDescription"]) > 80
    assert alarm["TreatMissingData"] == "notBreaching", "an idle stack wakes nobody"
    (period,) = {entry["MetricStat"]["Period"] for entry in alarm["Metrics"] if "MetricStat" in entry}
    assert period * alarm["EvaluationPeriods"] <= 24 * 3600, "CloudWatch looks no further back"
    assert alarm["DatapointsToAlarm"] < alarm["EvaluationPeriods"], "the newest value may not have come yet"


@pytest.mark.parametrize("name", sorted(DOCUMENTED))
def test_a_stack_at_rest_wakes_nobody(name: str) -> None:
    assert not breaches(name)


def test_the_test_itself_takes_what_is_missing_for_nothing() -> None:
    assert math.isnan(evaluated("m0 + m1", {"m0": 1, "m1": math.nan}))
    assert evaluated("FILL(m0, 0) - 10 * FILL(m1, 0)", {"m0": 1, "m1": math.nan}) == 1
    assert evaluated("FILL(m0, 0) - 10 * FILL(m1, 0)", {"m0": 1, "m1": 2}) == -19


def test_the_operator_is_told_while_a_change_can_still_be_saved() -> None:
    assert breaches("ReplicatorBehind", IteratorAge_ReplicateChanges=(LIMIT + 1) * 1000)
    assert breaches("ChangesUnapplied", OldestUnapplied=LIMIT + 1)
    assert not breaches("ReplicatorBehind", IteratorAge_ReplicateChanges=(LIMIT - 1) * 1000)
    assert not breaches("ChangesUnapplied", OldestUnapplied=LIMIT - 1)
    assert LIMIT < 24 * 3600


def test_somebody_looks_while_an_approval_is_waited_for_and_is_told_that_nothing_drives_the_replicator() -> None:
    """A mapping that is switched off puts out no metric of its own: no IteratorAge, no error."""
    rules = {properties["Name"]: properties for properties in resources("AWS::Events::Rule").values()}
    watch = rules["tableferry-orders-Watch"]
    assert (watch["ScheduleExpression"], watch["State"]) == ("rate(5 minutes)", "ENABLED")
    (target,) = watch["Targets"]
    (permission,) = resources("AWS::Lambda::Permission").values()
    assert joined(target["Arn"]) == joined(permission["FunctionName"])
    assert "WatchReplicator" in joined(target["Arn"])
    assert (permission["Principal"], permission["Action"]) == ("events.amazonaws.com", "lambda:InvokeFunction")
    assert joined(permission["SourceArn"]).startswith("<Watch"), "no other rule may call it"
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 0}
    assert goes_off("StreamUnread", polls(300, 0.5, MappingsDown=1))
    assert not goes_off("StreamUnread", [(10, {"MappingsDown": 1})]), "one that is being made or changed"
    assert not goes_off("StreamUnread", polls(300, 1, MappingsDown=0))
    assert goes_off("ChangesUnapplied", [(10, {"OldestUnapplied": LIMIT + 1})])
    assert goes_off("StreamFunctionFails", polls(300, 0.6, Errors_WatchReplicator=1)), "who watches is watched"


@pytest.mark.parametrize("metric", ["ItemsRejected", "ChangesRejected", "ChangesOverruled"])
def test_the_operator_is_told_of_one_rejected_item(metric: str) -> None:
    assert goes_off("Rejects", [(10, {metric: 1})])


@pytest.mark.parametrize("metric", ["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"])
def test_the_operator_is_told_of_an_execution_that_failed(metric: str) -> None:
    assert goes_off("ExecutionFailed", [(10, {metric: 1})])


@pytest.mark.parametrize("state", ["ProtectTarget", "DrainChanges", "CutOver"])
@pytest.mark.parametrize("every_seconds", [60, 585])
def test_a_replicator_that_is_waited_for_and_does_nothing_is_called_stuck(state: str, every_seconds: float) -> None:
    waits = polls(every_seconds, 1, **{f"Waits_{state}": 1})
    assert goes_off("ReplicatorStuck", waits)
    assert not goes_off("ReplicatorStuck", waits + polls(every_seconds, 1, Progress_ReplicateChanges=1))
    assert not goes_off("ReplicatorStuck", polls(every_seconds, 0.2, **{f"Waits_{state}": 1}))


@pytest.mark.parametrize(
    ("state", "every_seconds"),
    [
        ("CreateReplicas", 30),
        ("CompareDigests", 645),  # a call of ten minutes, and a minute between two
        ("DrainLateWrites", 585),  # a call of nearly five minutes, and five minutes between two
    ],
)
def test_a_long_wait_is_told_of_however_seldom_its_state_polls(state: str, every_seconds: float) -> None:
    assert goes_off("WaitLong", polls(every_seconds, 2.5, **{f"Waits_{state}": 1}))
    assert not goes_off("WaitLong", polls(every_seconds, 1, **{f"Waits_{state}": 1}))


def test_a_function_that_fails_now_and_then_wakes_nobody_and_one_that_goes_on_failing_does() -> None:
    assert not goes_off("StreamFunctionFails", [(10, {"Errors_ReplicateChanges": 3})])
    assert goes_off("StreamFunctionFails", polls(120, 0.6, Errors_ReplicateChanges=1))
    assert goes_off("Throttled", polls(300, 0.6, Throttles_WritePages=10))


def test_a_page_that_comes_near_to_what_kinesis_keeps_is_told_of() -> None:
    """No number of tries ends a page: that it grows old is all that says so."""
    half = PAGES_KEPT_HOURS * 3_600_000 / 2
    assert breaches("PagesOld", IteratorAge_WritePages=half + 1)
    assert not breaches("PagesOld", IteratorAge_WritePages=half - 1)


def test_no_wait_lasts_for_ever_unseen() -> None:
    watched = {
        _called(one).removeprefix("Waits_")
        for name in ("ReplicatorStuck", "WaitLong")
        for one in parts(alarms()[name])[1].values()
        if one[1] == "Waits"
    }
    waiting = set(emitters_of(metrics.WAITS))
    paused = {"ScanSegment", "VerifySegment"}  # CompareDigests waits for the replicator, too
    assert watched == waiting - paused - {"DrainBackfill"}, "which fails by itself: see test_drain_backfill"
    assert STUCK_SECONDS <= 15 * 60


def test_a_page_that_lambda_gave_up_on_is_seen() -> None:
    rules = {properties["Name"]: properties for properties in resources("AWS::Events::Rule").values()}
    pattern = rules["tableferry-orders-GivenUp"]["EventPattern"]
    assert pattern["detail"]["object"] == {"key": [{"prefix": "aws/lambda/"}]}
    (bucket,) = resources("AWS::S3::Bucket").values()
    assert bucket["NotificationConfiguration"]["EventBridgeConfiguration"] == {"EventBridgeEnabled": True}
    expression, used = parts(alarms()["PagesGivenUp"])
    ((namespace, metric, _),) = used.values()
    assert (namespace, metric, expression) == ("AWS/Events", "MatchedEvents", "FILL(m0, 0)")


def test_the_approval_that_is_wanted_is_told_of_and_that_of_another_migration_is_not() -> None:
    rules = {properties["Name"]: properties for properties in resources("AWS::Events::Rule").values()}
    pattern = rules["tableferry-orders-ApprovalWanted"]["EventPattern"]
    assert pattern["source"] == ["tableferry"]
    assert pattern["detail-type"] == ["Cut-over Approval Wanted"]
    assert pattern["detail"] == {"migration": ["orders"]}


def test_the_dashboard_shows_what_an_operator_asks_for() -> None:
    (dashboard,) = resources("AWS::CloudWatch::Dashboard").values()
    body = json.loads(joined(dashboard["DashboardBody"]))
    titles = [widget["properties"].get("title", "") for widget in body["widgets"]]
    for word in ("Phase", "items", "backlog", "lag", "Throttles", "capacity", "Failures", "Proof", "Cost so far"):
        assert any(word in title for title in titles), word
    text = json.dumps(body)
    for name in (
        *("ItemsScanned", "ItemsInserted", "ItemsPresent", "ItemsRejected", "BacklogPages", "OldestUnapplied"),
        *("Throttles", "ReadUnits", "WriteUnits", "Failures", "Done", "Waits", "IteratorAge", "Drift"),
    ):
        assert name in text


def test_the_document_names_every_alarm_and_what_they_cost() -> None:
    assert set(DOCUMENTED) == set(alarms())
    assert f"{len(alarms())} alarms" in DOCUMENT
    looked_at = sum(len(parts(alarm)[1]) for alarm in alarms().values())
    assert f"| {looked_at} of 0.10 a month" in DOCUMENT


def test_the_example_costs_nothing_by_the_hour_but_its_stream_dashboard_and_alarms() -> None:
    """What README says of an idle stack."""
    kinds = {resource["Type"] for resource in template()["Resources"].values()}
    by_the_hour = {"AWS::Kinesis::Stream", "AWS::CloudWatch::Dashboard", "AWS::CloudWatch::Alarm"}
    free_at_rest = {
        "AWS::DynamoDB::Table",
        "AWS::Events::Rule",
        "AWS::IAM::Role",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::StepFunctions::StateMachine",
    }
    assert kinds == by_the_hour | free_at_rest
