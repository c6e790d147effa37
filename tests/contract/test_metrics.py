"""What is measured: the list, the functions that put it out and the document say the same."""

import json
from typing import Any

import pytest

from infra.aws.functions.function import Function
from infra.aws.functions.registry import FUNCTIONS, emitters_of
from infra.aws.functions.streams import REPLICATE_CHANGES
from tasks.core import errors, metrics
from tasks.core.forecast import taken
from tasks.core.forecast.taken import asked_of
from tasks.core.metrics import BY_MIGRATION, BY_STATE, NAMESPACE, Metric
from tests.contract.call_graph import ROOT, errors_raised, reached
from tests.contract.test_documents import FENCE, names_in, rows

DOCUMENT = ROOT / "docs" / "metrics.md"
METRICS = {name: value for name, value in vars(metrics).items() if isinstance(value, Metric)}
ASKED_FOR = {name for name, metric in METRICS.items() if metric.name in {one.name for one in asked_of("any")}}
BY_NAME = {metric.name: metric for metric in METRICS.values()}
BY_FUNCTION = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: str(function.state))


def waits(function: Function) -> bool:
    raised = errors_raised(reached(function.module))
    return any(issubclass(getattr(errors, name, object), errors.Pending | errors.TipOutOfReach) for name in raised)


def test_every_metric_is_put_out_by_somebody_and_no_name_is_used_twice() -> None:
    assert len(BY_NAME) == len(METRICS)
    for name, metric in METRICS.items():
        assert emitters_of(metric), name
        assert metric.name == "".join(word.capitalize() for word in name.split("_")), "one name in code and console"
        assert metric.dimensions in (BY_MIGRATION, BY_STATE)


def test_the_registry_knows_every_state_that_waits_and_no_wait_is_for_progress_that_nobody_makes() -> None:
    for function in FUNCTIONS:
        assert (function.wait is not None) == (function.is_state and waits(function)), function.state
        if function.wait is not None:
            assert set(function.wait.progress_of) <= set(emitters_of(metrics.PROGRESS))
            if function.wait.alarm == "ReplicatorStuck":
                assert function.wait.progress_of == (REPLICATE_CHANGES.state,), "which alone the alarm looks at"


@BY_FUNCTION
def test_no_function_puts_out_what_its_entry_does_not_say_or_keeps_back_what_it_says(function: Function) -> None:
    names = {name for module, name in reached(function.module) if module == metrics.__name__}
    if (taken.__name__, "asked_of") in reached(function.module):
        names -= ASKED_FOR - {"DONE"}  # it reads what others have put out
    found = {value for name in names if isinstance(value := getattr(metrics, name), Metric)}
    listed = {metric for metric in METRICS.values() if function.puts_out(metric)}
    # How a call ends is counted in one place for all; which states wait is the test above.
    assert found - {metrics.WAITS} == listed - {metrics.WAITS}


def test_the_document_has_every_metric_as_it_is() -> None:
    told = {}
    for name, unit, dimensions, statistic, emitters, means in rows(
        DOCUMENT, "metric", "unit", "dimensions", "statistic", "from", "means"
    ):
        told[names_in(name)[0]] = (unit, tuple(names_in(dimensions)), statistic, emitters, means)
    spelled = {
        tuple(function.state for function in FUNCTIONS): "every function",
        tuple(function.state for function in FUNCTIONS if function.wait): "every state that waits",
    }
    assert told == {
        metric.name: (
            metric.unit,
            metric.dimensions,
            metric.statistic,
            spelled.get(emitters_of(metric)) or ", ".join(f"`{state}`" for state in emitters_of(metric)),
            metric.means,
        )
        for metric in METRICS.values()
    }


def test_the_document_says_what_each_wait_is_for() -> None:
    told = {
        names_in(state)[0]: tuple(names_in(moving))
        for state, moving in rows(DOCUMENT, "waiting state", "whose `Progress` it is for")
    }
    assert told == {function.state: function.wait.progress_of for function in FUNCTIONS if function.wait}


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
            assert dimensions.get("state", emitters_of(metric)[0]) in emitters_of(metric)
            assert stat["Stat"] == metric.statistic
