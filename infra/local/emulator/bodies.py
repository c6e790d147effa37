"""The body of a call as it goes on to an engine: the caller's, or what a hook of the gateway has put in its place."""

from typing import Final

from aiohttp import web

_KEY: Final = "tableferry-body"


async def body_of(request: web.Request) -> bytes:
    """Return the body that the engine is to see."""
    replaced: bytes | None = request.get(_KEY)
    return await request.read() if replaced is None else replaced


def replace_body(request: web.Request, body: bytes) -> None:
    """Let the engine see another body."""
    request[_KEY] = body
