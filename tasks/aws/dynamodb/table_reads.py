"""Reads of a table's items, the source's or the target's: one segment's next page, and items by their keys."""

import functools
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tasks.aws.books.caps import FREE, AnyTurns
from tasks.aws.session import measure, wire
from tasks.aws.session.tries import tries
from tasks.core.errors import AwsUnavailable
from tasks.core.metrics import READ_UNITS, THROTTLES
from tasks.core.model.capacity import ASKED_FOR, capacity_of
from tasks.core.model.item import Item, canonical, json_bytes
from tasks.core.model.table_ref import TableRef

KEYS_AT_ONCE = 100
"""BatchGetItem takes no more."""
LOTS_SIDE_BY_SIDE = 4
"""Answers that are held at a time, of 16 MB at most."""


class NoTurnError(Exception):
    """No turn came in time, so some keys were not read. What that means is for a task to say."""


def scan_page(table: TableRef, *, segment: int, total_segments: int, cursor: Item | None) -> bytes:
    """Return one page of a segment, as the JSON that Scan answered; eventually consistent.

    Args:
        table: to scan.
        segment: 0-based.
        total_segments: of the parallel scan.
        cursor: where the page before ended; `None` at the segment's beginning.
    """
    request: dict[str, Any] = {
        "TableName": table.name,
        "Segment": segment,
        "TotalSegments": total_segments,
        **ASKED_FOR,
    }
    if cursor is not None:
        request["ExclusiveStartKey"] = cursor
    return wire.to_table(table).call("Scan", json_bytes(request))


def read_items(table: TableRef, keys: Sequence[Item]) -> dict[bytes, Item]:
    """Read items consistently, 100 a call; return those that exist by the canonical bytes of their key.

    Raises:
        AwsUnavailable: some keys stayed unprocessed at every try.
    """
    return dict(iter_items(table, keys))


def iter_items(
    table: TableRef,
    keys: Sequence[Item],
    *,
    threads: ThreadPoolExecutor | None = None,
    consistent: bool = True,
    turns: AnyTurns = FREE,
) -> Iterator[tuple[bytes, Item]]:
    """Read items, 100 a call; yield those that exist, each with the canonical bytes of its key.

    Of a call's answer DynamoDB sends 16 MB at most. Only the answers of calls side by side are held.

    Args:
        table: to read.
        keys: of the items.
        threads: for calls side by side; `None` makes one after the other.
        consistent: whether every write that was answered shows. It costs twice as much.
        turns: that each call waits for.

    Raises:
        AwsUnavailable: some keys stayed unprocessed at every try.
        NoTurnError: a call had no turn in time.
    """
    lots = [keys[start : start + KEYS_AT_ONCE] for start in range(0, len(keys), KEYS_AT_ONCE)]
    read = functools.partial(_read_lot, table, consistent=consistent, turns=turns)
    if threads is None:
        for lot in lots:
            yield from read(lot)
        return
    for start in range(0, len(lots), LOTS_SIDE_BY_SIDE):
        for found in threads.map(read, lots[start : start + LOTS_SIDE_BY_SIDE]):
            yield from found


def _read_lot(table: TableRef, keys: Sequence[Item], *, consistent: bool, turns: AnyTurns) -> list[tuple[bytes, Item]]:
    client = wire.to_table(table)
    waiting = list(keys)
    read: list[tuple[bytes, Item]] = []
    for _ in tries():
        request = {"RequestItems": {table.name: {"Keys": waiting, "ConsistentRead": consistent}}, **ASKED_FOR}
        turn = turns.take(len(waiting))
        if turn is None:
            raise NoTurnError(f"{len(waiting)} keys of {table.name} had no turn to be read yet: {turns.in_words()}")
        answer = json.loads(client.call("BatchGetItem", json_bytes(request)))
        took = capacity_of(answer)
        measure.add(READ_UNITS, took)
        turns.settle(turn, took, len(waiting))
        read += [(canonical(table.key.key_of(item)), item) for item in answer["Responses"].get(table.name, [])]
        waiting = answer.get("UnprocessedKeys", {}).get(table.name, {}).get("Keys", [])
        if not waiting:
            return read
        measure.add(THROTTLES, len(waiting))
    raise AwsUnavailable(f"{table.name} left {len(waiting)} keys unread at every try; they are read again")
