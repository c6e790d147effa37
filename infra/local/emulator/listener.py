"""The gateway's port: taken first, served later, and given up for a while when the gateway is to restart."""

import asyncio
import socket

from aiohttp import web

BACKLOG = 512


class Listener:
    """One port of 127.0.0.1.

    Attributes:
        port: which one; it stays the same over restarts.
    """

    def __init__(self) -> None:
        self._socket = _listening(0)
        self.port: int = self._socket.getsockname()[1]
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None

    async def serve(self, runner: web.AppRunner) -> None:
        """Answer with an application that is set up; whoever came earlier has waited in the backlog."""
        self._runner = runner
        self._site = web.SockSite(runner, self._socket, backlog=BACKLOG)
        await self._site.start()

    async def restart(self, down_seconds: float) -> None:
        """Refuse and cut all connections, and listen again after a while. Calls under way are carried out unheard."""
        if self._runner is None or self._site is None or self._runner.server is None:
            raise RuntimeError("only what serves can restart")
        await self._site.stop()
        for connection in self._runner.server.connections:
            if connection.transport is not None:
                connection.transport.abort()
        await asyncio.sleep(down_seconds)
        self._socket = _listening(self.port)
        await self.serve(self._runner)

    def close(self) -> None:
        """Give the port back."""
        self._socket.close()


def _listening(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
