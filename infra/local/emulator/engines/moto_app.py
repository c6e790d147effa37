"""moto's server as a WSGI application inside our process: Step Functions, SSM, EventBridge, S3 and the rest.

moto's Step Functions runs executions for real, in threads of its own, and calls Lambda at
`http://localhost:<MOTO_PORT>`: that port is set to the gateway's, so it finds our functions there.
"""

import asyncio
import io
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote_to_bytes

from aiohttp import web
from multidict import CIMultiDict

from infra.local.emulator.answers import refusal
from infra.local.emulator.engines.moto_lambda import name_lost_connections
from infra.local.emulator.engines.moto_timeouts import keep_timeouts

log = logging.getLogger(__name__)

# Calls that wait (GetActivityTask, StartSyncExecution) hold a thread each.
THREADS = 32


class MotoApp:
    """Answers requests with moto; its state is the process's, so that there is one per process."""

    def __init__(self, *, port: int) -> None:
        # moto reads both when it is called, some of it when it is imported.
        os.environ["MOTO_PORT"] = str(port)
        from moto.core.config import default_user_config  # noqa: PLC0415 — only after MOTO_PORT is set
        from moto.moto_server.werkzeug_app import (  # noqa: PLC0415 — only after MOTO_PORT is set
            DomainDispatcherApplication,
            create_backend_app,
        )

        name_lost_connections()
        keep_timeouts()
        default_user_config["stepfunctions"] = {"execute_state_machine": True}
        self._application = DomainDispatcherApplication(create_backend_app)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="moto")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request in a thread."""
        body = await request.read()
        environ = _environ(request, body)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._call, environ)

    def stop(self) -> None:
        """Take no more calls; those under way are left to end with the process."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _call(self, environ: dict[str, Any]) -> web.Response:
        status = 500
        headers: CIMultiDict[str] = CIMultiDict()

        def start_response(line: str, fields: list[tuple[str, str]], _exc_info: object = None) -> None:
            nonlocal status
            status = int(line.split(" ", 1)[0])
            headers.extend(fields)

        try:
            answer = self._application(environ, start_response)
            try:
                body = b"".join(answer)
            finally:
                if close := getattr(answer, "close", None):
                    close()
        except NotImplementedError as error:
            return refusal("UnknownOperationException", f"moto, the local AWS's engine for this call, says: {error}")
        except Exception as error:
            log.exception("moto failed at %s %s", environ["REQUEST_METHOD"], environ["PATH_INFO"])
            return refusal(
                "InternalFailure", f"moto, the local AWS's engine for this call, failed: {error!r}", status=500
            )
        if environ["REQUEST_METHOD"] != "HEAD":
            headers.pop("Content-Length", None)
        return web.Response(status=status, headers=headers, body=body)


def _environ(request: web.Request, body: bytes) -> dict[str, Any]:
    """Return the WSGI form of a request."""
    raw_path, _, query = request.raw_path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        # WSGI carries the decoded path's bytes as latin-1.
        "PATH_INFO": unquote_to_bytes(raw_path).decode("latin-1"),
        "RAW_URI": request.raw_path,
        "REQUEST_URI": request.raw_path,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": str(request.url.port or 80),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    preserved: dict[str, str] = {}
    for name in request.headers:
        key = name.upper().replace("-", "_")
        environ[f"HTTP_{key}"] = ",".join(request.headers.getall(name))
        if "_" in name and name.lower().startswith("x-amz-meta-"):
            # moto gives S3 metadata keys back as they were spelt.
            preserved[f"HTTP_{key}"] = name
    environ["moto.preserved_header_names"] = preserved
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    # The body was read whole, whatever way it came.
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ
