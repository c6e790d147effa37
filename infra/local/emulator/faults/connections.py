"""The caller's end of a connection: whether it is still there, and cutting it."""

import socket
import struct
from contextlib import suppress
from http import HTTPStatus

from aiohttp import web


def has_hung_up(request: web.Request) -> bool:
    """Whether nobody waits for the answer any more."""
    return request.transport is None or request.transport.is_closing()


def cut(request: web.Request) -> web.Response:
    """Reset the connection; what is returned reaches nobody."""
    if request.transport is not None:
        opened = request.transport.get_extra_info("socket")
        if opened is not None:
            # Lingering for no time, the socket sends a reset in place of an orderly end.
            with suppress(OSError):
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
