"""Starts and stops the two engines that are processes of their own: DynamoDB Local and kinesis-local.

Both listen on a free port of 127.0.0.1 that they choose themselves and report in a line of JSON on standard output.
Both end when their standard input ends, so none outlives the process that started them, however that one ends.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from infra.install import Engines

READY_WITHIN_SECONDS = 60.0
STOP_WITHIN_SECONDS = 5.0
LAST_LINES = 40
JAVA_OPTIONS_VARIABLE = "TABLEFERRY_JAVA_OPTIONS"
"""In the environment: options of DynamoDB Local's JVM, besides our own. Java's own variables do not reach it."""

# kinesis-local binds every interface, on fixed ports, and knows nothing of its parent. This runs before it: every
# server is sent to a free port of 127.0.0.1, the plain one's port is reported, and the end of standard input ends it.
KINESIS_BOOTSTRAP = """
const net = require("node:net"), listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  if (String(port) === process.env.KINESIS_MOCK_PLAIN_PORT)
    this.once("listening", () => console.log(JSON.stringify({port: this.address().port})));
  return listen.call(this, 0, "127.0.0.1", ...rest);
};
process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0)).resume();
require(process.argv[1]);
"""


class EngineFailed(Exception):  # noqa: N818 — it reads as what it says, like the project's other errors
    """An engine did not become ready; the message carries its last lines."""


@dataclass
class Engine:
    """One running engine; `port` is on 127.0.0.1 and speaks plain HTTP."""

    name: str
    process: asyncio.subprocess.Process
    port: int = 0
    said: deque[str] = field(default_factory=lambda: deque(maxlen=LAST_LINES))
    readers: list[asyncio.Task[None]] = field(default_factory=list)

    async def stop(self) -> None:
        """End it: by the end of its standard input, by force when that does not help in time."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_WITHIN_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            await self.process.wait()
        await asyncio.gather(*self.readers)


async def start_both(engines: Engines, *, account: str, region: str, temporary: Path) -> tuple[Engine, Engine]:
    """Start DynamoDB Local and kinesis-local side by side; when one fails, the other is stopped.

    Args:
        engines: where they are.
        account: the account in kinesis-local's ARNs.
        region: the region of kinesis-local's calls that do not say one.
        temporary: a folder for DynamoDB Local's temporary files.

    Raises:
        EngineFailed: one of them ended or stayed silent.
    """
    starting = [
        asyncio.create_task(start_dynamodb(engines, temporary=temporary)),
        asyncio.create_task(start_kinesis(engines, account=account, region=region)),
    ]
    try:
        dynamodb, kinesis = await asyncio.gather(*starting)
    except BaseException:
        for task in starting:
            task.cancel()
        for started in await asyncio.gather(*starting, return_exceptions=True):
            if isinstance(started, Engine):
                await started.stop()
        raise
    return dynamodb, kinesis


async def start_dynamodb(engines: Engines, *, temporary: Path) -> Engine:
    """Start DynamoDB Local; ready in two to four seconds.

    Args:
        engines: where it is.
        temporary: a folder for its temporary files: it unpacks a library there at each start, and leaves it.

    Raises:
        EngineFailed: it ended or stayed silent.
    """
    script = Path(__file__).with_name("dynamodb_engine.py")
    return await _start(
        "DynamoDB Local",
        [sys.executable, "-P", str(script), str(engines.libjvm), str(engines.dynamodb_local), str(temporary)],
        folder=engines.dynamodb_local,
        environment={"JAVA_TOOL_OPTIONS": os.environ.get(JAVA_OPTIONS_VARIABLE, "")},
    )


async def start_kinesis(engines: Engines, *, account: str, region: str) -> Engine:
    """Start kinesis-local; ready in about a second.

    Raises:
        EngineFailed: it ended or stayed silent.
    """
    return await _start(
        "kinesis-local",
        [str(engines.node), "-e", KINESIS_BOOTSTRAP, str(engines.kinesis_local / "main.js")],
        folder=engines.kinesis_local,
        environment={
            "AWS_ACCOUNT_ID": account,
            "AWS_REGION": region,
            "LOG_LEVEL": "ERROR",
            # Two names, not two ports: the bootstrap tells the plain server from the TLS one by them.
            "KINESIS_MOCK_PLAIN_PORT": "1",
            "KINESIS_MOCK_TLS_PORT": "2",
            # Real shards take a while to come and go; the product polls, so that a little is enough here.
            **dict.fromkeys(_KINESIS_DURATIONS, "200ms"),
            "SHARD_LIMIT": "1000",
        },
    )


_KINESIS_DURATIONS = (
    "CREATE_STREAM_DURATION",
    "DELETE_STREAM_DURATION",
    "SPLIT_SHARD_DURATION",
    "MERGE_SHARDS_DURATION",
    "UPDATE_SHARD_COUNT_DURATION",
    "UPDATE_STREAM_MODE_DURATION",
    "REGISTER_STREAM_CONSUMER_DURATION",
    "DEREGISTER_STREAM_CONSUMER_DURATION",
)


async def _start(name: str, command: list[str], *, folder: Path, environment: dict[str, str]) -> Engine:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            # Nothing of the caller's AWS, Node or Java settings may change what an engine does.
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), **environment},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 20,
            start_new_session=True,  # Ctrl-C goes to us, and we end it in order
        )
    except OSError as error:
        raise EngineFailed(f"{name} did not start: {error}; run `make setup`") from error
    engine = Engine(name, process)
    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    engine.readers = [
        asyncio.create_task(_read(process.stdout, engine, port)),
        asyncio.create_task(_read(process.stderr, engine, None)),
    ]
    try:
        engine.port = await asyncio.wait_for(port, READY_WITHIN_SECONDS)
    except BaseException as error:
        await engine.stop()
        if not isinstance(error, TimeoutError | EOFError):
            raise
        why = "it ended" if isinstance(error, EOFError) else f"silent for {READY_WITHIN_SECONDS:.0f} s"
        last = "\n".join(engine.said) or "(nothing)"
        raise EngineFailed(
            f"{name} did not become ready ({why}); it said:\n{last}\n"
            f"if files are damaged, remove {folder} and run `make setup`"
        ) from error
    return engine


async def _read(stream: asyncio.StreamReader | None, engine: Engine, port: asyncio.Future[int] | None) -> None:
    """Keep the last lines, and take the port from the line of JSON; an unread pipe would stop the engine."""
    if stream is None:
        return
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than the reader's limit; it has been dropped
            continue
        if not line:
            break
        text = line.decode("utf-8", "replace").rstrip()
        if port and not port.done() and text.startswith('{"port":'):
            port.set_result(int(json.loads(text)["port"]))
        else:
            engine.said.append(text)
    if port and not port.done():
        port.set_exception(EOFError("it ended"))
