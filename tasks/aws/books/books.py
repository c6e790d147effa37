"""All books of one run, in one control table."""

import functools
from collections.abc import Callable

from tasks.aws.books.caps import CallTurns, CapsBook
from tasks.aws.books.control import ControlTable
from tasks.aws.books.digests import Digests
from tasks.aws.books.drain import DrainBook
from tasks.aws.books.horizon import HorizonBook
from tasks.aws.books.late_ledger import LateLedger
from tasks.aws.books.receipts import Receipts
from tasks.aws.books.record import Record
from tasks.aws.books.tombstones import TombstoneLedger
from tasks.aws.books.watermarks import TipsBook, Watermarks
from tasks.aws.session import deployment, wire
from tasks.core.replicate.route import FORWARD
from tasks.core.settings.caps import Caps, Side, Units


class Books:
    """The books that a task reads and writes.

    Attributes:
        record: of the migration as a whole.
        watermarks: of the replicator, in one direction.
        tips: that waits are for, in that direction.
        horizon: up to where changes are passed over.
        tombstones: at the target.
        receipts: of the run's backfill.
        drain: of the run.
        late: the late changes of the run that are dealt with.
        caps: of the run, as an operator has set them.
    """

    def __init__(self, table: ControlTable, run: str, *, direction: str = FORWARD) -> None:
        self.record = Record(table, direction)
        self.watermarks = Watermarks(table, direction)
        self.tips = TipsBook(table, direction)
        self.horizon = HorizonBook(table, run)
        self.tombstones = TombstoneLedger(table)
        self.receipts = Receipts(table, run)
        self.drain = DrainBook(table, run)
        self.late = LateLedger(table, run)
        self.caps = CapsBook(table, run)
        self._table = table
        self._run = run

    def digests(self, verification: str) -> Digests:
        """Return the book of one verification of the run."""
        return Digests(self._table, self._run, verification)

    def turns(self, planned: Caps, side: Side, *, guess: Units, until: Callable[[], float] | None = None) -> CallTurns:
        """Return the turns of the call in progress on one side, under the plan's caps or those that are set."""
        return CallTurns(self.caps, planned, side, guess, until)


def open_books(run: str) -> Books:
    """Return a run's books in the function's own control table."""
    return Books(own_table(), run)


def open_record() -> Record:
    """Return the record of the migration as a whole, for whoever does not know the run yet."""
    return Record(own_table(), FORWARD)


@functools.cache
def own_table() -> ControlTable:
    """Return the control table of the migration that the function is part of."""
    return ControlTable(wire.to_books(), deployment.control_table())
