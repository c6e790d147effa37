"""How long to wait before the next try, or before the next look at what is not yet as it should be.

Tries are exponential, with full jitter, so that clients do not come back together.

Looks come in two kinds. A **call looks again** itself for some seconds: what takes a second is not waited for with a
round through the state machine, which takes a second itself and leaves three events. What takes longer the **state
machine** asks for again, less and less often, so that a wait of weeks fills no history and pays for no function that
sleeps. A moment that is known is slept for to the point, where that is not long.
"""

from collections.abc import Callable, Iterator

TRIES = 8
FIRST_SECONDS = 0.05
MOST_SECONDS = 5.0

FIRST_LOOK_SECONDS = 0.25
SHARE_OF_WAIT = 1 / 3
"""Of the time since the call began, between two looks: looks that take long are made seldom."""
MOST_BETWEEN_LOOKS_SECONDS = 2.0
PATIENCE_SECONDS = 10.0
"""For which a call looks again, counted from its beginning: one that has worked for longer has nothing to wait for."""
MOST_SLEPT_SECONDS = 150.0
"""Slept in one call, at most, for moments that are known. It is more than a timeout of what streams drive."""


def delays(random: Callable[[], float], *, tries: int = TRIES) -> Iterator[float]:
    """Yield the seconds to wait before each further try, `tries - 1` of them.

    Args:
        random: returns a number from 0 to 1, such as `random.random`.
        tries: how often the call is made in all.
    """
    for attempt in range(tries - 1):
        yield random() * min(MOST_SECONDS, FIRST_SECONDS * 2.0**attempt)


def pause_before_look(*, since: float, left: float, known: float | None) -> float | None:
    """Return how long a call waits before it looks again, in seconds; `None` if the state machine is to wait.

    Args:
        since: seconds since the call began.
        left: seconds in which the call may take up more work.
        known: seconds until the moment that is waited for; `None` if it is not known.
    """
    if known is not None:
        # Never at once: the moment may be by another clock than the one that the state goes by.
        pause, most = max(FIRST_LOOK_SECONDS, known), MOST_SLEPT_SECONDS
    else:
        pause = min(MOST_BETWEEN_LOOKS_SECONDS, max(FIRST_LOOK_SECONDS, since * SHARE_OF_WAIT))
        most = PATIENCE_SECONDS
    return pause if pause <= left and since + pause <= most else None
