"""Which statements remove tombstones, how many at once, and what their answers say."""

from typing import Any

from tasks.core.model.item import TOMBSTONE_ATTRIBUTE, Item

STATEMENTS_AT_ONCE = 25
"""BatchExecuteStatement takes no more."""
ENTRIES_AT_ONCE = 100
"""Of one shelf, between two looks whether another execution has begun."""


def remove_statement(table: str, key: Item) -> dict[str, Any]:
    """Return the PartiQL statement that removes a key's tombstone, and no item.

    A key that is not there is answered with success, one whose item is no tombstone with `ConditionalCheckFailed`
    (DynamoDB Developer Guide, "PartiQL delete statements").
    """
    names = [*key, TOMBSTONE_ATTRIBUTE]
    conditions = " AND ".join(f'"{name.replace(chr(34), chr(34) * 2)}" = ?' for name in names)
    # All values are parameters, and a quote in a name is doubled.
    statement = f'DELETE FROM "{table}" WHERE {conditions}'  # noqa: S608 — see above
    return {"Statement": statement, "Parameters": [*key.values(), {"BOOL": True}]}


def is_gone(code: str | None) -> bool:
    """Whether a statement's error code, `None` without an error, says that no tombstone is there any more.

    It is removed, was removed before, or the key was created again since and is no tombstone: that item stays.
    """
    return code in {None, "ConditionalCheckFailed"}
