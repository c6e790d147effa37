"""The judge sees each way in which a copy can be wrong."""

from typing import Any

import pytest

from tests.benchmarks.judge import Verdict, judge
from tests.benchmarks.on_local import AWKWARD


def item(pk: str, updated_at: int = 1, **more: Any) -> dict[str, Any]:  # noqa: ANN401 — typed JSON
    return {"pk": {"S": pk}, "updatedAt": {"N": str(updated_at)}, **more}


SOURCE = [item("a"), item("b", 2), item("c", n={"N": "12345678901234567890123456789012345678"})]


def test_equal_tables_are_exact_in_whatever_order_and_spelling() -> None:
    one = [item("a", n={"N": "1e2"}, s={"SS": ["x", "y"]}), item("b")]
    other = [item("b"), item("a", s={"SS": ["y", "x"]}, n={"N": "100"})]
    verdict = judge(one, other)
    assert verdict.is_exact
    assert verdict == Verdict(expected=2)
    assert verdict.in_words() == "exact"


def test_a_lost_item_is_seen() -> None:
    assert judge(SOURCE, SOURCE[1:]) == Verdict(3, lost=1)


def test_an_item_that_was_deleted_and_is_back_is_seen() -> None:
    assert judge(SOURCE[1:], SOURCE) == Verdict(2, resurrected=1)


def test_an_earlier_image_of_an_item_is_seen() -> None:
    assert judge(SOURCE, [item("a"), item("b", 1), SOURCE[2]]) == Verdict(3, stale=1)


@pytest.mark.parametrize(
    "copied",
    [
        {"n": {"N": "12345678901234567000000000000000000000"}},
        {"n": {"S": "12345678901234567890123456789012345678"}},
        {},
        {"n": {"N": "12345678901234567890123456789012345678"}, "more": {"BOOL": True}},
    ],
)
def test_a_damaged_item_is_seen(copied: dict[str, Any]) -> None:
    assert judge(SOURCE, [*SOURCE[:2], item("c", **copied)]) == Verdict(3, damaged=1)


def test_every_awkward_item_is_unlike_every_other() -> None:
    """Else the judge would let one pass for the other."""
    for number, content in enumerate(AWKWARD):
        for other in (*AWKWARD[:number], *AWKWARD[number + 1 :]):
            assert not judge([item("a", **content)], [item("a", **other)]).is_exact


def test_a_verdict_names_each_kind_and_its_count() -> None:
    assert Verdict(9, lost=2, stale=1, resurrected=3).in_words() == "2 lost, 1 stale, 3 resurrected"
