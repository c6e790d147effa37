"""A throttled target slows the writers, and wastes nothing: the product's own policy, in virtual time."""

import pytest

from tests.simulation.writers import Measured, measure

LEAST_SHARE = 0.95
WRITERS = (8, 32, 128)
SECONDS = {1000: (40, 60, 1.0), 4000: (25, 12, 1.0), 40_000: (1.5, 1.5, 0.2)}
"""To find the pace, to measure, and for which a partition keeps what it did not use; by the target's units a second."""


@pytest.mark.parametrize("units", SECONDS)
@pytest.mark.parametrize("writers", WRITERS)
def test_nearly_every_unit_of_a_throttled_target_goes_into_an_insert_that_counts(writers: int, units: int) -> None:
    warm, seconds, burst = SECONDS[units]
    found = measure(writers, units, warm, seconds, burst_seconds=burst)
    print(found)  # noqa: T201 — shown on failure, and with -s
    assert found.useful >= LEAST_SHARE * units
    assert found.repeated <= (1 - LEAST_SHARE) * units
    assert found.useful * seconds <= units * (seconds + burst), "the target gave more than it has"


def test_a_target_that_takes_everything_is_written_as_fast_as_the_calls_go() -> None:
    found = measure(2, 10**6, 1, 1)
    assert found.useful > 2 * 5_000, found
    assert found.throttled == 0


def test_pages_that_take_longer_than_a_call_are_written_all_the_same() -> None:
    # Of 1,000 units each of 128 writers has eight: a page of 1,000 items takes two minutes, and a call 90 seconds.
    found = measure(128, 1000, 0, 150)
    assert found.pages > 64
    assert found.repeated == 0


def test_the_measure_sees_waste() -> None:
    forgetful: Measured = measure(128, 1000, 100, 40, keeps_progress=False)
    assert forgetful.useful < LEAST_SHARE * 1000
    assert forgetful.repeated > 50
