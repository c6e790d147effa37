"""Traffic moves only when it may, to where it may, and once."""

import pytest

from tasks.aws.books.books import open_books
from tasks.aws.dynamodb import tables
from tasks.aws.run import pointer
from tasks.core.errors import AwsRefused, CutOverPending, OutOfOrder, PreconditionFailed, VersionsDiffer
from tasks.core.replicate.conflict import ReplicationRule
from tests.unit.aws_fakes import RUN, Context, FakeAws, client_error, sees
from tests.unit.phases.calls import NOW, Clock, flip, put_watermark, set_rule


@pytest.mark.parametrize("verdict", ["open", "suspect", "", "drift"])
def test_traffic_never_moves_without_proof(flips: list[str], verdict: str) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    with pytest.raises(VersionsDiffer):
        flip(verdict)
    assert flips == []


def test_traffic_never_moves_before_the_target_is_protected(flips: list[str], clock: Clock) -> None:
    clock.now += 10_000
    for rule, run in (
        (ReplicationRule.DELETE, RUN),
        (ReplicationRule.LEAVE_TOMBSTONES, RUN),
        (ReplicationRule.TARGET_WINS, "an earlier run"),
    ):
        set_rule(rule, run=run)
        with pytest.raises(OutOfOrder, match="start a new one"):
            flip()
    assert flips == []


def test_traffic_never_moves_while_a_batch_of_an_earlier_rule_may_overwrite_it(flips: list[str], clock: Clock) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    put_watermark(rule_since=NOW - 1)
    clock.now += 59
    with pytest.raises(CutOverPending):
        flip()
    assert flips == []
    put_watermark(rule_since=NOW)
    flip()
    assert flips == ["ttl target expires", "pointer target", "event Cut Over"]


def test_traffic_never_moves_to_a_table_that_may_have_tombstones(flips: list[str], clock: Clock) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    open_books(RUN).tombstones.enter_all([{"pk": {"S": "deleted"}}])
    with pytest.raises(
        PreconditionFailed, match=r"target may have tombstones.*`python -m workflow resume` purges them"
    ):
        flip()
    assert flips == []


def test_traffic_never_moves_while_the_replicator_is_behind_however_long_ago_the_drain_was(
    flips: list[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sees(monkeypatch, {"shard-1": "10"})
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    put_watermark(NOW, "9")
    with pytest.raises(CutOverPending, match="the replicator is behind what source has taken"):
        flip(context=Context(15_100))
    assert "pointer target" not in flips
    put_watermark(NOW, "10")
    flip()
    assert "pointer target" in flips


@pytest.mark.parametrize(
    ("source", "target", "outcome"),
    [
        (None, ("DISABLED", None), "nothing"),
        ("gone", ("DISABLED", None), "turned on"),
        ("gone", ("ENABLED", "gone"), "nothing"),  # by an earlier try of this call
        ("gone", ("ENABLING", "gone"), "nothing"),
        (None, ("ENABLED", "gone"), "by gone .*those of source not at all"),
        ("gone", ("ENABLED", "other"), "by other .*those of source by gone"),
        ("gone", ("DISABLING", "gone"), "TTL is DISABLING"),
    ],
)
def test_traffic_never_moves_to_a_table_whose_items_vanish_as_those_of_the_source_do_not(
    flips: list[str],
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
    source: str | None,
    target: tuple[str, str | None],
    outcome: str,
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    of_source = ("DISABLED", None) if source is None else ("ENABLED", source)
    monkeypatch.setattr(tables, "read_ttl", lambda table: of_source if table.name == "source" else target)
    if outcome in {"nothing", "turned on"}:
        flip()
        assert ("ttl target gone" in flips) == (outcome == "turned on")
        assert "pointer target" in flips
        return
    with pytest.raises(PreconditionFailed, match=outcome) as caught:
        flip()
    assert "`python -m workflow resume` proves the tables anew" in str(caught.value)
    assert flips == []


def test_traffic_never_moves_to_a_table_whose_index_was_deleted_since_preflight(
    aws: FakeAws, flips: list[str], clock: Clock
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    index = {
        "IndexName": "by-n",
        "IndexStatus": "ACTIVE",
        "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
        "Projection": {"ProjectionType": "ALL"},
    }
    for table in aws.stage.tables.values():
        table["AttributeDefinitions"] = [*table["AttributeDefinitions"], {"AttributeName": "n", "AttributeType": "N"}]
    aws.stage.tables["source"]["GlobalSecondaryIndexes"] = [index]
    with pytest.raises(PreconditionFailed, match=r"target does not have by-n \(global, by n HASH N, with ALL\)"):
        flip()
    assert "pointer target" not in flips
    aws.stage.tables["target"]["GlobalSecondaryIndexes"] = [{**index, "IndexStatus": "CREATING"}]
    with pytest.raises(CutOverPending, match="target is still being given its index by-n"):
        flip()
    assert "pointer target" not in flips
    aws.stage.tables["target"]["GlobalSecondaryIndexes"] = [index]
    flip()
    assert "pointer target" in flips


def test_a_cut_over_that_can_not_move_the_pointer_tells_nobody_that_it_has(
    flips: list[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise client_error("AccessDeniedException")

    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    with monkeypatch.context() as patch:
        patch.setattr(pointer, "flip_pointer", refuse)
        with pytest.raises(AwsRefused, match=r"AccessDeniedException .*Grant it"):
            flip()
    assert [line for line in flips if line.startswith("event")] == []
    flip()
    assert flips[-2] == "pointer target"
    assert flips[-1].startswith("event")


@pytest.mark.parametrize("pointer_says", [None, "source"])
def test_traffic_moves_from_where_the_pointer_says_that_it_is(
    flips: list[str], clock: Clock, monkeypatch: pytest.MonkeyPatch, pointer_says: str | None
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    monkeypatch.setattr(pointer, "read_pointer", lambda _: pointer_says)
    flip()
    assert "pointer target" in flips


def test_traffic_that_somebody_moved_elsewhere_since_preflight_is_not_moved_back(
    flips: list[str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    monkeypatch.setattr(pointer, "read_pointer", lambda _: "a third table")
    with pytest.raises(PreconditionFailed, match="the pointer says a third table, which is neither source nor target"):
        flip()
    assert "pointer target" not in flips


def test_a_second_cut_over_does_not_move_the_pointer_back_after_somebody_moved_it(
    flips: list[str], clock: Clock
) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    first = flip()
    flips.clear()
    clock.now += 500
    assert flip() == first
    assert flips == []
