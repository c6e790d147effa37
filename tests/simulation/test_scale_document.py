"""docs/scale.md and its picture are of the runs that they tell of."""

import json
import re
from pathlib import Path

import pytest

from tests.simulation.pipeline import migrate
from tests.simulation.policies import AFTER
from tests.simulation.report import FIGURES, bills, figures, name_of, placed
from tests.simulation.scenarios import MIDDLE, SMALL

DOCS = Path(__file__).resolve().parents[2] / "docs"
DOCUMENT = (DOCS / "scale.md").read_text(encoding="utf-8")
WITHIN = 0.1


def told() -> dict[str, dict[str, str]]:
    """Return the figures of docs/scale.md, by run."""
    table = DOCUMENT.partition("<!-- runs -->")[2].partition("<!-- end of runs -->")[0].strip().splitlines()
    heading, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in table)
    return {run: {cells[0]: cells[place] for cells in rows} for place, run in enumerate(heading) if run}


def number(text: str) -> float:
    return float(re.sub(r"[^\d.]", "", text) or 0)


def test_the_document_tells_what_the_simulation_says_now() -> None:
    run = migrate(SMALL, AFTER)
    cells = told()[name_of(run)]
    assert set(cells) == set(FIGURES)
    for what in ("copy", "the plan's estimate", "proof", "useful writes a second", "USD"):
        now = FIGURES[what](run)
        assert number(cells[what]) == pytest.approx(number(now), rel=WITHIN), f"{what}: run `make simulate`"


def test_the_plan_of_each_run_is_told_beside_its_copy_and_within_a_tenth_of_it() -> None:
    runs = [cells for name, cells in told().items() if name.endswith(", after")]
    assert len(runs) == 4
    for cells in runs:
        assert number(cells["estimate over copy"]) == pytest.approx(1, abs=WITHIN)


def test_the_picture_is_of_the_runs_in_the_document() -> None:
    picture = (DOCS / "scale.svg").read_text(encoding="utf-8")
    totals = json.loads(re.findall(r"Totals: (.*) -->", picture)[0])
    for way in ("before", "after"):
        cells = told()[f"{MIDDLE.name}, {way}"]
        assert totals[way]["usd"] == number(cells["USD"])
        assert totals[way]["useful_writes"] == number(cells["useful writes a second"])


def test_tables_are_put_in_the_place_of_the_former_ones_and_nothing_else_is_touched() -> None:
    run = migrate(SMALL, AFTER)
    once = placed(DOCUMENT, {"runs": figures([run]), "bills": bills([run])})
    assert placed(once, {"runs": figures([run]), "bills": bills([run])}) == once
    assert "\n".join(figures([run])) in once
    assert once.startswith(DOCUMENT.partition("<!-- runs -->")[0])
    assert once.endswith(DOCUMENT.partition("<!-- end of bills -->")[2])
