"""A proof takes no more than one and a half times what two scans do, at the sizes and write rates that are told."""

import pytest

from tests.simulation.proof_goal import GOAL, Proof, proof_of, proofs
from tests.simulation.scenarios import MIDDLE, SMALL, TINY_ITEMS


@pytest.fixture(scope="module")
def terabyte() -> Proof:
    return proof_of(MIDDLE)


def test_a_billion_items_under_500_writes_a_second_are_proven_within_the_goal_at_the_worst(terabyte: Proof) -> None:
    assert terabyte.over_two_scans(500, terabyte.seconds) <= 1.1
    tiny = proof_of(TINY_ITEMS)
    assert tiny.over_two_scans(500, tiny.seconds) <= GOAL, "however small they are"


def test_a_small_table_under_ten_times_as_many_is_proven_within_it_too() -> None:
    small = proof_of(SMALL)
    assert small.over_two_scans(5000, small.seconds) <= GOAL
    assert small.over_two_scans(5000, 6 * 60) > GOAL, "a pass that takes longer would not be: so it is told"


def test_the_goal_is_reached_up_to_the_rate_that_is_told_and_not_beyond(terabyte: Proof) -> None:
    most = terabyte.most_writes(terabyte.seconds)
    assert (
        terabyte.over_two_scans(most, terabyte.seconds) <= GOAL < terabyte.over_two_scans(most + 10, terabyte.seconds)
    )


def test_segments_that_hold_the_same_keys_are_read_close_together(terabyte: Proof) -> None:
    assert terabyte.apart_seconds < terabyte.seconds / 20


def test_a_size_is_a_row() -> None:
    heading, line, *rows = proofs([SMALL])
    assert heading.count("|") == line.count("|") == rows[0].count("|")
    assert rows[0].startswith(f"| {SMALL.name} | ")
