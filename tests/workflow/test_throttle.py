"""What an operator may ask for with `throttle`, `pause` and `unpause`, before anything is written."""

import pytest

from tasks.core.settings.caps import Caps, Throttle
from workflow.refusals import CommandRefused
from workflow.throttle import paused, throttled, unpaused

CAPPED = Throttle(caps=Caps(source_reads=50, target_reads=10, target_writes=20))


def test_what_is_not_named_stays_as_it_is() -> None:
    assert throttled("5", None)(CAPPED).caps == Caps(source_reads=5, target_reads=5, target_writes=20)
    assert throttled(None, "0.5")(CAPPED).caps == Caps(source_reads=50, target_reads=10, target_writes=0.5)
    assert throttled("none", "7")(CAPPED).caps == Caps(target_writes=7)
    assert throttled("none", "none")(CAPPED).caps == Caps()


@pytest.mark.parametrize("units", ["0", "-1", "many", "nan", "inf", ""])
def test_what_is_no_number_of_units_is_refused_by_its_option(units: str) -> None:
    with pytest.raises(CommandRefused, match=r"--write-units .* is no number of units a second; give one above 0"):
        throttled(None, units)


def test_a_throttle_of_nothing_is_refused() -> None:
    with pytest.raises(CommandRefused, match="give --read-units, --write-units or both"):
        throttled(None, None)


def test_a_pause_keeps_the_caps_and_its_end_does_too() -> None:
    assert unpaused(paused(CAPPED)) == CAPPED
    assert throttled("5", None)(paused(CAPPED)).is_paused, "a cap that is set does not end a pause"
    with pytest.raises(CommandRefused, match="is not paused"):
        unpaused(CAPPED)
