"""The tombstone ledger: which keys have a tombstone at the target. Purging costs what was deleted, not a scan."""

from collections.abc import Iterator, Sequence

from tasks.aws.control import control
from tasks.core.digest import key_hash
from tasks.core.item import Item

_SHELVES = "0123456789abcdef"


def enter_all(keys: Sequence[Item]) -> None:
    """Enter keys, before their tombstones are put: a tombstone that the ledger does not know would stay for ever."""
    named = [(key_hash(key).hex(), key) for key in keys]
    control().put_all((_pk(name[0]), name, {"key": key}) for name, key in named)


def iter_entered() -> Iterator[tuple[str, Item]]:
    """Yield (entry, key) of everything in the ledger."""
    for shelf in _SHELVES:
        for name, document in control().iter_all(_pk(shelf)):
            yield name, document["key"]


def strike(entries: Sequence[str]) -> None:
    """Strike entries out, after their tombstones are gone."""
    control().delete_all((_pk(name[0]), name) for name in entries)


def _pk(shelf: str) -> str:
    return f"tombstones#{shelf}"
