"""What happens to a call that a rule fires at: one function for each action, before the call or after it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import web

from infra.local.emulator.bodies import replace_body
from infra.local.emulator.faults.connections import cut, has_hung_up
from infra.local.emulator.faults.refusals import expired_iterator, failed, throttled
from infra.local.emulator.faults.rule import Action, Installed
from infra.local.emulator.faults.torn_batch import TornBatch, tear

_LOOK_SECONDS: Final = 0.05
_HANG_SECONDS_MOST: Final = 120.0
_OF_THE_BODY: Final = frozenset({"content-length", "x-amz-crc32"})


@dataclass
class Struck:
    """A call that a rule fires at.

    Attributes:
        installed: the rule.
        request: the call.
        operation: as the gateway names it.
        kill: kills the worker that calls.
        torn: what was left out of a batch.
    """

    installed: Installed
    request: web.Request
    operation: str
    kill: Callable[[], None]
    torn: TornBatch | None = None


async def act_before(struck: Struck) -> web.StreamResponse | None:
    """Do what the rule says before the call; an answer means that it is not carried out."""
    act = _BEFORE.get(struck.installed.rule.action)
    return await act(struck) if act else None


async def act_after(struck: Struck, response: web.StreamResponse) -> web.StreamResponse:
    """Do what the rule says after the call, and return the answer that goes out."""
    match struck.installed.rule.action:
        case "lose-answer":
            return cut(struck.request)
        case "kill-after":
            return _kill(struck)
        case "refuse-some" if struck.torn:
            return merged(struck.torn, response)
    return response


def _kill(struck: Struck) -> web.StreamResponse:
    struck.kill()
    return cut(struck.request)


async def _throttle(struck: Struck) -> web.StreamResponse:
    return throttled(struck.operation, struck.installed.rule.error)


async def _error(struck: Struck) -> web.StreamResponse:
    return failed(struck.operation, struck.installed.rule.error, struck.installed.rule.status)


async def _expired_iterator(struck: Struck) -> web.StreamResponse:
    return expired_iterator(struck.operation)


async def _no_records(struck: Struck) -> web.StreamResponse:
    """Answer as a shard does before the part of it that has records: the place is the same, and it is still open."""
    call = json.loads(await struck.request.read())
    answer = {"Records": [], "NextShardIterator": call["ShardIterator"]}
    return web.json_response(answer, content_type=struck.request.content_type)


async def _reset(struck: Struck) -> web.StreamResponse:
    return cut(struck.request)


async def _kill_before(struck: Struck) -> web.StreamResponse:
    return _kill(struck)


async def _delay(struck: Struck) -> web.StreamResponse | None:
    # Carried out once its caller is gone, it could come behind the caller's next try: no service keeps a call so long.
    return cut(struck.request) if await _wait(struck.request, struck.installed.rule.seconds) else None


async def _hang(struck: Struck) -> web.StreamResponse:
    await _wait(struck.request, _HANG_SECONDS_MOST)
    return cut(struck.request)


async def _short_page(struck: Struck) -> None:
    call = json.loads(await struck.request.read())
    items = struck.installed.rule.items
    replace_body(struck.request, json.dumps({**call, "Limit": min(items, call.get("Limit", items))}).encode())


async def _refuse_some(struck: Struck) -> web.StreamResponse | None:
    rule, rng = struck.installed.rule, struck.installed.random
    struck.torn = torn = tear(struck.operation, await struck.request.read(), rule.members, rng, rule.error)
    if torn is None:
        return failed(struck.operation, "ValidationException", HTTPStatus.BAD_REQUEST)
    if torn.is_whole:
        return throttled(struck.operation)
    if torn.body is None:
        return web.json_response(torn.merge({}), content_type=struck.request.content_type)
    replace_body(struck.request, torn.body)
    return None


_BEFORE: Final[dict[Action, Callable[[Struck], Awaitable[web.StreamResponse | None]]]] = {
    "throttle": _throttle,
    "error": _error,
    "expired-iterator": _expired_iterator,
    "no-records": _no_records,
    "reset": _reset,
    "kill-before": _kill_before,
    "delay": _delay,
    "hang": _hang,
    "short-page": _short_page,
    "refuse-some": _refuse_some,
}


async def _wait(request: web.Request, seconds: float) -> bool:
    """Wait, and say whether the caller hung up meanwhile."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while not has_hung_up(request) and (left := until - loop.time()) > 0:  # noqa: ASYNC110 — a transport tells no event
        await asyncio.sleep(min(left, _LOOK_SECONDS))
    return has_hung_up(request)


def merged(torn: TornBatch, response: web.StreamResponse) -> web.StreamResponse:
    """Return the engine's answer to what was left of a batch, with what was left out."""
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    if response.status != HTTPStatus.OK:
        return response
    # The engine's checksum belongs to the engine's body.
    headers = {name: value for name, value in response.headers.items() if name.lower() not in _OF_THE_BODY}
    body = json.dumps(torn.merge(json.loads(response.body))).encode()
    return web.Response(status=response.status, headers=headers, body=body)
