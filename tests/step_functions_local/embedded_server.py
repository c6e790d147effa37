"""`python -m tests.step_functions_local.embedded_server`: Step Functions Local's interface on moto's interpreter.

What stands in for Amazon's image where that cannot be had: as a child process of the tests, and inside the container
image that `build_image` makes. It is set as Amazon's is: `AWS_ACCOUNT_ID`, `AWS_DEFAULT_REGION`, `LAMBDA_ENDPOINT` and
`SFN_MOCK_CONFIG` in the environment. It says "Starting server on port …" once it answers. `WAIT_TIME_SCALE` and the
endpoints of other services have no effect: the migration's machine has no Wait state and calls nothing but Lambda.
"""

import argparse
import asyncio
import os
import signal
import socket
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout, web

from infra.local.emulator.answers import refusal
from infra.local.emulator.engines.moto_app import MotoApp
from infra.local.emulator.listener import BACKLOG
from tests.step_functions_local.mock_file import read_mock_file
from tests.step_functions_local.moto_mocks import install_mocks

DEFAULT_ACCOUNT = "123456789012"
DEFAULT_REGION = "us-east-1"
MAX_BODY_BYTES = 8 << 20
"""Above the 6 MiB that an Invoke may carry."""

_PASSED_ON = ("content-type", "x-amzn-requestid", "x-amzn-errortype", "x-amz-function-error", "x-amz-executed-version")


class LambdaDoor:
    """Where moto looks for Lambda, at its own port: sends calls on to where Lambda is."""

    def __init__(self, session: ClientSession, endpoint_url: str) -> None:
        self._session = session
        self._endpoint_url = endpoint_url

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Send one Invoke on, and its answer back."""
        if not self._endpoint_url:
            return refusal("ServiceException", "LAMBDA_ENDPOINT is not set: there is no Lambda to call", status=500)
        headers = {
            name: value for name, value in request.headers.items() if name.lower().startswith(("x-amz", "content-type"))
        }
        # The path as it came: a function's ARN in it is escaped, and has to stay so.
        url = self._endpoint_url.rstrip("/") + request.raw_path
        try:
            async with self._session.post(url, data=await request.read(), headers=headers) as answer:
                body = await answer.read()
                passed = {name: answer.headers[name] for name in _PASSED_ON if name in answer.headers}
                return web.Response(status=answer.status, body=body, headers=passed)
        except (ClientError, OSError) as error:
            return refusal("ServiceException", f"{self._endpoint_url} gave no answer: {error!r}", status=502)


async def serve(host: str, port: int) -> None:
    """Serve until told to stop.

    Args:
        host: the address to bind.
        port: 0 takes a free one.
    """
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    account = os.environ.setdefault("AWS_ACCOUNT_ID", DEFAULT_ACCOUNT)
    region = os.environ.setdefault("AWS_DEFAULT_REGION", DEFAULT_REGION)
    os.environ["MOTO_ACCOUNT_ID"] = account
    listener = socket.create_server((host, port), backlog=BACKLOG)
    port = listener.getsockname()[1]
    moto = MotoApp(port=port)
    mock_file = os.environ.get("SFN_MOCK_CONFIG")
    install_mocks(read_mock_file(Path(mock_file)) if mock_file else {})
    # Lambda answers within 15 minutes, or never: how long it may take is the state's own TimeoutSeconds.
    async with ClientSession(auto_decompress=False, timeout=ClientTimeout(total=None)) as session:
        door = LambdaDoor(session, os.environ.get("LAMBDA_ENDPOINT", ""))
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_post("/2015-03-31/functions/{name}/invocations", door.answer)
        app.router.add_route("*", "/{path:.*}", moto.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        print(f"Starting server on port {port} with account {account}, region {region}", flush=True)  # noqa: T201 - waited for
        await stopping.wait()
        await runner.cleanup()
        moto.stop()


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m tests.step_functions_local.embedded_server")
    parser.add_argument("--host", default="127.0.0.1", help="the address to bind")
    parser.add_argument("--port", type=int, default=8083, help="0 takes a free one")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.host, arguments.port))


if __name__ == "__main__":
    main()
