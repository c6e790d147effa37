"""Changes that the target refused, or that another item stood in the way of, before traffic moves.

A reject stays where it is kept, whatever comes after it. What counts is whether its key still differs: the next write
of the same key may have put it right, and so may a person.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tasks.aws.books import rejects
from tasks.aws.books.books import Books
from tasks.aws.prove.recheck import Manner, recheck
from tasks.aws.session import deployment
from tasks.core.errors import DriftFound
from tasks.core.model.item import Item, json_text
from tasks.core.prove.drift import way_out
from tasks.core.replicate.route import Route
from tasks.core.run.plan import Plan

OBJECTS_AT_ONCE = 50
CALLS_SIDE_BY_SIDE = 8
SHOWN_KEYS = 3
MANNER = Manner(looks="rejects", may_follow=False, is_capped=False)


def check_none_stands(books: Books, plan: Plan, route: Route, *, entered: str, deadline: float) -> str:
    """Make sure that no key with a rejected change of this run differs any more.

    What one call has found equal, the next one of the same entry of the state does not read again. A change that is
    rejected meanwhile is kept under a name of its own, and is looked at.

    Args:
        books: of the run.
        plan: names the run.
        route: what brings the target the source's changes.
        entered: when the state was entered.
        deadline: by `time.monotonic`.

    Returns:
        What is still to be waited for, in words; empty if every key was seen equal.

    Raises:
        DriftFound: some differ.
        ChangesLost: the source no longer streams into the stream that is replicated.
        TipOutOfReach: a tip could not be reached by reading until the deadline.
    """
    looks = f"rejects#{entered}"
    names = [*rejects.iter_names(f"{plan.run}/changes/"), *rejects.iter_names(f"{plan.run}/late/")]
    equal = books.digests(looks).read_settled("equal") if names else frozenset()
    waiting = [name for name in names if name not in equal]
    for start in range(0, len(waiting), OBJECTS_AT_ONCE):
        lot = waiting[start : start + OBJECTS_AT_ONCE]
        keys: list[Item] = []
        is_whole = time.monotonic() < deadline
        if is_whole:
            with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads:
                keys = [key for found in threads.map(rejects.read_keys, lot) for key in found]
            is_whole = _are_equal(books, plan, route, keys, deadline=deadline)
        if not is_whole:
            return _in_words(len(waiting) - start, keys)
        books.digests(looks).put_settled("equal", lot)
    return ""


def _are_equal(books: Books, plan: Plan, route: Route, keys: Sequence[Item], *, deadline: float) -> bool:
    drift, is_whole = recheck(books, plan, route, keys, MANNER, deadline=deadline)
    if drift.total:
        raise DriftFound(
            f"changes of {len(keys)} keys were refused by {plan.target.name}, or found another item there though the "
            f"application does not write to it yet, and not all of them were put right since: {drift.in_words()}. They "
            f"are kept with the reason under s3://{deployment.rejects_bucket()}/rejects/{plan.run}/. Write what "
            f"{plan.source.name} has into {plan.target.name}, then redrive: they are read again"
            + way_out(drift, version_attribute=plan.version_attribute)
        )
    return is_whole


def _in_words(batches: int, keys: Sequence[Item]) -> str:
    shown = f", such as {', '.join(map(json_text, keys[:SHOWN_KEYS]))}" if keys else ""
    return (
        f"keys of {batches} batches with a rejected change are read again{shown}; one that is written all the time has "
        "to rest for a moment, to be seen equal"
    )
