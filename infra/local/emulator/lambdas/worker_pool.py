"""The workers of one function at one revision: started when they are needed, reused while they are warm."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from http import HTTPStatus
from pathlib import Path
from typing import Any

from infra.local.emulator.lambdas.lambda_errors import LambdaApiError
from infra.local.emulator.lambdas.lambda_function import LambdaFunction
from infra.local.emulator.lambdas.lambda_worker import Answer, InitFailedError, LambdaWorker, WorkerGoneError

IDLE_SECONDS = 60.0
"""How long a warm worker is kept for the next invocation; AWS keeps one for minutes. Each has some 60 MB, and each
migration has twenty functions."""


class WorkerPool:
    """Gives each invocation a worker of its own.

    Args:
        function: what the workers run.
        limit: how many workers there may be; further invocations wait for one.
        starts: held while a worker starts. Shared by all pools: a burst must not start more at once than the machine
            has cores for.
        endpoint_url: where workers find AWS.
        log_path: where their output goes.
        idle_seconds: how long a worker is kept that nobody needs.

    Attributes:
        function: as given.
    """

    def __init__(
        self,
        function: LambdaFunction,
        *,
        limit: int,
        starts: asyncio.Semaphore,
        endpoint_url: str,
        log_path: Path,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self.function = function
        self.limit = limit
        self._starts = starts
        self._endpoint_url = endpoint_url
        self._log_path = log_path
        self._idle_seconds = idle_seconds
        self._workers: set[LambdaWorker] = set()
        self._idle: list[LambdaWorker] = []
        self._waiting: deque[asyncio.Future[LambdaWorker]] = deque()
        self._starting = 0
        self._retired = False
        self._background: set[asyncio.Task[None]] = set()

    async def invoke(self, request_id: str, payload: bytes) -> Answer:
        """Run one payload on the first worker that is free, starting one if none is.

        Raises:
            LambdaApiError: ServiceException: this machine could start no process.
        """
        while True:
            try:
                worker = await self._take()
            except InitFailedError as error:
                return error.answer
            except OSError as error:
                raise LambdaApiError(HTTPStatus.INTERNAL_SERVER_ERROR, "ServiceException", str(error)) from error
            try:
                return await worker.invoke(request_id, payload)
            except WorkerGoneError:
                continue
            finally:
                self._spawn(self._take_back(worker))

    def worker(self, name: str) -> LambdaWorker | None:
        """Return the worker of a name, if this pool has it."""
        return next((worker for worker in self._workers if worker.name == name), None)

    async def retire(self) -> None:
        """Let what is under way finish, then end: the function has a newer revision or is gone."""
        self._retired = True
        idle, self._idle = self._idle, []
        for worker in idle:
            await self._drop(worker)

    async def close(self) -> None:
        """Kill every worker now."""
        self._retired = True
        for task in list(self._background):
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        for waiting in self._waiting:
            waiting.cancel()
        for worker in list(self._workers):
            await self._drop(worker)

    async def _take(self) -> LambdaWorker:
        while self._idle:
            worker = self._idle.pop()
            if worker.is_alive:
                return worker
            self._spawn(self._drop(worker))
        waiting: asyncio.Future[LambdaWorker] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        self._start_what_is_missing()
        try:
            return await waiting
        except asyncio.CancelledError:
            # The worker may have been handed over in the very moment in which its taker was cancelled.
            if waiting.done() and not waiting.cancelled() and not waiting.exception():
                self._give(waiting.result())
            raise

    def _start_what_is_missing(self) -> None:
        wanted = sum(not waiting.done() for waiting in self._waiting)
        while self._starting < wanted and len(self._workers) + self._starting < self.limit:
            self._starting += 1
            self._spawn(self._start_one())

    async def _start_one(self) -> None:
        worker: LambdaWorker | None = None
        failure: Exception | None = None
        try:
            async with self._starts:
                # Warm workers may have served everybody while this one queued for its start.
                if any(not waiting.done() for waiting in self._waiting):
                    worker = LambdaWorker(self.function, endpoint_url=self._endpoint_url, log_path=self._log_path)
                    await worker.start()
        except (InitFailedError, OSError) as error:
            failure = error
        finally:
            self._starting -= 1
        if failure:
            # Each start was made for one invocation: the failure answers one, the others get starts of their own.
            self._fail_one(failure)
            self._start_what_is_missing()
        elif worker:
            self._workers.add(worker)
            self._give(worker)

    async def _take_back(self, worker: LambdaWorker) -> None:
        if await worker.until_idle():
            self._give(worker)
        else:
            await self._drop(worker)

    def _give(self, worker: LambdaWorker) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(worker)
                return
        if self._retired:
            self._spawn(self._drop(worker))
        else:
            worker.idle_since = asyncio.get_running_loop().time()
            self._idle.append(worker)
            asyncio.get_running_loop().call_later(self._idle_seconds, self._drop_the_cold)

    def _drop_the_cold(self) -> None:
        """End the workers that nobody has needed for so long."""
        # The loop may call a little early.
        cold_since = asyncio.get_running_loop().time() - 0.9 * self._idle_seconds
        for worker in [worker for worker in self._idle if worker.idle_since <= cold_since]:
            self._idle.remove(worker)
            self._spawn(self._drop(worker))

    def _fail_one(self, error: Exception) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(error)
                return

    async def _drop(self, worker: LambdaWorker) -> None:
        await worker.stop()
        # Not before: `close` may cancel this, and must find the worker still to stop it itself.
        self._workers.discard(worker)
        self._start_what_is_missing()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._background.add(task)
        task.add_done_callback(self._background.discard)
