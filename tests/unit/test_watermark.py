"""What "the replicator has passed this moment" means."""

import pytest

from tasks.core.replicate.conflict import ReplicationRule, RuleRecord
from tasks.core.replicate.watermark import Shard, Watermark, is_rule_in_force, shards_behind, shards_to_read

NOW = 100.0
"""When the rule was set."""
RULE = RuleRecord(ReplicationRule.DELETE, since=NOW, run="run-1")


def watermark(shard: str, number: str = "1", rule_since: float = NOW) -> Watermark:
    return Watermark(shard, number, changed_at=100.0, applied_at=103.5, rule_since=rule_since)


def watermarks_of(**rule_since: float) -> dict[str, Watermark]:
    return {shard: watermark(shard, rule_since=since) for shard, since in rule_since.items()}


def test_sequence_numbers_are_compared_by_value_and_never_as_text() -> None:
    assert shards_behind({"s": "1000"}, {"s": watermark("s", "999")}) == ["s"]
    assert shards_behind({"s": "999"}, {"s": watermark("s", "1000")}) == []
    assert shards_behind({"s": "000000000000000000000000000000000000012"}, {"s": watermark("s", "12")}) == []


def test_one_shard_that_is_behind_is_not_hidden_by_others_that_are_ahead() -> None:
    watermarks = {"a": watermark("a", "9"), "b": watermark("b", "4"), "z": watermark("z", "1")}
    assert shards_behind({"b": "5", "a": "5", "c": "1"}, watermarks) == ["b", "c"]


def test_a_shard_without_a_watermark_is_never_taken_for_done() -> None:
    assert shards_behind({"s": "1"}, {}) == ["s"]
    assert shards_behind({}, {}) == []


def in_force(open_shards: list[str], watermarks: dict[str, Watermark], now: float = NOW + 1) -> bool:
    return is_rule_in_force(RULE, now=now, timeout_seconds=60.0, open_shards=open_shards, watermarks=watermarks)


@pytest.mark.parametrize(
    ("watermarks", "expected"),
    [
        (watermarks_of(a=NOW, b=NOW), True),
        (watermarks_of(a=NOW + 5, b=NOW), True),
        (watermarks_of(a=NOW, b=NOW - 1), False),
        (watermarks_of(a=NOW), False),
        (watermarks_of(a=NOW, c=NOW), False),
        ({}, False),
    ],
)
def test_a_batch_of_an_earlier_rule_on_any_shard_is_waited_for(
    watermarks: dict[str, Watermark],
    expected: bool,  # noqa: FBT001 — a case
) -> None:
    assert in_force(["a", "b"], watermarks) is expected


def test_no_open_shard_proves_nothing_until_a_time_out_has_passed() -> None:
    assert not in_force([], {})
    assert not in_force([], {}, now=159.9)
    assert in_force([], {}, now=165.0)


def test_an_idle_shard_does_not_hold_up_a_rule_for_ever() -> None:
    assert not in_force(["a"], {}, now=159.9)
    assert in_force(["a"], {}, now=165.0)


def test_lag_is_never_negative_where_clocks_differ() -> None:
    assert watermark("s", "1").lag_seconds == 3.5
    assert Watermark("s", "1", changed_at=9.0, applied_at=8.0, rule_since=NOW).lag_seconds == 0.0


GENERATIONS = [
    Shard("grandparent", None, is_open=False),
    Shard("parent", "grandparent", is_open=False),
    Shard("left", "parent", is_open=True),
    Shard("right", "parent", is_open=True),
]


def test_no_shard_that_may_hold_an_unapplied_change_is_left_unread() -> None:
    assert shards_to_read(GENERATIONS, {}) == ["grandparent", "parent", "left", "right"]
    assert shards_to_read(GENERATIONS, watermarks_of(grandparent=NOW)) == ["grandparent", "parent", "left", "right"]


def test_a_parent_is_skipped_only_once_its_child_has_begun() -> None:
    assert shards_to_read(GENERATIONS, watermarks_of(parent=NOW)) == ["parent", "left", "right"]
    # Begun on one child means that the parent is through for both; the other child is still read.
    assert shards_to_read(GENERATIONS, watermarks_of(right=NOW))[-2:] == ["left", "right"]
    assert "parent" not in shards_to_read(GENERATIONS, watermarks_of(right=NOW))
