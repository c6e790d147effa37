"""How long to wait before the next try: exponential, with full jitter, so that clients do not come back together."""

from collections.abc import Callable, Iterator

TRIES = 8
FIRST_SECONDS = 0.05
MOST_SECONDS = 5.0


def delays(
    random: Callable[[], float], *, tries: int = TRIES, first: float = FIRST_SECONDS, most: float = MOST_SECONDS
) -> Iterator[float]:
    """Yield the seconds to wait before each further try, `tries - 1` of them.

    Args:
        random: returns a number from 0 to 1, such as `random.random`.
        tries: how often the call is made in all.
        first: the most seconds before the second try; before each further one twice as many.
        most: the most seconds before any try.
    """
    for attempt in range(tries - 1):
        yield random() * min(most, first * 2.0**attempt)
