"""The late ledger: of each key the last late change that is dealt with.

A batch may come again after the application has moved. Judged by the target alone, an insert that was carried over and
that the application has deleted since looks like one that never arrived. So a late change is written together with its
entry here, and what has its entry is never judged again. An entry replaces exactly the one that was read before the
target was: of two calls for one key, a call that was given up among them, one has to read again.
"""

from collections.abc import Sequence
from typing import Any

from tasks.aws.control import control
from tasks.core.change import DealtWith
from tasks.core.conflict import Change
from tasks.core.digest import key_hash
from tasks.core.item import Item


def read_entries(run: str, changes: Sequence[Change]) -> dict[str, DealtWith]:
    """Return the entries of those keys that have one, by `name_of` the key; the read is consistent."""
    found = control().read_all(sorted({_place(run, change.key) for change in changes}))
    return {sk: DealtWith(**document) for (_, sk), document in found.items()}


def name_of(key: Item) -> str:
    """Return the name under which a key is entered."""
    return key_hash(key).hex()


def entry_of(run: str, shard: str, change: Change, *, over: DealtWith | None) -> dict[str, Any]:
    """Return the put that enters a change, for a transaction with its write.

    Args:
        run: the migration's run.
        shard: of the change.
        change: to enter.
        over: the entry that was read, `None` for none; where another one stands by now, the put fails.
    """
    pk, sk = _place(run, change.key)
    new = DealtWith(shard, change.sequence_number)
    document = {"shard": new.shard, "sequence_number": new.sequence_number}
    return control().put_over(pk, sk, document, mark=_mark(new), over=None if over is None else _mark(over))


def enter(entry: dict[str, Any]) -> bool:
    """Enter a change by itself: one that leaves the target as it is, or whose write is made. Say whether it stands."""
    return control().put_if(entry)


def _mark(entry: DealtWith) -> str:
    return f"{entry.shard}/{entry.sequence_number}"


def _place(run: str, key: Item) -> tuple[str, str]:
    name = name_of(key)
    return f"{run}#late#{name[0]}", name
