"""Waits between tries, and between looks."""

from tasks.core.backoff import (
    FIRST_LOOK_SECONDS,
    MOST_BETWEEN_LOOKS_SECONDS,
    MOST_SECONDS,
    MOST_SLEPT_SECONDS,
    PATIENCE_SECONDS,
    TRIES,
    delays,
    pause_before_look,
)


def test_waits_grow_but_never_without_bound() -> None:
    longest = list(delays(lambda: 1.0, tries=20))
    assert longest == sorted(longest)
    assert longest[0] < longest[5]
    assert longest[-1] == MOST_SECONDS


def test_clients_do_not_come_back_together() -> None:
    assert list(delays(lambda: 0.0)) == [0.0] * (TRIES - 1)
    assert list(delays(lambda: 0.5)) == [wait / 2 for wait in delays(lambda: 1.0)]


def test_the_number_of_tries_is_kept() -> None:
    assert len(list(delays(lambda: 1.0))) == TRIES - 1
    assert list(delays(lambda: 1.0, tries=1)) == []


def sleeps_of(passes_after: float, *, left: float = 285.0, known: bool = False) -> list[float]:
    """Return the pauses of a call that waits for what passes after some seconds; a look takes no time."""
    slept: list[float] = []
    while sum(slept) < passes_after:
        moment = passes_after - sum(slept) if known else None
        pause = pause_before_look(since=sum(slept), left=left - sum(slept), known=moment)
        if pause is None:
            break
        slept.append(pause)
    return slept


def test_what_passes_in_a_moment_is_not_waited_for_with_a_round_through_the_state_machine() -> None:
    for seconds in (0.2, 1.0, 3.0, 8.0):
        assert seconds <= sum(sleeps_of(seconds)) <= seconds + MOST_BETWEEN_LOOKS_SECONDS


def test_a_wait_of_days_pays_for_no_function_that_sleeps() -> None:
    assert sum(sleeps_of(86_400.0)) <= PATIENCE_SECONDS
    assert sleeps_of(86_400.0, known=True) == []


def test_a_moment_that_is_known_is_slept_for_and_not_polled_past() -> None:
    assert sleeps_of(120.0, known=True) == [120.0]


def test_a_call_never_sleeps_past_its_own_timeout() -> None:
    assert sleeps_of(120.0, left=45.0, known=True) == []
    assert sum(sleeps_of(9.0, left=4.0)) <= 4.0


def test_a_source_that_is_never_quiet_does_not_keep_a_function_asleep() -> None:
    slept = 0.0
    while (pause := pause_before_look(since=slept, left=285.0 - slept, known=60.0)) is not None:
        slept += pause
    assert slept <= MOST_SLEPT_SECONDS


def test_a_moment_by_another_clock_that_is_over_here_is_not_asked_for_without_a_pause() -> None:
    assert pause_before_look(since=0.0, left=285.0, known=-3.0) == FIRST_LOOK_SECONDS


def test_looks_that_take_long_are_made_seldom() -> None:
    since, looks, a_look = 0.0, 0, 1.0
    while True:
        since, looks = since + a_look, looks + 1
        pause = pause_before_look(since=since, left=285.0, known=None)
        if pause is None:
            break
        since += pause
    assert looks * a_look <= PATIENCE_SECONDS / 2
