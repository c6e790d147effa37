"""The local Lambda in a thread of the test's own process, for tests that set its times and see into it."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import boto3
from aiohttp import web
from botocore.config import Config

from infra.local.emulator.lambda_api import add_routes
from infra.local.emulator.lambdas.lambda_host import LambdaHost
from infra.local.emulator.mappings.event_source_mappings import EventSourceMappings
from infra.local.emulator.mappings.mapping_settings import MappingTimes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from mypy_boto3_lambda.client import LambdaClient

T = TypeVar("T")

REGION: Final = "eu-west-1"
ACCOUNT: Final = "123456789012"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/test"
QUICK: Final = MappingTimes(
    change=0.05, first_poll=0.05, poll=0.02, discovery=0.05, first_retry=0.02, longest_retry=0.1
)

# Every function of these tests can leave notes for the test to read, and wait for a file that the test makes.
_PREAMBLE: Final = """
import json, os, sys, time

def note(what):
    with open(os.environ["NOTES"], "a") as notes:
        notes.write(json.dumps(what) + "\\n")

def wait_for(name):
    while not os.path.exists(os.environ["NOTES"] + "." + name):
        time.sleep(0.01)
"""


def until(condition: Callable[[], T], seconds: float = 20.0) -> T:
    """Return the condition's first true value; fail after some seconds."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
    return value


def zip_of(source: str, module: str = "app") -> bytes:
    """Return a Lambda package of one module, the preamble before its source."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(f"{module}.py", _PREAMBLE + source)
    return packed.getvalue()


class LambdaInTests:
    """A Lambda API on a free port.

    Attributes:
        client: boto3's client of it. It never retries: a test sees every answer.
    """

    def __init__(self, client: LambdaClient, notes: Path, host: LambdaHost | None = None) -> None:
        self.client = client
        self._notes = notes
        self._host = host

    @property
    def host(self) -> LambdaHost:
        """The host itself, if it is in this process."""
        assert self._host
        return self._host

    def function(self, source: str, name: str = "f", **settings: Any) -> str:  # noqa: ANN401 - as CreateFunction takes them
        """Create a function of one module and return its ARN."""
        variables = {"NOTES": str(self._notes), **settings.pop("variables", {})}
        arguments = {"Timeout": 20, **settings}
        return self.client.create_function(
            FunctionName=name,
            Role=ROLE,
            Runtime="python3.12",
            Handler="app.handler",
            Code={"ZipFile": zip_of(source)},
            Environment={"Variables": variables},
            **arguments,
        )["FunctionArn"]

    def invoke(self, payload: object = None, name: str = "f") -> Any:  # noqa: ANN401 - whatever it answers
        """Invoke and return what the function answered, which must be no error."""
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(payload))
        body = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, body
        return body

    def error_of(self, payload: object = None, name: str = "f") -> dict[str, Any]:
        """Invoke and return the error document, which there must be."""
        answer = self.client.invoke(FunctionName=name, Payload=json.dumps(payload))
        assert answer["StatusCode"] == 200
        assert answer.get("FunctionError") == "Unhandled"
        document: dict[str, Any] = json.loads(answer["Payload"].read())
        return document

    def notes(self) -> list[Any]:
        """Return all notes so far."""
        if not self._notes.exists():
            return []
        # A line may be half written; it is read whole the next time.
        return [json.loads(line) for line in self._notes.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def let_go(self, name: str) -> None:
        """Make what `wait_for(name)` waits for."""
        self._notes.with_name(f"{self._notes.name}.{name}").touch()


@contextmanager
def lambda_in_tests(folder: Path, *, endpoint_url: str = "", **settings: Any) -> Iterator[LambdaInTests]:  # noqa: ANN401 - LambdaHost's
    """Serve a Lambda API while the block runs.

    Args:
        folder: A folder of the test's own.
        endpoint_url: The rest of AWS; nothing by default.
        settings: Of LambdaHost, and `times` of EventSourceMappings.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    times = settings.pop("times", QUICK)

    async def start() -> tuple[LambdaHost, EventSourceMappings, web.AppRunner]:
        host = LambdaHost(
            endpoint_url=endpoint_url, region=REGION, account=ACCOUNT, code_root=folder / "code", **settings
        )
        mappings = EventSourceMappings(host=host, endpoint_url=endpoint_url, account=ACCOUNT, times=times)
        app = web.Application()
        add_routes(app, host, mappings)
        await host.start()
        await mappings.start()
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return host, mappings, runner

    async def stop() -> None:
        await mappings.stop()
        await host.stop()
        await runner.cleanup()
        await asyncio.sleep(0)

    try:
        host, mappings, runner = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
        client = boto3.client(
            "lambda",
            endpoint_url=f"http://127.0.0.1:{runner.addresses[0][1]}",
            region_name=REGION,
            aws_access_key_id="local",
            aws_secret_access_key="local",  # noqa: S106 - no secret
            config=Config(retries={"total_max_attempts": 1}, max_pool_connections=20),
        )
        try:
            yield LambdaInTests(client, folder / "notes", host)
        finally:
            client.close()
            asyncio.run_coroutine_threadsafe(stop(), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
