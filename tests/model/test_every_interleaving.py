"""No order of writes, pages, changes, crashes and phases loses an item, revives one, or undoes a write.

Exhaustive within the bounds of each exploration. What must hold is in `invariants`; every decision is `tasks.core`'s.
"""

import pytest

from tests.model import explore as explore_by_hand
from tests.model.bounds import Bounds
from tests.model.conftest import Report
from tests.model.controls import Control
from tests.model.exploration import explore
from tests.model.explorations import EXPLORATIONS, Exploration
from tests.model.route_controls import MAPPING, STREAM, TARGET
from tests.model.ways import Ways


@pytest.mark.parametrize("exploration", EXPLORATIONS, ids=lambda exploration: exploration.name)
def test_no_interleaving_loses_revives_or_undoes_a_write(exploration: Exploration, report: Report) -> None:
    found = explore(exploration.bounds)
    report(exploration.name, found)
    assert found.wrong is None, found.trace_in_words()
    assert found.states >= exploration.states, "something is no longer explored"
    assert found.by_phase[exploration.bounds.ends_with], "the last phase was never reached"
    assert found.ends, "the replicator never came to rest there"


@pytest.mark.parametrize("bounds", [STREAM, TARGET, MAPPING], ids=lambda bounds: bounds.breaks)
def test_a_look_before_the_cut_over_stops_a_broken_run_sooner_and_loses_nothing_where_it_is_left_out(
    bounds: Bounds, report: Report
) -> None:
    # Nothing mends a route: what CompareDigests, ProtectTarget or DrainChanges would find, CutOver finds.
    found = explore(bounds, Ways(looks_in=frozenset({"cutting over", "moved"})))
    report(f"looks of CutOver and DrainLateWrites alone, the {bounds.breaks}", found)
    assert found.wrong is None, found.trace_in_words()
    assert found.ends


def test_a_long_run_by_hand_says_what_it_explored_and_fails_where_a_control_escapes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert explore_by_hand.main(["--more", "0", "--only", "two keys, scanned again"]) == 0
    assert "states" in capsys.readouterr().out
    escaped = Control("the product as it is", Ways(), "", 0, Bounds(before=0, operations=0))
    monkeypatch.setattr(explore_by_hand, "CONTROLS", (escaped,))
    assert explore_by_hand.main(["--only", "the product as it is"]) == 1
