"""The demonstration's live view, fed with recorded histories."""

import itertools
import re
import time
from collections.abc import Callable, Iterable
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from infra.local.rehearsal.demo.progress import EVERY_SECONDS, SAY_AGAIN_SECONDS, follow, render
from infra.local.rehearsal.owner.application import Counted
from tasks.core.run.course import course_of
from tasks.core.run.phases import Standing
from tests.workflow.recorded_histories import recorded, until
from workflow.definition import iter_phases, read_definition
from workflow.status import Status, status_line

ARN = "arn:aws:states:eu-west-1:123456789012:execution:tableferry-asking:second"
PHASES = list(iter_phases(read_definition()))


class Clock:
    """Time that passes only while somebody sleeps, or a reading takes it."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(time, "sleep", clock.sleep)
    return clock


def status_of(events: list[dict[str, Any]], lag_seconds: float | None = None) -> Status:
    return Status(ARN, events[-1]["timestamp"].timestamp(), course_of(events), lag_seconds=lag_seconds)


def in_turn(statuses: Iterable[Status]) -> Callable[[Status | None], Status]:
    """Return what reads these, one after the other, and sees to it that each reading is given the one before."""
    following, last = iter(statuses), None

    def read(previous: Status | None) -> Status:
        nonlocal last
        assert previous is last
        last = next(following)
        return last

    return read


def shown(status: Status, counted: Counted | None = None, *, width: int = 200) -> str:
    output = StringIO()
    Console(file=output, width=width).print(render(status, counted or Counted()))
    return output.getvalue()


def followed(*statuses: Status, terminal: bool = False) -> str:
    output = StringIO()
    console = Console(file=output, width=200, force_terminal=terminal)
    end = follow(in_turn(statuses), Counted, console, timeout_seconds=600)
    assert end is statuses[-1]
    return output.getvalue()


def line_at(text: str, phase: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(f"{phase} ")]
    return found


def test_every_phase_is_shown_in_order_and_iterations_are_none() -> None:
    status = status_of(until(recorded("segment_failed"), "TaskSucceeded", "PlanSegments"))
    text = shown(status)
    names = [line.split()[0] for line in text.splitlines() if line.split()[0] in {*PHASES, "ScanSegment"}]
    assert names == [name for name in PHASES if name != "ApproveCutOver"]  # approval is automatic there
    assert line_at(text, "Preflight").split()[1] == "done"
    assert line_at(text, "PlanSegments").split()[1] == "running"
    assert "to come" in line_at(text, "Backfill")


def test_each_phase_is_shown_with_how_long_it_took() -> None:
    events = recorded("succeeded")
    text = shown(status_of(events))
    detach = course_of(events).last_visit("DetachWriter")
    assert detach is not None
    assert detach.exited_at is not None
    assert f" {(detach.exited_at - detach.entered_at).total_seconds():.0f}s " in line_at(text, "DetachWriter")


def test_where_it_failed_is_shown_and_nothing_is_to_come_any_more() -> None:
    text = shown(status_of(recorded("segment_failed")))
    assert line_at(text, "Backfill").split()[1] == "failed"
    assert "to come" not in text


def test_a_wait_is_shown_with_the_tasks_own_words_whole_even_where_there_is_little_room() -> None:
    status = status_of(until(recorded("aborted"), "TaskFailed", "AttachReplicator"))
    text = shown(status, width=80)
    assert "State: waiting, the stream of stopped-source is being enabled" in " ".join(text.split())
    assert len([line for line in text.splitlines() if line.startswith("AttachReplicator ")]) == 1


def test_the_applications_line_is_part_of_the_view() -> None:
    counted = Counted(tables={"airports": 1200}, accepted={"put": 1200}, refused=2, seconds=10)
    text = shown(status_of(recorded("succeeded")), counted)
    assert "application: writes 1,200 to airports; 120 writes/s; 2 refused\n" in text


def test_off_a_terminal_there_is_one_line_for_each_phase_and_in_the_end_all_phases(clock: Clock) -> None:
    events = recorded("succeeded")
    statuses = [status_of(events[:end]) for end in range(1, len(events), 3)]
    text = followed(*statuses, status_of(events))
    said = [line for line in text.splitlines() if "State: " in line]
    told = [re.split("[;:]", line)[0] for line in said]
    assert [phase for phase, _ in itertools.groupby(told)] == ["Start", *PHASES, "Done"]
    assert len(clock.slept) == len(statuses)
    assert len(said) == len(set(said))
    assert text.count(status_line(status_of(events))) == 1
    assert [line.split()[0] for line in text.splitlines()[-len(PHASES) :]] == PHASES
    assert "to come" not in text


def test_off_a_terminal_the_same_phase_is_told_every_ten_seconds_at_most_and_never_twice_the_same(clock: Clock) -> None:
    events = until(recorded("aborted"), "TaskFailed", "AttachReplicator")
    readings = 21
    ended = status_of(recorded("aborted"))
    changing = followed(*(status_of(events, lag_seconds=float(count)) for count in range(readings)), ended)
    assert sum(clock.slept) == readings * EVERY_SECONDS
    told = [line for line in changing.splitlines() if line.startswith("AttachReplicator;") and "lag=" in line]
    assert len(told) == 1 + (readings - 1) * EVERY_SECONDS // SAY_AGAIN_SECONDS
    same = followed(*(status_of(events) for _ in range(readings)), ended)
    assert same.count(status_line(status_of(events))) == 1


def test_on_a_terminal_no_line_is_left_but_the_last_view(clock: Clock) -> None:
    events = recorded("succeeded")
    text = followed(status_of(events[:30]), status_of(events[:200]), status_of(events), terminal=True)
    assert len(clock.slept) == 2
    left = text.rpartition("\x1b[?25h")[2]  # the cursor comes back when the live view ends
    assert left.count("State: ") == 1
    assert status_line(status_of(events)) in left


def test_a_reading_that_takes_long_is_taken_less_often(clock: Clock) -> None:
    statuses = in_turn([status_of(recorded("succeeded")[:9]), status_of(recorded("succeeded"))])

    def read(previous: Status | None) -> Status:
        clock.now += 2.0
        return statuses(previous)

    follow(read, Counted, Console(file=StringIO()), timeout_seconds=600)
    assert clock.slept == [6.0]


def test_an_execution_that_does_not_end_is_given_up_with_what_it_waited_for(clock: Clock) -> None:
    status = status_of(until(recorded("aborted"), "TaskFailed", "AttachReplicator"))
    with pytest.raises(TimeoutError, match=r"after 60 s: AttachReplicator; State: waiting, the stream of"):
        follow(lambda _: status, Counted, Console(file=StringIO(), width=200), timeout_seconds=60)
    assert sum(clock.slept) == 60 + EVERY_SECONDS
    assert status.state is Standing.WAITING
