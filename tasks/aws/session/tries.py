"""Trying again what AWS left undone, with jitter in between. boto3's own retries come before, within each call."""

import random
import time
from collections.abc import Iterator

from tasks.core.backoff import TRIES, delays


def tries(most: int = TRIES) -> Iterator[int]:
    """Yield the number of each try, from 0, and wait before every one but the first.

    Args:
        most: how often in all. Whoever is not through by then raises what is fitting.
    """
    yield 0
    for number, seconds in enumerate(delays(random.random, tries=most), start=1):
        time.sleep(seconds)
        yield number
