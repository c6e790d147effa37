"""Reads one shard and deals its records out to lanes, each of which has at most one batch under way.

Without a parallelization factor there is one lane, so that the shard has one batch under way. With one, a record's key
decides its lane: the order of a key's records is kept, the order of the shard is not.
"""

import asyncio
import logging
import time
import zlib
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from infra.local.emulator.lambdas.lambda_errors import MAX_PAYLOAD_BYTES
from infra.local.emulator.mappings.batch_delivery import BatchDelivery, DeliveryContext, fitting
from infra.local.emulator.mappings.service_calls import ServiceCallError
from infra.local.emulator.mappings.stream_source import Position, StreamRecord, StreamSource, problem_of
from infra.local.emulator.mappings.tumbling_window import TumblingWindow

log = logging.getLogger(__name__)
# What a reader holds at most before it waits for its lanes: two full batches of the largest size.
_MAX_HELD_BYTES: Final = 2 * MAX_PAYLOAD_BYTES


@dataclass
class ShardProgress:
    """How far a mapping has come in one shard. It outlives the consumer: a mapping goes on where it stood.

    Attributes:
        position: where to read on: behind the last record before which all are done.
        iterator: reads on from the same place, while nothing read is undone. It is what is left to go on from after
            LATEST, as long as no record has come.
        is_finished: the shard is closed, and all its records are done.
    """

    position: Position
    iterator: str | None = None
    is_finished: bool = False


@dataclass(eq=False)
class _Held:
    """A record that is read and not yet done, or not yet everything before it."""

    record: StreamRecord
    is_done: bool = False


class ShardConsumer:
    """Consumes one shard until its end or until the mapping stops.

    Args:
        source: the stream.
        shard_id: which shard.
        progress: where to begin; kept up to date.
        context: how batches are delivered; its `stopping` ends the consumer.
    """

    def __init__(self, source: StreamSource, shard_id: str, progress: ShardProgress, context: DeliveryContext) -> None:
        self._source = source
        self._shard_id = shard_id
        self._progress = progress
        self._context = context
        self._lanes = [_Lane(self, context) for _ in range(context.settings.parallelization_factor)]
        self._held: deque[_Held] = deque()
        self._by_number: dict[str, _Held] = {}
        self._held_bytes = 0
        self._room = asyncio.Event()

    async def run(self) -> None:
        """Read and deliver, to the end of a closed shard or until the mapping stops and no call is under way."""
        reader = asyncio.create_task(self._read())
        lanes = [asyncio.create_task(lane.run()) for lane in self._lanes]
        stopped = asyncio.create_task(self._context.stopping.wait())
        try:
            await asyncio.wait({reader, stopped}, return_when=asyncio.FIRST_COMPLETED)
            at_end = reader.done()
            reader.cancel()
            for lane in self._lanes:
                lane.end()
            await asyncio.gather(*lanes)
            if at_end:
                await reader
                self._progress.is_finished = not self._held
        finally:
            for task in (reader, stopped, *lanes):
                task.cancel()
            await asyncio.gather(reader, stopped, *lanes, return_exceptions=True)

    def done(self, records: Sequence[StreamRecord]) -> None:
        """Take records as done, and move the position behind those before which nothing is left."""
        for record in records:
            held = self._by_number.pop(record.sequence_number)
            held.is_done = True
            self._held_bytes -= len(record.event)
        while self._held and self._held[0].is_done:
            last = self._held.popleft().record.sequence_number
            self._progress.position = Position("AFTER_SEQUENCE_NUMBER", last)
        self._room.set()

    def delivery(self, window: TumblingWindow | None) -> BatchDelivery:
        """Return a delivery for one batch of this shard."""
        return BatchDelivery(self._context, self._shard_id, self.done, window)

    def window_at(self, moment: float) -> TumblingWindow | None:
        """Return the window that a moment is in, if the mapping has windows."""
        seconds = self._context.settings.tumbling_window_seconds
        return TumblingWindow.at(moment, seconds, self._shard_id, self._source.arn) if seconds else None

    async def _read(self) -> None:
        """Read until the end of a closed shard. A stream that fails is asked again and again."""
        settings, times = self._context.settings, self._context.times
        iterator: str | None = None
        while True:
            try:
                iterator = iterator or await self._iterator()
                asked = time.time()
                limit = settings.batch_size * settings.parallelization_factor
                records, iterator = await self._source.read(self._shard_id, iterator, limit)
            except ServiceCallError as error:
                self._on_read_error(error)
                iterator = None
                await asyncio.sleep(times.poll)
                continue
            self._hold(records)
            self._progress.iterator = None if self._held else iterator
            if iterator is None:
                return
            if not records:
                for lane in self._lanes:
                    lane.has_all_before(asked)
                await asyncio.sleep(times.poll)
            await self._until_room(2 * limit)

    async def _iterator(self) -> str:
        """Return an iterator behind everything that is held."""
        if self._held:
            return await self._source.iterator(self._shard_id, _after(self._held[-1].record))
        if self._progress.iterator:
            return self._progress.iterator
        iterator = await self._source.iterator(self._shard_id, self._progress.position)
        self._progress.iterator = iterator
        return iterator

    def _on_read_error(self, error: ServiceCallError) -> None:
        log.warning("shard %s of %s cannot be read: %s", self._shard_id, self._source.arn, error)
        if error.code == "ExpiredIteratorException":
            self._progress.iterator = None
        elif error.code == "TrimmedDataAccessException":
            # What the position pointed at is gone: the oldest that is left comes next.
            self._progress.iterator = None
            self._progress.position = Position("TRIM_HORIZON")
        elif error.code != "Unreachable":
            self._context.report(problem_of(error, self._source))

    def _hold(self, records: Sequence[StreamRecord]) -> None:
        for record in records:
            if not self._held and self._progress.position.kind != "AFTER_SEQUENCE_NUMBER":
                # From here on the place has a number, and no longer depends on when it is asked for.
                self._progress.position = Position("AT_SEQUENCE_NUMBER", record.sequence_number)
            held = _Held(record)
            self._held.append(held)
            self._by_number[record.sequence_number] = held
            self._held_bytes += len(record.event)
            self._lanes[zlib.crc32(record.order_key.encode()) % len(self._lanes)].add(record)

    async def _until_room(self, most_records: int) -> None:
        while len(self._by_number) >= most_records or self._held_bytes >= _MAX_HELD_BYTES:
            self._room.clear()
            await self._room.wait()


class _Lane:
    """The records of some keys of a shard, in order, delivered one batch after the other."""

    def __init__(self, consumer: ShardConsumer, context: DeliveryContext) -> None:
        self._consumer = consumer
        self._context = context
        self._records: deque[StreamRecord] = deque()
        self._bytes = 0
        self._window: TumblingWindow | None = None
        self._last_window_end = 0.0
        self._has_all_before = 0.0
        self._changed = asyncio.Event()
        self._ends = False

    def add(self, record: StreamRecord) -> None:
        self._records.append(record)
        self._bytes += len(record.event)
        self._changed.set()

    def end(self) -> None:
        """Note that no record will follow."""
        self._ends = True
        self._changed.set()

    def has_all_before(self, moment: float) -> None:
        """Note that no record will follow that came into the shard before the moment."""
        self._has_all_before = moment
        if self._window_is_over():
            self._changed.set()

    async def run(self) -> None:
        while not self._context.stopping.is_set():
            if self._window and self._window_is_over():
                await self._end_window(self._window)
            elif self._records:
                await self._deliver_next()
            elif self._ends:
                return
            else:
                await self._until_changed()

    def _window_is_over(self) -> bool:
        """Say whether all of the open window is done: by the next record's time, or by the clock if there is none."""
        if self._window is None:
            return False
        if self._records:
            return self._records[0].arrived >= self._window.end
        return self._ends or self._has_all_before >= self._window.end

    async def _end_window(self, window: TumblingWindow) -> None:
        self._window = None
        self._last_window_end = window.end
        await self._consumer.delivery(window).end_window(window)

    async def _deliver_next(self) -> None:
        if self._window is None:
            self._window = self._consumer.window_at(max(self._records[0].arrived, self._last_window_end))
        await self._fill()
        if not self._context.stopping.is_set():
            await self._consumer.delivery(self._window).deliver(self._take())

    async def _fill(self) -> None:
        """Wait for a full batch, but no longer than the batching window from now."""
        settings = self._context.settings
        seconds = settings.batching_window_seconds * self._context.times.second
        if not seconds:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._ends and len(self._records) < settings.batch_size and self._bytes < MAX_PAYLOAD_BYTES:
                    await self._until_changed()

    async def _until_changed(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _take(self) -> list[StreamRecord]:
        most = self._context.settings.batch_size
        first = [self._records[index] for index in range(min(most, len(self._records)))]
        if self._window is not None:
            first = first[: self._window.count_first(first)]
        batch = first[: fitting(first, most, self._window)]
        for record in batch:
            self._records.popleft()
            self._bytes -= len(record.event)
        return batch


def _after(record: StreamRecord) -> Position:
    return Position("AFTER_SEQUENCE_NUMBER", record.sequence_number)
