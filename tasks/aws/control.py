"""The control table: one per migration, on demand, all of a migration's durable knowledge.

Every entry has `pk`, `sk` and `document`, a JSON text; a person can read it in the console.

| pk | sk | what | module |
|---|---|---|---|
| `migration` | `plan`, `rule`, `stream`, `approval` … | the migration as a whole | `migration_record` |
| `watermarks` | shard id | how far the replicator is | `watermarks` |
| `tips` | purpose and moment | the tips that a wait is for | `watermarks` |
| `tombstones#<0-f>` | hash of the key | keys with a tombstone at the target | `tombstones` |
| `<run>#late#<0-f>` | hash of the key | the last late change of a key that is dealt with | `late_ledger` |
| `<run>` | `drain` | how far the drain is | `backfill_drain` |
| `<run>#<segment>` | `checkpoint`, `sent#<page>`, `receipt#<page>#<part>#<digest>` | the backfill | `receipts` |
| `<run>#<segment>` | `kept` | a cursor that did not fit into a resumed Map's input | `receipts` |
| `<run>#verify#<id>` | `digest#…`, `unequal`, `settled#…`, `groups#…` | the proof | `digests` |
| `<run>#verify#<id>#<group>` | `suspects#…` | the keys of unequal buckets | `digests` |
"""

import functools
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tasks.aws import clients, deployment
from tasks.core.errors import AwsUnavailable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Document = dict[str, Any]

EXPIRY_ATTRIBUTE = "expires"
CLAIM_ATTRIBUTE = "claim"
KEPT_SECONDS = 90 * 24 * 3600
"""As long as Step Functions keeps an execution's history."""

POSITION_DIGITS = 40
"""A sequence number has at most so many (DynamoDB Streams API, StreamRecord)."""

READS_AT_ONCE = 100
"""BatchGetItem takes no more."""
WRITES_AT_ONCE = 25
"""BatchWriteItem takes no more."""
ROUNDS_WITHOUT_PROGRESS_MOST = 6


class ControlTable:
    """Documents by pk and sk. Reads are consistent."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def read(self, pk: str, sk: str) -> Document | None:
        """Return one document, `None` if there is none."""
        item = self._client.get_item(
            TableName=self._table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
        ).get("Item")
        return None if item is None else _document(item)

    def put(self, pk: str, sk: str, document: Document, *, expires: bool = False) -> None:
        """Write one document over whatever is there."""
        self._client.put_item(TableName=self._table, Item=_item(pk, sk, document, expires=expires))

    def put_new(self, pk: str, sk: str, document: Document, *, expires: bool = False) -> bool:
        """Write one document if there is none, and say whether it was written."""
        return self.put_if(
            {
                "TableName": self._table,
                "Item": _item(pk, sk, document, expires=expires),
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        )

    def read_claimed(self, pk: str, sk: str) -> tuple[Document | None, int]:
        """Return one document and the number of the last claim on it; `None` and 0 if there is none."""
        item = self._client.get_item(
            TableName=self._table, Key={"pk": {"S": pk}, "sk": {"S": sk}}, ConsistentRead=True
        ).get("Item")
        return (None, 0) if item is None else (_document(item), int(item.get(CLAIM_ATTRIBUTE, {"N": "0"})["N"]))

    def put_claimed(self, pk: str, sk: str, document: Document, *, claim: int, over: int) -> bool:
        """Write one document under a claim, and say whether it was written.

        Args:
            pk: of the document.
            sk: of the document.
            document: to write; it expires.
            claim: the writer's number.
            over: the highest number that may stand there; a document without a claim counts as 0.
        """
        item = _item(pk, sk, document, expires=True) | {CLAIM_ATTRIBUTE: {"N": str(claim)}}
        never_claimed = "attribute_not_exists(#claim)"
        claimed_by_us_or_before = "#claim <= :over"
        return self.put_if(
            {
                "TableName": self._table,
                "Item": item,
                "ConditionExpression": f"{never_claimed} OR {claimed_by_us_or_before}",
                "ExpressionAttributeNames": {"#claim": CLAIM_ATTRIBUTE},
                "ExpressionAttributeValues": {":over": {"N": str(over)}},
            }
        )

    def put_over(self, pk: str, sk: str, document: Document, *, mark: str, over: str | None) -> dict[str, Any]:
        """Return a put of one document over exactly the one that was read, as PutItem and a transaction's Put take it.

        Args:
            pk: of the document.
            sk: of the document.
            document: to write; it expires.
            mark: tells it from others of its place.
            over: the mark of the one that was read, `None` for none.
        """
        request = {"TableName": self._table, "Item": _item(pk, sk, document, expires=True) | {"mark": {"S": mark}}}
        if over is None:
            return {**request, "ConditionExpression": "attribute_not_exists(pk)"}
        return {
            **request,
            "ConditionExpression": "#mark = :over",
            "ExpressionAttributeNames": {"#mark": "mark"},
            "ExpressionAttributeValues": {":over": {"S": over}},
        }

    def put_ahead(self, pk: str, sk: str, position: int, document: Document) -> bool:
        """Write one document unless one of a later position is there, and say whether it was written."""
        ahead = str(position).zfill(POSITION_DIGITS)  # padded, texts compare as numbers do
        return self.put_if(
            {
                "TableName": self._table,
                "Item": _item(pk, sk, document, expires=False) | {"position": {"S": ahead}},
                "ConditionExpression": "attribute_not_exists(#position) OR #position <= :position",
                "ExpressionAttributeNames": {"#position": "position"},
                "ExpressionAttributeValues": {":position": {"S": ahead}},
            }
        )

    def put_if(self, request: dict[str, Any]) -> bool:
        """Make a conditional put, and say whether its condition held."""
        try:
            self._client.put_item(**request)
        except ClientError as error:
            if clients.error_code(error) == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def iter_all(self, pk: str, prefix: str = "") -> Iterator[tuple[str, Document]]:
        """Yield (sk, document) of all documents under a pk whose sk begins with `prefix`, in the order of sk."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)" if prefix else "pk = :pk",
            ExpressionAttributeValues={":pk": {"S": pk}, **({":prefix": {"S": prefix}} if prefix else {})},
        )
        for page in pages:
            for item in page["Items"]:
                yield item["sk"]["S"], _document(item)

    def count(self, pk: str, prefix: str) -> int:
        """Return how many documents there are under a pk whose sk begins with `prefix`, without reading them."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            Select="COUNT",
            KeyConditionExpression="pk = :pk AND begins_with(sk, :prefix)",
            ExpressionAttributeValues={":pk": {"S": pk}, ":prefix": {"S": prefix}},
        )
        return sum(page["Count"] for page in pages)

    def read_all(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Document]:
        """Return those documents that exist, by (pk, sk).

        Raises:
            AwsUnavailable: some keys stayed unread at every try.
        """
        found: dict[tuple[str, str], Document] = {}
        waiting: list[Any] = [{"pk": {"S": pk}, "sk": {"S": sk}} for pk, sk in keys]
        rounds_without_progress = 0
        while waiting:
            batch, waiting = waiting[:READS_AT_ONCE], waiting[READS_AT_ONCE:]
            answer = self._client.batch_get_item(RequestItems={self._table: {"Keys": batch, "ConsistentRead": True}})
            for item in answer["Responses"].get(self._table, []):
                found[item["pk"]["S"], item["sk"]["S"]] = _document(item)
            unread: list[Any] = list(answer["UnprocessedKeys"].get(self._table, {"Keys": []})["Keys"])
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
        self._write_all([{"DeleteRequest": {"Key": {"pk": {"S": pk}, "sk": {"S": sk}}}} for pk, sk in keys])

    def _write_all(self, requests: list[Any]) -> None:
        # botocore retries throttled calls; what single calls leave unprocessed goes to the end of the line.
        waiting = list(requests)
        rounds_without_progress = 0
        while waiting:
            batch, waiting = waiting[:WRITES_AT_ONCE], waiting[WRITES_AT_ONCE:]
            left = self._client.batch_write_item(RequestItems={self._table: batch})["UnprocessedItems"]
            unprocessed = left.get(self._table, [])
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


def _document(item: dict[str, "AttributeValueTypeDef"]) -> Document:
    document: Document = json.loads(item["document"]["S"])
    return document


@functools.cache
def control() -> ControlTable:
    """Return this migration's control table."""
    return ControlTable(clients.dynamodb(), deployment.control_table())
