"""Injects faults at the gateway's hooks, by rules that are installed while it runs.

| call | does |
|---|---|
| `POST /_tableferry/faults` | installs rules, a JSON list (see rule.py), behind those that are there |
| `GET /_tableferry/faults` | lists each rule with the number of calls it has met and of those it fired at |
| `DELETE /_tableferry/faults` | removes the rules whose names begin with the parameter `prefix`, by default all |
| `POST /_tableferry/restart` | cuts all connections and listens again after `down_seconds` |

Of the rules that fit a call the first that fires acts, and those behind it do not see the call. The log names rules and
operations, never what a call carries.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from infra.local.emulator.answers import OWN_PATHS
from infra.local.emulator.faults.actions import Struck, act_after, act_before
from infra.local.emulator.faults.rule import KILLS, Installed, Rule
from infra.local.emulator.gateway import operation_of

FAULTS_PATH: Final = f"{OWN_PATHS}faults"
RESTART_PATH: Final = f"{OWN_PATHS}restart"

_ANSWER_SECONDS: Final = 0.05
_RULES: Final = TypeAdapter(list[Rule])
_APPLICATION: Final = re.compile(r"\bapp/(\S+)")
_STRUCK: Final = "tableferry-struck"

log = logging.getLogger(__name__)


class Workers(Protocol):
    """Who calls, and can be killed: LambdaHost."""

    def function_of_worker(self, worker: str) -> str | None:
        """Return the name of the function that a worker runs."""
        ...

    def kill_worker(self, worker: str) -> None:
        """Kill a worker's process."""
        ...


class Faults:
    """The rules, and the two hooks that obey them.

    Args:
        workers: finds the function behind a call.
        restart: restarts the gateway, given the seconds for which it is to be down.
    """

    def __init__(self, workers: Workers, restart: Callable[[float], Awaitable[None]]) -> None:
        self._workers = workers
        self._restart = restart
        self._installed: list[Installed] = []
        self._restarting: set[asyncio.Task[None]] = set()

    def add_routes(self, app: web.Application) -> None:
        """Add the calls above."""
        app.router.add_post(FAULTS_PATH, self._install)
        app.router.add_get(FAULTS_PATH, self._tell)
        app.router.add_delete(FAULTS_PATH, self._remove)
        app.router.add_post(RESTART_PATH, self._restart_soon)

    async def stop(self) -> None:
        """Give up a restart under way."""
        for task in self._restarting:
            task.cancel()
        await asyncio.gather(*self._restarting, return_exceptions=True)

    async def before(self, request: web.Request) -> web.StreamResponse | None:
        """Let the first rule that fires act before the call is carried out."""
        if not self._installed:
            return None
        operation, application = operation_of(request), _application_of(request)
        function = self._workers.function_of_worker(application)
        caller = function or application
        for installed in self._installed:
            if (
                installed.fits(operation, caller)
                and (function or installed.rule.action not in KILLS)
                and await _mentions(request, installed.rule.mentions)
                and installed.fires()
            ):
                log.info("fault %s: %s by %s", installed.rule.name, operation, caller or "no function")
                kill = partial(self._workers.kill_worker, application)
                request[_STRUCK] = struck = Struck(installed, request, operation, kill)
                return await act_before(struck)
        return None

    async def after(self, request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
        """Do to the answer what was decided before the call."""
        struck: Struck | None = request.get(_STRUCK)
        return response if struck is None else await act_after(struck, response)

    async def _install(self, request: web.Request) -> web.StreamResponse:
        try:
            rules = _RULES.validate_json(await request.read())
        except ValidationError as error:
            return web.json_response({"message": str(error)}, status=400)
        names = [rule.name for rule in (*(installed.rule for installed in self._installed), *rules)]
        if len(set(names)) < len(names):
            return web.json_response({"message": "every rule needs a name of its own"}, status=409)
        self._installed += [Installed(rule) for rule in rules]
        return web.json_response({"installed": len(self._installed)}, status=201)

    async def _tell(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response([installed.report() for installed in self._installed])

    async def _remove(self, request: web.Request) -> web.StreamResponse:
        prefix = request.query.get("prefix", "")
        self._installed = [kept for kept in self._installed if not kept.rule.name.startswith(prefix)]
        return web.json_response({"installed": len(self._installed)})

    async def _restart_soon(self, request: web.Request) -> web.StreamResponse:
        seconds = float(request.query.get("down_seconds", "1"))

        async def restart() -> None:
            await asyncio.sleep(_ANSWER_SECONDS)  # this call's own answer goes out first
            await self._restart(seconds)

        task = asyncio.create_task(restart())
        self._restarting.add(task)
        task.add_done_callback(self._restarting.discard)
        return web.json_response({"down_seconds": seconds}, status=202)


def _application_of(request: web.Request) -> str:
    """Return the name that a caller's SDK sends along, which is the worker's for a function."""
    found = _APPLICATION.search(request.headers.get("User-Agent", ""))
    return found[1] if found else ""


async def _mentions(request: web.Request, text: str) -> bool:
    # Only JSON protocols post to "/". What is posted elsewhere may be large, and is read by its own route.
    return not text or text in request.path or (request.path == "/" and text.encode() in await request.read())
