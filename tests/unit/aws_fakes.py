"""Fakes that work: a DynamoDB, a control table, a Kinesis stream and a bucket in memory, which log the order of calls.

Each fault is injected by a function that sees the call, so that a fake never has to agree with the code under test.
"""

import base64
import functools
import io
import itertools
import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

from tasks.aws.books import books
from tasks.aws.books.control import ControlTable, Document
from tasks.aws.dynamodb import tables, target
from tasks.aws.replicate import mappings, streams
from tasks.aws.replicate import tips as look_at
from tasks.aws.replicate.known_plan import known_plan
from tasks.aws.replicate.tips import Sight
from tasks.aws.session import clients, tries, wire
from tasks.aws.session.wire import Wire
from tasks.core import backoff
from tasks.core.model.item import Item, KeySchema, canonical
from tasks.core.model.table_ref import TableAddress, TableRef
from tasks.core.replicate.lag import Unapplied
from tasks.core.replicate.route import FORWARD, Route
from tasks.core.replicate.watermark import Tips
from tasks.core.run.plan import Plan
from tasks.core.settings.migration import Knobs

RUN = "run-1"
SCHEMA = KeySchema("pk", "S")
SOURCE = TableRef(name="source", region="eu-central-1", account="123456789012", key=SCHEMA, id="source-1")
TARGET = TableRef(name="target", region="eu-central-1", account="123456789012", key=SCHEMA, id="target-1")
PLAN = Plan(
    migration="airports",
    run=RUN,
    source=SOURCE,
    target=TARGET,
    stream_was_enabled=False,
    begun_at=500.0,
    verify_segments=1,
    buckets=1024,
    **Knobs(approval="automatic", total_segments=1, max_concurrency=1, settle_seconds=1, quiet_seconds=1).knobs(),
)
STREAM = "arn:aws:dynamodb:eu-central-1:123456789012:table/source/stream/1"
ROUTE = Route(source=SOURCE, target=TARGET, stream_arn=STREAM, mapping_id="mapping-1")


class Crash(BaseException):
    """The worker is killed here: no handler of the code under test runs."""


def client_error(code: str, message: str = "said the fake", status: int = 400) -> ClientError:
    """Return what boto3 raises."""
    return ClientError(
        {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item] # as far as it is read
        "Fake",
    )


def cancelled(*codes: str | None) -> ClientError:
    """Return what boto3 raises for a transaction that was cancelled, with the reason of each member."""
    error = client_error("TransactionCanceledException")
    error.response["CancellationReasons"] = [{"Code": code or "None"} for code in codes]
    return error


class Context(LambdaContext):
    """A Lambda context whose remaining time is what the test says, one entry a call, the last for ever."""

    def __init__(self, *remaining_milliseconds: int) -> None:
        self._aws_request_id = "request-1"
        self._remaining = list(remaining_milliseconds or (300_000,))

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override] # the library says static; the runtime's is not
        return self._remaining.pop(0) if len(self._remaining) > 1 else self._remaining[0]


Entry = tuple[str, str]
Log = list[Entry]
"""(service.operation, what), in the order in which calls took effect."""


def _never(*_: object) -> None:
    """Inject no fault."""


class FakeControl(ControlTable):
    """The control table: documents pass through JSON, as they do there."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.documents: dict[tuple[str, str], str] = {}
        self.attributes: dict[tuple[str, str], Item] = {}
        """What stands beside the documents, for conditions to look at."""
        self._table = "control"
        self.before: Callable[[str, str, str], object] = _never
        """Called with (verb, pk, sk) before it takes effect; may raise."""

    def read(self, pk: str, sk: str) -> Document | None:
        text = self.documents.get((pk, sk))
        return None if text is None else self._load(text)

    def read_claim(self, pk: str, sk: str) -> int:
        return int(self.attributes.get((pk, sk), {}).get("claim", {"N": "0"})["N"])

    def read_mark(self, pk: str, sk: str) -> float:
        return float(self.attributes.get((pk, sk), {}).get("mark", {"N": "0"})["N"])

    def advance(self, pk: str, sk: str, *, by: float, least: float, most: float) -> tuple[bool, float]:
        stood = max(least, self.read_mark(pk, sk))
        if stood <= most:
            self.log.append(("control.advance", f"{pk}/{sk}"))
            self.documents[pk, sk] = "{}"
            self.attributes[pk, sk] = {"mark": {"N": str(stood + by)}}
        return stood <= most, stood

    def put_request(self, request: dict[str, Any]) -> bool:
        if not self.would_take(request):
            return False
        item = request["Item"]
        pk, sk = item["pk"]["S"], item["sk"]["S"]
        self.before("put", pk, sk)
        self.log.append(("control.put", f"{pk}/{sk}"))
        self.documents[pk, sk] = item["document"]["S"]
        self.attributes[pk, sk] = {name: item[name] for name in item if name not in {"document", "expires"}}
        return True

    def would_take(self, request: dict[str, Any]) -> bool:
        """Say whether the condition of a put holds."""
        pk, sk = request["Item"]["pk"]["S"], request["Item"]["sk"]["S"]
        there = {"pk": {"S": pk}} | self.attributes.get((pk, sk), {})
        return is_met(request, there if (pk, sk) in self.documents else None)

    def read_all(self, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Document]:
        return {key: self._load(self.documents[key]) for key in keys if key in self.documents}

    def iter_all(self, pk: str, prefix: str = "", *, first: str = "") -> Iterator[tuple[str, Document]]:
        for (found, sk), text in sorted(self.documents.copy().items()):
            if found == pk and sk.startswith(prefix) and sk >= prefix + first:
                yield sk, self._load(text)

    def count(self, pk: str, prefix: str) -> int:
        return sum(1 for _ in self.iter_all(pk, prefix))

    def put_all(self, documents: Iterable[tuple[str, str, Document]], *, expires: bool = False) -> None:
        for pk, sk, document in documents:
            self.put(pk, sk, document, expires=expires)

    def delete_all(self, keys: Iterable[tuple[str, str]]) -> None:
        for pk, sk in keys:
            self.log.append(("control.delete", f"{pk}/{sk}"))
            self.documents.pop((pk, sk), None)
            self.attributes.pop((pk, sk), None)

    def _load(self, text: str) -> Document:
        document: Document = json.loads(text)
        return document


_STATEMENT = re.compile(r"""INSERT INTO "([^"]+)" VALUE \{(.*)\}""", re.DOTALL)
_REMOVAL = re.compile(r"""DELETE FROM "([^"]+)" WHERE (.*)""", re.DOTALL)
_EQUAL = re.compile(r'"((?:[^"]|"")*)" = \?(?: AND )?')
_NAME = re.compile(r"'((?:[^']|'')*)': \?(?:, )?")
_CLAUSE = re.compile(r"(attribute_exists|attribute_not_exists)\((#?\w+)\)|(#\w+) (<=|<|=) (:\w+)")


def is_met(request: dict[str, Any], present: Item | None) -> bool:
    """Evaluate a request's ConditionExpression of OR or AND over simple clauses, if it has one."""
    any_of = str(request.get("ConditionExpression", "")).split(" OR ")
    return any_of == [""] or any(
        all(_holds(clause, request, present) for clause in part.split(" AND ")) for part in any_of
    )


def _holds(clause: str, request: dict[str, Any], present: Item | None) -> bool:
    matched = _CLAUSE.fullmatch(clause)
    assert matched is not None, clause
    name = matched[2] or matched[3]
    name = request["ExpressionAttributeNames"][name] if name.startswith("#") else name
    value = None if present is None else present.get(name)
    if matched[1]:
        return (value is not None) == (matched[1] == "attribute_exists")
    if value is None:
        return False
    other = request["ExpressionAttributeValues"][matched[5]]
    if canonical({"v": value}) == canonical({"v": other}):
        return matched[4] != "<"
    if matched[4] == "=":
        return False
    if "S" in value and "S" in other:
        return str(value["S"]).encode() < str(other["S"]).encode()
    return "N" in value and "N" in other and Decimal(value["N"]) < Decimal(other["N"])


def _tables_of(request: dict[str, Any]) -> list[str]:
    """Return the tables that a call is about, in its order."""
    if "TransactItems" in request:
        return [body["TableName"] for member in request["TransactItems"] for body in member.values()]
    if "Statements" in request:
        texts = [statement["Statement"] for statement in request["Statements"]]
        matches = [_STATEMENT.fullmatch(text) or _REMOVAL.fullmatch(text) for text in texts]
        return sorted({matched[1] for matched in matches if matched})
    return [request["TableName"]] if "TableName" in request else list(request["RequestItems"])


class FakeDynamoDB(Wire):
    """Tables in memory at the wire's other end: bytes in, bytes out."""

    def __init__(self, log: Log, control: FakeControl | None = None, schema: KeySchema = SCHEMA) -> None:
        self.log = log
        self.control = control or FakeControl(log)
        self.schema = schema
        self.tables: dict[str, dict[bytes, Item]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.before: Callable[[str, dict[str, Any]], object] = _never
        """Called with (operation, request) before the call; may raise."""
        self.refuse: Callable[[Item], str | None] = lambda _: None
        """Returns the code with which one statement is answered, or `None` to carry it out."""
        self.reject: Callable[[Item], bool] = lambda _: False
        """Says that the table cannot take an item at all, by whichever call."""
        self.leave: Callable[[list[Any]], list[Any]] = lambda _: []
        """Returns those requests of a batch that stay unprocessed."""
        self.pages: list[tuple[list[Item], Item | None]] = []
        """What Scan returns, page by page."""
        self.units: float | None = None
        """The capacity that each call says it took, if it is asked; `None` says nothing."""

    def call(self, operation: str, body: bytes) -> bytes:
        request = json.loads(body)
        self.calls.append((operation, request))
        self.before(operation, request)
        self.log.append((f"dynamodb.{operation}", str(request.get("TableName", ""))))
        answer = {
            "BatchExecuteStatement": self._batch_execute_statement,
            "BatchGetItem": self._batch_get_item,
            "BatchWriteItem": self._batch_write_item,
            "DeleteItem": self._delete_item,
            "PutItem": self._put_item,
            "Scan": self._scan,
            "TransactWriteItems": self._transact_write_items,
        }[operation](request)
        if self.units is not None and request.get("ReturnConsumedCapacity") == "TOTAL":
            consumed = [{"TableName": table, "CapacityUnits": self.units} for table in _tables_of(request)]
            answer["ConsumedCapacity"] = consumed if operation.startswith(("Batch", "Transact")) else consumed[0]
        return json.dumps(answer).encode()

    def items(self, table: str) -> list[Item]:
        """Return a table's items in the order in which they came."""
        return list(self.tables.get(table, {}).values())

    def seed(self, table: str, *items: Item) -> None:
        """Put items without a call."""
        for item in items:
            self._table(table)[self._name(item)] = item

    def never_rests(self, table: str, item: Item) -> None:
        """Let somebody write an item each time, right before it is read."""
        counts = itertools.count(100)

        def write(operation: str, request: dict[str, Any]) -> None:
            if operation == "BatchGetItem" and table in request["RequestItems"]:
                self.seed(table, item | {"n": {"N": str(next(counts))}})

        self.before = write

    def operations(self) -> list[str]:
        """Return the calls made so far by name."""
        return [operation for operation, _ in self.calls]

    def _table(self, table: str) -> dict[bytes, Item]:
        return self.tables.setdefault(table, {})

    def _name(self, item: Item) -> bytes:
        return canonical(self.schema.key_of(item))

    def _batch_execute_statement(self, request: dict[str, Any]) -> dict[str, Any]:
        statements = request["Statements"]
        assert 1 <= len(statements) <= 25
        return {"Responses": [self._execute(statement) for statement in statements]}

    def _execute(self, statement: dict[str, Any]) -> dict[str, Any]:
        text = statement["Statement"]
        assert len(text) <= 8192
        if removal := _REMOVAL.fullmatch(text):
            return self._remove(removal[1], removal[2], statement["Parameters"])
        matched = _STATEMENT.fullmatch(text)
        assert matched is not None, text
        names = [name.replace("''", "'") for name in _NAME.findall(matched[2])]
        assert _NAME.sub("", matched[2]) == "", text
        item = dict(zip(names, statement["Parameters"], strict=True))
        code = "ValidationError" if self.reject(item) else self.refuse(item)
        table = self._table(matched[1])
        if code is None and self._name(item) in table:
            code = "DuplicateItem"
        if code is not None:
            return {"Error": {"Code": code, "Message": "said the fake"}}
        table[self._name(item)] = item
        return {"TableName": matched[1]}

    def _remove(self, table: str, conditions: str, parameters: list[Any]) -> dict[str, Any]:
        """Delete one item if all its attributes are as a statement wants them; a key that is absent is no failure."""
        names = [name.replace('""', '"') for name in _EQUAL.findall(conditions)]
        assert _EQUAL.sub("", conditions) == "", conditions
        wanted: Item = dict(zip(names, parameters, strict=True))
        name = self._name(wanted)
        present = self._table(table).get(name)
        code = self.refuse(wanted)
        if code is None and present is not None and any(present.get(name) != value for name, value in wanted.items()):
            code = "ConditionalCheckFailed"
        if code is not None:
            return {"Error": {"Code": code, "Message": "said the fake"}}
        self._table(table).pop(name, None)
        return {"TableName": table}

    def _put_item(self, request: dict[str, Any]) -> dict[str, Any]:
        item = request["Item"]
        if self.reject(item):
            raise client_error("ValidationException", "wrong type for an index key")
        self._check(request)
        self._table(request["TableName"])[self._name(item)] = item
        return {}

    def _delete_item(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check(request)
        self._table(request["TableName"]).pop(self._name(request["Key"]), None)
        return {}

    def _batch_write_item(self, request: dict[str, Any]) -> dict[str, Any]:
        ((table, requests),) = request["RequestItems"].items()
        assert 1 <= len(requests) <= 25
        names = [
            self._name(entry.get("PutRequest", {}).get("Item") or entry["DeleteRequest"]["Key"]) for entry in requests
        ]
        assert len(set(names)) == len(names), "DynamoDB refuses a batch with one key twice"
        if any(self.reject(entry["PutRequest"]["Item"]) for entry in requests if "PutRequest" in entry):
            raise client_error("ValidationException")
        left = self.leave(requests)
        for name, entry in zip(names, requests, strict=True):
            if entry in left:
                continue
            if "PutRequest" in entry:
                self._table(table)[name] = entry["PutRequest"]["Item"]
            else:
                self._table(table).pop(name, None)
        return {"UnprocessedItems": {table: left} if left else {}}

    def _batch_get_item(self, request: dict[str, Any]) -> dict[str, Any]:
        ((table, wanted),) = request["RequestItems"].items()
        assert isinstance(wanted["ConsistentRead"], bool)
        assert 1 <= len(wanted["Keys"]) <= 100
        left = self.leave(wanted["Keys"])
        found = [self._table(table).get(self._name(key)) for key in wanted["Keys"] if key not in left]
        unprocessed = {table: {"Keys": left, "ConsistentRead": True}} if left else {}
        return {"Responses": {table: [item for item in found if item]}, "UnprocessedKeys": unprocessed}

    def _scan(self, request: dict[str, Any]) -> dict[str, Any]:
        del request
        items, cursor = self.pages.pop(0)
        tail = {} if cursor is None else {"LastEvaluatedKey": cursor}
        return {"Items": items, "Count": len(items), "ScannedCount": len(items), **tail}

    def _transact_write_items(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out one write of a table and one put of the control table, both or neither."""
        write, entry = request["TransactItems"]
        ((kind, body),) = write.items()
        codes = [
            "ValidationError" if self.reject(body.get("Item", {"pk": {"S": ""}})) else self._unmet(body),
            None if self.control.would_take(entry["Put"]) else "ConditionalCheckFailed",
        ]
        if any(codes):
            raise cancelled(*codes)
        {"Put": self._put_item, "Delete": self._delete_item}[kind](body)
        self.control.put_request(entry["Put"])
        return {}

    def _unmet(self, request: dict[str, Any]) -> str | None:
        present = self._table(request["TableName"]).get(self._name(request.get("Item") or request["Key"]))
        return None if is_met(request, present) else "ConditionalCheckFailed"

    def _check(self, request: dict[str, Any]) -> None:
        if self._unmet(request):
            raise client_error("ConditionalCheckFailedException")


class FakeKinesis(Wire):
    """A stream with PutRecords' own limits."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.taken: list[dict[str, Any]] = []
        self.calls: list[list[dict[str, Any]]] = []
        self.refuse: Callable[[int, dict[str, Any]], bool] = lambda _, __: False
        """Called with (0-based number of the call, entry)."""

    def call(self, operation: str, body: bytes) -> bytes:
        assert operation == "PutRecords"
        request = json.loads(body)
        assert request["StreamName"]
        records = [entry | {"Data": base64.b64decode(entry["Data"])} for entry in request["Records"]]
        assert 1 <= len(records) <= 500
        sizes = [len(entry["Data"]) + len(entry["PartitionKey"].encode()) for entry in records]
        assert sum(sizes) <= 5 * 1024 * 1024
        assert max(sizes) <= 1024 * 1024
        number = len(self.calls)
        self.calls.append(records)
        results: list[dict[str, str | None]] = []
        for entry in records:
            if self.refuse(number, entry):
                results.append({"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"})
            else:
                self.taken.append(entry)
                # AWS leaves an ErrorCode out, kinesis-local says null.
                there = {"ErrorCode": None} if len(self.taken) % 2 else {}
                results.append({"SequenceNumber": str(len(self.taken)), "ShardId": "shardId-0", **there})
        self.log.append(("kinesis.PutRecords", str(len(records))))
        failed = sum(bool(result.get("ErrorCode")) for result in results)
        return json.dumps({"FailedRecordCount": failed, "Records": results}).encode()


class FakeBucket:
    """S3, as far as rejects and lists need it."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.objects: dict[str, bytes] = {}
        self.put_at: dict[str, float] = {}
        """When an object was put, epoch seconds, where a test says so; else long after everything."""

    def get_paginator(self, operation: str) -> "FakeBucket":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803 — boto3's names
        assert Bucket
        names = sorted(name for name in self.objects if name.startswith(Prefix))
        ever = [datetime.fromtimestamp(int(self.put_at.get(name, 2e9)), UTC) for name in names]
        # A page without objects has no list of them.
        yield (
            {"Contents": [{"Key": name, "LastModified": at} for name, at in zip(names, ever, strict=True)]}
            if names
            else {}
        )

    def get_object(self, *, Bucket: str, Key: str, Range: str = "bytes=0-") -> dict[str, Any]:  # noqa: N803 — boto3's names
        assert Bucket
        if Key not in self.objects:
            raise client_error("NoSuchKey", status=404)
        begin, end = Range.removeprefix("bytes=").split("-")
        body = self.objects[Key][int(begin) : int(end) + 1 if end else None]
        assert body, "S3 answers InvalidRange"
        self.log.append(("s3.GetObject", f"{Key} {Range}"))
        return {"Body": io.BytesIO(body)}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803 — boto3's names
        assert Bucket
        assert ContentType
        self.log.append(("s3.PutObject", Key))
        self.objects[Key] = Body

    def lines(self) -> list[dict[str, Any]]:
        """Return every reject that is kept."""
        bodies = [body for name, body in self.objects.items() if name.startswith("rejects/")]
        return [json.loads(line) for body in bodies for line in body.splitlines()]


class FakeStage:
    """What a route goes over: two tables and the mappings on the source's stream. A test takes something away."""

    def __init__(self) -> None:
        key = {
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
        }
        self.tables: dict[str, dict[str, Any]] = {
            name: {
                "TableName": name,
                "TableId": f"{name}-1",
                "TableArn": f"arn:aws:dynamodb:eu-central-1:123456789012:table/{name}",
                "TableStatus": "ACTIVE",
                "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
                **key,
            }
            for name in ("source", "target")
        }
        self.elsewhere: dict[str, dict[str, Any]] = {}
        """The target's replicas, by Region."""
        self.turn_stream_on(STREAM)
        self.mappings = [mappings.EventSourceMapping("mapping-1", "Enabled", "replicator")]

    def turn_stream_on(self, arn: str) -> None:
        self.tables["source"] |= {
            "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
            "LatestStreamArn": arn,
        }

    def turn_stream_off(self) -> None:
        # DynamoDB still tells the last stream's ARN.
        del self.tables["source"]["StreamSpecification"]

    def add_replica(self, region: str, status: str = "ACTIVE") -> None:
        self.tables["target"].setdefault("Replicas", []).append({"RegionName": region, "ReplicaStatus": status})
        self.elsewhere[region] = {"TableName": "target", "TableId": f"{region}-1", "TableStatus": status}

    def describe(self, table: TableAddress) -> dict[str, Any] | None:
        """Return what DescribeTable says in the table's Region."""
        return self.tables.get(table.name) if table.region == PLAN.source.region else self.elsewhere.get(table.region)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tables, "describe", self.describe)
        monkeypatch.setattr(mappings, "find_mappings", lambda arn: self.mappings if arn == STREAM else [])
        monkeypatch.setenv("REPLICATE_CHANGES_FUNCTION", "replicator")


@dataclass
class FakeAws:
    """All of them, with one log."""

    log: Log = field(default_factory=list)

    def __post_init__(self) -> None:
        self.control = FakeControl(self.log)
        self.dynamodb = FakeDynamoDB(self.log, self.control)
        self.kinesis = FakeKinesis(self.log)
        self.bucket = FakeBucket(self.log)
        self.stage = FakeStage()
        self.waits: list[float] = []
        self._elsewhere: dict[str, FakeDynamoDB] = {}

    def dynamodb_in(self, region: str) -> FakeDynamoDB:
        """Return the tables of a Region; those of the migration's own are `dynamodb`."""
        if region == PLAN.source.region:
            return self.dynamodb
        return self._elsewhere.setdefault(region, FakeDynamoDB(self.log, self.control))

    def install(self, monkeypatch: pytest.MonkeyPatch) -> "FakeAws":
        """Put the fakes where the tasks find AWS; waits between tries are noted and not waited."""
        monkeypatch.setattr(books, "own_table", lambda: self.control)
        monkeypatch.setattr(wire, "to_table", lambda table: self.dynamodb_in(table.region))
        monkeypatch.setattr(wire, "to_kinesis", lambda: self.kinesis)
        monkeypatch.setattr(clients, "s3", lambda: self.bucket)
        self.stage.install(monkeypatch)
        known_plan.forget()
        monkeypatch.setattr(backoff, "PATIENCE_SECONDS", 0.0)  # who calls sees each wait, and none is slept for
        monkeypatch.setattr(backoff, "MOST_SLEPT_SECONDS", 0.0)
        monkeypatch.setattr(tries, "time", SimpleNamespace(sleep=self.waits.append))
        monkeypatch.setattr(target, "time", SimpleNamespace(monotonic=self.monotonic, sleep=self.waits.append))
        target.pace_of.cache_clear()  # in another test's time
        monkeypatch.setenv("PAGES_STREAM_ARN", "arn:aws:kinesis:eu-central-1:123456789012:stream/pages")
        monkeypatch.setenv("REJECTS_BUCKET", "rejects")
        monkeypatch.setenv("STREAM_READS_PER_SECOND", "1000")
        streams.forget_lists()
        look_at.forget()
        self.put_plan(PLAN)
        return self

    def monotonic(self) -> float:
        """Return the time, all waits included."""
        return time.monotonic() + sum(self.waits)

    def put_plan(self, plan: Plan) -> None:
        """Make this the plan that stream-driven functions go by."""
        document = {"plan": plan.model_dump(mode="json"), "stream_arn": STREAM}
        self.control.documents["migration", "plan"] = json.dumps(document)
        known_plan.forget()

    def put_rule(self, rule: str, since: float = 1000.0) -> None:
        """Put the replicator under a rule."""
        self.control.documents["migration", f"rule#{FORWARD}"] = json.dumps({"rule": rule, "since": since, "run": RUN})


def kinesis_event(*records: bytes) -> dict[str, Any]:
    """Return Lambda's event of a Kinesis batch, with sequence numbers 0, 1, 2 …"""
    return {
        "Records": [
            {"kinesis": {"sequenceNumber": str(number), "data": base64.b64encode(record).decode()}}
            for number, record in enumerate(records)
        ]
    }


class FakeLook:
    """What looks at the stream see."""

    def __init__(self, found: Callable[[], Tips], unapplied: list[Unapplied]) -> None:
        self.found = found
        self.unapplied = unapplied

    def see(self, *_: object, **__: object) -> Sight:
        return Sight(self.found(), self.unapplied)

    def look_for_oldest(self, *_: object, **__: object) -> list[Unapplied]:
        return self.unapplied


def sees(
    monkeypatch: pytest.MonkeyPatch,
    found: Tips | Callable[[], Tips] | None = None,
    unapplied: list[Unapplied] | None = None,
) -> None:
    """Let looks at the stream see these tips, and these changes that are not applied; what is not given stays."""
    before = getattr(look_at.see, "__self__", FakeLook(dict, []))
    given = before.found if found is None else found if callable(found) else functools.partial(dict, found)
    fake = FakeLook(given, before.unapplied if unapplied is None else unapplied)
    monkeypatch.setattr(look_at, "see", fake.see)
    monkeypatch.setattr(look_at, "look_for_oldest", fake.look_for_oldest)
