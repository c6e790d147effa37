"""The late ledger: of each key the last late change that is dealt with.

A batch may come again after the application has moved. Judged by the target alone, an insert that was carried over and
that the application has deleted since looks like one that never arrived. So a late change is written together with its
entry here, and what has its entry is never judged again.
"""

from collections.abc import Sequence
from typing import Any, Final

from tasks.aws.control import control
from tasks.core.change import DealtWith
from tasks.core.conflict import Change
from tasks.core.digest import key_hash
from tasks.core.item import Item

_DIGITS: Final = 40
"""A sequence number has at most so many (DynamoDB Streams API, StreamRecord); padded, texts compare as numbers do."""

_IS_NEWER: Final = "attribute_not_exists(pk) OR #shard <> :shard OR #sequence < :sequence"
"""As `DealtWith.covers` says it the other way round."""


def read_entries(run: str, changes: Sequence[Change]) -> dict[str, DealtWith]:
    """Return the entries of those keys that have one, by `name_of` the key; the read is consistent."""
    found = control().read_all(sorted({_place(run, change.key) for change in changes}))
    return {sk: DealtWith(**document) for (_, sk), document in found.items()}


def name_of(key: Item) -> str:
    """Return the name under which a key is entered."""
    return key_hash(key).hex()


def entry_of(run: str, shard: str, change: Change) -> dict[str, Any]:
    """Return the put that enters a change, for a transaction with its write; it fails if the change is entered."""
    pk, sk = _place(run, change.key)
    document = {"shard": shard, "sequence_number": change.sequence_number}
    marks = {"shard": shard, "sequence": change.sequence_number.zfill(_DIGITS)}
    return control().put_request(pk, sk, document, marks=marks, condition=_IS_NEWER)


def enter(entry: dict[str, Any]) -> None:
    """Enter a change by itself: one that leaves the target as it is, or whose write is made."""
    control().put_if(entry)


def _place(run: str, key: Item) -> tuple[str, str]:
    name = name_of(key)
    return f"{run}#late#{name[0]}", name
