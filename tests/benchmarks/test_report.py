"""docs/benchmarks.md tells what was measured, and its goals are judged by that."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.counts import Count, Counts
from tests.benchmarks.goals import goals
from tests.benchmarks.judge import Verdict
from tests.benchmarks.known import ARTICLE, NAMES, OURS
from tests.benchmarks.measure import Measured
from tests.benchmarks.on_local import OnLocal
from tests.benchmarks.on_null import OnNull
from tests.benchmarks.report import SECTIONS, placed
from tests.benchmarks.results import Micro, Results
from tests.benchmarks.shapes import SHAPES, Shape

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
ITEMS = 1000


def on_null(name: str, shape: Shape, microseconds: float, *, written: int = ITEMS, differing: int = 0) -> OnNull:
    cpu = microseconds * ITEMS / 1e6
    measured = Measured(ITEMS, cpu, 1.0, 64 << 20, {"scan": cpu / 4, "write": cpu * 3 / 4})
    counts = Counts({"Scan": Count(4, ITEMS), "PutItem": Count(ITEMS, written)}, differing, 50)
    return OnNull(name, shape, measured, counts)


def results(ours: float = 10.0, article: float = 200.0, peers: float = 50.0, verdict: Verdict | None = None) -> Results:
    costs = dict.fromkeys(NAMES, peers) | {OURS: ours, ARTICLE: article}
    measured = Measured(ITEMS, 0.1, 2.0, 64 << 20)
    verdict = verdict or Verdict(ITEMS)
    return Results(
        machine={"date": "2026-01-01"},
        shapes=[on_null(name, shape, cost) for shape in SHAPES for name, cost in costs.items() for _ in range(3)],
        growth=[on_null(OURS, SHAPES[0], ours)],
        local=[
            OnLocal(name, verdict, measured, is_live=is_live, writes=7, seconds=9.0)
            for is_live in (False, True)
            for name in NAMES
        ],
        micro=[Micro("a piece", "500 B, few, text", 1.5, 0.1)],
    )


def reached(of: Results) -> list[bool]:
    return [goal.is_reached for goal in goals(of)]


def test_goals_are_reached_when_the_figures_say_so() -> None:
    assert reached(results()) == [True, True, True, True]


def test_a_ratio_that_is_too_small_on_one_shape_is_not_reached() -> None:
    of = results()
    of.shapes += [on_null(ARTICLE, Shape("1 KB"), 100.0)] * 7
    assert reached(of) == [True, True, True, False]


def test_a_ratio_on_large_items_is_no_goal() -> None:
    of = results()
    of.shapes += [on_null(ARTICLE, Shape("10 KB"), 60.0)] * 7
    assert all(reached(of))


def test_one_peer_that_is_cheaper_on_one_shape_is_seen() -> None:
    of = results()
    of.shapes += [on_null(NAMES[-1], SHAPES[-1], 9.0)] * 7
    assert reached(of) == [True, True, False, True]


def test_one_wrong_copy_among_many_is_seen() -> None:
    of = results()
    of.shapes.append(on_null(OURS, SHAPES[3], 10.0, written=ITEMS - 1))
    assert reached(of)[0] is False
    of = results()
    of.shapes.append(on_null(OURS, SHAPES[3], 10.0, differing=1))
    assert reached(of)[0] is False
    assert reached(results(verdict=Verdict(ITEMS, resurrected=1)))[:2] == [False, False]


def test_of_what_was_not_measured_nothing_is_reached() -> None:
    assert reached(Results()) == [False, False, False, False]


def test_tables_are_put_in_the_place_of_the_former_ones_and_nothing_else_is_touched() -> None:
    of = results()
    once = placed(DOCUMENT, of)
    assert placed(once, of) == once
    for name, lines in SECTIONS.items():
        assert "\n".join(lines(of)) in once, f"docs/benchmarks.md has no place for {name}"
    assert once.startswith(DOCUMENT.partition("<!-- goals -->")[0])
    assert once.endswith(DOCUMENT.partition("<!-- end of live -->")[2])


def test_the_document_has_a_line_for_every_shape_and_copier() -> None:
    table = DOCUMENT.partition("<!-- cpu -->")[2].partition("<!-- end of cpu -->")[0]
    for shape in SHAPES:
        assert f"| {shape.name} |" in table, "run `make bench`"
    for name in NAMES:
        assert f" {name} |" in table


def test_results_are_kept_whole(tmp_path: Path) -> None:
    of, path = results(verdict=Verdict(ITEMS, lost=1)), tmp_path / "results.json"
    of.local.append(OnLocal(NAMES[-1], None, None, is_live=True, failed="it could not"))
    of.save(path)
    assert Results.load(path) == of
    assert json.loads(path.read_text(encoding="utf-8"))["machine"] == {"date": "2026-01-01"}


@pytest.mark.parametrize("is_live", [True, False])
def test_a_copier_that_could_not_copy_says_why(is_live: bool) -> None:  # noqa: FBT001 — a parameter of the test
    of = results()
    of.local.append(OnLocal(NAMES[-1], None, None, is_live=is_live, failed="it could not"))
    assert "failed: it could not" in "\n".join(SECTIONS["live" if is_live else "rest"](of))
