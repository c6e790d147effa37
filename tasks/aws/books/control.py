"""The control table: one per migration, on demand, all of a migration's durable knowledge.

Every entry has `pk`, `sk` and `document`, a JSON text; a person can read it in the console.

| pk | sk | what | module |
|---|---|---|---|
| `migration` | `plan`, `rule#<direction>`, `stream`, `approval` … | the migration as a whole | `record` |
| `watermarks#<direction>#<0-f>` | shard id | how far the replicator is | `watermarks` |
| `tips#<direction>` | purpose and moment | the tips that a wait is for: which of the next entries | `watermarks` |
| `tips#<direction>#<purpose and moment>` | `<id>#<piece>` | a thousand of them | `watermarks` |
| `tombstones#<0-f>` | hash of the key | keys with a tombstone at the target | `tombstones` |
| `run#<run>#late#<0-f>` | hash of the key | the last late change of a key that is dealt with | `late_ledger` |
| `run#<run>` | `drain` | how far the drain is | `drain` |
| `run#<run>` | `caps` | caps and a pause that an operator has set | `caps` |
| `run#<run>#turns#<side>` | `<revision>` | until when a side's units are sold | `caps` |
| `run#<run>#<segment>` | `checkpoint`, `sent#<page>`, `receipt#<page>#<part>#<digest>` | the backfill | `receipts` |
| `run#<run>#<segment>` | `kept` | a cursor that did not fit into a resumed Map's input | `receipts` |
| `run#<run>#verify#<id>` | `settled#…`, `slices#…` | the proof: what needs no further look | `digests` |
| `run#<run>#verify#<id>#<slice>` | `reading#…`, `look#…` | what each call has read, or found | `digests` |

A run has its execution's name, and people name executions: `run#` before it keeps one that is called `watermarks` out
of the watermarks.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from botocore.exceptions import ClientError

from tasks.aws.session import clients
from tasks.aws.session.wire import Wire
from tasks.core.errors import AwsUnavailable
from tasks.core.model.item import Item, json_bytes

Document = dict[str, Any]

EXPIRY_ATTRIBUTE = "expires"
CLAIM_ATTRIBUTE = "claim"
MARK_ATTRIBUTE = "mark"
CLAIMER_ATTRIBUTE = "claimer"
KEPT_SECONDS = 90 * 24 * 3600
"""As long as Step Functions keeps an execution's history."""

POSITION_DIGITS = 40
"""A sequence number has at most so many (DynamoDB Streams API, StreamRecord)."""

LAST_CHARACTER = "~"
"""Behind all that stands in an sk."""

SHELVES = "0123456789abcdef"
"""A book that many write to has a partition key for each, since one key takes a thousand writes a second. An entry is
on the shelf of the first digit of its hash."""

READS_AT_ONCE = 100
"""BatchGetItem takes no more."""
WRITES_AT_ONCE = 25
"""BatchWriteItem takes no more."""
ROUNDS_WITHOUT_PROGRESS_MOST = 6


class Condition(Protocol):
    """What has to hold of the document that is there, for another one to be written over it."""

    def attributes(self) -> Item:
        """Return what is written beside the document, for the next condition to look at."""

    def expression(self) -> dict[str, Any]:
        """Return the condition as a call takes it."""


class Absent:
    """There is none."""

    def attributes(self) -> Item:
        """Return nothing: that a document is there says all."""
        return {}

    def expression(self) -> dict[str, Any]:
        """Return the condition as a call takes it."""
        return {"ConditionExpression": "attribute_not_exists(pk)"}


@dataclass(frozen=True, slots=True)
class Claimed:
    """No later claim than `over` stands on it; one that was never claimed counts as 0."""

    by: int
    """The writer's own number."""
    over: int
    claimer: str = ""
    """Who claims, by a name that nobody else has. A claim whose answer was lost is put again by the SDK, and finds what
    it has put itself: that is no other one's. Empty for what is written under a claim: its number says whose it is."""

    def attributes(self) -> Item:
        """Return the writer's claim."""
        claimer = {CLAIMER_ATTRIBUTE: {"S": self.claimer}} if self.claimer else {}
        return {CLAIM_ATTRIBUTE: {"N": str(self.by)}, **claimer}

    def expression(self) -> dict[str, Any]:
        """Return the condition as a call takes it."""
        never_claimed = "attribute_not_exists(#claim)"
        claimed_by_us_or_before = "#claim <= :over"
        names, values = {"#claim": CLAIM_ATTRIBUTE}, {":over": {"N": str(self.over)}}
        condition = f"{never_claimed} OR {claimed_by_us_or_before}"
        if self.claimer:
            claimed_by_this_very_call = "#claimer = :claimer"
            condition += f" OR {claimed_by_this_very_call}"
            names |= {"#claimer": CLAIMER_ATTRIBUTE}
            values |= {":claimer": {"S": self.claimer}}
        return {
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }


@dataclass(frozen=True, slots=True)
class Unchanged:
    """It is exactly the one that was read."""

    revision: str
    """Of the new one: no other one of its place has it."""
    since: str | None
    """The revision of the one that was read, `None` for none."""

    def attributes(self) -> Item:
        """Return the new one's revision."""
        return {"revision": {"S": self.revision}}

    def expression(self) -> dict[str, Any]:
        """Return the condition as a call takes it."""
        if self.since is None:
            return {"ConditionExpression": "attribute_not_exists(pk)"}
        return {
            "ConditionExpression": "#revision = :since",
            "ExpressionAttributeNames": {"#revision": "revision"},
            "ExpressionAttributeValues": {":since": {"S": self.since}},
        }


@dataclass(frozen=True, slots=True)
class NotAhead:
    """It is of no later position."""

    position: int

    def attributes(self) -> Item:
        """Return the position; padded, texts compare as numbers do."""
        return {"position": {"S": str(self.position).zfill(POSITION_DIGITS)}}

    def expression(self) -> dict[str, Any]:
        """Return the condition as a call takes it."""
        return {
            "ConditionExpression": "attribute_not_exists(#position) OR #position <= :position",
            "ExpressionAttributeNames": {"#position": "position"},
            "ExpressionAttributeValues": {":position": self.attributes()["position"]},
        }


class ControlTable:
    """Documents by pk and sk. Reads are consistent."""

    def __init__(self, wire: Wire, table: str) -> None:
        self._wire = wire
        self._table = table

    def read(self, pk: str, sk: str) -> Document | None:
        """Return one document, `None` if there is none."""
        item = self._read(pk, sk, is_consistent=True)
        return _document(item) if item else None

    def read_claim(self, pk: str, sk: str) -> int:
        """Return the number of the last claim on a document; 0 if there is none."""
        return int(self._read(pk, sk, is_consistent=True).get(CLAIM_ATTRIBUTE, {"N": "0"})["N"])

    def put(
        self, pk: str, sk: str, document: Document, *, when: Condition | None = None, expires: bool = False
    ) -> bool:
        """Write one document, and say whether it was written.

        Args:
            pk: of the document.
            sk: of the document.
            document: to write.
            when: what has to hold of the one that is there; `None`: it is written over whatever is there.
            expires: whether it may be forgotten, as long after as an execution's history.
        """
        return self.put_request(self.request(pk, sk, document, when=when, expires=expires))

    def request(
        self, pk: str, sk: str, document: Document, *, when: Condition | None = None, expires: bool = False
    ) -> dict[str, Any]:
        """Return such a put as PutItem takes it, and as the Put of a transaction."""
        item = _item(pk, sk, document, expires=expires)
        if when is None:
            return {"TableName": self._table, "Item": item}
        return {"TableName": self._table, "Item": item | when.attributes(), **when.expression()}

    def put_request(self, request: dict[str, Any]) -> bool:
        """Make a put that was asked for as a request, and say whether its condition held."""
        try:
            self._wire.call("PutItem", json_bytes(request))
        except ClientError as error:
            if clients.error_code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def read_mark(self, pk: str, sk: str) -> float:
        """Return where a mark stands; 0 if there is none."""
        return float(self._read(pk, sk, is_consistent=False).get(MARK_ATTRIBUTE, {"N": "0"})["N"])

    def _read(self, pk: str, sk: str, *, is_consistent: bool) -> Item:
        """Return an entry as it stands, empty if there is none."""
        request = {"TableName": self._table, "Key": _key(pk, sk), "ConsistentRead": is_consistent}
        item: Item = json.loads(self._wire.call("GetItem", json_bytes(request))).get("Item", {})
        return item

    def advance(self, pk: str, sk: str, *, by: float, least: float, most: float) -> tuple[bool, float]:
        """Move a mark on, from `least` if it stands before that, unless it stands beyond `most`.

        It stands beside a document, like what conditions look at; many callers move it at the same time, each by one
        write.

        Returns:
            Whether it was moved, and where it stood, `least` at least.
        """
        place: dict[str, Any] = {"TableName": self._table, "Key": _key(pk, sk)}
        names = {"#mark": MARK_ATTRIBUTE}
        by_, least_, most_ = ({"N": f"{value:.6f}"} for value in (by, least, most))
        while True:
            on_it = {
                **place,
                "UpdateExpression": "SET #mark = #mark + :by",
                "ConditionExpression": "#mark BETWEEN :least AND :most",
                "ExpressionAttributeNames": names,
                "ExpressionAttributeValues": {":by": by_, ":least": least_, ":most": most_},
                "ReturnValues": "UPDATED_OLD",
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
            try:
                moved = self._wire.call("UpdateItem", json_bytes(on_it))
                return True, float(json.loads(moved)["Attributes"][MARK_ATTRIBUTE]["N"])
            except ClientError as error:
                if clients.error_code(error) != "ConditionalCheckFailedException":
                    raise
                there: dict[str, Any] = dict(error.response).get("Item") or {}  # type: ignore[assignment] # its stubs have none
                stood = float(there.get(MARK_ATTRIBUTE, {"N": "0"})["N"])
                if stood > most:
                    return False, stood
            begun = {":begun": {"N": f"{least + by:.6f}"}, ":least": least_}
            kept = {":document": {"S": "{}"}, ":expires": {"N": str(int(time.time()) + KEPT_SECONDS)}}
            anew = {
                **place,
                "UpdateExpression": "SET #mark = :begun, document = :document, #expires = :expires",
                "ConditionExpression": "attribute_not_exists(#mark) OR #mark < :least",
                "ExpressionAttributeNames": {**names, "#expires": EXPIRY_ATTRIBUTE},
                "ExpressionAttributeValues": {**begun, **kept},
            }
            try:
                self._wire.call("UpdateItem", json_bytes(anew))
            except ClientError as error:
                if clients.error_code(error) != "ConditionalCheckFailedException":
                    raise
                continue  # another call began it in between
            return True, least

    def iter_all(self, pk: str, prefix: str = "", *, first: str = "") -> Iterator[tuple[str, Document]]:
        """Yield (sk, document) of all documents under a pk whose sk begins with `prefix`, in the order of sk.

        Args:
            pk: of the documents.
            prefix: of their sk; all under the pk if it is empty.
            first: what follows the prefix in the first sk that is wanted; from the first one there is if it is empty.
        """
        condition, values = "pk = :pk", {":pk": {"S": pk}}
        if first:
            condition += " AND sk BETWEEN :first AND :last"
            values |= {":first": {"S": prefix + first}, ":last": {"S": prefix + LAST_CHARACTER}}
        elif prefix:
            condition += " AND begins_with(sk, :prefix)"
            values |= {":prefix": {"S": prefix}}
        asked = {"ConsistentRead": True, "KeyConditionExpression": condition, "ExpressionAttributeValues": values}
        for page in self._pages(asked):
            for item in page["Items"]:
                yield item["sk"]["S"], _document(item)

    def count(self, pk: str, prefix: str) -> int:
        """Return how many documents there are under a pk whose sk begins with `prefix`, without reading them."""
        values = {":pk": {"S": pk}, ":prefix": {"S": prefix}}
        condition = "pk = :pk AND begins_with(sk, :prefix)"
        asked = {"Select": "COUNT", "KeyConditionExpression": condition, "ExpressionAttributeValues": values}
        return sum(page["Count"] for page in self._pages(asked))

    def _pages(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the answers of a query, up to the last."""
        request = {"TableName": self._table, **asked}
        while True:
            page: dict[str, Any] = json.loads(self._wire.call("Query", json_bytes(request)))
            yield page
            if not page.get("LastEvaluatedKey"):
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def read_all(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Document]:
        """Return those documents that exist, by (pk, sk).

        Raises:
            AwsUnavailable: some keys stayed unread at every try.
        """
        found: dict[tuple[str, str], Document] = {}
        waiting: list[Any] = [_key(pk, sk) for pk, sk in keys]
        rounds_without_progress = 0
        while waiting:
            batch, waiting = waiting[:READS_AT_ONCE], waiting[READS_AT_ONCE:]
            request = {"RequestItems": {self._table: {"Keys": batch, "ConsistentRead": True}}}
            answer: dict[str, Any] = json.loads(self._wire.call("BatchGetItem", json_bytes(request)))
            for item in answer["Responses"].get(self._table, []):
                found[item["pk"]["S"], item["sk"]["S"]] = _document(item)
            unread: list[Any] = list(answer.get("UnprocessedKeys", {}).get(self._table, {"Keys": []})["Keys"])
            rounds_without_progress = rounds_without_progress + 1 if len(unread) == len(batch) else 0
            if rounds_without_progress > ROUNDS_WITHOUT_PROGRESS_MOST:
                raise AwsUnavailable(f"control table {self._table}: {len(unread) + len(waiting)} keys not read")
            if unread:
                time.sleep(0.05 * 2**rounds_without_progress)
            waiting += unread
        return found

    def put_all(self, documents: Iterable[tuple[str, str, Document]], *, expires: bool = False) -> None:
        """Write several documents, each as (pk, sk, document), all of them or raise."""
        self._write_all(
            [{"PutRequest": {"Item": _item(pk, sk, document, expires=expires)}} for pk, sk, document in documents]
        )

    def delete_all(self, keys: Iterable[tuple[str, str]]) -> None:
        """Delete several documents by (pk, sk); those that are not there do not matter."""
        self._write_all([{"DeleteRequest": {"Key": _key(pk, sk)}} for pk, sk in keys])

    def _write_all(self, requests: list[Any]) -> None:
        # A call that is throttled as a whole is tried again by itself; what one leaves unprocessed goes to the end.
        waiting = list(requests)
        rounds_without_progress = 0
        while waiting:
            batch, waiting = waiting[:WRITES_AT_ONCE], waiting[WRITES_AT_ONCE:]
            request = {"RequestItems": {self._table: batch}}
            left: dict[str, Any] = json.loads(self._wire.call("BatchWriteItem", json_bytes(request)))
            unprocessed: list[Any] = left.get("UnprocessedItems", {}).get(self._table, [])
            rounds_without_progress = rounds_without_progress + 1 if len(unprocessed) == len(batch) else 0
            if rounds_without_progress > ROUNDS_WITHOUT_PROGRESS_MOST:
                raise AwsUnavailable(
                    f"control table {self._table}: {len(unprocessed) + len(waiting)} writes not taken; tried again"
                )
            if unprocessed:
                time.sleep(0.05 * 2**rounds_without_progress)
            waiting += unprocessed


def _item(pk: str, sk: str, document: Document, *, expires: bool) -> dict[str, Any]:
    item: dict[str, Any] = {
        "pk": {"S": pk},
        "sk": {"S": sk},
        "document": {"S": json.dumps(document, separators=(",", ":"))},
    }
    if expires:
        item[EXPIRY_ATTRIBUTE] = {"N": str(int(time.time()) + KEPT_SECONDS)}
    return item


def _key(pk: str, sk: str) -> Item:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def _document(item: Item) -> Document:
    document: Document = json.loads(item["document"]["S"])
    return document


def pk_of_run(run: str, *parts: str) -> str:
    """Return the pk of one of a run's own books. An execution's name has no `#`, so no two of them meet."""
    return "#".join(("run", run, *parts))
