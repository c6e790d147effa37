"""Removing tombstones from the target: the ledger's shelves side by side, 25 tombstones a call."""

import functools
import itertools
import json
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from tasks.aws.books.books import Books
from tasks.aws.books.control import SHELVES
from tasks.aws.books.tombstones import TombstoneLedger
from tasks.aws.session import clients, measure, wire
from tasks.aws.session.side_by_side import settle
from tasks.core.backoff import delays
from tasks.core.errors import AwsRefused
from tasks.core.metrics import PROGRESS, THROTTLES, TOMBSTONES_PURGED, WRITE_UNITS
from tasks.core.model.capacity import ASKED_FOR, capacity_of
from tasks.core.model.item import Item, json_bytes
from tasks.core.model.table_ref import TableRef
from tasks.core.replicate.tombstones import ENTRIES_AT_ONCE, STATEMENTS_AT_ONCE, is_gone, remove_statement
from tasks.core.run.plan import Plan

Entry = tuple[str, Item]
"""Its name in the ledger, and the key."""


def purge(books: Books, plan: Plan, target: TableRef, *, deadline: float) -> tuple[int, bool]:
    """Remove the tombstones of all keys in the ledger.

    Args:
        books: have the ledger.
        plan: of the execution that purges; one that was overtaken removes no more.
        target: where the tombstones are.
        deadline: by `time.monotonic`.

    Returns:
        How many entries were dealt with, and whether none is left.

    Raises:
        Superseded: another execution has begun since.
        AwsRefused: the target answers a delete with what does not pass by itself.
    """
    # Between an entry that is read and its tombstone that is removed: an execution that began in between may have
    # entered it, and its pages still come.
    look = functools.partial(books.record.check_latest, plan)
    work = functools.partial(_Shelf, books.tombstones, target, look, deadline)
    shelves = [work(name) for name in SHELVES]
    with ThreadPoolExecutor(len(shelves)) as threads:
        _, failure = settle(threads, _Shelf.empty, shelves)
    if failure is not None:
        raise failure
    return sum(shelf.purged for shelf in shelves), all(shelf.is_empty for shelf in shelves)


class _Shelf:
    """One shelf's purge, as far as one call comes with it."""

    def __init__(
        self, ledger: TombstoneLedger, target: TableRef, look: Callable[[], object], deadline: float, name: str
    ) -> None:
        self._ledger, self._target, self._look, self._deadline, self._name = ledger, target, look, deadline, name
        self.purged = 0
        self.is_empty = False

    def empty(self) -> None:
        """Remove the tombstones of its keys, until none is left, or the deadline, or the target takes none."""
        entered = self._ledger.iter_entered(self._name)
        waiting: list[Entry] = []
        pauses = delays(random.random)
        while waiting := [*waiting, *itertools.islice(entered, ENTRIES_AT_ONCE - len(waiting))]:
            if time.monotonic() > self._deadline:
                return
            self._look()
            left = self._remove(waiting)
            gone = len(waiting) - len(left)
            if left and not gone:
                pause = next(pauses, None)
                if pause is None or time.monotonic() + pause > self._deadline:
                    return
                time.sleep(pause)
            elif gone:
                pauses = delays(random.random)
            waiting = left
        self.is_empty = True

    def _remove(self, entries: Sequence[Entry]) -> list[Entry]:
        """Return those whose tombstone may still be there."""
        left: list[Entry] = []
        for start in range(0, len(entries), STATEMENTS_AT_ONCE):
            some = entries[start : start + STATEMENTS_AT_ONCE]
            gone, failure = self._remove_some(some)
            # Only now: an entry that is struck out before its tombstone is gone would leave it for ever. But before a
            # failure is raised: at a target that throttles, the same entries would come again and again.
            self._ledger.strike([name for name, _ in gone])
            if gone:
                self.purged += len(gone)
                measure.add(TOMBSTONES_PURGED, len(gone))
                measure.add(PROGRESS)
            if failure is not None:
                raise failure
            left += [entry for entry in some if entry not in gone]
        return left

    def _remove_some(self, entries: Sequence[Entry]) -> tuple[list[Entry], AwsRefused | None]:
        """Make one call; return the entries that are dealt with, and what is the matter with one of the others."""
        statements = [remove_statement(self._target.name, key) for _, key in entries]
        body = json_bytes({"Statements": statements, **ASKED_FOR})
        try:
            answer: dict[str, Any] = json.loads(wire.to_table(self._target).call("BatchExecuteStatement", body))
        except ClientError as error:
            if clients.error_code(error) in clients.THROTTLED_CODES:
                return [], None
            raise
        measure.add(WRITE_UNITS, capacity_of(answer, self._target.name))
        gone = []
        failure: AwsRefused | None = None
        for entry, response in zip(entries, answer["Responses"], strict=True):
            code = response.get("Error", {}).get("Code")
            if is_gone(code):
                gone.append(entry)
            elif code not in clients.TRANSIENT_CODES:
                failure = AwsRefused(
                    f"{self._target.name} answers {code} where a tombstone is to be removed (its own words are kept "
                    f"back: they may quote a key). {clients.WAYS_OUT.get(code, 'Mend that')}; then redrive, if the "
                    "execution has failed"
                )
            elif code in clients.THROTTLED_CODES:
                measure.add(THROTTLES)
        return gone, failure
