"""A stretch of hashes: compared between the lists of two tables, and one look at each key that differs.

Between the readings of a key's two sides the source may have changed it. By now the replicator has mostly brought that,
so a look finds most of these keys equal; it proves as much of a key as the scans prove of the others. What it finds
unequal is listed, and read again behind the tips of the stream (`tasks.aws.prove.recheck`).
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from tasks.aws.books import hash_lists
from tasks.aws.books.caps import CallTurns
from tasks.aws.books.digests import Digests
from tasks.aws.books.hash_lists import Reading
from tasks.aws.dynamodb.table_reads import NoTurnError, iter_items
from tasks.aws.session import measure
from tasks.aws.session.clients import translated_errors
from tasks.core import metrics
from tasks.core.errors import AwsUnavailable, OutOfOrder
from tasks.core.model.item import Item, canonical
from tasks.core.prove.digest import SOURCE
from tasks.core.prove.drift import Image, differ
from tasks.core.prove.hash_list import Comparing, iter_differing_keys, iter_rows, pass_over
from tasks.core.prove.passes import Step
from tasks.core.prove.verification import Kept, VerifySlice
from tasks.core.run.plan import Plan

KEYS_AT_ONCE = 2000
CAPPED_LOT_SECONDS = 2.0
"""Of all that a cap lets be read; forty calls have their turns one after the other."""
CALLS_SIDE_BY_SIDE = 8


class Comparison:
    """Of one stretch, in one call.

    Args:
        book: of the verification.
        plan: of the run.
        turns: of the call, for the reads of the source and for those of the other table.
        begun: the slice as the call was given it.
    """

    def __init__(self, book: Digests, plan: Plan, turns: Sequence[CallTurns], begun: VerifySlice) -> None:
        if begun.stretch is None or begun.lists is None:
            raise OutOfOrder("a slice without a stretch and its lists is to be read, not compared")
        self._book, self._plan = book, plan
        self._of_reads = tuple(zip((SOURCE, begun.table), turns, strict=True))
        self._begun = self._reached = begun
        self._of_source = hash_lists.read_choice(begun.lists, SOURCE)
        self._of_other = hash_lists.read_choice(begun.lists, begun.table)
        self._lists = [*self._of_source, *self._of_other]
        self._reading = Reading(self._lists, begun.stretch.first, begun.stretch.end)
        self._equal = 0
        self._unequal: list[Item] = []

    def go_on(self, is_spent: Callable[[], bool]) -> VerifySlice:
        """Compare step by step until the end, or until the call's time is used up; keep what was found.

        Raises:
            AwsUnavailable: nothing could be looked at.
            NoTurnError: the same, since no turn came.
        """
        with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads:
            while self._reached.state != "done":
                try:
                    with translated_errors("verify_segment"):
                        self._take_step(threads, is_spent)
                except (AwsUnavailable, NoTurnError):
                    if self._reached == self._begun:
                        raise
                    break  # what was looked at before it is counted: the next call begins here
                if is_spent():
                    break
        suspects = []
        if self._unequal:
            name = f"{self._book.folder}/{self._begun.name}/suspects/{self._begun.place}"
            suspects.append(hash_lists.put_keys(name, self._unequal))
        self._book.put_look(self._begun, self._reached, self._equal, suspects)
        measure.add(metrics.SUSPECTS, len(self._unequal))
        return self._reached

    def _take_step(self, threads: ThreadPoolExecutor, is_spent: Callable[[], bool]) -> None:
        step = self._reached.steps[self._reached.pages]
        held: dict[Kept, bytes] = {}
        comparing = Comparing(step)
        for lists, add in ((self._of_source, comparing.add_source), (self._of_other, comparing.add_other)):
            for one, rows in self._iter_rows(threads, lists, step):
                add(rows)
                if step.parts == 1:
                    held[one] = rows
        differing = comparing.differing()
        measure.add(metrics.PROGRESS)
        ahead = self._reached.looked
        for one in self._lists:
            if not differing:
                break
            rows = held.pop(one) if one in held else self._reading.hashes(one, step.first, step.end)
            ahead -= pass_over(rows, differing, ahead)
            for keys in self._iter_lots(one, rows, step, differing):
                unequal = self._unequal_of(threads, keys)
                self._equal += len(keys) - len(unequal)
                self._unequal += unequal
                measure.add(metrics.PROGRESS)
                self._reached = self._reached.after_look(len(keys), len(unequal))
                if self._reached.state == "done" or is_spent():
                    return
        self._reached = self._reached.after_step()

    def _iter_rows(
        self, threads: ThreadPoolExecutor, lists: Sequence[Kept], step: Step
    ) -> Iterator[tuple[Kept, bytes]]:
        """Yield the rows of each list; of a few at a time, since all the lists of a large table fit no memory."""
        for start in range(0, len(lists), CALLS_SIDE_BY_SIDE):
            some = lists[start : start + CALLS_SIDE_BY_SIDE]
            yield from zip(
                some, threads.map(lambda one: self._reading.hashes(one, step.first, step.end), some), strict=True
            )

    def _iter_lots(self, one: Kept, rows: bytes, step: Step, differing: set[bytes]) -> Iterator[list[Item]]:
        """Yield the keys of a list that differ, and that no list before it had."""
        if any(key_hash in differing for key_hash, _ in iter_rows(rows)):
            keys = iter_differing_keys(rows, self._reading.keys(one, step.first, step.end), differing)
            while some := list(itertools.islice(keys, self._keys_at_once())):
                yield some

    def _keys_at_once(self) -> int:
        """Return how many keys are looked at together. Under a cap few: what had no turn in time is looked at anew."""
        within = [turns.pieces_within(CAPPED_LOT_SECONDS) for _, turns in self._of_reads]
        return min([KEYS_AT_ONCE, *(keys for keys in within if keys is not None)])

    def _unequal_of(self, threads: ThreadPoolExecutor, keys: Sequence[Item]) -> list[Item]:
        source, other = (
            {
                name: Image.of(item, role, self._plan.shape)
                for name, item in iter_items(
                    self._plan.proven[role], keys, threads=threads, consistent=False, turns=turns
                )
            }
            for role, turns in self._of_reads
        )
        return [
            key
            for name, key in ((canonical(key), key) for key in keys)
            if differ(source.get(name), other.get(name)) is not None
        ]
