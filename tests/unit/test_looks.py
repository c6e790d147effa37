"""A call looks again itself, for some seconds, before it leaves a wait to the state machine."""

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.session import handler as wrapping
from tasks.aws.session.handler import Request, task
from tasks.core.backoff import PATIENCE_SECONDS
from tasks.core.errors import ChangesPending, Pending, ScanPending, Superseded, TurnPending, WriterPending
from tests.unit.aws_fakes import PLAN, Context

NOW = 1_000_000.0


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the pauses between looks; nothing else takes any time."""
    slept: list[float] = []
    clock = SimpleNamespace(time=lambda: NOW + sum(slept), monotonic=lambda: 50.0 + sum(slept), sleep=slept.append)
    monkeypatch.setattr(wrapping, "time", clock)
    monkeypatch.setattr("tasks.aws.session.budget.time", clock)
    return slept


def called(look: Callable[[], object], context: Context | None = None) -> object:
    def work(_: Request, __: LambdaContext) -> object:
        return look()

    return task(Request)(work)({"plan": PLAN.model_dump(mode="json")}, context or Context())


def ends_after(seconds: float, slept: list[float], pending: type[Pending] = ChangesPending) -> Callable[[], str]:
    def look() -> str:
        if sum(slept) < seconds:
            raise pending("not yet")
        return "done"

    return look


def test_what_takes_a_second_is_waited_for_within_the_call(slept: list[float]) -> None:
    assert called(ends_after(2.0, slept)) == "done"
    assert 2.0 <= sum(slept) <= 3.0


def test_what_takes_longer_is_left_to_the_state_machine_with_its_reason(slept: list[float]) -> None:
    with pytest.raises(ChangesPending, match="not yet"):
        called(ends_after(3600.0, slept))
    assert sum(slept) <= PATIENCE_SECONDS


def test_each_look_asks_anew_whether_a_later_execution_has_taken_over(slept: list[float]) -> None:
    def look() -> None:
        if slept:
            raise Superseded("a later execution goes on")
        raise ChangesPending("not yet")

    with pytest.raises(Superseded):
        called(look)


def test_a_moment_that_is_known_is_slept_for_and_not_a_poll_longer(slept: list[float]) -> None:
    def look() -> str:
        if sum(slept) < 120.0:
            raise WriterPending("a last call may be under way", until=NOW + 120.0)
        return "gone"

    assert called(look) == "gone"
    assert slept == [120.0]


def test_a_moment_beyond_the_calls_own_time_is_not_slept_for(slept: list[float]) -> None:
    def look() -> None:
        raise WriterPending("a last call may be under way", until=NOW + 120.0)

    with pytest.raises(WriterPending):
        called(look, Context(60_000))
    assert slept == []


@pytest.mark.parametrize("pending", [TurnPending, ScanPending])
def test_a_scan_that_is_held_back_holds_no_worker(pending: type[Pending], slept: list[float]) -> None:
    with pytest.raises(pending):
        called(ends_after(2.0, slept, pending))
    assert slept == []


def test_a_call_that_has_worked_until_its_time_was_over_begins_no_second_look(slept: list[float]) -> None:
    def look() -> None:
        slept.append(45.0)
        raise ChangesPending("there are more")

    with pytest.raises(ChangesPending):
        called(look, Context(15_000))
    assert slept == [45.0]
