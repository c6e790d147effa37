"""The one front door: sends each call to the engine that answers it, and makes the engines look like AWS.

| call | goes to |
|---|---|
| `X-Amz-Target: DynamoDB_20120810.*`, `DynamoDBStreams_20120810.*` | DynamoDB Local |
| `X-Amz-Target: Kinesis_20131202.*` | kinesis-local |
| the Lambda API's paths | our Lambda host, whose routes stand before the catch-all |
| everything else | moto, in a thread of this process |

Hooks stand before and after every call, for permissions (permissions/) and fault injection (faults/).
`GET /_tableferry/calls` counts calls by operation: DynamoDB's by their plain names (`Scan`), all others with their
service (`dynamodbstreams.GetRecords`, `lambda.Invoke`).
"""

import re
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web

from infra.local.emulator.answers import OWN_PATHS, refusal
from infra.local.emulator.dynamodb_api import DynamoDBApi
from infra.local.emulator.engines.dynamodb_calls import STREAMS, TABLES
from infra.local.emulator.engines.kinesis_calls import KinesisCalls
from infra.local.emulator.engines.moto_app import MotoApp

MAX_BODY_BYTES = 64 << 20
CALLS_PATH = f"{OWN_PATHS}calls"
KINESIS = "Kinesis_20131202"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Before = Callable[[web.Request], Awaitable[web.StreamResponse | None]]
After = Callable[[web.Request, web.StreamResponse], Awaitable[web.StreamResponse]]

_CREDENTIAL_SCOPE = re.compile(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/")
_LAMBDA_PATH = re.compile(r"/20\d\d-\d\d-\d\d/(functions|event-source-mappings|tags|layers|account-settings)\b")


class Gateway:
    """The gateway's routes, hooks and counts.

    Attributes:
        before: hooks asked in order before a call is sent on; the first answer that is not None is given instead.
        after: hooks that see each answer in order, and give the one that goes out.
        calls: how often each operation was called.
    """

    def __init__(self, *, dynamodb: DynamoDBApi, kinesis: KinesisCalls, moto: MotoApp, region: str) -> None:
        self.before: list[Before] = []
        self.after: list[After] = []
        self.calls: Counter[str] = Counter()
        self._dynamodb = dynamodb
        self._kinesis = kinesis
        self._moto = moto
        self._region = region

    def application(self, *add_routes: Callable[[web.Application], None]) -> web.Application:
        """Return the aiohttp application, with the routes of others: Lambda's, and fault injection's."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self._around])
        app.router.add_get(CALLS_PATH, self._show_calls)
        # Every JSON-protocol service posts to "/": a plain route is found without trying patterns.
        app.router.add_post("/", self._answer)
        for add in add_routes:
            add(app)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    async def _show_calls(self, _request: web.Request) -> web.StreamResponse:
        return web.json_response(dict(sorted(self.calls.items())))

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count a call and let the hooks see it."""
        if request.path.startswith(OWN_PATHS):
            return await handler(request)
        self.calls[operation_of(request)] += 1
        for look in self.before:
            if (instead := await look(request)) is not None:
                return instead
        response = await handler(request)
        for change in self.after:
            response = await change(request, response)
        return response

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        api, _, operation = request.headers.get("X-Amz-Target", "").partition(".")
        region, service = scope_of(request)
        try:
            if api == TABLES:
                return await self._dynamodb.answer(request, operation, region or self._region)
            if api == STREAMS:
                return await self._dynamodb.answer_streams(request, operation, region or self._region)
            if api == KINESIS:
                return await self._kinesis.answer(request, operation, region or self._region)
        except OSError as error:
            # As on AWS: the call may or may not have been carried out, and the SDK tries again.
            return refusal("InternalServerError", f"the engine behind {api} gave no answer: {error!r}", status=500)
        if service == "lambda" or _LAMBDA_PATH.match(request.path):
            return refusal(
                "ResourceNotFoundException",
                f"the local AWS has no Lambda call {request.method} {request.path}; see lambda_api.py",
                status=404,
            )
        return await self._moto.answer(request)


def scope_of(request: web.Request) -> tuple[str, str]:
    """Return the region and the service a request is signed for; empty for an unsigned one."""
    found = _CREDENTIAL_SCOPE.search(request.headers.get("Authorization", ""))
    return (found[1], found[2]) if found else ("", "")


def operation_of(request: web.Request) -> str:
    """Return the name a call is counted under; hooks choose by it too."""
    api, _, operation = request.headers.get("X-Amz-Target", "").partition(".")
    if api == TABLES:
        return operation
    if api == STREAMS:
        return f"dynamodbstreams.{operation}"
    _, service = scope_of(request)
    if operation:
        return f"{service or api}.{operation}"
    if service == "lambda" or _LAMBDA_PATH.match(request.path):
        return "lambda.Invoke" if request.path.endswith("/invocations") else f"lambda.{request.method}"
    return f"{service or 'unsigned'}.{request.method}"
