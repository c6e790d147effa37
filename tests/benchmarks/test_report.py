"""docs/benchmarks.md tells what was measured, and its goals are judged by that."""

import json
from pathlib import Path

import pytest

from tests.benchmarks.counts import Count, Counts
from tests.benchmarks.engine_limit import BATCHES, MEASURED, STATEMENTS, WAYS, Limit
from tests.benchmarks.functions_cpu import Used
from tests.benchmarks.goals import COST_SHAPE, goals
from tests.benchmarks.judge import Verdict
from tests.benchmarks.known import ARTICLE, BESIDES, NAIVE, NAMES, OURS
from tests.benchmarks.measure import Measured
from tests.benchmarks.on_local import COUNTED, HOSTILE, PLAIN, PLAIN_SHAPE, OnLocal
from tests.benchmarks.on_null import GROWTH, LeftOut, OnNull
from tests.benchmarks.report import SECTIONS, placed
from tests.benchmarks.results import Micro, Results
from tests.benchmarks.shapes import SHAPES, Shape

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md").read_text(encoding="utf-8")
ITEMS = 1000
GOALS = (
    "exact at rest",
    "exact under writes",
    "ahead",
    "ratio",
    "scan",
    "write",
    "replicate",
    "verify",
    "scan grows",
    "write grows",
    "level",
    "in time",
)
"""In their order."""


def on_null(name: str, shape: Shape, microseconds: float, *, written: int = ITEMS, differing: int = 0) -> OnNull:
    cpu = microseconds * ITEMS / 1e6
    measured = Measured(ITEMS, cpu, 1.0, 64 << 20, {"scan": cpu / 4, "write": cpu * 3 / 4})
    counts = Counts({"Scan": Count(4, ITEMS), "PutItem": Count(ITEMS, written)}, differing, 50)
    return OnNull(name, shape, measured, counts)


def point(sides: str, items: int, *, microseconds: float = 10.0, megabytes: float = 64) -> OnNull:
    measured = Measured(items, microseconds * items / 1e6, 1.0, int(megabytes * (1 << 20)))
    counts = Counts({"Scan": Count(4, items), "PutItem": Count(items, items)}, 0, 50)
    if sides == "scan":
        del counts.operations["PutItem"]
    return OnNull(OURS, SHAPES[0], measured, counts, sides)


def besides(sides: str, microseconds: float) -> OnNull:
    cpu = microseconds * ITEMS / 1e6
    counts = Counts({"Scan" if sides == "verify" else "BatchWriteItem": Count(40, ITEMS)}, 0, 50)
    return OnNull(OURS, COST_SHAPE, Measured(ITEMS, cpu, 1.0, 64 << 20, {sides: cpu}), counts, sides)


def results(ours: float = 10.0, article: float = 200.0, peers: float = 50.0, verdict: Verdict | None = None) -> Results:
    costs = dict.fromkeys(NAMES, peers) | {OURS: ours, ARTICLE: article}
    measured = Measured(ITEMS, 0.1, 2.0, 64 << 20)
    verdict = verdict or Verdict(ITEMS)
    return Results(
        machine={"date": "2026-01-01", "took": "19.5 minutes"},
        shapes=[on_null(name, shape, cost) for shape in SHAPES for name, cost in costs.items() for _ in range(3)],
        growth=[point(sides, items) for items in GROWTH for sides in ("scan", "write")],
        left_out=[LeftOut(ARTICLE, "both", 100_000, 500.0)],
        besides=[besides(sides, ours) for sides in BESIDES],
        limits=[Limit(way, shape.name, lanes, 1600.0) for way in WAYS for shape, lanes in MEASURED],
        local=[
            *[
                OnLocal(name, verdict, measured, is_live=False, seconds=9.0, table=table, counts=counts)
                for table, counts in ((HOSTILE, None), (PLAIN, None), (COUNTED, Counts({"Scan": Count(4, ITEMS)})))
                for name in NAMES
            ],
            *[OnLocal(name, verdict, measured, is_live=True, writes=7, seconds=9.0) for name in NAMES[1:]],
            OnLocal(OURS, verdict, None, is_live=True, writes=7, seconds=9.0, functions={"WritePages": Used(2, 3.5)}),
        ],
        micro=[Micro("a piece", "500 B, few, text", 1.5, 0.1)],
    )


def missed(of: Results) -> list[str]:
    return [name for name, goal in zip(GOALS, goals(of), strict=True) if not goal.is_reached]


def test_goals_are_reached_when_the_figures_say_so() -> None:
    assert missed(results()) == []


def test_a_ratio_that_is_too_small_on_one_shape_is_not_reached() -> None:
    of = results()
    of.shapes += [on_null(ARTICLE, Shape("1 KB"), 100.0)] * 7
    assert missed(of) == ["ratio"]


def test_a_ratio_on_large_items_is_no_goal() -> None:
    of = results()
    of.shapes += [on_null(ARTICLE, Shape("10 KB"), 60.0)] * 7
    assert missed(of) == []


def test_one_peer_that_is_cheaper_on_one_shape_is_seen() -> None:
    of = results()
    of.shapes += [on_null(NAMES[-1], SHAPES[-1], 9.0)] * 7
    assert missed(of) == ["ahead"]


def test_one_wrong_copy_among_many_is_seen() -> None:
    of = results()
    of.shapes.append(on_null(OURS, SHAPES[3], 10.0, written=ITEMS - 1))
    assert missed(of) == ["exact at rest"]
    of = results()
    of.shapes.append(on_null(OURS, SHAPES[3], 10.0, differing=1))
    assert missed(of) == ["exact at rest"]
    assert missed(results(verdict=Verdict(ITEMS, resurrected=1))) == ["exact at rest", "exact under writes"]


def test_of_what_was_not_measured_nothing_is_reached() -> None:
    assert missed(Results()) == list(GOALS)


@pytest.mark.parametrize("sides", BESIDES)
def test_a_function_besides_the_copy_that_costs_more_than_it_may_is_seen(sides: str) -> None:
    of = results()
    of.besides += [besides(sides, 31.0)] * 2
    assert missed(of) == [sides]


def test_a_side_that_costs_more_than_it_may_is_seen() -> None:
    of = results()
    of.shapes += [on_null(OURS, COST_SHAPE, 40.0)] * 7
    assert [name for name in missed(of) if name in {"scan", "write"}] == ["scan", "write"]


@pytest.mark.parametrize("more", [{"microseconds": 13.0}, {"megabytes": 80}])
def test_time_that_is_not_linear_and_memory_that_is_not_flat_are_seen(more: dict[str, float]) -> None:
    of = results()
    of.growth = [each for each in of.growth if (each.sides, each.measured.items) != ("write", GROWTH[-1])]
    assert missed(of) == []
    of.growth.append(point("write", GROWTH[-1], **more))
    assert missed(of) == ["write grows"]


def test_growth_to_a_hundred_thousand_items_says_nothing_yet() -> None:
    of = results()
    of.growth = [each for each in of.growth if each.measured.items <= 100_000]
    assert missed(of) == ["scan grows", "write grows"]


def test_a_rate_below_the_naive_copys_is_seen_and_told_beside_the_engines_own_limit() -> None:
    of = results()
    faster = Measured(ITEMS, 0.1, 0.5, 64 << 20)
    of.local += [OnLocal(NAIVE, Verdict(ITEMS), faster, is_live=False, table=PLAIN)] * 2
    of.limits = [Limit(STATEMENTS, PLAIN_SHAPE.name, 8, 1600.0), Limit(BATCHES, PLAIN_SHAPE.name, 8, 9000.0)]
    assert missed(of) == ["level"]
    (told,) = (goal.measured for goal in goals(of) if "level" in goal.name)
    assert "ours 500 items/s, naive 2,000" in told
    assert "1,600 by INSERT, 9,000 by BatchWriteItem" in told


def test_a_bench_that_took_too_long_is_seen() -> None:
    of = results()
    of.machine["took"] = "20.2 minutes"
    assert missed(of) == ["in time"]


def test_what_was_left_out_of_the_growth_is_told() -> None:
    told = "\n".join(SECTIONS["growth"](results()))
    assert "- the article's design, 100,000 items: 500 s" in told


def test_tables_are_put_in_the_place_of_the_former_ones_and_nothing_else_is_touched() -> None:
    of = results()
    once = placed(DOCUMENT, of)
    assert placed(once, of) == once
    for name, lines in SECTIONS.items():
        assert "\n".join(lines(of)) in once, f"docs/benchmarks.md has no place for {name}"
    assert once.startswith(DOCUMENT.partition("<!-- goals -->")[0])
    assert once.endswith(DOCUMENT.partition("<!-- end of functions -->")[2])


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
    assert json.loads(path.read_text(encoding="utf-8"))["machine"]["date"] == "2026-01-01"


@pytest.mark.parametrize("is_live", [True, False])
def test_a_copier_that_could_not_copy_says_why(is_live: bool) -> None:  # noqa: FBT001 — a parameter of the test
    of = results()
    of.local.append(OnLocal(NAMES[-1], None, None, is_live=is_live, failed="it could not"))
    assert "failed: it could not" in "\n".join(SECTIONS["live" if is_live else "rest"](of))
