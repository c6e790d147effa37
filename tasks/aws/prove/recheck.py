"""Keys that looked different, read again on both sides so that live writes are not called drift."""

import functools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from tasks.aws.books.books import Books
from tasks.aws.dynamodb.table_reads import NoTurnError, iter_items
from tasks.aws.replicate import moments
from tasks.aws.replicate.route import check_source
from tasks.aws.session import measure
from tasks.aws.session.budget import clock_until
from tasks.core.metrics import PROGRESS
from tasks.core.model.item import Item, canonical
from tasks.core.prove.digest import SOURCE, TARGET, key_hash
from tasks.core.prove.drift import (
    DRIFTED_AT_A_REPLICA_SECONDS,
    Difference,
    Drift,
    Finding,
    Image,
    Looks,
    differ,
    summed,
)
from tasks.core.replicate.route import Route
from tasks.core.run.caps import reads_of
from tasks.core.run.plan import Plan

KEYS_AT_ONCE = 5000
"""Looked at together, behind one reading of the tips. Of each the hashes of three readings are held, and no item."""
CALLS_SIDE_BY_SIDE = 4
ITEMS_BETWEEN_CLOCKS = 100
BETWEEN_LOOKS_SECONDS = 0.5
BETWEEN_LOOKS_AT_A_REPLICA_SECONDS = 3.0
UNITS_A_KEY = 1.0
"""Of a consistent read, as long as none has said more."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How keys are read again."""

    looks: str
    """An id under which settled keys are noted. Whoever calls leaves those out the next time."""
    part: str = TARGET
    """Which of the tables in the proof is compared with the source."""
    may_follow: bool = True
    """Whether a key that the source changes all the time is left to the replicator. One that the target may refuse is
    not: it has to be seen with an image of the source's own."""
    is_capped: bool = True
    """Whether reads wait for their turns. Those of a few refused keys do not."""


def recheck(
    books: Books, plan: Plan, route: Route, keys: Sequence[Item], manner: Manner, *, deadline: float
) -> tuple[Drift, bool]:
    """Look at keys on both sides until each is settled, or proven to have drifted.

    One look: the source is read, then the tips of its stream; once the replicator has passed them, the target or its
    replica is read, and the source again. `tasks.core.prove.drift` says what looks mean.

    Args:
        books: of the run.
        plan: of the run; it names the tables.
        route: what brings the target the source's changes.
        keys: to compare.
        manner: how they are read.
        deadline: by `time.monotonic`.

    Returns:
        What differs, and whether that is all: at the deadline some keys may still be open.

    Raises:
        ChangesLost: the source no longer streams into the stream that is replicated.
        TipOutOfReach: a tip could not be reached by reading until the deadline.
    """
    drifted: list[tuple[Difference, Item]] = []
    looks: dict[bytes, Looks] = {}
    open_keys = list({canonical(key): key for key in keys}.values())
    reads = [_Reads(books, plan, part, deadline=deadline, is_capped=manner.is_capped) for part in (SOURCE, manner.part)]
    stays_seconds = 0.0 if manner.part == TARGET else DRIFTED_AT_A_REPLICA_SECONDS
    while open_keys:
        if time.monotonic() > deadline:
            break
        batch, later = open_keys[:KEYS_AT_ONCE], open_keys[KEYS_AT_ONCE:]
        images = _read_thrice(books, plan, route, reads, batch, deadline)
        if images is None:
            break
        before, other, after = images
        at = time.monotonic()
        found: dict[Finding, list[Item]] = {finding: [] for finding in Finding}
        for key in batch:
            name = canonical(key)
            seen = looks.setdefault(name, Looks(stays_seconds))
            shown = before.get(name), other.get(name), after.get(name)
            found[seen.look(*shown, at=at) if manner.may_follow else seen.look_closer(*shown, at=at)].append(key)
        for finding in (Finding.EQUAL, Finding.FOLLOWED):
            books.digests(manner.looks).put_settled(finding, [key_hash(key).hex() for key in found[finding]])
        for key in found[Finding.DRIFTED]:
            difference = differ(after.get(canonical(key)), other.get(canonical(key)))
            if difference is not None:
                drifted.append((difference, key))
        if len(found[Finding.OPEN]) < len(batch):
            measure.add(PROGRESS)
        open_keys = later + found[Finding.OPEN]
        if found[Finding.OPEN] and not later:
            time.sleep(BETWEEN_LOOKS_AT_A_REPLICA_SECONDS if stays_seconds else BETWEEN_LOOKS_SECONDS)
    return summed(drifted), not open_keys


Images = dict[bytes, Image]
"""By the canonical bytes of the key, of the items that exist."""


class _Reads:
    """Consistent reads of one table, each within its turn."""

    def __init__(self, books: Books, plan: Plan, part: str, *, deadline: float, is_capped: bool) -> None:
        self._table = plan.proven[part]
        self._part = part
        self._shape = plan.shape
        self._deadline = deadline
        until = clock_until(deadline)
        turns = books.turns(plan.caps, reads_of(part), guess=UNITS_A_KEY, until=until) if is_capped else None
        self._turns = turns

    def images(self, keys: Sequence[Item]) -> Images | None:
        """Read items.

        `None` if the time was over before all were read: a key that was not read must not count as absent.
        """
        images: Images = {}
        with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads, suppress(NoTurnError):
            for number, (name, item) in enumerate(iter_items(self._table, keys, threads=threads, turns=self._turns)):
                images[name] = Image.of(item, self._part, self._shape)
                if number % ITEMS_BETWEEN_CLOCKS == 0 and time.monotonic() > self._deadline:
                    return None
            return images
        return None


def _read_thrice(
    books: Books, plan: Plan, route: Route, reads: Sequence[_Reads], keys: Sequence[Item], deadline: float
) -> tuple[Images, Images, Images] | None:
    """Read the source, the other table behind the moment of that, and the source again; `None` without the time."""
    source, other = reads
    before = source.images(keys)
    look = functools.partial(check_source, books, plan, route)
    if before is None or not moments.await_passed(books, route, look=look, deadline=deadline):
        return None
    there = other.images(keys)
    after = None if there is None else source.images(keys)
    return None if there is None or after is None else (before, there, after)
