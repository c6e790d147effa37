"""One global table: follows the streams of its regions and writes each one's changes into the others."""

import asyncio
import itertools
import json
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Any

from infra.local.emulator.engines.dynamodb_calls import STREAMS, TABLES, DynamoDBCalls, EngineRefused
from infra.local.emulator.replicas.replica_merge import Change, Image, Merge, key_text

log = logging.getLogger(__name__)

BATCH_ITEMS = 25
BATCHES_AT_ONCE = 4
ROUND_SECONDS = 0.05  # the least time between two rounds; about half of it is how late a replica is
IDLE_ROUND_SECONDS = 1.0  # the least time between two readings of a stream of which no call told anything new
RETRY_SECONDS = 0.2
# DynamoDB Local ends a GetRecords at 1,000 records and at nothing else: fewer means that there were no more.
FULL_RECORDS = 1000


class Status(StrEnum):
    """A replica's status as DescribeTable shows it."""

    CREATING = "CREATING"
    CREATION_FAILED = "CREATION_FAILED"
    ACTIVE = "ACTIVE"
    DELETING = "DELETING"


@dataclass
class Member:
    """One region of a global table.

    Attributes:
        why: why it could not be made.
        changing_since: when (monotonic seconds) it began to come or go.
        iterator: where its stream is read next; empty until it is followed.
        sourced: when (monotonic seconds) it was the source of which other region.
        written_since: its unread changes were written then or later (monotonic seconds); None: nothing is known to
            be unread.
        read_at: when its stream was last read to its end.
    """

    region: str
    status: Status
    why: str = ""
    changing_since: float = 0.0
    iterator: str = ""
    sourced: dict[str, float] = field(default_factory=dict)
    written_since: float | None = None
    read_at: float = 0.0

    @property
    def is_changing(self) -> bool:
        """Whether it is coming or going."""
        return self.status in {Status.CREATING, Status.DELETING}


class ReplicaGroup:
    """The members of one global table and the task that keeps them equal.

    Attributes:
        expires: whether its items may expire by TTL, which no call announces: its streams are then read for it.
    """

    def __init__(self, dynamodb: DynamoDBCalls, table: str, region: str) -> None:
        self.table = table
        self.members = {region: Member(region, Status.ACTIVE)}
        self.expires = False
        self._dynamodb = dynamodb
        self._merge = Merge()
        self._written = asyncio.Event()
        # A round, or a change of the members: never both.
        self._turn = asyncio.Lock()
        self._follower: asyncio.Task[None] | None = None

    @property
    def is_changing(self) -> bool:
        """Whether a replica is coming or going."""
        return any(member.is_changing for member in self.members.values())

    def wrote(self, region: str, started: float) -> None:
        """Note that a call was answered that began at `started` (monotonic) and may have changed the region's table."""
        member = self.members[region]
        if member.written_since is None or started < member.written_since:
            member.written_since = started
        self._written.set()

    async def fill(self, region: str, source: str) -> None:
        """Bring a new, empty table of `region` level with `source`, and replicate it from then on.

        Changes written during the copy are not missed: the streams are not followed meanwhile, and everything since
        the copy began is replayed in order afterwards.
        """
        async with self._turn:
            origin = self.members[source]
            if not origin.iterator:
                origin.iterator = await self._newest(source)
            await self._copy(source, region)
            self.members[region].iterator = await self._newest(region)
            self.members[region].read_at = time.monotonic()
            origin.written_since = origin.written_since or time.monotonic()
        self._written.set()
        if self._follower is None:
            self._follower = asyncio.create_task(self._follow(), name=f"replicas of {self.table}")

    async def lose(self, region: str, keys: Image) -> None:
        """Take an item from one region alone."""
        async with self._turn:
            self._merge.lose(region, keys)
            await self._write(region, self._merge.take_writes(region))
            self.wrote(region, time.monotonic())

    async def unfollow(self, region: str) -> None:
        """Replicate a region no more; it stays a member until `leave`."""
        async with self._turn:
            self.members[region].iterator = ""
            self._merge.leave(region)

    async def leave(self, region: str) -> None:
        """Let a region no longer be a member."""
        await self.unfollow(region)
        del self.members[region]
        for member in self.members.values():
            member.sourced.pop(region, None)

    async def stop(self) -> None:
        """Stop replicating."""
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
            self._follower = None

    async def _follow(self) -> None:
        while True:
            started = time.monotonic()
            try:
                async with self._turn:
                    await self._round()
            except (OSError, EngineRefused) as error:
                log.warning("replicas of %s: %s; trying again", self.table, error)
                await asyncio.sleep(RETRY_SECONDS)
                continue
            except Exception:
                log.exception("replicas of %s: replication has stopped, by an error in this program", self.table)
                raise
            await asyncio.sleep(max(0.0, started + ROUND_SECONDS - time.monotonic()))
            if all(member.written_since is None for member in self.members.values()):
                self._written.clear()
                try:
                    async with asyncio.timeout(IDLE_ROUND_SECONDS if self.expires else None):
                        await self._written.wait()
                except TimeoutError:
                    continue

    async def _round(self) -> None:
        """Read what was written, then write it elsewhere; all is read before anything is written."""
        now = time.monotonic()
        followed = [member for member in self.members.values() if member.iterator]
        # A region to which only we write is read once in a while: its stream holds nothing but echoes.
        due = [
            member
            for member in followed
            if member.written_since is not None or now - member.read_at >= IDLE_ROUND_SECONDS
        ]
        # No call may still run when the round's turn ends, hence the exceptions are looked at afterwards.
        read = await asyncio.gather(*(self._read(member) for member in due), return_exceptions=True)
        writes = (self._write(member.region, self._merge.take_writes(member.region)) for member in followed)
        wrote = await asyncio.gather(*writes, return_exceptions=True)
        for outcome in (*read, *wrote):
            if outcome is not None:
                raise outcome

    async def _read(self, member: Member) -> None:
        """Read a region's stream once and hand its changes to the merge."""
        began = time.monotonic()
        stamp = max(member.read_at, member.written_since or 0.0)
        noted, member.written_since = member.written_since, None
        body = json.dumps({"ShardIterator": member.iterator}).encode()
        try:
            answer = await self._dynamodb.forward(STREAMS, "GetRecords", member.region, body)
            if answer.status != HTTPStatus.OK and b"TrimmedDataAccessException" in answer.body:
                # LATEST of a stream without records is a place that other tables' streams can move DynamoDB Local
                # past. Such a stream's first record is the first that is wanted here.
                member.iterator = await self._iterator(member.region, "TRIM_HORIZON")
                raise ConnectionError("its first records came; reading from there")
            if answer.status != HTTPStatus.OK:
                raise ConnectionError(f"its stream cannot be read: {answer.body.decode('utf-8', 'replace')}")
        except OSError:
            member.written_since = began if noted is None else noted
            raise
        said = json.loads(answer.body)
        records = said["Records"]
        # From here to the end nothing waits: a region's records are seen whole.
        member.iterator = said["NextShardIterator"]
        regions = [other.region for other in self.members.values() if other.iterator]
        for record in records:
            self._merge.see(member.region, _change(record["dynamodb"], stamp), regions)
        if len(records) < FULL_RECORDS:
            self._merge.reached_tip(member.region)
            member.read_at = began
        else:
            member.written_since = stamp

    async def _write(self, region: str, changes: list[Change]) -> None:
        requests = [
            {"DeleteRequest": {"Key": change.keys}} if change.new is None else {"PutRequest": {"Item": change.new}}
            for change in changes
        ]
        await self._put_all(region, requests)

    async def _put_all(self, region: str, requests: list[dict[str, Any]]) -> None:
        """Write puts and deletes of distinct keys, 25 a call; what fails is tried again until it is written."""
        room = asyncio.Semaphore(BATCHES_AT_ONCE)

        async def put(batch: list[dict[str, Any]]) -> None:
            async with room:
                while batch:
                    try:
                        said = await self._dynamodb.call(
                            TABLES, "BatchWriteItem", region, {"RequestItems": {self.table: batch}}
                        )
                    except (OSError, EngineRefused) as error:
                        if isinstance(error, EngineRefused) and error.code == "ResourceNotFoundException":
                            return  # the table is being deleted, and nobody will miss what is not written
                        log.warning("replica of %s in %s: %s; trying again", self.table, region, error)
                        await asyncio.sleep(RETRY_SECONDS)
                        continue
                    batch = said.get("UnprocessedItems", {}).get(self.table, [])

        await asyncio.gather(*(put(batch) for batch in _batches(requests)))

    async def _copy(self, source: str, target: str) -> None:
        """Write every item of the source's table into the target's."""
        request: dict[str, Any] = {"TableName": self.table, "ConsistentRead": True}
        while True:
            page = await self._dynamodb.call(TABLES, "Scan", source, request)
            await self._put_all(target, [{"PutRequest": {"Item": item}} for item in page["Items"]])
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    async def _newest(self, region: str) -> str:
        """Return an iterator from which every later change of the region's table is read."""
        return await self._iterator(region, "LATEST")

    async def _iterator(self, region: str, kind: str) -> str:
        table = (await self._dynamodb.call(TABLES, "DescribeTable", region, {"TableName": self.table}))["Table"]
        stream = {"StreamArn": table["LatestStreamArn"]}
        # DynamoDB Local keeps a stream in one shard and never closes it.
        [shard] = (await self._dynamodb.call(STREAMS, "DescribeStream", region, stream))["StreamDescription"]["Shards"]
        request = {**stream, "ShardId": shard["ShardId"], "ShardIteratorType": kind}
        return str((await self._dynamodb.call(STREAMS, "GetShardIterator", region, request))["ShardIterator"])


def _change(record: dict[str, Any], stamp: float) -> Change:
    keys: Image = record["Keys"]
    return Change(key_text(keys), keys, record.get("OldImage"), record.get("NewImage"), stamp)


def _batches(requests: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    every = iter(requests)
    while batch := list(itertools.islice(every, BATCH_ITEMS)):
        yield batch
