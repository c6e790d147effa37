"""Writes into the target, all built from typed JSON as it came: no value is converted on the way."""

import functools
import json
import math
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from tasks.aws.books.caps import FREE, AnyTurns
from tasks.aws.books.rejects import Reject
from tasks.aws.session import clients, measure, wire
from tasks.aws.session.tries import tries
from tasks.core.copy.insertion import ITEMS_AT_ONCE, LANES, Batch, Insertion, Outcome, Pace
from tasks.core.errors import WritesUnfinished
from tasks.core.metrics import THROTTLES, WRITE_UNITS
from tasks.core.model.capacity import ASKED_FOR, capacity_of
from tasks.core.model.item import Item, json_bytes
from tasks.core.model.item_text import ItemText, whole
from tasks.core.model.table_ref import TableRef
from tasks.core.replicate.conflict import PageCondition

WRITES_AT_ONCE = 25
"""BatchWriteItem takes no more."""
SHORT_SECONDS = 0.001
"""No longer wait is one: to sleep and wake takes as long. The pace counts it all the same."""
STATEMENT_CHARACTERS = 8192
"""Of one PartiQL statement."""
_ASKED_FOR = json_bytes(ASKED_FOR).removeprefix(b"{")

REFUSED_CODES = frozenset(
    {
        "ItemCollectionSizeLimitExceeded",
        "ItemCollectionSizeLimitExceededException",
        "ValidationError",
        "ValidationException",
    }
)
"""The target will never take this item as it is; statements and calls name it differently."""


Statement = tuple[bytes, bytes]
"""The JSON `{"Statement": …, "Parameters": […]}` in two pieces: as far as the parameters, and they. It is put together
once, with all others of a call: items may be large."""
Refusal = dict[str, str]
"""`{"Code": …, "Message": …}`, empty for a statement that was carried out."""


class Transacted(StrEnum):
    """What became of a write that was to be made together with its entry in a ledger."""

    WRITTEN = "written"
    ENTERED_SINCE = "entered since"
    """The ledger is no longer as it was read: another call was here, or this one's answer was lost."""
    CHANGED_SINCE = "changed since"
    """The write's condition does not hold."""
    NOT_NOW = "not now"
    """A table was throttled, or another write to the item was under way."""
    REFUSED = "refused"
    """The target does not take it in a transaction, and maybe not at all."""


class Target:
    """The target table.

    Args:
        table: which.
        turns: of whoever writes pages. Changes have none: the replicator must never fall behind.
    """

    def __init__(self, table: TableRef, turns: AnyTurns = FREE) -> None:
        self._turns = turns
        self._wire = wire.to_table(table)
        self._table = table.name
        self._key = table.key

    def insert_absent(self, items: Sequence[ItemText], condition: PageCondition, insertion: Insertion) -> list[Reject]:
        """Write the items of a page where the condition allows it, as the insertion says; it knows what became of them.

        Returns:
            What the target refused.

        Raises:
            WritesUnfinished: the insertion's time was over before all of them were written; the page comes again.
        """
        rejects: list[Reject] = []
        lock = threading.Lock()

        def go_on(_: int) -> None:
            try:
                while True:
                    with lock:
                        batch = insertion.next_batch(time.monotonic(), random.random)
                    if batch is None:
                        return
                    if batch.wait_seconds > SHORT_SECONDS:
                        time.sleep(batch.wait_seconds)
                    outcomes = self._send(batch, [items[number] for number in batch.numbers], condition, rejects)
                    with lock:
                        insertion.take(batch, outcomes, time.monotonic())
            except BaseException:
                insertion.stop()  # the page comes again anyway
                raise

        lanes = range(min(LANES, math.ceil(insertion.left / ITEMS_AT_ONCE)))
        with ThreadPoolExecutor(LANES) as threads:
            list(threads.map(go_on, lanes))
        if insertion.left:
            raise WritesUnfinished(
                f"{self._table} took {len(items) - insertion.left} of {len(items)} items before the call's time was "
                "over; the rest comes again by itself: if this goes on, raise the target's capacity"
            )
        return rejects

    def _send(
        self, batch: Batch, items: Sequence[ItemText], condition: PageCondition, rejects: list[Reject]
    ) -> list[Outcome]:
        if batch.is_alone:
            (item,) = items
            return [self._put_alone(whole(item), condition, rejects)]
        statements = [insert_statement(self._table, item) for item in items]
        refusals = iter(self._execute([statement for statement in statements if statement is not None]))
        return [
            # A statement that would be too long.
            Outcome.ALONE if statement is None else self._judge(item, next(refusals), condition)
            for item, statement in zip(items, statements, strict=True)
        ]

    def _execute(self, statements: list[Statement]) -> list[Refusal]:
        """Run statements in one call; return for each the error that it was answered with, empty for none."""
        if not statements:
            return []
        try:
            answer = self._call("BatchExecuteStatement", statements_body(statements), len(statements))
        except ClientError as error:
            # The call as a whole is refused. Throttled it is tried again; otherwise item by item the culprit shows.
            if clients.error_code(error) not in REFUSED_CODES | clients.THROTTLED_CODES:
                raise
            return [{"Code": clients.error_code(error)}] * len(statements)
        return [response.get("Error", {}) for response in answer["Responses"]]

    def _judge(self, item: ItemText, refusal: Refusal, condition: PageCondition) -> Outcome:
        """Say what became of one item's statement."""
        code = refusal.get("Code")
        if code is None:
            return Outcome.INSERTED
        if code == "DuplicateItem" and not condition.replaces(whole(item)):
            # Taken by a change, a tombstone or an earlier delivery.
            return Outcome.PRESENT
        if code == "DuplicateItem" or code in REFUSED_CODES:
            # A version may still win; and a statement can be refused where a put is not: the put has the last word.
            return Outcome.ALONE
        if code in clients.TRANSIENT_CODES:
            if code in clients.THROTTLED_CODES:
                measure.add(THROTTLES)
            return Outcome.NOT_NOW
        raise WritesUnfinished(
            f"{self._table} answered {code} to a statement (its own words are kept back: they may quote an item); "
            "grant or mend that: the page comes again by itself"
        )

    def _put_alone(self, item: Item, condition: PageCondition, rejects: list[Reject]) -> Outcome:
        try:
            self._write("PutItem", {"TableName": self._table, "Item": item, **condition.expression(item)})
        except ClientError as error:
            code = clients.error_code(error)
            if code == "ConditionalCheckFailedException":
                return Outcome.PRESENT
            if code in REFUSED_CODES:
                rejects.append(self._reject(self._key.key_of(item), item, error))
                return Outcome.REJECTED
            if code in clients.THROTTLED_CODES:
                return Outcome.NOT_NOW
            raise
        return Outcome.INSERTED

    def write_all(self, puts: Sequence[Item], deletes: Sequence[Item]) -> list[Reject]:
        """Put items and delete keys, whatever is there; 25 a call, what comes back unprocessed again.

        Args:
            puts: whole items, no key twice.
            deletes: keys, none of them among the puts.

        Returns:
            What the target refused.

        Raises:
            WritesUnfinished: some stayed unprocessed at every try.
        """
        requests: list[dict[str, Any]] = [{"PutRequest": {"Item": item}} for item in puts]
        requests += [{"DeleteRequest": {"Key": key}} for key in deletes]
        rejects: list[Reject] = []
        for start in range(0, len(requests), WRITES_AT_ONCE):
            rejects += self._write_batch(requests[start : start + WRITES_AT_ONCE])
        return rejects

    def _write_batch(self, requests: list[dict[str, Any]]) -> list[Reject]:
        waiting = requests
        for _ in tries():
            try:
                answer = self._write("BatchWriteItem", {"RequestItems": {self._table: waiting}})
            except ClientError as error:
                # One item that the target cannot take fails its whole batch: find it.
                if clients.error_code(error) not in REFUSED_CODES:
                    raise
                return [reject for request in waiting for reject in self._write_alone(request)]
            waiting = answer.get("UnprocessedItems", {}).get(self._table, [])
            if not waiting:
                return []
            measure.add(THROTTLES, len(waiting))
        raise WritesUnfinished(
            f"{self._table} left {len(waiting)} of {len(requests)} changes unprocessed at every try; "
            "they come again by themselves: if this goes on, raise the target's capacity"
        )

    def _write_alone(self, request: dict[str, Any]) -> list[Reject]:
        if "PutRequest" in request:
            item = request["PutRequest"]["Item"]
            key, call, body = self._key.key_of(item), "PutItem", {"Item": item}
        else:
            item, key = None, request["DeleteRequest"]["Key"]
            call, body = "DeleteItem", {"Key": key}
        return self.write_if(call, key, item, body)

    def write_if(self, call: str, key: Item, item: Item | None, body: dict[str, Any]) -> list[Reject]:
        """Make one PutItem or DeleteItem.

        Returns:
            The reject, if the target cannot take the item.

        Raises:
            ClientError: for everything else, a failed condition included.
        """
        try:
            self._write(call, {"TableName": self._table, **body})
        except ClientError as error:
            if clients.error_code(error) not in REFUSED_CODES:
                raise
            return [self._reject(key, item, error)]
        return []

    def transact(self, call: str, body: dict[str, Any], entry: dict[str, Any]) -> Transacted:
        """Make one PutItem or DeleteItem under its condition, and enter it in a ledger: both, or neither.

        Args:
            call: `PutItem` or `DeleteItem`.
            body: its request, without the table.
            entry: the request of the ledger's conditional put.

        Raises:
            ClientError: for what neither passes by itself nor is the item's fault.
        """
        member = {"PutItem": "Put", "DeleteItem": "Delete"}[call]
        members = [{member: {"TableName": self._table, **body}}, {"Put": entry}]
        try:
            self._write("TransactWriteItems", {"TransactItems": members})
        except ClientError as error:
            if clients.error_code(error) in REFUSED_CODES:
                return Transacted.REFUSED
            if clients.error_code(error) != "TransactionCanceledException":
                raise
            return self._why_cancelled(error)
        return Transacted.WRITTEN

    def _why_cancelled(self, error: ClientError) -> Transacted:
        of_write, of_entry = (str(reason.get("Code", "None")) for reason in error.response["CancellationReasons"])
        if of_entry == "ConditionalCheckFailed":
            return Transacted.ENTERED_SINCE
        if of_write == "ConditionalCheckFailed":
            return Transacted.CHANGED_SINCE
        if of_write in REFUSED_CODES:
            return Transacted.REFUSED
        codes = {of_write, of_entry} - {"None"}
        if not codes <= clients.TRANSIENT_CODES:
            raise error
        measure.add(THROTTLES, len(codes & clients.THROTTLED_CODES))
        return Transacted.NOT_NOW

    def _write(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        return self._call(operation, json_bytes({**request, **ASKED_FOR}), 1)

    def _call(self, operation: str, body: bytes, pieces: int) -> dict[str, Any]:
        """Make one call, and measure what it took; a call that fails says nothing of that.

        Args:
            operation: by the API's name.
            body: asks for what it takes.
            pieces: how many items it is to write, for its turn.

        Raises:
            WritesUnfinished: its turn did not come in time; nothing was written.
        """
        turn = self._turns.take(pieces)
        if turn is None:
            raise WritesUnfinished(
                f"{self._table} is spared, and the page comes again by itself: {self._turns.in_words()}"
            )
        answer: dict[str, Any] = json.loads(self._wire.call(operation, body))
        took = capacity_of(answer, self._table)
        measure.add(WRITE_UNITS, took)
        self._turns.settle(turn, took, pieces)
        return answer

    def _reject(self, key: Item, item: Item | None, error: ClientError) -> Reject:
        return Reject(key, item, f"{clients.error_code(error)}: {error.response['Error'].get('Message', '')}")


@functools.cache
def pace_of(table: str) -> Pace:
    """Return this environment's pace on a table: what one page has found out of the target holds for the next."""
    del table
    return Pace()


def insert_statement(table: str, item: ItemText) -> Statement | None:
    """Return the PartiQL INSERT of one item, `None` if it would not fit.

    Only top-level names stand in the statement; a quote in one is doubled. All values are parameters, as they came.
    """
    before = _statement(table, tuple(item))
    return None if before is None else (before, b",".join(item.values()))


def statements_body(statements: Sequence[Statement]) -> bytes:
    """Return the body of a call that carries statements out."""
    pieces = [b'{"Statements":[']
    for before, values in statements:
        pieces += (before, values, b"]},")
    pieces[-1] = b"]}]," + _ASKED_FOR
    return b"".join(pieces)


@functools.lru_cache(maxsize=64)
def _statement(table: str, names: tuple[str, ...]) -> bytes | None:
    """Return what stands before the values of all items of the same names, of which most tables have few."""
    values = ", ".join(f"'{name.replace(chr(39), chr(39) * 2)}': ?" for name in names)
    statement = f'INSERT INTO "{table}" VALUE {{{values}}}'
    if len(statement) > STATEMENT_CHARACTERS:
        return None
    return b'{"Statement":%b,"Parameters":[' % json_bytes(statement)
