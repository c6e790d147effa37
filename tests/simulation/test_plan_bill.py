"""The plan's bill of a run is the simulation's, in which all of it happens: in sum, and line by line."""

import dataclasses

import pytest

from tasks.core.forecast import charges
from tasks.core.forecast.counted import Seen
from tasks.core.forecast.forecast import Forecast, forecast
from tests.simulation.pipeline import Run, migrate
from tests.simulation.planning import settings_of, source_of, target_of
from tests.simulation.policies import AFTER
from tests.simulation.scenarios import LARGE, MIDDLE, SMALL, WARM
from tests.simulation.test_scale_document import number, told
from tests.simulation.world import Scenario

WITHIN = 0.1
LINE_WITHIN = 0.25
"""Of lines that are more than a hundredth of the bill: those of Lambda hang on how the writers wait."""


def forecast_of(scenario: Scenario) -> Forecast:
    """Return what the plan says of a scenario."""
    source = dataclasses.replace(source_of(scenario), stream_arn="stream" if scenario.stream_was_on else None)
    return forecast(
        settings_of(scenario),
        Seen(
            source=source,
            target=target_of(scenario),
            table_write_limit=round(scenario.quota),
            writes_per_second=scenario.user_writes,
        ),
    )


def usd_of(found: Forecast, scenario: Scenario) -> float:
    """Return what the run costs with the scenario's wait for the answer."""
    return found.bill.total + scenario.approval_days * found.waiting.total


@pytest.mark.parametrize("scenario", [SMALL, MIDDLE, WARM, LARGE], ids=lambda scenario: scenario.name)
def test_the_plans_bill_agrees_with_the_one_that_make_simulate_wrote(scenario: Scenario) -> None:
    simulated = number(told()[f"{scenario.name}, after"]["USD"])
    assert usd_of(forecast_of(scenario), scenario) == pytest.approx(simulated, rel=WITHIN)


@pytest.fixture(scope="module")
def terabyte() -> Run:
    return migrate(MIDDLE, AFTER)  # in longer steps its writers run dry, and cost half as much


def test_the_plans_bill_of_a_terabyte_agrees_with_a_run_of_it_in_sum_and_line_by_line(terabyte: Run) -> None:
    found, spent = forecast_of(MIDDLE), terabyte.world.bill.by_purpose()
    assert usd_of(found, MIDDLE) == pytest.approx(terabyte.world.bill.total, rel=WITHIN)
    said = dict(found.bill.by_purpose())
    for what, usd in found.waiting.by_purpose().items():
        said[what] = said.get(what, 0.0) + MIDDLE.approval_days * usd
    large = {what: usd for what, usd in spent.items() if usd > 0.01 * terabyte.world.bill.total}
    assert charges.INSERTED in large
    assert len(large) >= 6
    for what, usd in large.items():
        assert said[what] == pytest.approx(usd, rel=LINE_WITHIN), what


def test_the_plans_proof_of_a_terabyte_takes_as_long_as_the_simulated_one(terabyte: Run) -> None:
    assert forecast_of(MIDDLE).seconds["proof"].likely == pytest.approx(terabyte.phases["proof"], rel=0.2)
