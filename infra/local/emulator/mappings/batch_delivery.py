"""How one batch of a shard reaches the function, or is given up in the end.

The rules are those of the Lambda guide for Kinesis and DynamoDB: a failed batch is tried again until it succeeds, runs
out of retries or grows too old, and nothing behind it in its lane passes it.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import takewhile
from typing import Final, Protocol

from infra.local.emulator.lambdas.lambda_errors import MAX_PAYLOAD_BYTES, LambdaApiError
from infra.local.emulator.lambdas.lambda_host import Invocation
from infra.local.emulator.mappings.failure_destination import Discard, FailureDestination
from infra.local.emulator.mappings.item_failures import first_failure
from infra.local.emulator.mappings.mapping_settings import MappingSettings, MappingTimes
from infra.local.emulator.mappings.stream_source import StreamRecord
from infra.local.emulator.mappings.tumbling_window import TumblingWindow, state_of

OK: Final = "OK"
FUNCTION_FAILED: Final = "PROBLEM: Function call failed"
_ENVELOPE: Final = (b'{"Records":[', b"]}")


class Invoker(Protocol):
    """What runs a function: LambdaHost."""

    async def invoke(self, name: str, payload: bytes, *, region: str) -> Invocation:
        """Run the function once."""
        ...


@dataclass(frozen=True)
class DeliveryContext:
    """What all deliveries of a mapping share.

    Attributes:
        invoker: runs the function.
        function_arn: which function.
        region: its region.
        settings: the mapping's settings.
        times: how long waits are.
        destination: writes discarded records, if the settings name a place.
        report: told "OK" or the problem after every call.
        stopping: once set, no further call is made.
    """

    invoker: Invoker
    function_arn: str
    region: str
    settings: MappingSettings
    times: MappingTimes
    destination: FailureDestination
    report: Callable[[str], None]
    stopping: asyncio.Event


@dataclass(frozen=True)
class _Attempt:
    """Records to send, and what they have been through.

    Attributes:
        failures: how many calls failed that count against the retries; dividing a batch uses none.
        invocations: how often the function was called with them.
        waits: how often the next call was put off, for the backoff.
    """

    records: Sequence[StreamRecord]
    failures: int = 0
    invocations: int = 0
    waits: int = 0
    function_error: str | None = None
    request_id: str = ""


class BatchDelivery:
    """Delivers one batch.

    Args:
        context: what is the same for the mapping's other batches.
        shard_id: where the records come from.
        done: told of records that will not be sent again: delivered, or discarded.
        window: the tumbling window that the batch is of, if the mapping has windows.
    """

    def __init__(
        self,
        context: DeliveryContext,
        shard_id: str,
        done: Callable[[Sequence[StreamRecord]], None],
        window: TumblingWindow | None = None,
    ) -> None:
        self._context = context
        self._settings = context.settings
        self._shard_id = shard_id
        self._done = done
        self._window = window

    async def deliver(self, records: Sequence[StreamRecord]) -> None:
        """Deliver the records, in order, until all are done or the mapping stops.

        A call under way is always waited for, and its outcome counts; only further calls are not made.
        """
        # The last is sent next: a divided batch leaves its second half below its first.
        pending = [_Attempt(records)]
        while pending and not self._context.stopping.is_set():
            attempt = await self._without_the_old(pending.pop())
            # A window's state may have grown since the batch was made up.
            fits = fitting(attempt.records, len(attempt.records), self._window)
            if fits < len(attempt.records):
                pending.append(replace(attempt, records=attempt.records[fits:]))
                attempt = replace(attempt, records=attempt.records[:fits])
            if attempt.records:
                pending += await self._send(attempt)
            if self._window and self._window.is_too_large:
                await self.end_window(self._window)

    async def end_window(self, window: TumblingWindow) -> None:
        """Call the function for the end of a window, again and again until it succeeds or the mapping stops.

        No retries run out for this call. Once it succeeds the window's state is dropped.
        """
        context = self._context
        payload = payload_of((), window, is_final=True)
        attempt = _Attempt(())
        while not context.stopping.is_set():
            with suppress(LambdaApiError):  # throttled, or the function is gone: asked again like any failure
                invocation = await context.invoker.invoke(context.function_arn, payload, region=context.region)
                if not invocation.function_error and state_of(invocation.payload) is not None:
                    context.report(OK)
                    window.state = {}
                    return
            context.report(FUNCTION_FAILED)
            attempt = await self._put_off(attempt)

    async def _send(self, attempt: _Attempt) -> list[_Attempt]:
        """Call the function once; return what is to be sent after it, last first."""
        context = self._context
        try:
            invocation = await context.invoker.invoke(
                context.function_arn,
                payload_of(attempt.records, self._window),
                region=context.region,
            )
        except LambdaApiError as error:
            context.report(FUNCTION_FAILED)
            if error.status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
                return await self._failed(replace(attempt, function_error="Unhandled"))
            # Not called at all (throttled, or the function is gone): that uses no retry.
            return [await self._put_off(attempt)]
        attempt = replace(
            attempt,
            invocations=attempt.invocations + 1,
            function_error=invocation.function_error,
            request_id=invocation.request_id,
        )
        failed_from = self._failed_from(attempt, invocation.payload)
        context.report(OK if failed_from is None else FUNCTION_FAILED)
        if failed_from is None:
            self._done(attempt.records)
            return []
        if failed_from == 0:
            return await self._failed(attempt)
        self._done(attempt.records[:failed_from])
        rest = replace(attempt, records=attempt.records[failed_from:])
        # With bisecting on, the batch is divided where the function said, which uses no retry.
        return [rest] if self._settings.bisects else await self._retry(rest)

    def _failed_from(self, attempt: _Attempt, answer: bytes) -> int | None:
        """Return the index of the first record that failed, or None; keep the window's state unless that is 0."""
        state = state_of(answer) if self._window else None
        if attempt.function_error or (self._window and state is None):
            return 0
        failed_from = None
        if self._settings.reports_item_failures:
            failed_from = first_failure([record.sequence_number for record in attempt.records], answer)
        if self._window and state is not None and failed_from != 0:
            self._window.state = state
        return failed_from

    async def _failed(self, attempt: _Attempt) -> list[_Attempt]:
        """Go on after a complete failure."""
        records = attempt.records
        if self._settings.bisects and len(records) > 1:
            middle = len(records) // 2
            return [replace(attempt, records=records[middle:]), replace(attempt, records=records[:middle])]
        return await self._retry(attempt)

    async def _retry(self, attempt: _Attempt) -> list[_Attempt]:
        if 0 <= self._settings.maximum_retry_attempts <= attempt.failures:
            await self._discard(attempt, "RetryAttemptsExhausted")
            return []
        return [replace(await self._put_off(attempt), failures=attempt.failures + 1)]

    async def _put_off(self, attempt: _Attempt) -> _Attempt:
        """Wait, longer each time, unless the mapping stops."""
        times = self._context.times
        seconds = min(times.first_retry * 2.0**attempt.waits, times.longest_retry)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._context.stopping.wait()
        # The wait has long reached its longest by then; the power must not overflow.
        return replace(attempt, waits=min(attempt.waits + 1, 30))

    async def _without_the_old(self, attempt: _Attempt) -> _Attempt:
        """Discard the records that are surely past MaximumRecordAgeInSeconds, which are the batch's first."""
        age = self._settings.maximum_record_age_seconds
        if age < 0:
            return attempt
        oldest = time.time() - age * self._context.times.second
        old = sum(1 for _ in takewhile(lambda record: record.arrived_by < oldest, attempt.records))
        if old:
            await self._discard(replace(attempt, records=attempt.records[:old]), "RecordAgeExceeded")
        return replace(attempt, records=attempt.records[old:])

    async def _discard(self, attempt: _Attempt, condition: str) -> None:
        if self._settings.on_failure:
            discard = Discard(
                self._shard_id,
                attempt.records,
                condition,
                attempt.invocations,
                attempt.function_error,
                attempt.request_id,
            )
            await self._context.destination.put(self._settings.on_failure, discard)
        self._done(attempt.records)


def payload_of(
    records: Sequence[StreamRecord], window: TumblingWindow | None = None, *, is_final: bool = False
) -> bytes:
    """Return the event that carries the records."""
    start, end = _ENVELOPE
    event = start + b",".join(record.event for record in records) + end
    return event[:-1] + b"," + window.envelope(is_final=is_final) + b"}" if window else event


def fitting(records: Sequence[StreamRecord], most: int, window: TumblingWindow | None = None) -> int:
    """Return how many of the first records make one batch: at most `most`, at most 6 MB of payload, at least one.

    The payload is the whole event: with a window, its state counts too.
    """
    size = len(payload_of((), window))
    for count, record in enumerate(records[:most]):
        size += len(record.event) + 1
        if size > MAX_PAYLOAD_BYTES and count:
            return count
    return min(most, len(records))
