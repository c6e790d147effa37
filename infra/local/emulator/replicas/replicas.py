"""Global-table replicas (version 2019.11.21), which DynamoDB Local does not have: the control plane's side.

UpdateTable's ReplicaUpdates makes and removes replicas, one a call; DescribeTable shows them; indexes and TTL are the
same everywhere; DeleteTable takes a region out of its group. Errors carry AWS's codes and words. What keeps the
regions equal is `replica_group`.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from aiohttp import web

from infra.local.emulator.answers import OWN_PATHS, given, refusal
from infra.local.emulator.engines.dynamodb_calls import TABLES, DynamoDBCalls, EngineRefused
from infra.local.emulator.replicas.replica_group import Member, ReplicaGroup, Status
from infra.local.emulator.replicas.replica_rules import INVALID, Refused, check_source, replica_action, shape, tables_of

log = logging.getLogger(__name__)

VERSION = "2019.11.21"
LOST_ITEMS_PATH: Final = f"{OWN_PATHS}lost-items"
SOURCE_HELD_SECONDS = 24 * 3600.0


IN_USE = "The resource which you are attempting to change is in use."
# Settings that AWS keeps the same in all regions of a global table.
SHARED_SETTINGS = frozenset(
    {"AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexUpdates", "ProvisionedThroughput"}
)

Request = dict[str, Any]


class Replicas:
    """All global tables of this local AWS.

    Args:
        dynamodb: DynamoDB Local.
        delay_seconds: how long a replica is at least CREATING, or DELETING.
    """

    def __init__(self, dynamodb: DynamoDBCalls, *, delay_seconds: float) -> None:
        self._dynamodb = dynamodb
        self._delay_seconds = delay_seconds
        self._groups: list[ReplicaGroup] = []
        self._changes: set[asyncio.Task[None]] = set()
        self._answers: dict[str, Callable[[str, Request], Awaitable[Request]]] = {
            "DeleteTable": self._delete_table,
            "DescribeTable": self._describe_table,
            "UpdateTable": self._update_table,
            "UpdateTimeToLive": self._update_time_to_live,
        }
        self.operations = frozenset(self._answers)

    async def stop(self) -> None:
        """Stop replicating."""
        for change in self._changes:
            change.cancel()
        await asyncio.gather(*self._changes, return_exceptions=True)
        await asyncio.gather(*(group.stop() for group in self._groups))

    def wrote(self, region: str, body: bytes, started: float) -> None:
        """Note that a data-plane write in a region was answered that began at `started` (monotonic seconds)."""
        for group in self._groups:
            # Its name stands in every call that writes to it. Reading a stream for nothing is dear in DynamoDB Local:
            # it looks through all records of the region that are younger than the stream's last one.
            if region in group.members and group.table.encode() in body:
                group.wrote(region, started)

    def refuse(self, region: str, body: bytes) -> web.Response | None:
        """Refuse a data-plane call to a replica that is still being made: AWS does not know the table there yet."""
        for group in self._groups:
            member = group.members.get(region)
            if member is None or member.status is not Status.CREATING or group.table.encode() not in body:
                continue
            if group.table in tables_of(json.loads(body)):
                return refusal(
                    "ResourceNotFoundException", f"Requested resource not found: Table: {group.table} not found"
                )
        return None

    def regions_of(self, table: str, region: str) -> tuple[str, ...]:
        """Return the other regions of the global table that a table of a region belongs to."""
        group = self._group(table, region)
        return tuple(other for other in group.members if other != region) if group else ()

    def add_routes(self, app: web.Application) -> None:
        """Add `POST /_tableferry/lost-items`: a replica loses an item, which AWS promises never to let happen."""
        app.router.add_post(LOST_ITEMS_PATH, self._lose)

    async def _lose(self, request: web.Request) -> web.Response:
        lost = await request.json()
        group = self._group(lost["table"], lost["region"])
        if group is None:
            raise web.HTTPNotFound(text=f"{lost['table']} has no replica in {lost['region']}")
        await group.lose(lost["region"], lost["key"])
        return web.json_response({})

    async def answer(self, operation: str, region: str, body: bytes) -> web.Response:
        """Answer one of `operations`."""
        try:
            request = json.loads(body)
        except ValueError:
            return refusal("SerializationException", "the body is no JSON")
        try:
            said = await self._answers[operation](region, request)
        except (Refused, EngineRefused) as error:
            return refusal(error.code, error.message)
        return given(self._dynamodb.outward(json.dumps(said).encode(), region))

    def _group(self, table: str, region: str) -> ReplicaGroup | None:
        return next((group for group in self._groups if group.table == table and region in group.members), None)

    async def _describe(self, table: str, region: str) -> Request:
        described: Request = await self._dynamodb.call(TABLES, "DescribeTable", region, {"TableName": table})
        return dict(described["Table"])

    async def _describe_table(self, region: str, request: Request) -> Request:
        said = await self._dynamodb.call(TABLES, "DescribeTable", region, request)
        return {"Table": self._shown(said["Table"], region)}

    def _shown(self, table: Request, region: str) -> Request:
        """Return a table's description with what the group knows."""
        group = self._group(table["TableName"], region)
        if group is None:
            return table
        own = group.members[region].status
        if own is not Status.ACTIVE:
            table["TableStatus"] = own.value
        elif any(self._holds_the_table(member) for member in group.members.values()):
            table["TableStatus"] = "UPDATING"
        table["GlobalTableVersion"] = VERSION
        table["MultiRegionConsistency"] = "EVENTUAL"
        table["Replicas"] = [
            {
                "RegionName": member.region,
                "ReplicaStatus": member.status.value,
                **({"ReplicaStatusDescription": member.why} if member.why else {}),
            }
            for member in group.members.values()
            if member.region != region
        ]
        return table

    def _holds_the_table(self, member: Member) -> bool:
        """Whether the other tables are UPDATING for a replica: as on AWS, for a part only of its coming or going."""
        return member.is_changing and time.monotonic() - member.changing_since < self._delay_seconds / 2

    async def _update_table(self, region: str, request: Request) -> Request:
        table = request.get("TableName", "")
        if "ReplicaUpdates" in request:
            return await self._update_replicas(region, request)
        group = self._group(table, region)
        if group is None:
            return await self._dynamodb.call(TABLES, "UpdateTable", region, request)
        if group.is_changing:
            raise Refused("ResourceInUseException", IN_USE)
        if request.get("StreamSpecification", {}).get("StreamEnabled") is False:
            raise Refused(
                "ValidationException", INVALID + "Disabling Stream is not allowed for a Global Table replica."
            )
        said = await self._dynamodb.call(TABLES, "UpdateTable", region, request)
        shared = {name: value for name, value in request.items() if name in SHARED_SETTINGS}
        if shared.keys() - {"AttributeDefinitions"}:
            await self._in_other_regions("UpdateTable", group, region, {"TableName": table, **shared})
        return {"TableDescription": self._shown(said["TableDescription"], region)}

    async def _update_time_to_live(self, region: str, request: Request) -> Request:
        said = await self._dynamodb.call(TABLES, "UpdateTimeToLive", region, request)
        if group := self._group(request["TableName"], region):
            group.expires = True
            await self._in_other_regions("UpdateTimeToLive", group, region, request)
        return said

    async def _in_other_regions(self, operation: str, group: ReplicaGroup, region: str, request: Request) -> None:
        for other in group.members:
            if other != region:
                await self._dynamodb.call(TABLES, operation, other, request)

    async def _delete_table(self, region: str, request: Request) -> Request:
        table = request.get("TableName", "")
        group = self._group(table, region)
        if group is not None:
            member = group.members[region]
            if member.is_changing:
                raise Refused(
                    "ResourceInUseException",
                    f"Attempt to change a resource which is still in use: Table: {table} is being used.",
                )
            self._check_not_a_source(member)
        said = await self._dynamodb.call(TABLES, "DeleteTable", region, request)
        if group is not None:
            await self._leave(group, region)
        return said

    async def _update_replicas(self, region: str, request: Request) -> Request:
        table = request["TableName"]
        action, target = replica_action(request, region)
        described = await self._describe(table, region)
        group = self._group(table, region)
        if group and group.members[region].status is Status.CREATING:
            raise Refused(
                "ValidationException",
                "Create/Update/Delete of replica is not allowed while the replica is being added to table with name: "
                f"{table} in region {region}",
            )
        if action == "Create":
            group = await self._create(group, region, target, described)
        elif group is None or target not in group.members:
            raise Refused(
                "ValidationException",
                "Update global table operation failed because one or more replicas were not part of the global table. "
                f"Please retry the request without these replicas: [{target}].",
            )
        elif group.is_changing:
            raise Refused("ResourceInUseException", IN_USE)
        elif action == "Delete":
            await self._delete(group, target)
        return {"TableDescription": self._shown(described, region)}

    async def _create(self, group: ReplicaGroup | None, source: str, target: str, described: Request) -> ReplicaGroup:
        table = described["TableName"]
        existed = Refused(
            "ValidationException",
            f"Failed to create a the new replica of table with name: \u2018{table}\u2019 because one or more replicas "
            "already existed as tables.",
        )
        if group and target in group.members:
            raise existed
        if group and group.is_changing:
            raise Refused("ResourceInUseException", IN_USE)
        check_source(described)
        if group is None:
            group = ReplicaGroup(self._dynamodb, table, source)
            self._groups.append(group)
        now = time.monotonic()
        group.members[target] = Member(target, Status.CREATING, changing_since=now)
        group.members[source].sourced[target] = now
        try:
            await self._dynamodb.call(TABLES, "CreateTable", target, shape(described))
        except EngineRefused as error:
            await self._leave(group, target)
            if error.code == "ResourceInUseException":
                raise existed from error
            raise
        self._start(self._fill(group, source, target))
        return group

    async def _fill(self, group: ReplicaGroup, source: str, target: str) -> None:
        """Do the part of a replica's making that goes on after the answer."""
        member = group.members[target]
        try:
            ttl = await self._dynamodb.call(TABLES, "DescribeTimeToLive", source, {"TableName": group.table})
            if name := ttl["TimeToLiveDescription"].get("AttributeName"):
                setting = {"Enabled": True, "AttributeName": name}
                request = {"TableName": group.table, "TimeToLiveSpecification": setting}
                await self._dynamodb.call(TABLES, "UpdateTimeToLive", target, request)
                group.expires = True
            await group.fill(target, source)
        except (OSError, EngineRefused) as error:
            log.exception("replica of %s in %s could not be made", group.table, target)
            member.status, member.why = Status.CREATION_FAILED, str(error)
            return
        await asyncio.sleep(member.changing_since + self._delay_seconds - time.monotonic())
        member.status = Status.ACTIVE

    async def _delete(self, group: ReplicaGroup, target: str) -> None:
        member = group.members[target]
        self._check_not_a_source(member)
        if (await self._describe(group.table, target)).get("DeletionProtectionEnabled"):
            raise Refused(
                "ValidationException",
                "Resource cannot be deleted as it is currently protected against deletion. "
                "Disable deletion protection first.",
            )
        member.status, member.changing_since = Status.DELETING, time.monotonic()
        self._start(self._remove(group, member))

    async def _remove(self, group: ReplicaGroup, member: Member) -> None:
        """Do the part of a replica's removal that goes on after the answer."""
        await group.unfollow(member.region)
        await asyncio.sleep(self._delay_seconds)
        try:
            await self._dynamodb.call(TABLES, "DeleteTable", member.region, {"TableName": group.table})
        except (OSError, EngineRefused):
            log.exception("the table of the removed replica of %s in %s is left", group.table, member.region)
        await self._leave(group, member.region)

    async def _leave(self, group: ReplicaGroup, region: str) -> None:
        """Take a region out of its group; one region alone is no group."""
        await group.leave(region)
        if len(group.members) <= 1 and group in self._groups:
            self._groups.remove(group)
            await group.stop()

    def _start(self, change: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(change)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)

    def _check_not_a_source(self, member: Member) -> None:
        held_since = time.monotonic() - SOURCE_HELD_SECONDS
        if any(when > held_since for when in member.sourced.values()):
            raise Refused(
                "ValidationException",
                "Replica cannot be deleted because it has acted as a source region for new replica(s) being added to "
                "the table in the last 24 hours.",
            )
