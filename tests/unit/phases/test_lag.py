"""A replicator that falls behind is told of in time, and what left the stream meanwhile is a loss."""

from typing import TYPE_CHECKING

import pytest

from tasks import drain_backfill
from tasks.aws.books.books import open_books
from tasks.core.errors import ChangesLost, Pending
from tasks.core.replicate.conflict import ReplicationRule
from tasks.core.replicate.lag import Unapplied
from tasks.core.replicate.watermark import Watermark
from tests.unit.aws_fakes import ROUTE, RUN, Context, sees
from tests.unit.phases.calls import NOW, call, drain, flip, protect, put_watermark, sent, set_rule

if TYPE_CHECKING:
    from collections.abc import Callable


HOUR = 3600


def leave_unapplied(monkeypatch: pytest.MonkeyPatch, hours: float, *, is_trimmed: bool = False) -> None:
    oldest = Unapplied("shard-1", NOW - hours * HOUR, is_trimmed=is_trimmed)
    sees(monkeypatch, unapplied=[oldest])


@pytest.mark.usefixtures("clock")
def test_every_wait_says_that_the_replicator_is_running_out_of_time(
    flips: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sees(monkeypatch, {"shard-1": "10"})
    put_watermark(NOW, "9")
    sent("d0")
    waits: list[Callable[[], object]] = [
        protect,
        drain,
        lambda: flip(context=Context(15_100)),
        lambda: call(drain_backfill.handler, route=ROUTE.model_dump()),
    ]
    set_rule(ReplicationRule.TARGET_WINS)
    put_watermark(NOW, "9")
    for wait in waits:
        leave_unapplied(monkeypatch, 17.9)
        with pytest.raises(Pending) as within:
            wait()
        assert "h behind" not in str(within.value)
        leave_unapplied(monkeypatch, 20)
        with pytest.raises(Pending, match=r"the replicator is 20\.0 h behind, and in 4\.0 h the stream begins to lose"):
            wait()
    assert "pointer target" not in flips


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(("hours", "is_trimmed"), [(23.6, False), (30.0, False), (2.0, True)])
def test_traffic_never_moves_over_changes_that_left_the_stream(
    flips: list[str], monkeypatch: pytest.MonkeyPatch, hours: float, *, is_trimmed: bool
) -> None:
    leave_unapplied(monkeypatch, hours, is_trimmed=is_trimmed)
    set_rule(ReplicationRule.DELETE)
    with pytest.raises(ChangesLost, match=r"changes of 1 shards \(shard-1\) .* delete target .* start a new execution"):
        protect()
    set_rule(ReplicationRule.TARGET_WINS)
    put_watermark(NOW)
    with pytest.raises(ChangesLost):
        flip()
    assert "pointer target" not in flips


@pytest.mark.usefixtures("clock")
def test_a_loss_that_the_proof_can_not_have_seen_is_remembered_after_the_replicator_has_caught_up(
    flips: list[str],
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    before_the_proof, after_it = NOW - 2 * HOUR, NOW - 60
    open_books(RUN).watermarks.put(Watermark("shard-1", "9", NOW, NOW, rule_since=NOW, late_at=after_it))
    with pytest.raises(ChangesLost):
        flip()
    open_books(RUN).watermarks.put(Watermark("shard-1", "9", NOW, NOW, rule_since=NOW, late_at=before_the_proof))
    flip()
    assert "pointer target" in flips


@pytest.mark.usefixtures("clock")
def test_a_source_that_rested_for_days_has_lost_nothing(flips: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    leave_unapplied(monkeypatch, 0.01, is_trimmed=True)  # its next change came a moment ago
    set_rule(ReplicationRule.TARGET_WINS)
    put_watermark(NOW)
    flip()
    assert "pointer target" in flips
