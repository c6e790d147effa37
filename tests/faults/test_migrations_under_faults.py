"""Whole migrations under live writes and many faults: nothing is lost, and nothing comes back."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from infra.local.emulator.client import LocalAwsProcess
from tests.faults.faulty import PATIENCE
from tests.faults.ordeal import Outcome, put_through
from tests.faults.ordeals import STEPS, SplitAndRestart, everywhere, killed, split_and_restarted, step_name

pytestmark = pytest.mark.engines

Outcomes = Mapping[str, Future[Outcome]]


@pytest.fixture(scope="module")
def course() -> SplitAndRestart:
    return SplitAndRestart()


@pytest.fixture(scope="module")
def outcomes(
    local_aws: LocalAwsProcess, course: SplitAndRestart, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Outcomes]:
    """All of them side by side: they wait more than they work. A restarted gateway meets them all."""
    ordeals = {"everywhere": everywhere(), "killed": killed(), "split": split_and_restarted(course)}
    folder = tmp_path_factory.mktemp("journals")
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(len(ordeals)) as threads:
        for name, value in PATIENCE.items():
            patch.setenv(name, value)
        yield {name: threads.submit(put_through, ordeal, local_aws, folder) for name, ordeal in ordeals.items()}


def check(outcome: Outcome) -> None:
    """What must hold after every ordeal, however it went."""
    last = outcome.ended[-1]
    assert (last.status, last.message) == ("SUCCEEDED", ""), str(outcome)
    assert outcome.comparison.equal, outcome.comparison.samples()
    assert {place.label for place in outcome.comparison.judgements} == {"source", "target", "replica ap-northeast-1"}
    assert outcome.counted.accepted["delete"] > 0
    assert outcome.counted.accepted["recreate"] > 0
    assert outcome.counted.unsettled == 0


def test_throttles_errors_cut_and_torn_calls_of_all_functions_lose_no_write(outcomes: Outcomes) -> None:
    outcome = outcomes["everywhere"].result()
    check(outcome)
    assert all(outcome.fired.values()), outcome.fired
    assert sum(outcome.fired.values()) > 80


def test_a_worker_killed_before_or_after_any_call_of_the_data_path_loses_no_write(outcomes: Outcomes) -> None:
    outcome = outcomes["killed"].result()
    check(outcome)
    kills = {f"{kill} {step_name(step)}" for step in STEPS for kill in ("kill-before", "kill-after")}
    assert {name for name, fired in outcome.fired.items() if fired == 1} == kills


def test_a_split_shard_and_a_restarted_gateway_lose_no_page_and_no_write(
    outcomes: Outcomes, course: SplitAndRestart
) -> None:
    outcome = outcomes["split"].result()
    check(outcome)
    assert (course.shards, course.restarts) == (3, 2)
    assert outcome.fired["delay"] > 0
