"""Segments: their number, and the checkpoint that a run goes on from."""

import pytest
from pydantic import ValidationError

from tasks.core.copy.segment import (
    GIBIBYTE,
    LEAST_SEGMENTS,
    MOST_PLANNED_SEGMENTS,
    Checkpoint,
    plan_checkpoints,
    plan_total_segments,
    plan_verify_segments,
)


@pytest.mark.parametrize(
    ("size_bytes", "segments"),
    [
        (0, LEAST_SEGMENTS),
        (1, LEAST_SEGMENTS),
        (16 * GIBIBYTE, 16),
        (16 * GIBIBYTE + 1, 17),
        (300 * GIBIBYTE, 300),
        (10_000 * GIBIBYTE, MOST_PLANNED_SEGMENTS),
    ],
)
def test_a_segment_is_never_so_large_that_its_failure_costs_hours(size_bytes: int, segments: int) -> None:
    assert plan_total_segments(size_bytes) == segments


def test_no_segment_is_left_out_or_scanned_twice() -> None:
    assert sorted(checkpoint.segment for checkpoint in plan_checkpoints(40)) == list(range(40))
    assert all(checkpoint == Checkpoint(segment=checkpoint.segment) for checkpoint in plan_checkpoints(40))


def test_an_absent_cursor_is_not_mistaken_for_the_segments_end() -> None:
    assert Checkpoint(segment=0).cursor is None
    assert Checkpoint(segment=0).state == "scanning"


def test_a_checkpoint_comes_back_from_the_history_as_it_went() -> None:
    reached = Checkpoint(
        segment=3, cursor={"pk": {"S": 'quote " and é'}, "n": {"N": "1E+3"}}, pages=2, records=3, items=500
    )
    assert Checkpoint.model_validate_json(reached.model_dump_json()) == reached
    assert Checkpoint.model_validate({"segment": 3}) == Checkpoint(segment=3)


@pytest.mark.parametrize("damage", [{"state": "finished"}, {"page": 1}, {"segment": None}])
def test_a_checkpoint_of_another_version_is_not_read_as_this_one(damage: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Checkpoint.model_validate({"segment": 1, **damage})


def test_verify_segments_stay_few_but_never_more_than_planned() -> None:
    assert [plan_verify_segments(total) for total in (1, 16, 64, 65, 4096)] == [1, 16, 64, 64, 64]
