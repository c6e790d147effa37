"""Keys that looked different, read again on both sides so that live writes are not called drift."""

import functools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from tasks.aws.books.books import Books
from tasks.aws.dynamodb.table_reads import iter_items
from tasks.aws.replicate import moments
from tasks.aws.replicate.route import check_source
from tasks.aws.session import measure
from tasks.core.metrics import PROGRESS
from tasks.core.model.item import Item, canonical
from tasks.core.model.shape import Shape
from tasks.core.model.table_ref import TableRef
from tasks.core.prove.digest import SOURCE, TARGET, key_hash
from tasks.core.prove.drift import Difference, Drift, Finding, Image, Looks, differ, summed
from tasks.core.replicate.route import Route
from tasks.core.run.plan import Plan

KEYS_AT_ONCE = 5000
"""Looked at together, behind one reading of the tips. Of each the hashes of three readings are held, and no item."""
CALLS_SIDE_BY_SIDE = 4
ITEMS_BETWEEN_CLOCKS = 100
BETWEEN_LOOKS_SECONDS = 0.5


def recheck(
    books: Books,
    plan: Plan,
    route: Route,
    verification: str,
    keys: Sequence[Item],
    *,
    deadline: float,
    may_follow: bool = True,
) -> tuple[Drift, bool]:
    """Look at keys on both sides until each is settled, or proven to have drifted.

    One look: the source is read, then the tips of its stream; once the replicator has passed them, the target is read,
    and the source again. `tasks.core.prove.drift` says what looks mean.

    Args:
        books: of the run.
        plan: of the run.
        route: what brings the target the source's changes, and names both tables.
        verification: its id, under which settled keys are noted. Whoever calls leaves those out the next time.
        keys: to compare.
        deadline: by `time.monotonic`.
        may_follow: whether a key that the source changes all the time is left to the replicator. One that the target
            may refuse is not: it has to be seen with an image of the source's own.

    Returns:
        What differs, and whether that is all: at the deadline some keys may still be open.

    Raises:
        ChangesLost: the source no longer streams into the stream that is replicated.
        TipOutOfReach: a tip could not be reached by reading until the deadline.
    """
    drifted: list[tuple[Difference, Item]] = []
    looks: dict[bytes, Looks] = {}
    open_keys = list({canonical(key): key for key in keys}.values())
    while open_keys:
        if time.monotonic() > deadline:
            break
        batch, later = open_keys[:KEYS_AT_ONCE], open_keys[KEYS_AT_ONCE:]
        images = _read_thrice(books, plan, route, batch, deadline)
        if images is None:
            break
        before, target, after = images
        found: dict[Finding, list[Item]] = {finding: [] for finding in Finding}
        for key in batch:
            name = canonical(key)
            seen = looks.setdefault(name, Looks())
            shown = before.get(name), target.get(name), after.get(name)
            found[seen.look(*shown) if may_follow else seen.look_closer(*shown)].append(key)
        for finding in (Finding.EQUAL, Finding.FOLLOWED):
            books.digests(verification).put_settled(finding, [key_hash(key).hex() for key in found[finding]])
        for key in found[Finding.DRIFTED]:
            difference = differ(after.get(canonical(key)), target.get(canonical(key)))
            if difference is not None:
                drifted.append((difference, key))
        if len(found[Finding.OPEN]) < len(batch):
            measure.add(PROGRESS)
        open_keys = later + found[Finding.OPEN]
        if found[Finding.OPEN] and not later:
            time.sleep(BETWEEN_LOOKS_SECONDS)
    return summed(drifted), not open_keys


Images = dict[bytes, Image]
"""By the canonical bytes of the key, of the items that exist."""


def _read_thrice(
    books: Books, plan: Plan, route: Route, keys: Sequence[Item], deadline: float
) -> tuple[Images, Images, Images] | None:
    """Read the source, the target behind the moment of that, and the source again; `None` if time did not suffice."""
    before = _images(route.source, keys, SOURCE, plan.shape, deadline)
    look = functools.partial(check_source, books, plan, route)
    if before is None or not moments.await_passed(books, route, look=look, deadline=deadline):
        return None
    target = _images(route.target, keys, TARGET, plan.shape, deadline)
    after = None if target is None else _images(route.source, keys, SOURCE, plan.shape, deadline)
    return None if target is None or after is None else (before, target, after)


def _images(table: TableRef, keys: Sequence[Item], part: str, shape: Shape, deadline: float) -> Images | None:
    """Read items consistently.

    `None` if the time was over before all were read: a key that was not read must not count as absent.
    """
    images: Images = {}
    with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads:
        for number, (name, item) in enumerate(iter_items(table, keys, threads=threads)):
            images[name] = Image.of(item, part, shape)
            if number % ITEMS_BETWEEN_CLOCKS == 0 and time.monotonic() > deadline:
                return None
    return images
