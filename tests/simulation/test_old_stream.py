"""A run on a stream that was on already passes a day of changes over, by the product's own horizon."""

import dataclasses

import pytest

from tasks.core.forecast.charges import REPLICATED, REPLICATOR
from tasks.core.forecast.prices import WRITE_REQUEST_UNIT
from tests.simulation.old_stream import old_stream
from tests.simulation.pipeline import migrate
from tests.simulation.policies import AFTER, BEFORE, pass_over
from tests.simulation.replication import Replicator
from tests.simulation.scenarios import SMALL
from tests.simulation.world import DAY, world_of


def test_a_day_of_old_changes_is_passed_over_and_not_written() -> None:
    after, before = (migrate(SMALL, policy).world for policy in (AFTER, BEFORE))
    writes = [bill.by_purpose()[REPLICATED] for bill in (after.bill, before.bill)]
    of_a_day = DAY * SMALL.user_writes * WRITE_REQUEST_UNIT.usd
    assert writes[1] - writes[0] == pytest.approx(of_a_day, rel=0.01)
    assert after.counts.most_lag_seconds < 900
    assert before.counts.most_lag_seconds > DAY * 0.99


def test_what_is_passed_over_is_read_and_paid_for_all_the_same() -> None:
    with_stream, without = (
        migrate(dataclasses.replace(SMALL, stream_was_on=was_on), AFTER).world for was_on in (True, False)
    )
    assert with_stream.bill.by_purpose()[REPLICATOR] > without.bill.by_purpose()[REPLICATOR]
    assert with_stream.counts.most_lag_seconds > without.counts.most_lag_seconds, "new changes come behind old ones"


def test_a_shard_so_quiet_that_nothing_is_seen_of_it_has_its_changes_applied() -> None:
    partitions, changes = 1000, 0.2 * 1000 * DAY  # one in five seconds: at some shards none comes in ten
    found = old_stream(partitions, changes)
    unseen = set(found.open_records) - set(found.seen)
    assert 0.05 * partitions < len(unseen) < 0.25 * partitions
    world = world_of(dataclasses.replace(SMALL, items=1e10, user_writes=200), retention_seconds=3600)
    replicator = Replicator(world)
    assert replicator.shards == partitions
    pass_over(replicator, changes)
    assert replicator.waiting == sum(found.open_records[shard] for shard in unseen)
    assert replicator.waiting + replicator.passing == found.records == pytest.approx(changes, rel=0.01)
    assert 0 < world.counts.most_lag_seconds <= 4 * 3600
