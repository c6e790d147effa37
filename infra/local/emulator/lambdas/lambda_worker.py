"""One execution environment: a process with AWS's runtime client, and the Runtime API that it polls.

Each worker has a listener of its own, because `AWS_LAMBDA_RUNTIME_API` takes host and port only: the port is what tells
the workers apart.
"""

import asyncio
import json
import os
import signal
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from infra.local.emulator.lambdas.lambda_function import LambdaFunction

MAX_RESPONSE_BYTES: Final = 6_291_556
_INIT_SECONDS: Final = 10
_RUNTIME_PATH: Final = "/2018-06-01/runtime"
_ENTRY: Final = Path(__file__).with_name("worker_entry.py")
_INHERITED: Final = ("PATH", "LANG", "LD_LIBRARY_PATH")
# An error's X-Ray cause travels in a header of up to 1 MiB.
_MAX_HEADER_BYTES: Final = 2 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """What came of one invocation.

    Attributes:
        payload: the function's answer, or the error document.
        function_error: the value of `X-Amz-Function-Error`; None when the function answered.
    """

    payload: bytes
    function_error: str | None = None


class InitFailedError(Exception):
    """A worker did not become ready.

    Attributes:
        answer: what the invocation that it was started for is answered with.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.payload.decode(errors="replace"))
        self.answer = answer


class WorkerGoneError(Exception):
    """A worker died while it was idle; another one can be asked."""


@dataclass(frozen=True)
class _Request:
    request_id: str
    payload: bytes
    deadline_ms: int


class LambdaWorker:
    """A worker process: start it, let it invoke one request at a time, stop it.

    Attributes:
        name: of its own among all workers; its SDK sends it along with every call, as `app/<name>` in the User-Agent.
    """

    def __init__(self, function: LambdaFunction, *, endpoint_url: str, log_path: Path) -> None:
        self.name = f"worker-{uuid.uuid4().hex}"
        self._function = function
        self._endpoint_url = endpoint_url
        self._log_path = log_path
        self.idle_since = 0.0
        self._requests: asyncio.Queue[_Request | None] = asyncio.Queue()
        self._idle = asyncio.Event()
        self._init_error: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._current: tuple[str, asyncio.Future[Answer]] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._exit: asyncio.Task[int] | None = None
        self._stopping: asyncio.Task[None] | None = None
        self._runner = web.ServerRunner(
            # A worker that dies while it waits must not take a request with it: hence the cancellation.
            web.Server(self._serve, max_field_size=_MAX_HEADER_BYTES, access_log=None, handler_cancellation=True),
            shutdown_timeout=0.1,
        )

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._exit is not None and not self._exit.done()

    async def start(self) -> None:
        """Start the process and wait until it asks for its first invocation.

        Raises:
            InitFailedError: the code could not be loaded, ended, or took too long; the worker is stopped.
        """
        try:
            await self._spawn()
            await self._until_ready()
        except BaseException:
            await self.stop()
            raise

    async def invoke(self, request_id: str, payload: bytes) -> Answer:
        """Let the function handle one payload. The worker must be idle.

        On a timeout the process is killed; if it ends by itself, the answer says so.

        Raises:
            WorkerGoneError: the process had ended before it took the payload.
        """
        seconds = self._function.timeout_seconds
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._idle.clear()
        if self._has_ended():
            raise WorkerGoneError
        self._current = (request_id, answer)
        self._requests.put_nowait(_Request(request_id, payload, int((time.time() + seconds) * 1000)))
        try:
            await self._first_of(answer, timeout=seconds)
            if answer.done():
                return answer.result()
            if not self.is_alive:
                if not self._requests.empty():
                    raise WorkerGoneError
                return _error("Runtime.ExitError", f"RequestId: {request_id} Error: {self._how_it_ended()}")
            await self.stop()
            return _error(
                "Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds}.00 seconds"
            )
        except asyncio.CancelledError:
            await self.stop()
            raise
        finally:
            self._current = None

    def kill(self) -> None:
        """Kill the process, as a lack of memory would: whoever waits for an answer hears that it ended."""
        if self._process and self.is_alive:
            # The whole session: what the function itself started must not outlive it.
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _has_ended(self) -> bool:
        """Ask the system: the loop may not have heard yet that the process ended."""
        if not self._process or not self.is_alive:
            return True
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:  # it has been waited for
            return True

    async def until_idle(self) -> bool:
        """Wait until the worker asks for the next invocation; False if its process ended instead."""
        idle = asyncio.ensure_future(self._idle.wait())
        try:
            await self._first_of(idle)
        finally:
            idle.cancel()
        return self._idle.is_set() and self.is_alive

    async def stop(self) -> None:
        """Kill the process and close its Runtime API. May be called twice; begun, it is not cancelled half-way."""
        self._stopping = self._stopping or asyncio.create_task(self._stop())
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        self.kill()
        if self._exit:
            await self._exit
        self._requests.put_nowait(None)
        await self._runner.cleanup()

    async def _spawn(self) -> None:
        await self._runner.setup()
        # Cancelled half-way, a listener would be open that the runner does not know and never closes.
        listening = asyncio.ensure_future(web.TCPSite(self._runner, "127.0.0.1", 0).start())
        try:
            await asyncio.shield(listening)
        except asyncio.CancelledError:
            await listening
            raise
        port: int = self._runner.addresses[0][1]
        with self._log_path.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",  # the entry's own folder is no place to import from
                str(_ENTRY),
                str(os.getpid()),
                self._function.handler,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._function.code_folder,
                env=worker_environment(self._function, self._endpoint_url, f"127.0.0.1:{port}", self.name),
                start_new_session=True,
            )
        self._exit = asyncio.create_task(self._process.wait())

    async def _until_ready(self) -> None:
        budget = _INIT_SECONDS + self._function.timeout_seconds
        idle = asyncio.ensure_future(self._idle.wait())
        try:
            await self._first_of(idle, self._init_error, timeout=budget)
        finally:
            idle.cancel()
        if self._idle.is_set():
            return
        if self._init_error.done():
            raise InitFailedError(Answer(self._init_error.result(), "Unhandled"))
        if not self.is_alive:
            raise InitFailedError(_error("Runtime.ExitError", f"Error: {self._how_it_ended()}"))
        raise InitFailedError(_error("Sandbox.Timedout", f"Error: Init timed out after {budget}.00 seconds"))

    async def _first_of(self, *waited: asyncio.Future[Any], timeout: float | None = None) -> None:  # noqa: ASYNC109 — asyncio.wait's own timeout, which leaves the futures alone
        """Wait for any of the futures or the end of the process, at most `timeout` seconds."""
        if self._exit is None:
            raise RuntimeError("a worker is waited for before it was started")
        await asyncio.wait({*waited, self._exit}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)

    def _how_it_ended(self) -> str:
        code = self._exit.result() if self._exit and self._exit.done() else 0
        if code == 0:
            return "Runtime exited without providing a reason"
        if code < 0:
            return f"Runtime exited with error: signal: {signal.Signals(-code).name}"
        return f"Runtime exited with error: exit status {code}"

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer the Runtime API: next, response, error, init error."""
        match request.method, request.path.removeprefix(_RUNTIME_PATH).strip("/").split("/"):
            case "GET", ["invocation", "next"]:
                return await self._next()
            case "POST", ["invocation", request_id, "response"]:
                body = await _read(request, MAX_RESPONSE_BYTES)
                if body is None:
                    self._settle(request_id, _response_too_large())
                    return web.Response(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                self._settle(request_id, Answer(body))
                return web.Response(status=HTTPStatus.ACCEPTED)
            case "POST", ["invocation", request_id, "error"]:
                body = await _read(request, MAX_RESPONSE_BYTES)
                self._settle(request_id, _response_too_large() if body is None else Answer(body, "Unhandled"))
                return web.Response(status=HTTPStatus.ACCEPTED)
            case "POST", ["init", "error"]:
                body = await _read(request, MAX_RESPONSE_BYTES)
                if not self._init_error.done():
                    self._init_error.set_result(body or b"{}")
                return web.Response(status=HTTPStatus.ACCEPTED)
            case _:
                return web.Response(status=HTTPStatus.NOT_FOUND)

    async def _next(self) -> web.Response:
        self._idle.set()
        request = await self._requests.get()
        if request is None:
            return web.Response(status=HTTPStatus.GONE)
        return web.Response(
            body=request.payload,
            content_type="application/json",
            headers={
                "Lambda-Runtime-Aws-Request-Id": request.request_id,
                "Lambda-Runtime-Deadline-Ms": str(request.deadline_ms),
                "Lambda-Runtime-Invoked-Function-Arn": self._function.arn,
            },
        )

    def _settle(self, request_id: str, answer: Answer) -> None:
        if self._current and self._current[0] == request_id and not self._current[1].done():
            self._current[1].set_result(answer)


def worker_environment(function: LambdaFunction, endpoint_url: str, runtime_api: str, worker: str) -> dict[str, str]:
    """Return a worker's whole environment: nothing of the host's but what finds programs and spells text.

    Args:
        function: whose variables are added.
        endpoint_url: where the SDK finds every AWS service.
        runtime_api: host:port of the worker's Runtime API.
        worker: the worker's name.
    """
    folder = str(function.code_folder)
    # A function may point single services elsewhere, but not change what Lambda itself sets.
    variables = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    variables |= {"AWS_ENDPOINT_URL": endpoint_url, "AWS_SDK_UA_APP_ID": worker}
    variables.update(function.environment)
    variables["PYTHONPATH"] = os.pathsep.join(filter(None, [folder, function.environment.get("PYTHONPATH")]))
    variables |= {
        "_HANDLER": function.handler,
        "AWS_ACCESS_KEY_ID": "local",
        # The operator's own profile must not leak into a function.
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": function.name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{function.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": "$LATEST",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_REGION": function.region,
        "AWS_SECRET_ACCESS_KEY": "local",
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "LAMBDA_TASK_ROOT": folder,
        "TZ": ":UTC",
    }
    return variables


async def _read(request: web.BaseRequest, limit: int) -> bytes | None:
    """Return the body, or None if it is longer than `limit` bytes (it is read to its end all the same)."""
    body = bytearray()
    async for piece in request.content.iter_any():
        if len(body) <= limit:
            body += piece
    return bytes(body) if len(body) <= limit else None


def _error(error_type: str, message: str) -> Answer:
    return Answer(json.dumps({"errorType": error_type, "errorMessage": message}).encode(), "Unhandled")


def _response_too_large() -> Answer:
    message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
    return _error("Function.ResponseSizeTooLarge", message)
