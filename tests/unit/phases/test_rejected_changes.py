"""Traffic never moves over a rejected change that still differs; one that was put right holds up nothing."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import drain_changes
from tasks.aws.prove import rejected_changes
from tasks.core.errors import ChangesPending, CutOverPending, DriftFound
from tasks.core.prove.drift import Drift, summed
from tasks.core.replicate.conflict import ReplicationRule
from tests.unit.aws_fakes import ROUTE, RUN, Context, FakeAws
from tests.unit.phases.calls import Clock, call, drain, flip, reject, set_rule


@pytest.mark.parametrize("kind", ["changes", "late"])
def test_traffic_never_moves_over_a_change_that_was_rejected_since_the_drain(
    aws: FakeAws, flips: list[str], clock: Clock, kind: str
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    reject(aws, kind)
    with pytest.raises(DriftFound, match=r"0 missing, 0 extra, 1 mismatched.*\"a\""):
        flip()
    assert "pointer target" not in flips
    assert flip_after_mending(aws) == "target"


def flip_after_mending(aws: FakeAws) -> object:
    aws.dynamodb.seed("target", *aws.dynamodb.items("source"))
    return flip()["active_table"]


@pytest.mark.parametrize("kind", ["changes", "late"])
def test_a_rejected_change_that_the_next_write_put_right_is_not_called_drift(
    aws: FakeAws, flips: list[str], clock: Clock, kind: str
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    reject(aws, kind)
    aws.dynamodb.seed("target", *aws.dynamodb.items("source"))
    assert drain() == {"shards": 0}
    flip()
    assert "pointer target" in flips
    assert aws.bucket.lines(), "it is kept all the same"


def test_a_rejected_change_of_a_key_that_never_rests_is_not_left_to_the_replicator(
    aws: FakeAws, flips: list[str], clock: Clock
) -> None:
    """The target refuses what the replicator brings: that each change brings its whole image proves nothing here."""
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    reject(aws, "changes")
    aws.dynamodb.never_rests("source", {"pk": {"S": "a"}})
    with pytest.raises(CutOverPending, match="with a rejected change are read again"):
        flip(context=Context(15_300))
    assert "pointer target" not in flips


def test_a_rejected_change_of_a_counter_whose_later_changes_arrive_does_not_hold_up_the_cut_over(
    aws: FakeAws, flips: list[str], clock: Clock
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    reject(aws, "changes")
    counts = iter(range(10**6))

    def count(operation: str, request: dict[str, Any]) -> None:
        if operation != "BatchGetItem":
            return
        if "source" in request["RequestItems"]:
            aws.dynamodb.seed("source", {"pk": {"S": "a"}, "n": {"N": str(100 + next(counts))}})
        else:  # the replicator has brought what the source had when it was read
            aws.dynamodb.seed("target", *aws.dynamodb.items("source"))

    aws.dynamodb.before = count
    flip()
    assert "pointer target" in flips


def test_rejects_that_were_put_right_are_read_again_once_and_not_by_every_call(
    aws: FakeAws, flips: list[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else many of them would never be through: each call would begin at the first one."""
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    for number in range(120):
        line = {"reason": "no", "key": {"pk": {"S": f"key-{number}"}}, "item": None}
        aws.bucket.objects[f"rejects/{RUN}/changes/{number}.jsonl"] = json.dumps(line).encode()
    lots: list[int] = []

    def read_again(*given: Any, **_: object) -> tuple[Drift, bool]:  # noqa: ANN401 — as `recheck` is called
        keys = given[3]
        lots.append(len(keys))
        return summed([]), True

    monkeypatch.setattr(rejected_changes, "recheck", read_again)
    monkeypatch.setattr(rejected_changes, "time", SimpleNamespace(monotonic=lambda: 1e12 if lots else 0.0))
    left = 120
    while left > rejected_changes.OBJECTS_AT_ONCE:
        left -= rejected_changes.OBJECTS_AT_ONCE
        with pytest.raises(CutOverPending, match=f"keys of {left} batches"):
            flip()
        lots.clear()
    flip()
    assert lots == [left]
    assert "pointer target" in flips


def test_rejected_changes_that_could_not_all_be_read_again_are_not_passed_over(
    aws: FakeAws, flips: list[str], clock: Clock
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    reject(aws, "changes")
    with pytest.raises(CutOverPending, match="with a rejected change are read again"):
        flip(context=Context(15_000))
    with pytest.raises(ChangesPending, match="with a rejected change are read again"):
        call(drain_changes.handler, Context(15_000), route=ROUTE.model_dump(), entered="t1")
    assert "pointer target" not in flips
