"""The report: a run's own metrics and histories beside its plan, in numbers, times and money."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from tasks.core.forecast.counted import Seen
from tasks.core.forecast.prices import PriceList
from tasks.core.run.outlook import outlook
from tasks.core.run.phases import Course, Phase, Standing
from tests.unit.orders import FACTS, ORDERS, SETTINGS
from workflow import execution
from workflow import report as reading
from workflow.compared import COUNTED, PHASES, Compared, Predicted, Timed, parse_plan_file, timed
from workflow.refusals import CommandRefused
from workflow.report import Report, read_report
from workflow.report_view import report_view

if TYPE_CHECKING:
    import boto3

ARN = "arn:aws:states:eu-west-1:123456789012:execution:tableferry-orders:"
BEGUN = datetime(2026, 11, 30, 10, 0, 42, tzinfo=UTC)
HOUR = timedelta(hours=1)
SAID = outlook(SETTINGS, Seen(source=ORDERS), FACTS, PriceList()).as_json()
PLAN = Predicted.model_validate(json.loads(json.dumps(SAID)))


@dataclass
class FakeAws:
    """Step Functions and CloudWatch, as far as the report asks them."""

    executions: dict[str, tuple[datetime, datetime | None]]
    sums: dict[tuple[str, str | None], list[float]] = field(default_factory=dict)
    courses: dict[str, list[Phase]] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def client(self, service: str, **_: object) -> "FakeAws":
        assert service in {"stepfunctions", "cloudwatch"}
        return self

    def describe_execution(self, *, executionArn: str) -> dict[str, Any]:  # noqa: N803 — boto3's own
        begun, ended = self.executions[executionArn.removeprefix(ARN)]
        return {"startDate": begun} | ({} if ended is None else {"stopDate": ended})

    def get_paginator(self, _: str) -> "FakeAws":
        return self

    def paginate(self, **call: Any) -> list[dict[str, Any]]:  # noqa: ANN401 — boto3's own
        self.asked.append(call)
        return [{"MetricDataResults": [self._result(query) for query in call["MetricDataQueries"]]}]

    def _result(self, query: dict[str, Any]) -> dict[str, Any]:
        metric = query["MetricStat"]["Metric"]
        dimensions = {one["Name"]: one["Value"] for one in metric["Dimensions"]}
        assert dimensions.get("migration", "orders") == "orders"
        state = dimensions.get("state") or dimensions.get("FunctionName", "").removeprefix("tableferry-orders-") or None
        return {"Id": query["Id"], "Values": self.sums.get((metric["MetricName"], state), [])}

    def __hash__(self) -> int:
        return id(self)


def report(aws: FakeAws, monkeypatch: pytest.MonkeyPatch, plan: Predicted = PLAN, **options: Any) -> Report:  # noqa: ANN401
    """Report on all its executions."""
    monkeypatch.setattr(execution, "read_events", lambda _, arn: type("Events", (), {"all": [arn]}))
    monkeypatch.setattr(reading, "course_of", lambda events: course(*aws.courses.get(events[0].removeprefix(ARN), [])))
    return read_report(cast("boto3.Session", aws), [ARN + name for name in aws.executions], plan, **options)


def course(*phases: Phase) -> Course:
    return Course(Standing.DONE, BEGUN, None, phases)


def phase(name: str, seconds: float) -> Phase:
    return Phase(name, Standing.DONE, BEGUN, BEGUN + timedelta(seconds=seconds))


def counts(found: Report) -> dict[str, Compared]:
    return {row.name: row for row in found.counts}


def test_sums_of_all_points_are_set_beside_what_was_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    said = PLAN.predicted
    sums: dict[tuple[str, str | None], list[float]] = {
        ("ItemsScanned", None): [0.6 * said.items, 0.42 * said.items],
        ("ReadUnits", "VerifySegment"): [0.95 * said.units["VerifySegment"]],
        ("ReadUnits", "ScanSegment"): [said.units["ScanSegment"]],
    }
    rows = counts(report(FakeAws({"first": (BEGUN, BEGUN + HOUR)}, sums), monkeypatch))
    assert rows["items scanned"].off == pytest.approx(0.02)
    assert rows["read units of the proof"].off == pytest.approx(-0.05)
    assert rows["read units of the scan"].off == pytest.approx(0)
    assert rows["write units of pages"].taken is None
    assert rows["write units of pages"].off is None


def test_the_minute_of_the_beginning_and_that_of_the_end_count(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = FakeAws({"first": (BEGUN, BEGUN + timedelta(minutes=5))})
    report(aws, monkeypatch)
    (call,) = aws.asked
    assert (call["StartTime"], call["EndTime"]) == (BEGUN.replace(second=0), BEGUN + timedelta(minutes=6))


def test_the_executions_of_a_resumed_run_are_added_up_and_no_minute_counts_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = BEGUN + 5 * HOUR
    aws = FakeAws(
        {"third": (later, later + HOUR), "second": (BEGUN + HOUR, BEGUN + 2 * HOUR), "first": (BEGUN, BEGUN + HOUR)},
        {("ItemsScanned", None): [100.0]},
        {"first": [phase("Backfill", 60)], "second": [phase("Backfill", 30)], "third": [phase("Verify", 5)]},
    )
    found = report(aws, monkeypatch)
    assert len(aws.asked) == 2, "the first two touch"
    assert (aws.asked[0]["StartTime"], aws.asked[1]["StartTime"]) == (BEGUN.replace(second=0), later.replace(second=0))
    assert counts(found)["items scanned"].taken == 200
    seconds = {row.name: row.taken for row in found.seconds}
    assert (seconds["copy"], seconds["proof"], seconds["cut-over"]) == (90, 5, None)


def test_every_phase_of_the_plan_has_its_states_and_all_others_are_told_apart() -> None:
    assert PLAN.seconds.keys() == {*PHASES, "whole"}
    rows = timed(PLAN, [course(phase("Backfill", 60), phase("ApproveCutOver", 600), phase("AddReplicas", 7))], BEGUN)
    found = {row.name: row for row in rows}
    assert found["copy"].taken == found["all of these"].taken == 60
    assert found["copy"].predicted == PLAN.seconds["copy"]
    assert found["waiting for the approval"] == Timed("waiting for the approval", None, 600)
    assert found["other states"].taken == 7


def test_money_is_compared_line_by_line_as_far_as_it_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    said = PLAN.predicted
    sums: dict[tuple[str, str | None], list[float]] = {
        ("ReadUnits", "ScanSegment"): [2 * said.units["ScanSegment"]],
        ("WriteUnits", "WritePages"): [said.units["WritePages"]],
    }
    rows = {row.name: row for row in report(FakeAws({"first": (BEGUN, BEGUN + HOUR)}, sums), monkeypatch).usd}
    assert rows["scan, read request units"].off == pytest.approx(1)
    assert rows["items inserted, write request units"].off == pytest.approx(0)
    assert rows["scan, calls of Lambda functions"].taken is None
    assert rows["all"].predicted == pytest.approx(SAID["bill"]["usd"])
    counted = [row for row in rows.values() if row.taken is not None and row.name != COUNTED]
    assert rows[COUNTED].taken == pytest.approx(sum(row.taken or 0 for row in counted))
    assert rows[COUNTED].predicted == pytest.approx(sum(row.predicted or 0 for row in counted))


def test_days_that_an_answer_was_waited_for_are_in_the_plans_bill_too(monkeypatch: pytest.MonkeyPatch) -> None:
    day = 86_400.0
    aws = FakeAws({"first": (BEGUN, BEGUN + HOUR)}, {}, {"first": [phase("ApproveCutOver", 3 * day)]})
    rows = {row.name: row for row in report(aws, monkeypatch).usd}
    waited = 3 * SAID["bill"]["usd_a_day_of_waiting"]
    assert rows["all"].predicted == pytest.approx(SAID["bill"]["usd"] + waited)
    assert rows["stream of pages, hours of a Kinesis stream on demand"].taken == pytest.approx(3 * 24 * 0.04)


def test_other_prices_than_the_plans_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = FakeAws({"first": (BEGUN, BEGUN + HOUR)})
    with pytest.raises(CommandRefused, match="give the same list: --prices FILE"):
        report(aws, monkeypatch, prices=PriceList("2027-01", "eu-west-1"))


def test_executions_of_two_migrations_are_no_run() -> None:
    arns = [f"{ARN}first", ARN.replace("orders", "others") + "first"]
    with pytest.raises(CommandRefused, match="of several migrations"):
        read_report(cast("boto3.Session", FakeAws({})), arns, PLAN)


def test_a_file_that_is_no_plan_is_refused_with_the_command_that_writes_one(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    with pytest.raises(CommandRefused, match=r"plan --json > .*plan\.json"):
        parse_plan_file(file)
    for text in ("no JSON", "[]", "{}", '{"predicted": {"items": 1}}'):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(CommandRefused, match="cannot be read"):
            parse_plan_file(file)
    file.write_text(json.dumps(SAID), encoding="utf-8")
    assert parse_plan_file(file) == PLAN


def test_the_tables_say_how_far_off_each_number_is_and_where_nothing_tells() -> None:
    rows = [Compared("items", 1000, 1020), Compared("units", 5, None), Compared("x", 0, 3)]
    found = Report(rows, [Timed("copy", PLAN.seconds["copy"], 61), Timed("proof", None, None)], rows, ["arn:first"])
    console = Console(width=160, highlight=False)
    with console.capture() as captured:
        console.print(report_view(found))
    text = captured.get()
    for words in ("1,020", "+2.0%", "no metric says it", "1m01s", "not reached", "1,020.00", "Not in it: arn:first"):
        assert words in text, text
