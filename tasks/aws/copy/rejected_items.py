"""Items that the target refused while the backfill ran, pages' and changes', before the proof begins.

The proof would find each of them missing, hours later in a large table. A reject stays where it is kept, whatever
comes after it; what counts is whether its key still differs. A key that was seen equal is not read again here: what is
refused of it later is kept under a name of its own, which DrainChanges looks at.
"""

import time
from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice

from tasks.aws.books import rejects
from tasks.aws.books.books import Books
from tasks.aws.prove.recheck import KEYS_AT_ONCE, Manner, recheck
from tasks.aws.session import deployment
from tasks.core.copy.rejection import reasons_in_words
from tasks.core.errors import RejectsFound
from tasks.core.model.item import Item
from tasks.core.prove.digest import key_hash
from tasks.core.replicate.route import Route
from tasks.core.run.plan import Plan

OBJECTS_AT_ONCE = 50
CALLS_SIDE_BY_SIDE = 8
LOOKS = "rejected-items"
"""Under this id are noted the keys that were seen equal, and the objects of which every key was."""
MANNER = Manner(LOOKS, may_follow=False, is_capped=False)
WAITING = (
    "keys of items that the target refused are read again; one that is written all the time has to rest for a moment, "
    "to be seen equal"
)

Rejected = dict[str, tuple[Item, str]]
"""Key and reason, by the hex of the key's hash."""


def check_few_differ(books: Books, plan: Plan, route: Route, *, refused: int, deadline: float) -> str:
    """Make sure that no more keys of refused items differ than `max_rejects`.

    Args:
        books: of the run.
        plan: names the run and its limit.
        route: what brings the target the source's changes.
        refused: how many items of pages the target refused, for the message.
        deadline: by `time.monotonic`.

    Returns:
        What is still to be waited for, in words; empty if every key was looked at.

    Raises:
        RejectsFound: more of them differ.
        ChangesLost: the source no longer streams into the stream that is replicated.
        TipOutOfReach: a tip could not be reached by reading until the deadline.
    """
    book = books.digests(LOOKS)
    done = book.read_settled("object")
    kept = chain(rejects.iter_names(f"{plan.run}/pages/"), rejects.iter_names(f"{plan.run}/changes/"))
    names = (name for name in kept if name not in done)
    equal = book.read_settled("equal")
    differing: Rejected = {}
    drifted = 0
    while found := _read_lot(names, equal, differing, deadline=deadline):
        new = {
            name: key_and_reason
            for rejected in found.values()
            for name, key_and_reason in rejected.items()
            if name not in differing
        }
        keys = list(new)
        for start in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[start : start + KEYS_AT_ONCE]
            drift, is_whole = recheck(books, plan, route, [new[name][0] for name in some], MANNER, deadline=deadline)
            equal = book.read_settled("equal") if drift.total or not is_whole else equal.union(some)
            differing |= {name: new[name] for name in some if name not in equal}
            drifted += drift.total
            if drifted > plan.max_rejects:
                raise RejectsFound(_in_words(plan, refused, drifted, differing.values()))
            if not is_whole:
                return WAITING
        book.put_settled("object", [name for name in found if found[name].keys().isdisjoint(differing)])
    return "" if next(names, None) is None else WAITING


def _read_lot(
    names: Iterator[str], equal: Collection[str], differing: Collection[str], *, deadline: float
) -> dict[str, Rejected]:
    """Return for each of the next objects its rejects, without those whose keys were seen equal.

    No more are read than bring as many keys as are read again together: where an index refuses every item of a page,
    one object has ten thousand. After the deadline none is.
    """
    found: dict[str, Rejected] = {}
    new: set[str] = set()
    with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads:
        while len(found) < OBJECTS_AT_ONCE and len(new) < KEYS_AT_ONCE and time.monotonic() < deadline:
            some = list(islice(names, CALLS_SIDE_BY_SIDE))
            if not some:
                break
            for name, rejects_of in zip(some, threads.map(rejects.read_reasons, some), strict=True):
                by_hash = {key_hash(key).hex(): (key, reason) for key, reason in rejects_of}
                found[name] = {of_key: told for of_key, told in by_hash.items() if of_key not in equal}
                new.update(of_key for of_key in found[name] if of_key not in differing)
    return found


def _in_words(plan: Plan, refused: int, drifted: int, differing: Iterable[tuple[Item, str]]) -> str:
    return (
        f"{plan.target.name} refused {refused} items of the backfill; of those that were read again {drifted} differ "
        f"still, and max_rejects={plan.max_rejects}: {reasons_in_words(differing)}. Traffic stays where it is. They "
        f"are kept, each with its item and the target's own words, under s3://{deployment.rejects_bucket()}/rejects/"
        f"{plan.run}/. Where an index refuses them, leave the source's items as they are: delete that index at "
        f"{plan.target.name}, write those items there, and redrive: their keys are read again. Where they are too "
        f"many for that, delete {plan.target.name} (its deletion protection first), and start a new execution with "
        "the index in without_indexes. Add the index once the proof is green"
    )
