"""Which calls a rule meets, and at which of them it fires."""

import pytest
from pydantic import ValidationError

from infra.local.emulator.faults.rule import Installed, Rule


def installed(**settings: object) -> Installed:
    return Installed(Rule.model_validate({"name": "r", "action": "reset"} | settings))


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        ({}, "111111"),
        ({"nth": 3}, "001000"),
        ({"first": 2}, "110000"),
        ({"every": 2}, "010101"),
        ({"every": 2, "most": 2}, "010100"),
        ({"most": 4}, "111100"),
        ({"probability": 0}, "000000"),
    ],
    ids=str,
)
def test_a_rule_fires_at_exactly_the_calls_that_its_count_says(count: dict[str, float], expected: str) -> None:
    rule = installed(**count)
    assert "".join("01"[rule.fires()] for _ in range(6)) == expected
    assert (rule.seen, rule.fired) == (6, expected.count("1"))


def test_the_same_seed_brings_the_same_faults_and_another_seed_others() -> None:
    def fired(seed: int) -> list[bool]:
        rule = installed(probability=0.3, seed=seed)
        return [rule.fires() for _ in range(200)]

    assert fired(1) == fired(1) != fired(2)
    assert 30 < sum(fired(1)) < 90


def test_a_rule_leaves_other_operations_and_other_callers_alone() -> None:
    rule = installed(operation="kinesis.*", caller="tableferry-mine-*")
    assert rule.fits("kinesis.PutRecords", "tableferry-mine-ScanSegment")
    assert not rule.fits("PutItem", "tableferry-mine-ScanSegment")
    assert not rule.fits("kinesis.PutRecords", "tableferry-other-ScanSegment")
    assert not rule.fits("kinesis.PutRecords", "")


@pytest.mark.parametrize("wrong", [{"action": "explode"}, {"nht": 1}, {"probability": 1.5}, {"most": -1}], ids=str)
def test_a_misspelt_rule_is_refused_and_does_not_pass_for_a_fault(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        installed(**wrong)
