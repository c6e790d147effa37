"""Lets a container call Lambda here, and nothing else: the local AWS itself listens on 127.0.0.1 only.

It binds the address of Docker's bridge, which the network does not reach, for as long as a container runs. Where Docker
runs in a machine of its own (Docker Desktop), that address is not ours, and Docker itself brings `host.docker.internal`
to 127.0.0.1.
"""

import http.client
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from tests.step_functions_local.http_in_tests import Quiet, serving

INVOKE = re.compile(r"/2015-03-31/functions/[^/?]+/invocations")
WAITS_SECONDS = 910.0
"""Above the 15 minutes that a function may take."""
_HOP_BY_HOP = {"host", "connection", "content-length", "transfer-encoding", "date", "server", "content-type"}


@contextmanager
def forwarding(endpoint_url: str, address: str) -> Iterator[int]:
    """Forward invocations to an endpoint while the block runs, and yield the port.

    Args:
        endpoint_url: of the Lambda API here.
        address: of Docker's bridge.
    """
    target = urlsplit(endpoint_url)

    class Forwarder(Quiet):
        def do_POST(self) -> None:  # noqa: N802 - its name in the standard library
            body = self.body()
            if not INVOKE.fullmatch(self.path):
                self.answer(403, b'{"message": "only invocations of functions are forwarded"}')
                return
            connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=WAITS_SECONDS)
            try:
                connection.request("POST", self.path, body, _end_to_end(self.headers.items()))
                answer = connection.getresponse()
                self.answer(answer.status, answer.read(), _end_to_end(answer.getheaders()))
            except (OSError, http.client.HTTPException) as error:
                self.answer(502, f'{{"message": "Lambda gave no answer: {type(error).__name__}"}}'.encode())
            finally:
                connection.close()

    with ExitStack() as stack:
        try:
            port = stack.enter_context(serving(Forwarder, address))
        except OSError:
            port = stack.enter_context(serving(Forwarder))
        yield port


def _end_to_end(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in _HOP_BY_HOP}
