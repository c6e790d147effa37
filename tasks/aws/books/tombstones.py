"""The tombstone ledger: which keys have a tombstone at the target. Purging costs what was deleted, not a scan."""

from collections.abc import Iterator, Sequence

from tasks.aws.books.control import SHELVES, ControlTable
from tasks.core.model.item import Item
from tasks.core.prove.digest import key_hash


class TombstoneLedger:
    """Keys with a tombstone at the target."""

    def __init__(self, table: ControlTable) -> None:
        self._table = table

    def enter_all(self, keys: Sequence[Item]) -> None:
        """Enter keys, before their tombstones are put: one that the ledger does not know would stay for ever."""
        named = [(key_hash(key).hex(), key) for key in keys]
        self._table.put_all((_pk(name[0]), name, {"key": key}) for name, key in named)

    def iter_entered(self, shelves: str = SHELVES) -> Iterator[tuple[str, Item]]:
        """Yield (entry, key) of everything on these shelves."""
        for shelf in shelves:
            for name, document in self._table.iter_all(_pk(shelf)):
                yield name, document["key"]

    def is_empty(self) -> bool:
        """Whether nothing is entered on any shelf."""
        return next(self.iter_entered(), None) is None

    def strike(self, entries: Sequence[str]) -> None:
        """Strike entries out, after their tombstones are gone."""
        self._table.delete_all((_pk(name[0]), name) for name in entries)


def _pk(shelf: str) -> str:
    return f"tombstones#{shelf}"
