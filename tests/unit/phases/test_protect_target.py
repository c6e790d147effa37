"""The drain of changes and the late rule: the replicator has passed what it has to, and no rule moves back."""

import pytest

from tasks.aws.books.books import open_books
from tasks.core.errors import ChangesPending, DriftFound
from tasks.core.replicate.conflict import ReplicationRule
from tests.unit.aws_fakes import RUN, FakeAws, sees
from tests.unit.phases.calls import NOW, Clock, drain, protect, put_watermark, reject, set_rule


@pytest.mark.usefixtures("aws")
def test_the_target_is_protected_only_once_the_replicator_has_passed_what_pages_may_have_brought_ahead_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sees(monkeypatch, {"shard-1": "10"})
    set_rule(ReplicationRule.DELETE)
    put_watermark(NOW, "9")
    with pytest.raises(ChangesPending, match="1 of 1 shards"):
        protect()
    assert open_books(RUN).record.required_rule().rule is ReplicationRule.DELETE
    put_watermark(NOW, "10")
    assert protect()["rule"] == "target-wins"


@pytest.mark.usefixtures("aws")
def test_the_rule_never_moves_back_within_a_run(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    sees(monkeypatch, {})
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 50
    for earlier in ReplicationRule:
        assert open_books(RUN).record.set_rule(earlier, run=RUN, now=clock.now).since == NOW
    again = protect("t2")
    assert again == {"rule": "target-wins", "since": NOW}, "run again it finds the rule set"
    anew = open_books(RUN).record.set_rule(ReplicationRule.LEAVE_TOMBSTONES, run="the next run", now=clock.now)
    assert (anew.rule, anew.since) == (ReplicationRule.LEAVE_TOMBSTONES, clock.now)


def test_changes_are_drained_to_the_tips_of_the_moment_and_no_refused_one_is_overlooked(
    aws: FakeAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    tips = {"shard-1": "10"}
    sees(monkeypatch, lambda: dict(tips))
    with pytest.raises(ChangesPending, match="1 of 1 shards"):
        drain()
    tips["shard-1"] = "99"  # the source goes on: this wait is for what was there when it began
    put_watermark(NOW, "9")
    with pytest.raises(ChangesPending):
        drain()
    put_watermark(NOW, "10")
    assert drain() == {"shards": 1}
    with pytest.raises(ChangesPending):
        drain("t2")
    for kind in ("changes", "late"):
        aws.bucket.objects.clear()
        reject(aws, kind)
        put_watermark(NOW, "99")
        with pytest.raises(DriftFound, match="changes of 1 keys were refused by target, or found another item there"):
            drain("t2")
