"""The functions of the local Lambda, and how they are invoked."""

import asyncio
import os
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from infra.local.emulator.lambdas.lambda_errors import (
    MAX_PAYLOAD_BYTES,
    conflict,
    invalid_value,
    not_found,
    throttled,
    too_large,
)
from infra.local.emulator.lambdas.lambda_function import LambdaFunction, parse_function_name, with_code, with_settings
from infra.local.emulator.lambdas.lambda_worker import Answer
from infra.local.emulator.lambdas.worker_pool import IDLE_SECONDS, WorkerPool

DEFAULT_MAX_WORKERS: Final = 8


@dataclass(frozen=True)
class Invocation:
    """What an Invoke answers.

    Attributes:
        status: HTTP status: 200, also when the function failed.
        payload: the function's answer, or the error document `{"errorMessage", "errorType", "stackTrace"}`.
        function_error: "Unhandled" when the function failed, else None.
        request_id: the invocation's id.
    """

    status: int
    payload: bytes
    function_error: str | None
    request_id: str


@dataclass
class _Registered:
    function: LambdaFunction
    pool: WorkerPool
    reserved: int | None = None


class LambdaHost:
    """Keeps functions and runs them in worker processes.

    Args:
        endpoint_url: where workers find every AWS service.
        region: the region where a name does not say one.
        account: the account in ARNs.
        code_root: a folder of this host's own for unzipped code and logs.
        max_workers: how many workers a function may have. Invocations beyond it wait, unless the function's reserved
            concurrency is used up: then they are refused, as on AWS.
        idle_seconds: how long a worker is kept that nobody needs.
    """

    def __init__(
        self,
        *,
        endpoint_url: str,
        region: str,
        account: str,
        code_root: Path,
        max_workers: int = DEFAULT_MAX_WORKERS,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._endpoint_url = endpoint_url
        self.region = region
        self._account = account
        self._code_root = code_root
        self._max_workers = max_workers
        self._idle_seconds = idle_seconds
        self._functions: dict[tuple[str, str], _Registered] = {}
        self._retired: set[WorkerPool] = set()
        self._under_way: Counter[tuple[str, str]] = Counter()
        self._starts = asyncio.Semaphore(max(2, os.cpu_count() or 1))

    async def start(self) -> None:
        """Make the folders. No process is started before the first invocation."""
        self._code_root.mkdir(parents=True, exist_ok=True)

    async def stop(self) -> None:
        """Kill every worker and forget the functions."""
        pools = [registered.pool for registered in self._functions.values()]
        await asyncio.gather(*(pool.close() for pool in [*pools, *self._retired]))
        self._functions.clear()

    def create(self, request: Mapping[str, Any], zip_bytes: bytes, *, region: str) -> LambdaFunction:
        """Register a new function.

        Args:
            request: the members of CreateFunction.
            zip_bytes: its code.
            region: the caller's region.

        Raises:
            LambdaApiError: it exists already, or a value is wrong.
        """
        region, name = parse_function_name(str(request.get("FunctionName", "")), region)
        if (region, name) in self._functions:
            raise conflict(f"Function already exist: {name}")
        if not request.get("Handler"):
            raise invalid_value(
                "Runtime and Handler are mandatory parameters for functions created with deployment packages."
            )
        bare = LambdaFunction(name=name, region=region, account=self._account, handler="", runtime="", role="")
        function = with_code(with_settings(bare, request), zip_bytes, self._code_root / "code")
        self._functions[region, name] = _Registered(function, self._new_pool(function, None))
        return function

    def get(self, name: str, *, region: str) -> LambdaFunction:
        """Return the function that a name or ARN means.

        Raises:
            LambdaApiError: ResourceNotFoundException.
        """
        return self._registered(name, region).function

    def functions(self, *, region: str) -> list[LambdaFunction]:
        """Return the functions of a region, by name."""
        return [entry.function for key, entry in sorted(self._functions.items()) if key[0] == region]

    async def update_code(self, name: str, zip_bytes: bytes, *, region: str) -> LambdaFunction:
        """Give the function new code. What is under way finishes with the old."""
        registered = self._registered(name, region)
        return await self._replace(registered, with_code(registered.function, zip_bytes, self._code_root / "code"))

    async def update_configuration(self, name: str, request: Mapping[str, Any], *, region: str) -> LambdaFunction:
        """Change the function's settings. What is under way finishes with the old ones."""
        registered = self._registered(name, region)
        return await self._replace(registered, with_settings(registered.function, request))

    async def delete(self, name: str, *, region: str) -> None:
        """Forget the function. What is under way finishes."""
        function = self._registered(name, region).function
        await self._retire(self._functions.pop((function.region, function.name)).pool)

    def reserve_concurrency(self, name: str, reserved: int | None, *, region: str) -> None:
        """Limit how many invocations of the function may be under way at once; None takes the limit away."""
        registered = self._registered(name, region)
        registered.reserved = reserved
        registered.pool.limit = self._worker_limit(reserved)

    def reserved_concurrency(self, name: str, *, region: str) -> int | None:
        """Return the limit set by `reserve_concurrency`."""
        return self._registered(name, region).reserved

    async def invoke(self, name: str, payload: bytes, *, region: str) -> Invocation:
        """Run the function once and return what it answered.

        Args:
            name: its name or ARN.
            payload: JSON.
            region: the caller's region.

        Raises:
            LambdaApiError: no such function, the payload is over 6 MB, or the reserved concurrency is used up.
        """
        registered = self._registered(name, region)
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise too_large(f"Request must be smaller than {MAX_PAYLOAD_BYTES} bytes for the InvokeFunction operation")
        function = registered.function
        key = (function.region, function.name)
        if registered.reserved is not None and self._under_way[key] >= registered.reserved:
            raise throttled()
        request_id = str(uuid.uuid4())
        self._under_way[key] += 1
        try:
            self._log(function, f"START RequestId: {request_id} Version: $LATEST")
            started = time.monotonic()
            answer = await registered.pool.invoke(request_id, payload)
            self._log_end(function, request_id, answer, (time.monotonic() - started) * 1000)
        finally:
            self._under_way[key] -= 1
        return Invocation(HTTPStatus.OK, answer.payload, answer.function_error, request_id)

    def logs(self, name: str, *, region: str | None = None) -> str:
        """Return all that the function's workers wrote, and Lambda's own START, END and REPORT lines."""
        region, name = parse_function_name(name, region or self.region)
        path = self._log_path(region, name)
        return path.read_text(errors="replace") if path.exists() else ""

    def function_of_worker(self, worker: str) -> str | None:
        """Return the name of the function that a worker runs, None if there is no such worker (any more)."""
        function = self.function_in(worker)
        return function.name if function else None

    def function_in(self, worker: str) -> LambdaFunction | None:
        """Return the function that a worker runs, as it was when the worker began; None without such a worker."""
        pool = self._pool_of(worker)
        return pool.function if pool else None

    def find(self, arn: str) -> LambdaFunction | None:
        """Return the function of an ARN, None if there is none."""
        region, name = parse_function_name(arn, self.region)
        registered = self._functions.get((region, name))
        return registered.function if registered else None

    def kill_worker(self, worker: str) -> None:
        """Kill a worker's process: what it has under way ends with Runtime.ExitError. Without one, do nothing."""
        pool = self._pool_of(worker)
        if pool and (found := pool.worker(worker)):
            found.kill()

    def _pool_of(self, worker: str) -> WorkerPool | None:
        pools = [*(registered.pool for registered in self._functions.values()), *self._retired]
        return next((pool for pool in pools if pool.worker(worker)), None)

    def _registered(self, name: str, region: str) -> _Registered:
        region, name = parse_function_name(name, region)
        try:
            return self._functions[region, name]
        except KeyError:
            raise not_found(f"Function not found: arn:aws:lambda:{region}:{self._account}:function:{name}") from None

    async def _replace(self, registered: _Registered, function: LambdaFunction) -> LambdaFunction:
        old, registered.pool = registered.pool, self._new_pool(function, registered.reserved)
        registered.function = function
        await self._retire(old)
        return function

    async def _retire(self, pool: WorkerPool) -> None:
        # It is kept for `stop`: what it still has under way must not outlive the host.
        self._retired.add(pool)
        await pool.retire()

    def _new_pool(self, function: LambdaFunction, reserved: int | None) -> WorkerPool:
        return WorkerPool(
            function,
            limit=self._worker_limit(reserved),
            starts=self._starts,
            endpoint_url=self._endpoint_url,
            log_path=self._log_path(function.region, function.name),
            idle_seconds=self._idle_seconds,
        )

    def _worker_limit(self, reserved: int | None) -> int:
        return self._max_workers if reserved is None else max(1, min(reserved, self._max_workers))

    def _log_path(self, region: str, name: str) -> Path:
        folder = self._code_root / "logs" / region
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"

    def _log(self, function: LambdaFunction, line: str) -> None:
        with self._log_path(function.region, function.name).open("a") as file:
            file.write(line + "\n")

    def _log_end(self, function: LambdaFunction, request_id: str, answer: Answer, milliseconds: float) -> None:
        if answer.function_error and b'"Sandbox.Timedout"' in answer.payload:
            now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
            self._log(function, f"{now} {request_id} Task timed out after {function.timeout_seconds}.00 seconds\n")
        self._log(
            function,
            f"END RequestId: {request_id}\nREPORT RequestId: {request_id}\tDuration: {milliseconds:.2f} ms\t"
            f"Billed Duration: {int(milliseconds) + 1} ms\tMemory Size: {function.memory_mb} MB",
        )
