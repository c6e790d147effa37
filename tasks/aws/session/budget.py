"""How long a call goes on to take up more work. A timeout would tell nobody how far it had come."""

import time
from collections.abc import Callable

from aws_lambda_powertools.utilities.typing import LambdaContext

SHARE = 0.5
"""Of the time that is left when work begins. The rest is for what is under way then: one slow page, one slow batch."""
RESERVE_SECONDS = 15.0
"""For what is under way at the deadline of a call that looks at many small things."""
RESERVE_OF_A_TURN_SECONDS = 30.0
"""For the first piece of a call that has waited for its turn until then."""


class Budget:
    """The time for pieces of work that may each take long.

    Args:
        context: of the call.
        reserve_seconds: kept for the last piece; by default half of the call's time.
    """

    def __init__(self, context: LambdaContext, *, reserve_seconds: float | None = None) -> None:
        self._context = context
        self._reserve_milliseconds = (
            context.get_remaining_time_in_millis() * (1 - SHARE) if reserve_seconds is None else reserve_seconds * 1000
        )

    def turn_until(self, *, is_first: bool) -> Callable[[], float]:
        """Return what says until when a piece's turn may be waited for, by `time.time`.

        Args:
            is_first: whether nothing was done yet. Then only the time for one piece is kept: a wait within a call ends
                as soon as there is a turn, and leaves no event in any history.
        """
        reserve = self._reserve_milliseconds
        if is_first:
            reserve = min(reserve, RESERVE_OF_A_TURN_SECONDS * 1000)
        return lambda: time.time() + max(0.0, (self._context.get_remaining_time_in_millis() - reserve) / 1000)

    def is_spent(self) -> bool:
        """Whether no further piece should be begun."""
        return self._context.get_remaining_time_in_millis() < self._reserve_milliseconds


def deadline_of(context: LambdaContext) -> float:
    """Return when a call should stop to take up more work, by `time.monotonic`."""
    return time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS


def clock_until(deadline: float) -> Callable[[], float]:
    """Return what says when a deadline of `time.monotonic` is, by `time.time`."""
    return lambda: time.time() + deadline - time.monotonic()


def deadline_at(context: LambdaContext, *, share: float) -> float:
    """Return when so much of the call's remaining time is over, by `time.monotonic`."""
    return time.monotonic() + context.get_remaining_time_in_millis() / 1000 * share
