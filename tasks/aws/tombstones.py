"""The tombstone ledger: which keys have a tombstone at the target. Purging costs what was deleted, not a scan."""

from collections.abc import Iterator, Sequence

from tasks.aws.control import control
from tasks.core.digest import key_hash
from tasks.core.item import Item

_SHELVES = "0123456789abcdef"


def enter_all(keys: Sequence[Item]) -> None:
    """Enter keys, before their tombstones are put: a tombstone that the ledger does not know would stay for ever."""
    shelves: dict[str, list[tuple[str, dict[str, Item]]]] = {}
    for key in keys:
        name = key_hash(key).hex()
        shelves.setdefault(_pk(name[0]), []).append((name, {"key": key}))
    for pk, documents in shelves.items():
        control().put_all(pk, documents)


def iter_entered() -> Iterator[tuple[str, Item]]:
    """Yield (entry, key) of everything in the ledger."""
    for shelf in _SHELVES:
        for name, document in control().iter_all(_pk(shelf)):
            yield name, document["key"]


def strike(entries: Sequence[str]) -> None:
    """Strike entries out, after their tombstones are gone."""
    shelves: dict[str, list[str]] = {}
    for name in entries:
        shelves.setdefault(_pk(name[0]), []).append(name)
    for pk, names in shelves.items():
        control().delete_all(pk, names)


def _pk(shelf: str) -> str:
    return f"tombstones#{shelf}"
