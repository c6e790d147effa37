"""Writes into the target, all built from typed JSON as it came: no value is converted on the way."""

import json
import random
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from botocore.exceptions import ClientError

from tasks.aws import clients, measure
from tasks.aws.raw import RawDynamoDB, body_of
from tasks.aws.rejects import Reject
from tasks.core.backoff import delays
from tasks.core.capacity import ASKED_FOR, capacity_of
from tasks.core.conflict import PageCondition
from tasks.core.errors import AwsUnavailable, WritesUnfinished
from tasks.core.item import Item, KeySchema, canonical
from tasks.core.metrics import READ_UNITS, THROTTLES, WRITE_UNITS

ITEMS_AT_ONCE = 25
"""BatchExecuteStatement and BatchWriteItem take no more."""
KEYS_AT_ONCE = 100
"""BatchGetItem takes no more."""
STATEMENT_CHARACTERS = 8192
"""Of one PartiQL statement."""
CALLS_SIDE_BY_SIDE = 4

REFUSED_CODES = frozenset(
    {
        "ItemCollectionSizeLimitExceeded",
        "ItemCollectionSizeLimitExceededException",
        "ValidationError",
        "ValidationException",
    }
)
"""The target will never take this item as it is; statements and calls name it differently."""


Statement = dict[str, Any]
"""`{"Statement": …, "Parameters": […]}`"""
Refusal = dict[str, str]
"""`{"Code": …, "Message": …}`, empty for a statement that was carried out."""


@dataclass(slots=True)
class Written:
    """What became of a page part's items."""

    inserted: int = 0
    present: int = 0
    rejects: list[Reject] = field(default_factory=list)

    def add(self, other: "Written") -> None:
        """Count another batch's items too."""
        self.inserted += other.inserted
        self.present += other.present
        self.rejects += other.rejects


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
    """The target table."""

    def __init__(self, raw: RawDynamoDB, table: str, key: KeySchema) -> None:
        self._raw = raw
        self._table = table
        self._key = key

    def insert_absent(self, items: Sequence[Item], condition: PageCondition) -> Written:
        """Write the items of a page where the condition allows it, 25 a call, four calls side by side.

        Raises:
            WritesUnfinished: some could not be written within the tries; the page has to come again.
        """
        batches = [items[start : start + ITEMS_AT_ONCE] for start in range(0, len(items), ITEMS_AT_ONCE)]
        written = Written()
        with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads:
            for result in threads.map(lambda batch: self._insert_batch(batch, condition), batches):
                written.add(result)
        return written

    def _insert_batch(self, items: Sequence[Item], condition: PageCondition) -> Written:
        written = Written()
        waiting: list[tuple[Item, Statement]] = []
        for item in items:
            statement = insert_statement(self._table, item)
            if statement is None:
                written.add(self._put_alone(item, condition))
            else:
                waiting.append((item, statement))
        if not waiting:
            return written
        reason = ""
        for delay in [0.0, *delays(random.random)]:
            time.sleep(delay)
            again = []
            refusals = self._execute([statement for _, statement in waiting])
            for (item, statement), refusal in zip(waiting, refusals, strict=True):
                outcome = self._settle(item, refusal, condition)
                if outcome is None:
                    reason = refusal["Code"]
                    again.append((item, statement))
                else:
                    written.add(outcome)
            waiting = again
            if not waiting:
                return written
        raise WritesUnfinished(
            f"{self._table} took {len(items) - len(waiting)} of {len(items)} items ({reason} at every try); "
            "the page comes again by itself: if this goes on, raise the target's capacity"
        )

    def _execute(self, statements: list[Statement]) -> list[Refusal]:
        """Run statements in one call; return for each the error that it was answered with, empty for none."""
        try:
            answer = self._write("BatchExecuteStatement", {"Statements": statements})
        except ClientError as error:
            # Something in the call as a whole is refused: item by item the culprit shows.
            if clients.error_code(error) not in REFUSED_CODES:
                raise
            return [{"Code": clients.error_code(error)}] * len(statements)
        return [response.get("Error", {}) for response in answer["Responses"]]

    def _settle(self, item: Item, refusal: Refusal, condition: PageCondition) -> Written | None:
        """Say what became of one item, `None` if its statement has to be tried again."""
        code = refusal.get("Code")
        if code is None:
            return Written(inserted=1)
        if code == "DuplicateItem" and not condition.replaces(item):
            # Taken by a change, a tombstone or an earlier delivery.
            return Written(present=1)
        if code == "DuplicateItem" or code in REFUSED_CODES:
            # A version may still win; and a statement can be refused where a put is not: the put has the last word.
            return self._put_alone(item, condition)
        if code in clients.PASSING_CODES:
            if code in clients.THROTTLED_CODES:
                measure.add(THROTTLES)
            return None
        raise WritesUnfinished(
            f"{self._table} answered {code} to a statement: {refusal.get('Message', '')}; "
            "grant or mend what it names: the page comes again by itself"
        )

    def _put_alone(self, item: Item, condition: PageCondition) -> Written:
        request = {"TableName": self._table, "Item": item, **condition.expression(item)}
        try:
            self._write("PutItem", request)
        except ClientError as error:
            code = clients.error_code(error)
            if code == "ConditionalCheckFailedException":
                return Written(present=1)
            if code in REFUSED_CODES:
                return Written(rejects=[self._reject(self._key.key_of(item), item, error)])
            raise
        return Written(inserted=1)

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
        for start in range(0, len(requests), ITEMS_AT_ONCE):
            rejects += self._write_batch(requests[start : start + ITEMS_AT_ONCE])
        return rejects

    def _write_batch(self, requests: list[dict[str, Any]]) -> list[Reject]:
        waiting = requests
        for delay in [0.0, *delays(random.random)]:
            time.sleep(delay)
            try:
                answer = self._write("BatchWriteItem", {"RequestItems": {self._table: waiting}})
            except ClientError as error:
                # One item that the target can not take fails its whole batch: find it.
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
            The reject, if the target can not take the item.

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
        if not codes <= clients.PASSING_CODES:
            raise error
        measure.add(THROTTLES, len(codes & clients.THROTTLED_CODES))
        return Transacted.NOT_NOW

    def _write(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        """Make one call, and measure what it took; a call that fails tells nothing of that."""
        answer: dict[str, Any] = json.loads(self._raw.call(operation, body_of({**request, **ASKED_FOR})))
        measure.add(WRITE_UNITS, capacity_of(answer, self._table))
        return answer

    def _reject(self, key: Item, item: Item | None, error: ClientError) -> Reject:
        return Reject(key, item, f"{clients.error_code(error)}: {error.response['Error'].get('Message', '')}")


def insert_statement(table: str, item: Item) -> Statement | None:
    """Return the PartiQL INSERT of one item, `None` if it would not fit.

    Only top-level names stand in the statement; a quote in one is doubled. All values are parameters.
    """
    names = ", ".join(f"'{name.replace(chr(39), chr(39) * 2)}': ?" for name in item)
    statement = f'INSERT INTO "{table}" VALUE {{{names}}}'
    if len(statement) > STATEMENT_CHARACTERS:
        return None
    return {"Statement": statement, "Parameters": list(item.values())}


def read_items(raw: RawDynamoDB, table: str, keys: Sequence[Item], schema: KeySchema) -> dict[bytes, Item]:
    """Read items consistently, 100 a call; return those that exist by the canonical bytes of their key.

    Raises:
        AwsUnavailable: some keys stayed unprocessed at every try.
    """
    found: dict[bytes, Item] = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        waiting = list(keys[start : start + KEYS_AT_ONCE])
        for delay in [0.0, *delays(random.random)]:
            time.sleep(delay)
            request = {"RequestItems": {table: {"Keys": waiting, "ConsistentRead": True}}, **ASKED_FOR}
            answer = json.loads(raw.call("BatchGetItem", body_of(request)))
            measure.add(READ_UNITS, capacity_of(answer))
            for item in answer["Responses"].get(table, []):
                found[canonical(schema.key_of(item))] = item
            waiting = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
            if not waiting:
                break
            measure.add(THROTTLES, len(waiting))
        else:
            raise AwsUnavailable(f"{table} left {len(waiting)} keys unread at every try; they are read again")
    return found
