"""One write of the application: planned without a client, sent, and settled when its answer was lost.

Every write is conditional on what the owner last knew of the item (optimistic locking by `updatedAt`). So repeating a
write whose answer was lost can never apply it twice, nobody's write is overwritten unseen, and after the cut-over a
write is accepted only once the target holds the key's last write to the source.
"""

import json
import random
import time
from dataclasses import dataclass
from typing import Any, Literal

from infra.local.rehearsal.owner.airports import Item, item
from infra.local.rehearsal.owner.edits import edit
from infra.local.rehearsal.owner.holdings import Holdings, Key
from infra.local.rehearsal.owner.wire import Refused, Wire

NOT_AS_KNOWN = "ConditionalCheckFailedException"

Operation = Literal["insert", "put", "update", "delete", "recreate"]
# Inserts 35, updates 40 of which half replace the whole item, deletes 15, re-creations of deleted keys 10.
OPERATIONS: tuple[Operation, ...] = ("insert", "put", "update", "delete", "recreate")
WEIGHTS = (35, 20, 20, 15, 10)


@dataclass(frozen=True)
class Write:
    """A write that is about to be sent.

    Attributes:
        operation: what the application does.
        key: the key it does it to.
        table: where; a write stays with its table, also when the pointer moves meanwhile.
        call: the operation's name.
        request: its arguments in typed JSON.
        updated_at: the `updatedAt` that the write sets; for a deletion, that of the moment.
        after: the image that an accepted write leaves, None for a deletion.
    """

    operation: Operation
    key: Key
    table: str
    call: Literal["PutItem", "UpdateItem", "DeleteItem"]
    request: dict[str, Any]
    updated_at: int
    after: Item | None

    def image(self) -> bytes | None:
        """Return `after` as the compact text that `Known` holds."""
        return None if self.after is None else json.dumps(self.after, separators=(",", ":")).encode()


def plan_write(holdings: Holdings, rng: random.Random, table: str) -> Write:
    """Draw an operation and a key, and return the write; where no key fits the operation, a new item is inserted."""
    (operation,) = rng.choices(OPERATIONS, WEIGHTS)
    if operation == "recreate":
        key = holdings.deleted(rng)
    elif operation == "insert":
        key = None
    else:
        key = holdings.existing(rng)
    if key is None:
        operation, key = "insert", holdings.fresh(rng)
    now = time.time_ns() // 1_000_000
    known = holdings.known.get(key)
    updated_at = max(now, known.updated_at + 1) if known else now
    request: dict[str, Any]
    after: Item | None
    if operation == "update":
        made = edit(holdings.image(key), rng, updated_at=updated_at)
        request, after = made.request() | {"Key": key_item(key)}, made.after
    elif operation == "delete":
        request, after = {"Key": key_item(key)}, None
    else:
        after = item(holdings.row(key), key[1], rng, updated_at=updated_at)
        request = {"Item": after}
    expected = None if known is None or known.image is None else known.updated_at
    return Write(operation, key, table, _CALLS[operation], _on_condition(request, table, expected), updated_at, after)


_CALLS: dict[str, Literal["PutItem", "UpdateItem", "DeleteItem"]] = {
    "insert": "PutItem",
    "put": "PutItem",
    "update": "UpdateItem",
    "delete": "DeleteItem",
    "recreate": "PutItem",
}


def _on_condition(request: dict[str, Any], table: str, expected: int | None) -> dict[str, Any]:
    """Return the request with the condition that the item stands as the owner knows it (None: it does not exist)."""
    names = request.get("ExpressionAttributeNames", {})
    if expected is None:
        key_is_free = {"ConditionExpression": "attribute_not_exists(#icao)"}
        return request | key_is_free | {"TableName": table, "ExpressionAttributeNames": names | {"#icao": "icao"}}
    version_is_known = {"ConditionExpression": "#updatedAt = :known"}
    return (
        request
        | version_is_known
        | {
            "TableName": table,
            "ExpressionAttributeNames": names | {"#updatedAt": "updatedAt"},
            "ExpressionAttributeValues": request.get("ExpressionAttributeValues", {})
            | {":known": {"N": str(expected)}},
        }
    )


def key_item(key: Key) -> Item:
    """Return a key as typed JSON."""
    return {"icao": {"S": key[0]}, "cycle": {"N": str(key[1])}}


def send(wire: Wire, write: Write) -> str | None:
    """Send a write once.

    Returns:
        None if the table accepted it, else the name of the refusal.

    Raises:
        NoAnswer: it is not known whether the write happened.
    """
    try:
        wire.call(write.call, write.request)
    except Refused as refusal:
        return refusal.name
    return None


def stands(wire: Wire, write: Write) -> bool:
    """Tell by a consistent read whether the table holds what an accepted write would have left."""
    asked = {"TableName": write.table, "Key": key_item(write.key), "ConsistentRead": True}
    found = wire.call("GetItem", asked | {"ProjectionExpression": "updatedAt"}).get("Item")
    if write.after is None or found is None:
        return (write.after is None) == (found is None)
    return bool(found["updatedAt"] == write.after["updatedAt"])
