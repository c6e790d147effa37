"""One event source mapping: its states, and the shards it reads while it is enabled."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from infra.local.emulator.lambdas.lambda_errors import in_use
from infra.local.emulator.lambdas.lambda_function import LambdaFunction
from infra.local.emulator.mappings.batch_delivery import DeliveryContext, Invoker
from infra.local.emulator.mappings.failure_destination import FailureDestination
from infra.local.emulator.mappings.mapping_settings import MappingSettings, MappingTimes, StartingPosition
from infra.local.emulator.mappings.service_calls import ServiceCallError, ServiceCalls
from infra.local.emulator.mappings.shard_consumer import ShardConsumer, ShardProgress
from infra.local.emulator.mappings.stream_source import Position, Shard, StreamSource, problem_of, stream_source

log = logging.getLogger(__name__)
_SETTLED: Final = ("Enabled", "Disabled")


class EventSourceMapping:
    """A mapping from a stream to a function.

    Args:
        uuid: its name.
        account: for its ARN.
        source: the stream.
        start: where to begin in it.
        function: the function that gets the records.
        settings: how they are delivered.
        times: how long its changes take.
        invoker: runs the function.
        calls: how discarded records reach S3, for the function.
    """

    def __init__(  # noqa: PLR0913 — what a mapping is made of
        self,
        *,
        uuid: str,
        account: str,
        source: StreamSource,
        start: StartingPosition,
        function: LambdaFunction,
        settings: MappingSettings,
        times: MappingTimes,
        invoker: Invoker,
        calls: ServiceCalls,
    ) -> None:
        self.uuid = uuid
        self.source = source
        self.function_arn = function.arn
        self.region = function.region
        self._account = account
        self._start = start
        self.settings = settings
        self._times = times
        self._invoker = invoker
        self._calls = calls
        self._state = "Creating"
        self._last_modified = time.time()
        self._last_result = "No records processed"
        self._progress: dict[str, ShardProgress] = {}
        self._has_read = False
        self._stopping = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._changing: asyncio.Task[None] | None = None

    def as_api(self) -> dict[str, Any]:
        """Return AWS's EventSourceMappingConfiguration."""
        answer: dict[str, Any] = {
            "UUID": self.uuid,
            "EventSourceMappingArn": f"arn:aws:lambda:{self.region}:{self._account}:event-source-mapping:{self.uuid}",
            "EventSourceArn": self.source.arn,
            "FunctionArn": self.function_arn,
            "StartingPosition": self._start.kind,
            "LastModified": self._last_modified,
            "LastProcessingResult": self._last_result,
            "State": self._state,
            "StateTransitionReason": "User action",
            **self.settings.as_api(),
        }
        if self._start.timestamp is not None:
            answer["StartingPositionTimestamp"] = self._start.timestamp
        return answer

    def create(self, *, enabled: bool) -> None:
        """Begin its life: Creating, and after a while Enabled or Disabled."""
        self._change("Creating", self._settle(enabled=enabled))

    def update(self, settings: MappingSettings, function: LambdaFunction | None, *, enabled: bool | None) -> None:
        """Take new settings. Reading stops after the batch under way, and goes on from there with them.

        Args:
            settings: all of the settings, changed or not.
            function: another function, or None to keep it.
            enabled: whether to be enabled afterwards; None to stay as it is.

        Raises:
            LambdaApiError: an earlier change has not taken effect yet.
        """
        self._check_settled("update")
        was_enabled = self._state == "Enabled"
        becomes_enabled = was_enabled if enabled is None else enabled
        state = "Updating"
        if becomes_enabled != was_enabled:
            state = "Enabling" if becomes_enabled else "Disabling"
        self._last_modified = time.time()

        async def apply() -> None:
            await self._stop_reading()
            self.settings = settings
            if function:
                self.function_arn = function.arn
                self._calls = self._calls.for_function(function.arn)
                self.source = stream_source(self.source.arn, self._calls)
            await self._settle(enabled=becomes_enabled)

        self._change(state, apply())

    def delete(self, forget: Callable[[], None]) -> None:
        """End: Deleting until the batch under way is through, then `forget` is called.

        Raises:
            LambdaApiError: an earlier change has not taken effect yet.
        """
        self._check_settled("delete")

        async def end() -> None:
            await self._stop_reading()
            await asyncio.sleep(self._times.change)
            forget()

        self._change("Deleting", end())

    async def kill(self) -> None:
        """End now, whatever is under way: the local AWS stops."""
        tasks = [task for task in (self._changing, self._reading) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _check_settled(self, verb: str) -> None:
        if self._state not in _SETTLED:
            raise in_use(f"Cannot {verb} the event source mapping because it is in use ({self._state}).")

    def _change(self, state: str, change: Coroutine[Any, Any, None]) -> None:
        self._state = state
        self._changing = asyncio.create_task(change)

    async def _settle(self, *, enabled: bool) -> None:
        await asyncio.sleep(self._times.change)
        self._state = "Enabled" if enabled else "Disabled"
        if enabled:
            self._stopping = asyncio.Event()
            self._reading = asyncio.create_task(self._read())

    async def _stop_reading(self) -> None:
        self._stopping.set()
        if self._reading:
            # Not awaited itself: a fault in it has been told already, and must not keep the mapping from changing.
            await asyncio.wait({self._reading})
            self._reading = None

    def _report(self, result: str) -> None:
        self._last_result = result

    async def _read(self) -> None:
        """Consume the shards, each as soon as its parents are through, until the mapping stops."""
        await self._pause(self._times.first_poll)
        consuming: dict[str, asyncio.Task[None]] = {}
        try:
            while not self._stopping.is_set():
                await self._start_shards(consuming)
                await self._pause(self._times.discovery, *consuming.values())
                for shard_id in [shard_id for shard_id, task in consuming.items() if task.done()]:
                    consuming.pop(shard_id).result()
            await asyncio.gather(*consuming.values())
        except Exception:
            # Nobody awaits this task while the mapping is enabled: without this a fault of ours would stay unseen.
            log.exception("the event source mapping %s from %s has stopped", self.uuid, self.source.arn)
            self._report("PROBLEM: internal error of the local event source mapping")
            raise
        finally:
            for task in consuming.values():
                task.cancel()
            await asyncio.gather(*consuming.values(), return_exceptions=True)

    async def _start_shards(self, consuming: dict[str, asyncio.Task[None]]) -> None:
        try:
            shards = await self.source.shards()
        except ServiceCallError as error:
            if error.code != "Unreachable":
                self._report(problem_of(error, self.source))
            return
        self._learn(shards)
        listed = {shard.shard_id for shard in shards}
        for shard in shards:
            progress = self._progress[shard.shard_id]
            # A parent that is no longer listed has been trimmed away, and its records with it.
            waits = any(parent in listed and not self._progress[parent].is_finished for parent in shard.parents)
            if not progress.is_finished and not waits and shard.shard_id not in consuming:
                consumer = ShardConsumer(self.source, shard.shard_id, progress, self._context())
                consuming[shard.shard_id] = asyncio.create_task(consumer.run())

    def _learn(self, shards: list[Shard]) -> None:
        """Note where to begin in shards that are new."""
        for shard in shards:
            if shard.shard_id in self._progress:
                continue
            if self._has_read:
                # It came from shards that are being read: all of it is new.
                self._progress[shard.shard_id] = ShardProgress(Position("TRIM_HORIZON"))
            else:
                # A shard that was closed before has nothing for a mapping that starts at the end.
                is_past = self._start.kind == "LATEST" and shard.is_closed
                position = Position(self._start.kind, self._start.timestamp)
                self._progress[shard.shard_id] = ShardProgress(position, is_finished=is_past)
        self._has_read = self._has_read or bool(shards)

    def _context(self) -> DeliveryContext:
        return DeliveryContext(
            invoker=self._invoker,
            function_arn=self.function_arn,
            region=self.region,
            settings=self.settings,
            times=self._times,
            destination=FailureDestination(self._calls, self.uuid, self.function_arn, self.source),
            report=self._report,
            stopping=self._stopping,
        )

    async def _pause(self, seconds: float, *until: asyncio.Task[None]) -> None:
        """Wait some seconds, or until the mapping stops or one of the tasks ends."""
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({stopping, *until}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
