"""Keys that looked different, read again on both sides so that live writes are not called drift."""

import functools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tasks.aws.books.books import Books
from tasks.aws.books.caps import FREE, AnyTurns
from tasks.aws.dynamodb.table_reads import NoTurnError, iter_items
from tasks.aws.replicate import moments
from tasks.aws.replicate.route import check_source
from tasks.aws.session import measure
from tasks.aws.session.budget import clock_until
from tasks.core.errors import TipOutOfReach
from tasks.core.metrics import PROGRESS
from tasks.core.model.item import Item, canonical
from tasks.core.prove.digest import SOURCE, TARGET, key_hash
from tasks.core.prove.drift import (
    LOOKS_DRIFTED,
    Difference,
    Drift,
    Finding,
    Image,
    Looks,
    LooksAtReplica,
    differ,
    summed,
)
from tasks.core.replicate.route import Route
from tasks.core.run.plan import Plan
from tasks.core.settings.caps import reads_of

KEYS_AT_ONCE = 5000
"""Looked at together, behind one reading of the tips. Of each the hashes of three readings are held, and no item."""
CALLS_SIDE_BY_SIDE = 4
ITEMS_BETWEEN_CLOCKS = 100
BETWEEN_LOOKS_SECONDS = 0.5
BETWEEN_LOOKS_AT_A_REPLICA_SECONDS = 3.0
READINGS_OF_A_KEY = 3 * LOOKS_DRIFTED
"""That there has to be time for in one call: two of the source in each look, and one for all else."""
UNITS_A_KEY = 1.0
"""Of a consistent read, as long as none has said more."""


Images = dict[bytes, Image]
"""By the canonical bytes of the key, of the items that exist."""
Shown = tuple[Images, Images, Images]
"""Of one look: the source, the other table, and the source again."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How keys are read again."""

    looks: str
    """An id under which settled keys are noted. Whoever calls leaves those out the next time."""
    role: str = TARGET
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
        TipOutOfReach: a tip could not be reached by reading until the deadline, and nothing is known to differ.
        NoTurnError: the same, since a cap or a pause left no turn.
    """
    drifted: list[tuple[Difference, Item]] = []
    looks = _Looking(manner)
    open_keys = list({canonical(key): key for key in keys}.values())
    reads = [_Reads(books, plan, role, deadline=deadline, is_capped=manner.is_capped) for role in (SOURCE, manner.role)]
    at_once = min(one.keys_at_once() for one in reads)
    while open_keys and time.monotonic() <= deadline:
        batch, later = open_keys[:at_once], open_keys[at_once:]
        try:
            images = _read_thrice(books, plan, route, reads, batch, deadline)
        except (TipOutOfReach, NoTurnError):
            if not drifted:
                raise
            break  # what has drifted is to be told, and not to be looked for anew
        if images is None:
            break
        found = looks.look(batch, images, at=time.monotonic())
        for finding in (Finding.EQUAL, Finding.FOLLOWED):
            books.digests(manner.looks).put_settled(finding, [key_hash(key).hex() for key in found[finding]])
        drifted += differences(found[Finding.DRIFTED], images)
        if len(found[Finding.OPEN]) < len(batch):
            measure.add(PROGRESS)
        # First those that were looked at: looks count within one call only, and a small cap leaves time for few.
        open_keys = found[Finding.OPEN] + later
        if found[Finding.OPEN]:
            time.sleep(BETWEEN_LOOKS_SECONDS if manner.role == TARGET else BETWEEN_LOOKS_AT_A_REPLICA_SECONDS)
    return summed(drifted), not open_keys


class _Looking:
    """The looks at all keys, in the manner that is asked for."""

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._at_target: dict[bytes, Looks] = {}
        self._at_replica: dict[bytes, LooksAtReplica] = {}

    def look(self, keys: Sequence[Item], images: Shown, *, at: float) -> dict[Finding, list[Item]]:
        """Return the keys by what is known of them after this look."""
        found: dict[Finding, list[Item]] = {finding: [] for finding in Finding}
        for key in keys:
            name = canonical(key)
            before, other, after = (of_table.get(name) for of_table in images)
            found[self._look_at(name, before, other, after, at)].append(key)
        return found

    def _look_at(
        self, name: bytes, before: Image | None, other: Image | None, after: Image | None, at: float
    ) -> Finding:
        if self._manner.role != TARGET:
            return self._at_replica.setdefault(name, LooksAtReplica()).look(before, other, after, at=at)
        looks = self._at_target.setdefault(name, Looks())
        return (looks.look if self._manner.may_follow else looks.look_closer)(before, other, after)


def differences(keys: Sequence[Item], images: Shown) -> Iterator[tuple[Difference, Item]]:
    """Yield how keys differ, as they were shown last."""
    _, other, after = images
    for key in keys:
        difference = differ(after.get(canonical(key)), other.get(canonical(key)))
        if difference is not None:
            yield difference, key


class _Reads:
    """Consistent reads of one table, each within its turn."""

    def __init__(self, books: Books, plan: Plan, role: str, *, deadline: float, is_capped: bool) -> None:
        self._table = plan.proven[role]
        self._role = role
        self._shape = plan.shape
        self._deadline = deadline
        until = clock_until(deadline)
        capped = books.turns(plan.caps, reads_of(role), guess=UNITS_A_KEY, until=until)
        self._turns: AnyTurns = capped if is_capped else FREE

    def keys_at_once(self) -> int:
        """Return how many keys are looked at together: so few that a cap lets each be looked at until it is settled."""
        seconds = max(0.0, self._deadline - time.monotonic()) / READINGS_OF_A_KEY
        within = self._turns.pieces_within(seconds)
        return KEYS_AT_ONCE if within is None else min(KEYS_AT_ONCE, within)

    def images(self, keys: Sequence[Item]) -> Images | None:
        """Read items.

        `None` if the time was over before all were read: a key that was not read must not count as absent.

        Raises:
            NoTurnError: a cap or a pause left no turn until then.
        """
        images: Images = {}
        with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads:
            for number, (name, item) in enumerate(iter_items(self._table, keys, threads=threads, turns=self._turns)):
                images[name] = Image.of(item, self._role, self._shape)
                if number % ITEMS_BETWEEN_CLOCKS == 0 and time.monotonic() > self._deadline:
                    return None
        return images


def _read_thrice(
    books: Books, plan: Plan, route: Route, reads: Sequence[_Reads], keys: Sequence[Item], deadline: float
) -> Shown | None:
    """Read the source, the other table behind the moment of that, and the source again; `None` without the time."""
    source, other = reads
    before = source.images(keys)
    look = functools.partial(check_source, books, plan, route)
    if before is None or not moments.await_passed(books, route, look=look, deadline=deadline):
        return None
    there = other.images(keys)
    after = None if there is None else source.images(keys)
    return None if there is None or after is None else (before, there, after)
