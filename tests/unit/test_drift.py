"""Drift, key by key."""

import pytest

from tasks.core.model.item import TOMBSTONE_ATTRIBUTE, Item
from tasks.core.prove.digest import SOURCE, TARGET, replica_in
from tasks.core.prove.drift import (
    LOOKS_DRIFTED,
    LOOKS_FOLLOWED,
    SAMPLES_MOST,
    Difference,
    Finding,
    Image,
    Looks,
    LooksAtReplica,
    differ,
    summed,
)


def source_image(item: Item | None) -> Image | None:
    return None if item is None else Image.of(item, SOURCE)


def target_image(item: Item | None) -> Image | None:
    return None if item is None else Image.of(item, TARGET)


def replica_image(item: Item | None) -> Image | None:
    return None if item is None else Image.of(item, replica_in("eu-west-1"))


def look(looks: Looks, before: Item | None, target: Item | None, after: Item | None) -> Finding:
    return looks.look(source_image(before), target_image(target), source_image(after))


ONE: Item = {"pk": {"S": "a"}, "n": {"N": "1"}}
TOMBSTONE: Item = {"pk": {"S": "a"}, TOMBSTONE_ATTRIBUTE: {"BOOL": True}}


@pytest.mark.parametrize(
    ("source", "target", "difference"),
    [
        (ONE, None, Difference.MISSING),
        (ONE, TOMBSTONE, Difference.MISSING),
        (None, ONE, Difference.EXTRA),
        (ONE, {**ONE, "n": {"N": "2"}}, Difference.MISMATCHED),
        (ONE, {**ONE, "n": {"S": "1"}}, Difference.MISMATCHED),
        (ONE, {"pk": ONE["pk"]}, Difference.MISMATCHED),
        ({"pk": ONE["pk"]}, ONE, Difference.MISMATCHED),
        (ONE, {**ONE, "n": {"N": "1.0"}}, None),
        ({**ONE, "aws:rep:updatetime": {"N": "9"}}, ONE, None),
        (None, None, None),
        (None, TOMBSTONE, None),
        (ONE, ONE, None),
    ],
)
def test_no_difference_is_called_equal_and_no_equal_pair_drift(
    source: Item | None, target: Item | None, difference: Difference | None
) -> None:
    assert differ(source_image(source), target_image(target)) is difference


def test_one_kind_of_difference_does_not_crowd_the_others_out_of_the_samples() -> None:
    found = [(Difference.MISSING, {"pk": {"S": f"m{number}"}}) for number in range(1000)]
    found += [(Difference.EXTRA, {"pk": {"S": "e"}}), (Difference.MISMATCHED, {"pk": {"S": "x"}})]
    drift = summed(found)
    assert (drift.missing, drift.extra, drift.mismatched, drift.total) == (1000, 1, 1, 1002)
    assert {kind for kind, _ in drift.samples} == set(Difference)
    assert len(drift.samples) <= SAMPLES_MOST


def test_drift_is_told_with_its_keys_and_no_other_data() -> None:
    drift = summed([(Difference.EXTRA, {"pk": {"S": "é"}})])
    assert drift.in_words() == '0 missing, 1 extra, 0 mismatched; for example extra {"pk": {"S": "é"}}'
    assert summed([]).in_words() == "0 missing, 0 extra, 0 mismatched"
    assert summed([]).total == 0


def version(number: int) -> Item:
    return {"pk": {"S": "a"}, "n": {"N": str(number)}}


def test_drift_of_two_batches_is_told_together() -> None:
    both = summed([(Difference.MISSING, {"pk": {"S": "a"}})]) + summed([(Difference.EXTRA, {"pk": {"S": "b"}})])
    assert (both.missing, both.extra, both.mismatched) == (1, 1, 0)
    assert {kind for kind, _ in both.samples} == {Difference.MISSING, Difference.EXTRA}
    many = summed((Difference.MISSING, {"pk": {"S": str(number)}}) for number in range(50))
    assert len((many + many + both).samples) <= SAMPLES_MOST


def test_one_equal_look_is_enough() -> None:
    looks = Looks()
    assert look(looks, ONE, None, ONE) is Finding.OPEN
    assert look(looks, ONE, ONE, ONE) is Finding.EQUAL


@pytest.mark.parametrize(("source", "target"), [(ONE, None), (None, ONE), (ONE, version(2))])
def test_what_differs_in_every_look_is_drift(source: Item | None, target: Item | None) -> None:
    looks = Looks()
    found = [look(looks, source, target, source) for _ in range(LOOKS_DRIFTED)]
    assert found == [Finding.OPEN] * (LOOKS_DRIFTED - 1) + [Finding.DRIFTED]


def test_a_lock_that_is_put_and_deleted_all_the_time_is_not_called_drift() -> None:
    looks = Looks()
    # Absent before and after, and at the target in between; then the other way round.
    for _ in range(3 * LOOKS_DRIFTED):
        assert look(looks, None, ONE, None) is Finding.OPEN
        assert look(looks, ONE, None, ONE) is Finding.OPEN


def test_a_counter_that_changes_in_every_look_does_not_hold_the_proof_up_for_ever() -> None:
    looks = Looks()
    found = [look(looks, version(n), version(n - 1), version(n + 1)) for n in range(LOOKS_FOLLOWED)]
    assert found == [Finding.OPEN] * (LOOKS_FOLLOWED - 1) + [Finding.FOLLOWED]


def test_a_change_during_a_look_clears_the_item_of_the_looks_before() -> None:
    looks = Looks()
    for _ in range(LOOKS_DRIFTED - 1):
        assert look(looks, ONE, None, ONE) is Finding.OPEN
    assert look(looks, ONE, None, version(2)) is Finding.OPEN
    assert look(looks, version(2), None, version(2)) is Finding.OPEN


def look_at_replica(
    looks: LooksAtReplica, before: Item | None, replica: Item | None, after: Item | None, at: float = 0.0
) -> Finding:
    return looks.look(source_image(before), replica_image(replica), source_image(after), at=at)


def test_a_difference_at_a_replica_counts_only_once_it_has_stayed() -> None:
    looks = LooksAtReplica()
    for second in range(30):
        assert look_at_replica(looks, ONE, None, ONE, 100.0 + second) is Finding.OPEN
    assert look_at_replica(looks, ONE, version(2), ONE, 130.0) is Finding.OPEN, "it takes something"
    assert look_at_replica(looks, ONE, version(2), ONE, 159.0) is Finding.OPEN
    for _ in range(LOOKS_DRIFTED - 3):
        assert look_at_replica(looks, ONE, version(2), ONE, 160.0) is Finding.OPEN, "few looks prove nothing"
    assert look_at_replica(looks, ONE, version(2), ONE, 160.0) is Finding.DRIFTED


def test_a_replica_that_has_stopped_is_drift_however_fast_the_source_changes() -> None:
    """That each change reaches the target says nothing of the replica."""
    looks = LooksAtReplica()
    found = [look_at_replica(looks, version(n + 1), ONE, version(n + 2), 10.0 * n) for n in range(1, LOOKS_DRIFTED + 1)]
    assert found == [Finding.OPEN] * (LOOKS_DRIFTED - 1) + [Finding.DRIFTED]


def test_a_replica_that_comes_along_with_a_counter_is_followed() -> None:
    looks = LooksAtReplica()
    found = [look_at_replica(looks, version(n), version(n - 5), version(n + 1), float(n)) for n in range(9)]
    assert found[: LOOKS_FOLLOWED + 1] == [Finding.OPEN] * LOOKS_FOLLOWED + [Finding.FOLLOWED]


def test_a_replica_that_shows_what_the_source_had_in_this_look_has_come_along() -> None:
    assert look_at_replica(LooksAtReplica(), version(1), version(1), version(2)) is Finding.EQUAL
    assert look_at_replica(LooksAtReplica(), version(1), version(2), version(2)) is Finding.EQUAL


def test_a_tombstone_is_nothing_at_the_target_and_something_at_a_replica() -> None:
    """They are purged before the proof, and nobody looks for what a replica has missed of that."""
    assert differ(None, target_image(TOMBSTONE)) is None
    assert differ(None, replica_image(TOMBSTONE)) is Difference.EXTRA
