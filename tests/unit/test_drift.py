"""Drift, key by key."""

import pytest

from tasks.core.drift import SAMPLES_MOST, Difference, differ, summed
from tasks.core.item import TOMBSTONE_ATTRIBUTE, Item

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
    assert differ(source, target) is difference


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
