"""The owner's table: made, and filled with the airports."""

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any

from infra.local.rehearsal.owner.airports import Item
from infra.local.rehearsal.owner.journal import Entry, Journal
from infra.local.rehearsal.owner.wire import Wire

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

KEY_ATTRIBUTES = ("icao", "cycle")
_ITEMS_A_CALL = 25  # the limit of BatchWriteItem
_LOADERS = 4


def create_table(client: "DynamoDBClient", table: str) -> None:
    """Create the airports' table on demand, without a stream, and wait until it is ACTIVE."""
    hash_key, range_key = KEY_ATTRIBUTES
    client.create_table(
        TableName=table,
        KeySchema=[
            {"AttributeName": hash_key, "KeyType": "HASH"},
            {"AttributeName": range_key, "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": hash_key, "AttributeType": "S"},
            {"AttributeName": range_key, "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=table, WaiterConfig={"Delay": 1, "MaxAttempts": 60})


def load(wire: Wire, table: str, items: Iterable[Item], journal: Journal | None) -> int:
    """Put all items, each noted in the journal, if there is one, once it is accepted; return their number."""
    source, lock = iter(items), threading.Lock()

    def put_until_none_is_left() -> int:
        loaded = 0
        while True:
            with lock:
                batch = list(islice(source, _ITEMS_A_CALL))
            if not batch:
                return loaded
            _put_all(wire, table, batch)
            if journal is not None:
                journal.add_all(
                    Entry(time.time_ns() // 1_000_000, "load", table, key_of(item), "accepted", item) for item in batch
                )
            loaded += len(batch)

    with ThreadPoolExecutor(_LOADERS) as loaders:
        return sum(worker.result() for worker in [loaders.submit(put_until_none_is_left) for _ in range(_LOADERS)])


def _put_all(wire: Wire, table: str, items: Sequence[Item]) -> None:
    """Put up to 25 items, again and again as long as some come back unprocessed."""
    requests: dict[str, Any] = {table: [{"PutRequest": {"Item": item}} for item in items]}
    pause_seconds = 0.05
    while requests:
        requests = wire.call("BatchWriteItem", {"RequestItems": requests})["UnprocessedItems"]
        if requests:
            time.sleep(pause_seconds)  # throttled: the pause doubles up to two seconds
            pause_seconds = min(2.0, pause_seconds * 2)


def key_of(item: Item) -> Item:
    """Return the key's attributes of an item."""
    return {name: item[name] for name in KEY_ATTRIBUTES}
