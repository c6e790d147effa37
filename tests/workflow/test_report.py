"""The report counts a run's own metrics, between its beginning and its end, and says what no metric tells of."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from rich.console import Console

from workflow.refusals import CommandRefused
from workflow.report import Compared, Predicted, parse_plan_file, read_report, report_table

if TYPE_CHECKING:
    import boto3

ARN = "arn:aws:states:eu-west-1:123456789012:execution:tableferry-orders:first"
BEGUN = datetime(2026, 11, 30, 10, 0, 42, tzinfo=UTC)
PREDICTED = Predicted(
    items=1000,
    pages=10,
    records=10,
    bytes_sent=5000,
    units={"ScanSegment": 100, "VerifySegment": 200, "WritePages": 1000},
)


@dataclass
class FakeAws:
    """Step Functions and CloudWatch, as far as the report asks them."""

    ended: datetime | None
    sums: dict[tuple[str, str | None], list[float]]
    asked: list[dict[str, Any]] = field(default_factory=list)

    def client(self, service: str, **_: object) -> "FakeAws":
        assert service in {"stepfunctions", "cloudwatch"}
        return self

    def describe_execution(self, **_: object) -> dict[str, Any]:
        return {"startDate": BEGUN} | ({} if self.ended is None else {"stopDate": self.ended})

    def get_metric_statistics(self, **call: Any) -> dict[str, Any]:  # noqa: ANN401 — boto3's own
        self.asked.append(call)
        dimensions = {one["Name"]: one["Value"] for one in call["Dimensions"]}
        assert dimensions.pop("migration") == "orders"
        sums = self.sums.get((call["MetricName"], dimensions.get("state")), [])
        return {"Datapoints": [{"Sum": value} for value in sums]}

    def __hash__(self) -> int:
        return id(self)


def report(aws: FakeAws) -> dict[str, Compared]:
    return {row.name: row for row in read_report(cast("boto3.Session", aws), ARN, PREDICTED)}


def test_sums_of_all_points_are_set_beside_what_was_predicted() -> None:
    sums: dict[tuple[str, str | None], list[float]] = {
        ("ItemsScanned", None): [600, 420],
        ("ReadUnits", "VerifySegment"): [190],
        ("ReadUnits", "ScanSegment"): [100],
    }
    rows = report(FakeAws(BEGUN + timedelta(hours=1), sums))
    assert rows["items scanned"].taken == 1020
    assert rows["items scanned"].off == pytest.approx(0.02)
    assert rows["read units of the proof"].off == pytest.approx(-0.05)
    assert rows["read units of the scan"].off == 0
    assert rows["write units of pages"].taken is None
    assert rows["write units of pages"].off is None


def test_the_minute_of_the_beginning_and_that_of_the_end_count() -> None:
    aws = FakeAws(BEGUN + timedelta(minutes=5), {})
    report(aws)
    assert {call["StartTime"] for call in aws.asked} == {BEGUN.replace(second=0)}
    assert {call["EndTime"] for call in aws.asked} == {BEGUN + timedelta(minutes=6)}
    assert {call["Period"] for call in aws.asked} == {60}


def test_a_run_of_days_asks_for_no_more_points_than_an_answer_has() -> None:
    aws = FakeAws(BEGUN + timedelta(days=9), {})
    report(aws)
    (period,) = {call["Period"] for call in aws.asked}
    assert period % 60 == 0
    assert timedelta(days=9, minutes=2) / timedelta(seconds=period) <= 1440


def test_a_file_that_is_no_plan_is_refused_with_the_command_that_writes_one(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    with pytest.raises(CommandRefused, match=r"plan --json > .*plan\.json"):
        parse_plan_file(file)
    for text in ("no JSON", "[]", "{}", '{"predicted": {"items": 1}}'):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(CommandRefused, match="cannot be read"):
            parse_plan_file(file)
    file.write_text(json.dumps({"predicted": PREDICTED.model_dump()}), encoding="utf-8")
    assert parse_plan_file(file) == PREDICTED


def test_the_table_says_how_far_off_each_number_is_and_where_nothing_tells() -> None:
    console = Console(width=120, highlight=False)
    with console.capture() as captured:
        console.print(report_table([Compared("items", 1000, 1020), Compared("units", 5, None), Compared("x", 0, 3)]))
    text = captured.get()
    assert "1,020" in text
    assert "+2.0%" in text
    assert "no metric says it" in text
