"""Lets tables and shards take only so much, at the gateway's hooks, and refuses the rest as AWS does.

| call | does |
|---|---|
| `PUT /_tableferry/limits` | sets limits, a JSON list (see limit.py), in place of earlier ones of the same names |
| `GET /_tableferry/limits` | lists each with the units taken and the refusals |
| `DELETE /_tableferry/limits` | lifts those of the table or stream in the parameter `of`, by default all |

| call | beyond the limit |
|---|---|
| a read or write of one item, Scan, Query | refused as a whole |
| BatchWriteItem, BatchGetItem | what is too much stays unprocessed; refused as a whole where nothing is left |
| BatchExecuteStatement | each statement that is too much answers for itself |
| TransactWriteItems | cancelled |
| PutRecords | each record that is too much for its shard answers for itself, and is counted |

What a Scan or a Query takes is known behind it; it may owe, and what comes next waits for that.
"""

import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from infra.local.emulator.answers import OWN_PATHS, refusal
from infra.local.emulator.bodies import body_of, replace_body
from infra.local.emulator.engines.kinesis_calls import record_bytes
from infra.local.emulator.faults.actions import merged
from infra.local.emulator.faults.refusals import refused
from infra.local.emulator.faults.torn_batch import Call, TornBatch, leave_out
from infra.local.emulator.gateway import operation_of
from infra.local.emulator.limits.limit import Bucket, Limit
from infra.local.emulator.limits.sizes import item_bytes, read_units, value_bytes, write_units

LIMITS_PATH: Final = f"{OWN_PATHS}limits"

_LIMITS: Final = TypeAdapter(list[Limit])
_TORN: Final = "tableferry-limited"
_READ: Final = "tableferry-read"
_MESSAGE: Final = "a limit of the local AWS; see infra/local/emulator/limits"
_READS: Final = frozenset({"GetItem", "Query", "Scan"})
_WRITES: Final = frozenset({"DeleteItem", "PutItem", "UpdateItem"})
_BATCHES: Final = frozenset({"BatchExecuteStatement", "BatchGetItem", "BatchWriteItem", "kinesis.PutRecords"})
_EXCEEDED: Final = "ProvisionedThroughputExceededException"
_WHOLE: Final = {"ProvisionedThroughputExceeded": _EXCEEDED, "ThrottlingError": "ThrottlingException"}
"""What a whole call is refused with, by what a part of it is."""
_HASH_KEYS: Final = 1 << 128


ShardsOf = Callable[[web.Request, Call], Awaitable[int]]
"""Returns, once awaited, how many shards of the stream that a call is about are open."""


@dataclass
class Limited:
    """A limit at work."""

    limit: Limit
    clock: Callable[[], float]

    def __post_init__(self) -> None:
        self._buckets: dict[tuple[str, int], Bucket] = {}

    def bucket(self, of: str, shard: int = 0) -> Bucket | None:
        """Return the bucket of what is limited (`write_units` …), `None` if that is not."""
        rate: float | None = getattr(self.limit, of)
        if rate is None:
            return None
        if (of, shard) not in self._buckets:
            self._buckets[of, shard] = Bucket(rate, self.limit.burst_seconds, self.clock)
        return self._buckets[of, shard]

    @property
    def code(self) -> str:
        """The error that a call gets to hear."""
        return _WHOLE[self.statement_code]

    @property
    def statement_code(self) -> str:
        """The error that one statement gets to hear."""
        return "ThrottlingError" if self.limit.is_on_demand else "ProvisionedThroughputExceeded"

    def report(self) -> dict[str, object]:
        """Return the limit, what was taken, and how often something was refused."""
        buckets = self._buckets.items()
        return {
            **self.limit.model_dump(exclude_defaults=True),
            "taken": {of: sum(bucket.taken for (kind, _), bucket in buckets if kind == of) for (of, _), _ in buckets},
            "refused": sum(bucket.refused for _, bucket in buckets),
        }


class Limits:
    """The limits, and the two hooks that keep them.

    Args:
        shards_of: counts the open shards of a stream.
        clock: in seconds.
    """

    def __init__(self, shards_of: ShardsOf, clock: Callable[[], float] = time.monotonic) -> None:
        self._shards_of = shards_of
        self._clock = clock
        self._limited: dict[str, Limited] = {}

    def add_routes(self, app: web.Application) -> None:
        """Add the calls above."""
        app.router.add_put(LIMITS_PATH, self._set)
        app.router.add_get(LIMITS_PATH, self._tell)
        app.router.add_delete(LIMITS_PATH, self._lift)

    async def before(self, request: web.Request) -> web.StreamResponse | None:
        """Refuse what is too much, or leave it out of a batch."""
        if not self._limited:
            return None
        operation = operation_of(request)
        if operation in _BATCHES:
            return await self._limit_batch(request, operation, json.loads(await body_of(request)))
        if operation == "TransactWriteItems":
            return self._limit_transaction(json.loads(await body_of(request)))
        return await self._limit_one(request, operation) if operation in _READS | _WRITES else None

    async def _limit_one(self, request: web.Request, operation: str) -> web.StreamResponse | None:
        call: Call = json.loads(await body_of(request))
        limited = self._limited.get(_name(call.get("TableName", "")))
        bucket = None if limited is None else limited.bucket("read_units" if operation in _READS else "write_units")
        if limited is None or bucket is None:
            return None
        if not bucket.is_open():
            return refused(operation, limited.code, 400, _MESSAGE)
        if operation in _READS:
            request[_READ] = (bucket, bool(call.get("ConsistentRead")))
        else:
            bucket.charge(write_units(item_bytes(call.get("Item") or {})))
        return None

    async def after(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """Put what was left out into the answer, and charge what was read."""
        torn: TornBatch | None = request.get(_TORN)
        if torn is not None:
            return merged(torn, response)
        if (read := request.get(_READ)) is not None and isinstance(response, web.Response):
            bucket, is_consistent = read
            size = len(response.body) if isinstance(response.body, bytes) else 0
            bucket.charge(read_units(size, is_consistent=is_consistent))
        return response

    async def _limit_batch(self, request: web.Request, operation: str, call: Call) -> web.StreamResponse | None:
        if operation == "kinesis.PutRecords":
            limited = self._limited.get(_name(call.get("StreamName") or call.get("StreamARN", "")))
            shards = await self._shards_of(request, call) if limited else 1
            takes = [limited is None or _takes_record(limited, record, shards) for record in call["Records"]]
            code = _EXCEEDED
        else:
            found = [self._takes_member(*member) for member in _members(operation, call)]
            takes = [each is None for each in found]
            code = next((each for each in found if each), "")
        out = {number for number, is_taken in enumerate(takes) if not is_taken}
        if not out:
            return None
        torn = leave_out(operation, call, out, code, _MESSAGE)
        if torn.is_whole:
            return refused(operation, _WHOLE[code], 400, _MESSAGE)
        if torn.body is None:
            return web.json_response(torn.merge({}), content_type=request.content_type)
        replace_body(request, torn.body)
        request[_TORN] = torn
        return None

    def _takes_member(self, table: str, of: str, units: float) -> str | None:
        """Take a member's units; return the statement's error if they are not there."""
        limited = self._limited.get(table)
        bucket = None if limited is None else limited.bucket(of)
        if limited is None or bucket is None or bucket.take(units):
            return None
        return limited.statement_code

    def _limit_transaction(self, call: Call) -> web.StreamResponse | None:
        parts = [part for member in call["TransactItems"] for part in member.values()]
        buckets = []
        for part in parts:
            limited = self._limited.get(_name(part.get("TableName", "")))
            bucket = None if limited is None else limited.bucket("write_units")
            buckets.append((bucket, item_bytes(part.get("Item") or {})))
        is_open = [bucket is None or bucket.is_open() for bucket, _ in buckets]
        if all(is_open):
            for bucket, size in buckets:
                if bucket is not None:
                    bucket.charge(2 * write_units(size))
            return None
        reasons = [{"Code": "None"} if each else {"Code": "ThrottlingError", "Message": _MESSAGE} for each in is_open]
        name = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
        answer = refusal(name, f"Transaction cancelled: {_MESSAGE}")
        said = {"__type": name, "Message": _MESSAGE, "CancellationReasons": reasons}
        return web.Response(status=400, body=json.dumps(said).encode(), headers=answer.headers)

    async def _set(self, request: web.Request) -> web.StreamResponse:
        try:
            limits = _LIMITS.validate_json(await request.read())
        except ValidationError as error:
            return web.json_response({"message": str(error)}, status=400)
        self._limited |= {limit.table or limit.stream: Limited(limit, self._clock) for limit in limits}
        return web.json_response({"limits": len(self._limited)}, status=201)

    async def _tell(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response([limited.report() for limited in self._limited.values()])

    async def _lift(self, request: web.Request) -> web.StreamResponse:
        of = request.query.get("of")
        self._limited = {name: limited for name, limited in self._limited.items() if of and name != of}
        return web.json_response({"limits": len(self._limited)})


def _name(given: str) -> str:
    """Return the name of a table or a stream that may be given by its ARN."""
    return given.rpartition("/")[2]


def _members(operation: str, call: Call) -> Iterator[tuple[str, str, float]]:
    """Yield table, what is limited, and units of each member of a batch, in the batch's order."""
    if operation == "BatchExecuteStatement":
        for statement in call["Statements"]:
            size = sum(map(value_bytes, statement.get("Parameters", []))) + len(statement["Statement"])
            yield statement["Statement"].partition('"')[2].partition('"')[0], "write_units", write_units(size)
        return
    for table, part in call["RequestItems"].items():
        if operation == "BatchGetItem":
            for _ in part["Keys"]:
                yield _name(table), "read_units", read_units(0, is_consistent=bool(part.get("ConsistentRead")))
        else:
            for member in part:
                size = item_bytes(member["PutRequest"]["Item"]) if "PutRequest" in member else 0
                yield _name(table), "write_units", write_units(size)


def _takes_record(limited: Limited, record: dict[str, Any], shards: int) -> bool:
    """Take a record's part of its shard: shards share the hash keys evenly, unless they were split by hand."""
    hashed = int.from_bytes(hashlib.md5(str(record["PartitionKey"]).encode(), usedforsecurity=False).digest())
    shard = hashed * shards // _HASH_KEYS
    records, size = limited.bucket("records", shard), limited.bucket("bytes", shard)
    if any(bucket is not None and not bucket.is_open() for bucket in (records, size)):
        return False
    if records is not None:
        records.charge(1)
    if size is not None:
        size.charge(record_bytes(record))
    return True
