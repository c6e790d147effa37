"""No random walk loses an item, revives one, or undoes a write: longer than what can be explored in full.

It is the explorer's world, with more keys, more writes, more late pages and larger batches.
"""

from random import Random

import pytest
from hypothesis import Phase, find, given, seed, settings

from tests.model.conftest import Report
from tests.model.controls import CONTROLS
from tests.model.exploration import Found
from tests.model.route_controls import ROUTE_CONTROLS
from tests.model.walks import WALKS, Walks, together, walks
from tests.property.typed_json import BOUNDED

NAMED = {control.name: control for control in (*CONTROLS, *ROUTE_CONTROLS)}


@pytest.mark.parametrize("walked", WALKS, ids=lambda walked: walked.name)
def test_no_random_walk_loses_revives_or_undoes_a_write(walked: Walks, report: Report) -> None:
    taken: list[Found] = []

    @seed(WALKS.index(walked))
    @settings(BOUNDED, max_examples=30)
    @given(walks(walked.bounds))
    def walk(found: Found) -> None:
        taken.append(found)
        assert found.wrong is None, found.trace_in_words()

    walk()
    report(f"{len(taken)} walks: {walked.name}", together(taken))
    assert sum("moved" in found.by_phase for found in taken) >= walked.moves, "the walks no longer get anywhere"


@pytest.mark.parametrize(
    ("walked", "name"),
    [pytest.param(walked, name, id=f"{walked.name}: {name}") for walked in WALKS for name in walked.catch],
)
def test_random_walks_too_catch_what_is_left_out(walked: Walks, name: str, report: Report) -> None:
    # Not shrunk: the explorer has the shortest trace of each. The seed is fixed, so it is caught always or never.
    bounded = settings(BOUNDED, max_examples=500, phases=(Phase.generate,))
    walk = walks(walked.bounds, NAMED[name].ways)
    found = find(walk, lambda found: found.wrong is not None, settings=bounded, random=Random(0))
    report(f"a walk that catches {name}", found)
