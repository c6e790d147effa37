"""`python -m infra.local.emulator serve`: the local AWS in the foreground.

When all is ready, one line of JSON goes to standard output: {"endpoint_url": "http://127.0.0.1:41234", "pid": 4711};
the log goes to standard error. It stops on SIGINT, SIGTERM and SIGHUP, and when standard input is a pipe that ends.
"""

import argparse
import asyncio
import json
import logging
import os
import signal
import stat
import sys
from pathlib import Path

from infra.install import EngineMissing
from infra.local.emulator.client import DEFAULT_REGION
from infra.local.emulator.engines.engines import EngineFailed
from infra.local.emulator.server import LocalAws

PARENT_LOOK_SECONDS = 1.0
RECORD_VARIABLE = "TABLEFERRY_RECORD_REQUIREMENTS"


async def serve(*, region: str, replica_seconds: float, record_requirements: Path | None = None) -> None:
    """Serve until told to stop.

    Raises:
        EngineMissing: something is not installed.
        EngineFailed: an engine did not become ready.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    watch_parent(loop, stopping)
    aws = LocalAws(region=region, replica_seconds=replica_seconds, record_requirements=record_requirements)
    starting = asyncio.create_task(aws.start())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not stopping.is_set():
            await starting
            print(json.dumps({"endpoint_url": aws.endpoint_url, "pid": os.getpid()}), flush=True)
            await waiting
    finally:
        waiting.cancel()
        starting.cancel()
        await asyncio.gather(starting, waiting, return_exceptions=True)
        await aws.stop()


def watch_parent(loop: asyncio.AbstractEventLoop, stopping: asyncio.Event) -> None:
    """Stop when standard input ends, where it is a pipe that our parent holds: not for a terminal or /dev/null."""
    try:
        kind = os.fstat(0).st_mode
    except OSError:
        return
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return

    def read() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            stopping.set()

    loop.add_reader(0, read)
    # A process that our parent forked may hold the pipe open after it; that we have another parent then tells it too.
    parent = os.getppid()

    def look() -> None:
        if os.getppid() != parent:
            stopping.set()
        else:
            loop.call_later(PARENT_LOOK_SECONDS, look)

    look()


def main() -> int:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.emulator", description="The local AWS on 127.0.0.1.")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("serve", help="serve until stopped; prints its address as one line of JSON")
    command.add_argument("--region", default=DEFAULT_REGION, help="of calls that are not signed for one")
    command.add_argument(
        "--replica-seconds", type=float, default=1.0, help="how long a replica takes at least to come or go"
    )
    command.add_argument(
        "--record-requirements",
        type=Path,
        metavar="FOLDER",
        default=os.environ.get(RECORD_VARIABLE) or None,
        help="write what functions needed to be allowed into a file of its own there, when it stops; "
        f"{RECORD_VARIABLE} in the environment says the same",
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        asyncio.run(
            serve(
                region=arguments.region,
                replica_seconds=arguments.replica_seconds,
                record_requirements=arguments.record_requirements,
            )
        )
    except (EngineMissing, EngineFailed) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
