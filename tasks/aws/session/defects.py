"""Defects of this code that one item brings out: no retry mends them, and they must not hold up what comes behind it.

What is left of a batch is then done piece by piece. A piece that fails at every try is kept as a reject, which is
counted and stops the cut-over; so nothing is lost without a word, and nothing waits for ever.
"""

import json
import traceback
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

from tasks.aws.session.call import logger
from tasks.core.errors import TableferryError

TRIES = 3


def is_defect(error: Exception) -> bool:
    """Whether an error is neither AWS's, nor a torn answer's, nor one that a task raises on purpose."""
    return not isinstance(error, TableferryError | BotoCoreError | ClientError | OSError | json.JSONDecodeError)


def log_defect(what: str, error: Exception) -> None:
    """Log a defect by its type and place: its message might quote an item."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    logger.error("%s: a defect, %s at %s:%s", what, type(error).__name__, place.filename, place.lineno)


def try_alone(work: Callable[[], object]) -> Exception | None:
    """Do one piece of work, trying again after a defect; return the defect that it ends with at every try.

    Raises:
        Exception: whatever is no defect.
    """
    defect: Exception | None = None
    for _ in range(TRIES):
        try:
            work()
        except Exception as error:
            if not is_defect(error):
                raise
            defect = error
        else:
            return None
    return defect


def in_words(error: Exception) -> str:
    """Return the reason of a reject."""
    return f"a defect of tableferry ({type(error).__name__}): it cannot carry this item; keep this line and report it"
