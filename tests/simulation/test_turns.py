"""Caps and a pause hold for a scan and its writers at work, and come into force within seconds.

`tests/unit/test_caps.py` has callers that do nothing but take turns. Here the writers' lanes share the turns of their
call, go at their own pace besides, and pages that a pause has stopped come again.
"""

import pytest

from tasks.core.settings.caps import Caps, Throttle
from tests.simulation.turns import Capped

READS, WRITES = 500.0, 1000.0
WITHIN = 0.1
IN_FORCE_SECONDS = 15
MINUTE = 60


def caps(reads: float | None = READS, writes: float | None = WRITES) -> Caps:
    return Caps(source_reads=reads, target_writes=writes)


def minute(run: Capped, begin: float) -> tuple[float, float]:
    """Return the read and the write units a second over a minute."""
    return run.a_second(run.reads, begin, MINUTE), run.a_second(run.writes, begin, MINUTE)


@pytest.fixture(scope="module")
def paused() -> tuple[Capped, float, float]:
    """Two minutes under caps, a pause of three, three minutes under caps; when the pause began and ended."""
    run = Capped(Throttle(caps=caps()))
    run.run(3 * MINUTE)
    begun = run.now
    run.booth.throttle = Throttle(caps=caps(), revision=1, is_paused=True)
    run.run(3 * MINUTE)
    ended = run.now
    run.booth.throttle = Throttle(caps=caps(), revision=2)
    run.run(3 * MINUTE)
    return run, begun, ended


def test_both_caps_are_held_over_a_minute_and_made_use_of(paused: tuple[Capped, float, float]) -> None:
    run, begun, ended = paused
    for begin in (begun - 2 * MINUTE, begun - MINUTE, ended + IN_FORCE_SECONDS, ended + 2 * MINUTE):
        assert minute(run, begin) == pytest.approx((READS, WRITES), rel=WITHIN), f"from {begin:.0f} s on"


def test_a_pause_stops_scan_and_writers_within_seconds_and_its_end_lets_them_go_on(
    paused: tuple[Capped, float, float],
) -> None:
    run, begun, ended = paused
    rest = ended - begun - IN_FORCE_SECONDS
    assert run.a_second(run.reads, begun + IN_FORCE_SECONDS, rest) == 0
    assert run.a_second(run.writes, begun + IN_FORCE_SECONDS, rest) == 0
    assert run.a_second(run.reads, ended, IN_FORCE_SECONDS) > 0
    assert run.a_second(run.writes, ended, IN_FORCE_SECONDS) > 0


def test_pages_that_a_pause_has_stopped_midway_are_put_once(paused: tuple[Capped, float, float]) -> None:
    run, _, _ = paused
    assert run.target.repeated == 0
    assert run.world.pages > 0
    assert run.target.useful == len(run.writes)


@pytest.mark.parametrize(("reads", "writes"), [(1500.0, 400.0), (1500.0, 4000.0)])
def test_other_caps_are_in_force_within_seconds(reads: float, writes: float) -> None:
    run = Capped(Throttle(caps=caps(reads=1000.0)))
    run.run(MINUTE)
    run.booth.throttle = Throttle(caps=caps(reads, writes), revision=1)
    run.run(IN_FORCE_SECONDS)
    begin = run.now
    run.run(MINUTE)
    assert minute(run, begin) == pytest.approx((reads, writes), rel=WITHIN)


def test_without_the_turns_the_same_writers_write_far_more() -> None:
    run = Capped(Throttle(caps=caps(reads=None, writes=None)), readers=10, writers=4)
    run.run(20)
    assert run.a_second(run.writes, 5, 15) > 4 * WRITES
