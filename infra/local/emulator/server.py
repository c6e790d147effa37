"""The local AWS: all parts in one asyncio process behind one port of 127.0.0.1."""

import asyncio
import os
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from aiohttp import web

from infra.install import locate
from infra.local.emulator.client import ACCOUNT, DEFAULT_REGION, environment
from infra.local.emulator.dynamodb_api import DynamoDBApi
from infra.local.emulator.engines.dynamodb_calls import DynamoDBCalls
from infra.local.emulator.engines.engines import start_both
from infra.local.emulator.engines.kinesis_calls import KinesisCalls
from infra.local.emulator.engines.moto_app import MotoApp
from infra.local.emulator.engines.upstream import Upstream
from infra.local.emulator.faults.injection import Faults
from infra.local.emulator.gateway import Gateway, scope_of
from infra.local.emulator.lambda_api import add_routes
from infra.local.emulator.lambdas.lambda_host import LambdaHost
from infra.local.emulator.limits.limits import Limits
from infra.local.emulator.listener import Listener
from infra.local.emulator.mappings.event_source_mappings import EventSourceMappings
from infra.local.emulator.permissions.callers import Callers
from infra.local.emulator.permissions.permissions import Permissions
from infra.local.emulator.permissions.roles import Roles, iam_of_moto
from infra.local.emulator.permissions.state_machines import name_roles
from infra.local.emulator.replicas.replicas import Replicas
from infra.local.emulator.scratch import scratch_folder

# Shorter than the engines' own idle timeouts (Jetty's 30 s, kinesis-local's 60 s).
IDLE_SECONDS = 15.0


class LocalAws:
    """Everything, started and stopped together.

    Args:
        region: of calls that are not signed for one.
        replica_seconds: how long a replica takes at least to come or go.
        record_requirements: a folder into which, when it stops, it writes what functions needed to be allowed.

    Attributes:
        endpoint_url: the gateway's address, once started.
        gateway: its hooks and counts, once started.
    """

    gateway: Gateway

    def __init__(
        self,
        *,
        region: str = DEFAULT_REGION,
        replica_seconds: float = 1.0,
        record_requirements: Path | None = None,
    ) -> None:
        self.endpoint_url = ""
        self._region = region
        self._replica_seconds = replica_seconds
        self._record_requirements = record_requirements
        self._stack = AsyncExitStack()

    async def start(self) -> None:
        """Start all parts; whatever was started is stopped again when one fails.

        Raises:
            EngineMissing: something is not installed.
            EngineFailed: an engine did not become ready.
        """
        try:
            await self._start(self._stack)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all parts, in the reverse order of their start."""
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        # The port is taken first: the parts that call back through the gateway are told it when they are made.
        listener = Listener()
        stack.callback(listener.close)
        self.endpoint_url = f"http://127.0.0.1:{listener.port}"
        # What moto's Step Functions calls with boto3 from this process must not find its user's settings.
        os.environ.pop("AWS_PROFILE", None)
        os.environ.update(environment(self.endpoint_url, self._region))
        scratch = stack.enter_context(scratch_folder())
        temporary = scratch / "dynamodb"
        temporary.mkdir()
        # moto takes a second to import, and the engines longer to start: both at once.
        importing = asyncio.create_task(asyncio.to_thread(MotoApp, port=listener.port))
        dynamodb_engine, kinesis_engine = await start_both(
            locate(), account=ACCOUNT, region=self._region, temporary=temporary
        )
        stack.push_async_callback(dynamodb_engine.stop)
        stack.push_async_callback(kinesis_engine.stop)

        dynamodb_upstream = Upstream(dynamodb_engine.port, idle_seconds=IDLE_SECONDS)
        stack.push_async_callback(dynamodb_upstream.close)
        kinesis_upstream = Upstream(kinesis_engine.port, idle_seconds=IDLE_SECONDS)
        stack.push_async_callback(kinesis_upstream.close)
        dynamodb = DynamoDBCalls(dynamodb_upstream, account=ACCOUNT)
        replicas = Replicas(dynamodb, delay_seconds=self._replica_seconds)
        stack.push_async_callback(replicas.stop)
        moto = await importing
        stack.callback(moto.stop)
        name_roles()
        kinesis = KinesisCalls(kinesis_upstream)
        self.gateway = Gateway(
            dynamodb=DynamoDBApi(dynamodb, replicas),
            kinesis=kinesis,
            moto=moto,
            region=self._region,
        )

        code_root = scratch / "lambda"
        host = LambdaHost(endpoint_url=self.endpoint_url, region=self._region, account=ACCOUNT, code_root=code_root)
        mappings = EventSourceMappings(host=host, endpoint_url=self.endpoint_url, account=ACCOUNT)
        permissions = Permissions(
            callers=Callers(host, ACCOUNT),
            roles=Roles(partial(iam_of_moto, ACCOUNT)),
            world=_World(replicas, mappings),
            account=ACCOUNT,
            region=self._region,
        )
        mappings.permissions = permissions
        if self._record_requirements:
            stack.callback(permissions.record.write_to, self._record_requirements)
        faults = Faults(host, listener.restart)
        limits = Limits(partial(_open_shards, kinesis, self._region))
        # What is not allowed is refused before anything else can happen to it.
        self.gateway.before += [permissions.before, limits.before, faults.before]
        self.gateway.after += [faults.after, limits.after]
        app = self.gateway.application(
            partial(add_routes, host=host, mappings=mappings),
            faults.add_routes,
            limits.add_routes,
            replicas.add_routes,
            permissions.add_routes,
        )
        # A caller that is gone does not undo its call; nothing here takes long enough to wait for at the end.
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(faults.stop)
        await listener.serve(runner)
        await host.start()
        stack.push_async_callback(host.stop)
        await mappings.start()
        stack.push_async_callback(mappings.stop)


async def _open_shards(kinesis: KinesisCalls, own_region: str, request: web.Request, call: dict[str, str]) -> int:
    """Return how many shards of the stream that a call is about are open."""
    region, _ = scope_of(request)
    stream: dict[str, str] = {name: call[name] for name in ("StreamName", "StreamARN") if name in call}
    return await kinesis.count_shards(region or own_region, stream)


class _World:
    """What permissions depend on besides calls themselves."""

    def __init__(self, replicas: Replicas, mappings: EventSourceMappings) -> None:
        self._replicas = replicas
        self._mappings = mappings

    def replica_regions(self, table: str, region: str) -> tuple[str, ...]:
        """Return the other Regions of a global table."""
        return self._replicas.regions_of(table, region)

    def function_of_mapping(self, uuid: str) -> str | None:
        """Return the ARN of the function that an event source mapping calls, None if there is no such mapping."""
        return self._mappings.function_of_mapping(uuid)
