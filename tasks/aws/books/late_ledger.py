"""The late ledger: of each key the last late change that is dealt with.

A batch may come again after the application has moved. Judged by the target alone, an insert that was carried over and
that the application has deleted since looks like one that never arrived. So a late change is written together with its
entry here, and what has its entry is never judged again. An entry replaces exactly the one that was read before the
target was: of two calls for one key, a call that was given up among them, one has to read again.
"""

from collections.abc import Sequence
from typing import Any

from tasks.aws.books.control import ControlTable, Unchanged, pk_of_run
from tasks.core.model.item import Item
from tasks.core.prove.digest import key_hash
from tasks.core.replicate.change import DealtWith
from tasks.core.replicate.conflict import Change


class LateLedger:
    """The late changes of one run that are dealt with, by key."""

    def __init__(self, table: ControlTable, run: str) -> None:
        self._table = table
        self._run = run

    def read_entries(self, changes: Sequence[Change]) -> dict[str, DealtWith]:
        """Return the entries of those keys that have one, by `name_of` the key; the read is consistent."""
        found = self._table.read_all(sorted({self._place(change.key) for change in changes}))
        return {sk: DealtWith(**document) for (_, sk), document in found.items()}

    def entry_of(self, shard: str, change: Change, *, over: DealtWith | None) -> dict[str, Any]:
        """Return the put that enters a change, for a transaction with its write.

        Args:
            shard: of the change.
            change: to enter.
            over: the entry that was read, `None` for none; where another one stands by now, the put fails.
        """
        pk, sk = self._place(change.key)
        new = DealtWith(shard, change.sequence_number)
        document = {"shard": new.shard, "sequence_number": new.sequence_number}
        unchanged = Unchanged(revision=_revision(new), since=None if over is None else _revision(over))
        return self._table.request(pk, sk, document, when=unchanged, expires=True)

    def enter(self, entry: dict[str, Any]) -> bool:
        """Enter a change by itself, and say whether it stands.

        It is one that leaves the target as it is, or whose write is made.
        """
        return self._table.put_request(entry)

    def _place(self, key: Item) -> tuple[str, str]:
        name = name_of(key)
        return pk_of_run(self._run, "late", name[0]), name


def _revision(entry: DealtWith) -> str:
    return f"{entry.shard}/{entry.sequence_number}"


def name_of(key: Item) -> str:
    """Return the name under which a key is entered."""
    return key_hash(key).hex()
