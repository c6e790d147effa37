"""What is measured: the list, the functions that put it out and the document say the same."""

import json
from typing import Any

import pytest

from infra.functions import FUNCTIONS, Function
from tasks.core import errors, metrics
from tasks.core.metrics import BY_MIGRATION, BY_STATE, EVERY_FUNCTION, METRICS, NAMESPACE, PROGRESS_OF, Metric
from tests.contract.call_graph import ROOT, errors_raised, modules, reached
from tests.contract.test_documents import FENCE, names_in, rows

DOCUMENT = ROOT / "docs" / "metrics.md"
BY_NAME = {metric.name: metric for metric in METRICS}
BY_FUNCTION = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: str(function.state))


def waits(function: Function) -> bool:
    raised = errors_raised(reached(function.module))
    return any(issubclass(getattr(errors, name, object), errors.Pending | errors.TipOutOfReach) for name in raised)


def test_no_metric_is_left_out_of_the_list_and_no_name_is_used_twice() -> None:
    constants = {name: value for name, value in vars(metrics).items() if isinstance(value, Metric)}
    assert set(METRICS) == set(constants.values())
    assert len(BY_NAME) == len(METRICS) == len(constants)
    for name, metric in constants.items():
        assert metric.name == "".join(word.capitalize() for word in name.split("_")), "one name in code and console"
        assert metric.dimensions in (BY_MIGRATION, BY_STATE)


def test_the_list_knows_every_function_and_every_state_that_waits() -> None:
    assert list(EVERY_FUNCTION) == [function.state for function in FUNCTIONS]
    driven = {function.state for function in FUNCTIONS if function.driven_by != "state machine"}
    assert list(PROGRESS_OF) == [
        function.state for function in FUNCTIONS if function.state not in driven and waits(function)
    ]
    for moving in PROGRESS_OF.values():
        assert set(moving) <= set(metrics.PROGRESS.emitted_by)


@BY_FUNCTION
def test_no_function_puts_out_what_the_list_does_not_say_or_keeps_back_what_it_says(function: Function) -> None:
    names = {name for module, name in reached(function.module) if module == metrics.__name__}
    found = {value for name in names if isinstance(value := getattr(metrics, name), Metric)}
    listed = {metric for metric in METRICS if function.state in metric.emitted_by}
    # How a call ends is counted in one place for all; which states wait is the test above.
    assert found - {metrics.WAITS} == listed - {metrics.WAITS}


def test_only_the_list_is_measured_and_only_by_its_constants() -> None:
    readers = [name for name, module in modules().items() if "METRICS" in module.names]
    assert readers == [], "the call graph would take every metric for reached"


def test_the_document_has_every_metric_as_it_is() -> None:
    told = {}
    for name, unit, dimensions, statistic, emitted_by, means in rows(
        DOCUMENT, "metric", "unit", "dimensions", "statistic", "from", "means"
    ):
        told[names_in(name)[0]] = (unit, tuple(names_in(dimensions)), statistic, emitted_by, means)
    spelled = {EVERY_FUNCTION: "every function", tuple(PROGRESS_OF): "every state that waits"}
    assert told == {
        metric.name: (
            metric.unit,
            metric.dimensions,
            metric.statistic,
            spelled.get(metric.emitted_by) or ", ".join(f"`{state}`" for state in metric.emitted_by),
            metric.means,
        )
        for metric in METRICS
    }


def test_the_document_says_what_each_wait_is_for() -> None:
    told = {
        names_in(state)[0]: tuple(names_in(moving))
        for state, moving in rows(DOCUMENT, "waiting state", "whose `Progress` it is for")
    }
    assert told == PROGRESS_OF


def examples() -> list[list[dict[str, Any]]]:
    blocks = [block for block in FENCE.findall(DOCUMENT.read_text(encoding="utf-8")) if block.startswith("```json\n")]
    return [json.loads(block.split("\n", 1)[1].removesuffix("```")) for block in blocks]


def test_no_example_asks_for_a_metric_that_nobody_puts_out() -> None:
    assert len(examples()) == 4, "scan rate, lag, cost, time that is left"
    for queries in examples():
        ids = {query["Id"] for query in queries}
        assert len(ids) == len(queries)
        for query in queries:
            if "Expression" in query:
                continue
            stat = query["MetricStat"]
            asked = stat["Metric"]
            metric = BY_NAME[asked["MetricName"]]
            dimensions = {dimension["Name"]: dimension["Value"] for dimension in asked["Dimensions"]}
            assert asked["Namespace"] == NAMESPACE
            assert tuple(dimensions) == metric.dimensions, metric.name
            assert dimensions.get("state", metric.emitted_by[0]) in metric.emitted_by
            assert stat["Stat"] == metric.statistic
