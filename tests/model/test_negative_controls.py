"""Each thing that the product takes care of, left out: the explorer catches it, and a short trace shows how.

What catches nothing here proves nothing there.
"""

import pytest

from tests.model.bounds import Bounds
from tests.model.conftest import Report
from tests.model.controls import CONTROLS, RELIED_ON, Control
from tests.model.exploration import explore
from tests.model.explorations import EXPLORATIONS
from tests.model.route_controls import ROUTE_CONTROLS, ROUTE_RELIED_ON


@pytest.mark.parametrize("control", [*CONTROLS, *ROUTE_CONTROLS], ids=lambda control: control.name)
def test_what_is_left_out_is_caught_by_a_short_trace(control: Control, report: Report) -> None:
    found = explore(control.bounds, control.ways)
    report(control.name, found)
    assert found.wrong is not None, "not caught"
    assert control.wrong in found.wrong, found.trace_in_words()
    assert len(found.trace) == control.steps, found.trace_in_words()


@pytest.mark.parametrize("assumption", [*RELIED_ON, *ROUTE_RELIED_ON], ids=lambda assumption: assumption.name)
def test_what_the_product_relies_on_is_needed(assumption: Control, report: Report) -> None:
    found = explore(assumption.bounds, assumption.ways)
    report(f"not: {assumption.name}", found)
    assert found.wrong is not None, "it holds without"
    assert assumption.wrong in found.wrong, found.trace_in_words()
    assert len(found.trace) == assumption.steps, found.trace_in_words()


EXPLORED = {exploration.bounds for exploration in EXPLORATIONS}
BOUNDS_OF_CONTROLS = sorted({control.bounds for control in (*CONTROLS, *ROUTE_CONTROLS)} - EXPLORED, key=repr)


@pytest.mark.parametrize(
    "bounds", BOUNDS_OF_CONTROLS, ids=lambda bounds: f"{bounds.keys}-{bounds.operations}{bounds.breaks}"
)
def test_nothing_is_caught_where_nothing_is_left_out(bounds: Bounds) -> None:
    found = explore(bounds)
    assert found.wrong is None, found.trace_in_words()
    assert found.ends
