"""The Lambda API as boto3 speaks it: functions, invocations, event source mappings.

`GET /_tableferry/logs/<Region>/<function>` returns all that a function has written so far, its metrics among it: what
CloudWatch Logs would have.
"""

import base64
import binascii
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from infra.local.emulator.answers import OWN_PATHS
from infra.local.emulator.lambdas.lambda_errors import (
    MAX_PAYLOAD_BYTES,
    LambdaApiError,
    invalid_content,
    invalid_value,
    too_large,
)
from infra.local.emulator.lambdas.lambda_host import LambdaHost
from infra.local.emulator.mappings.event_source_mappings import EventSourceMappings

_MAX_UPLOAD_BYTES: Final = 70_167_211  # 50 MB of zip, as base64
_LOG_TAIL_BYTES: Final = 4_096
_CONCURRENCY: Final = 1_000  # of an account, by default
LOGS_PATH: Final = f"{OWN_PATHS}logs/"
_SCOPE: Final = re.compile(r"Credential=[^/]+/\d{8}/([^/]+)/")


def add_routes(app: web.Application, host: LambdaHost, mappings: EventSourceMappings) -> None:
    """Add the Lambda API to an application; it answers below the dates of its own paths.

    Args:
        app: the application. Its middlewares and its limit for bodies do not matter here.
        host: where functions live.
        mappings: where event source mappings live.
    """
    functions, sources = _FunctionRoutes(host), _MappingRoutes(mappings, host.region)
    function, mapping = "/2015-03-31/functions/{name}", "/2015-03-31/event-source-mappings"
    routes: list[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]]] = [
        ("POST", "/2015-03-31/functions", functions.create),
        ("GET", "/2015-03-31/functions", functions.list_all),
        ("GET", function, functions.get),
        ("DELETE", function, functions.delete),
        ("GET", f"{function}/configuration", functions.get_configuration),
        ("PUT", f"{function}/configuration", functions.update_configuration),
        ("PUT", f"{function}/code", functions.update_code),
        ("POST", f"{function}/invocations", functions.invoke),
        ("PUT", "/2017-10-31/functions/{name}/concurrency", functions.put_concurrency),
        ("DELETE", "/2017-10-31/functions/{name}/concurrency", functions.delete_concurrency),
        ("GET", "/2019-09-30/functions/{name}/concurrency", functions.get_concurrency),
        ("GET", "/2016-08-19/account-settings", functions.account_settings),
        ("GET", f"{LOGS_PATH}{{region}}/{{name}}", functions.logs),
        ("POST", mapping, sources.create),
        ("GET", mapping, sources.list_all),
        ("GET", mapping + "/{uuid}", sources.get),
        ("PUT", mapping + "/{uuid}", sources.update),
        ("DELETE", mapping + "/{uuid}", sources.delete),
    ]
    for method, path, handler in routes:
        app.router.add_route(method, path, _answering(handler))
        # Older botocores end these paths with a slash.
        if "{" not in path:
            app.router.add_route(method, f"{path}/", _answering(handler))


class _RegionalRoutes:
    """Routes whose calls are for the region that they are signed for."""

    def __init__(self, default_region: str) -> None:
        self._default_region = default_region

    def _region(self, request: web.Request) -> str:
        scope = _SCOPE.search(request.headers.get("Authorization", ""))
        return scope[1] if scope else self._default_region


class _FunctionRoutes(_RegionalRoutes):
    def __init__(self, host: LambdaHost) -> None:
        super().__init__(host.region)
        self._host = host

    async def create(self, request: web.Request) -> web.Response:
        body = await _json_body(request, _MAX_UPLOAD_BYTES)
        code = body.get("Code") or {}
        function = self._host.create(body, _zip_bytes(code), region=self._region(request))
        return _answer(function.configuration(), HTTPStatus.CREATED)

    async def list_all(self, request: web.Request) -> web.Response:
        functions = self._host.functions(region=self._region(request))
        items, marker = _page_of([function.configuration() for function in functions], request)
        return _answer({"Functions": items, "NextMarker": marker})

    async def get(self, request: web.Request) -> web.Response:
        name, region = request.match_info["name"], self._region(request)
        function = self._host.get(name, region=region)
        answer: dict[str, Any] = {
            "Configuration": function.configuration(),
            "Code": {"RepositoryType": "S3", "Location": f"file://{function.code_folder}"},
        }
        reserved = self._host.reserved_concurrency(name, region=region)
        if reserved is not None:
            answer["Concurrency"] = {"ReservedConcurrentExecutions": reserved}
        return _answer(answer)

    async def get_configuration(self, request: web.Request) -> web.Response:
        function = self._host.get(request.match_info["name"], region=self._region(request))
        return _answer(function.configuration())

    async def update_code(self, request: web.Request) -> web.Response:
        body = await _json_body(request, _MAX_UPLOAD_BYTES)
        name, region = request.match_info["name"], self._region(request)
        function = await self._host.update_code(name, _zip_bytes(body), region=region)
        return _answer(function.configuration())

    async def update_configuration(self, request: web.Request) -> web.Response:
        body = await _json_body(request)
        name, region = request.match_info["name"], self._region(request)
        function = await self._host.update_configuration(name, body, region=region)
        return _answer(function.configuration())

    async def delete(self, request: web.Request) -> web.Response:
        await self._host.delete(request.match_info["name"], region=self._region(request))
        return _answer(None, HTTPStatus.NO_CONTENT)

    async def put_concurrency(self, request: web.Request) -> web.Response:
        reserved = (await _json_body(request)).get("ReservedConcurrentExecutions")
        if not isinstance(reserved, int) or reserved < 0:
            raise invalid_value(f"Value '{reserved}' at 'reservedConcurrentExecutions' failed to satisfy constraint")
        self._host.reserve_concurrency(request.match_info["name"], reserved, region=self._region(request))
        return _answer({"ReservedConcurrentExecutions": reserved})

    async def get_concurrency(self, request: web.Request) -> web.Response:
        reserved = self._host.reserved_concurrency(request.match_info["name"], region=self._region(request))
        return _answer({} if reserved is None else {"ReservedConcurrentExecutions": reserved})

    async def delete_concurrency(self, request: web.Request) -> web.Response:
        self._host.reserve_concurrency(request.match_info["name"], None, region=self._region(request))
        return _answer(None, HTTPStatus.NO_CONTENT)

    async def account_settings(self, request: web.Request) -> web.Response:
        region = self._region(request)
        names = [function.configuration()["FunctionName"] for function in self._host.functions(region=region)]
        reserved = sum(self._host.reserved_concurrency(name, region=region) or 0 for name in names)
        limit = {"ConcurrentExecutions": _CONCURRENCY, "UnreservedConcurrentExecutions": _CONCURRENCY - reserved}
        return _answer({"AccountLimit": limit, "AccountUsage": {"FunctionCount": len(names)}})

    async def logs(self, request: web.Request) -> web.Response:
        name, region = request.match_info["name"], request.match_info["region"]
        return web.Response(text=self._host.logs(name, region=region))

    async def invoke(self, request: web.Request) -> web.Response:
        name, region = request.match_info["name"], self._region(request)
        payload = await _body(request, MAX_PAYLOAD_BYTES) or b"{}"
        try:
            json.loads(payload)
        except ValueError as error:
            raise invalid_content(f"Could not parse request body into json: {error}") from error
        kind = request.headers.get("X-Amz-Invocation-Type", "RequestResponse")
        if kind != "RequestResponse":
            raise invalid_value(f"Value '{kind}' at 'invocationType': the local Lambda has RequestResponse only")
        invocation = await self._host.invoke(name, payload, region=region)
        headers = {"x-amzn-RequestId": invocation.request_id, "X-Amz-Executed-Version": "$LATEST"}
        if invocation.function_error:
            headers["X-Amz-Function-Error"] = invocation.function_error
        if request.headers.get("X-Amz-Log-Type") == "Tail":
            tail = self._host.logs(name, region=region).encode()[-_LOG_TAIL_BYTES:]
            headers["X-Amz-Log-Result"] = base64.b64encode(tail).decode()
        return web.Response(
            status=invocation.status,
            body=invocation.payload,
            content_type="application/json",
            headers=headers,
        )


class _MappingRoutes(_RegionalRoutes):
    def __init__(self, mappings: EventSourceMappings, default_region: str) -> None:
        super().__init__(default_region)
        self._mappings = mappings

    async def create(self, request: web.Request) -> web.Response:
        answer = await self._mappings.create(await _json_body(request), region=self._region(request))
        return _answer(answer, HTTPStatus.ACCEPTED)

    async def list_all(self, request: web.Request) -> web.Response:
        found = self._mappings.find(
            region=self._region(request),
            source_arn=request.query.get("EventSourceArn"),
            function_name=request.query.get("FunctionName"),
        )
        items, marker = _page_of(found, request)
        return _answer({"EventSourceMappings": items, "NextMarker": marker})

    async def get(self, request: web.Request) -> web.Response:
        return _answer(self._mappings.get(request.match_info["uuid"]))

    async def update(self, request: web.Request) -> web.Response:
        body = await _json_body(request)
        return _answer(self._mappings.update(request.match_info["uuid"], body), HTTPStatus.ACCEPTED)

    async def delete(self, request: web.Request) -> web.Response:
        return _answer(self._mappings.delete(request.match_info["uuid"]), HTTPStatus.ACCEPTED)


def _answering(
    handler: Callable[[web.Request], Awaitable[web.Response]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except LambdaApiError as error:
            body = {"Type": "User", "Message": error.message, "message": error.message, **error.fields}
            return _answer(body, error.status, {"x-amzn-ErrorType": error.code})

    return answer


def _answer(body: Any, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> web.Response:  # noqa: ANN401 — any JSON
    return web.Response(
        status=status,
        body=b"" if body is None else json.dumps(body).encode(),
        content_type="application/json",
        headers={"x-amzn-RequestId": str(uuid.uuid4()), **(headers or {})},
    )


async def _body(request: web.Request, limit: int) -> bytes:
    """Read the body to its end, whatever limit the application has, and refuse it beyond ours (bytes)."""
    if request.content.at_eof():
        # A hook of the gateway has read it already, and the request remembers it; or there is none.
        return await request.read()
    body = bytearray()
    async for piece in request.content.iter_any():
        if len(body) <= limit:
            body += piece
    if len(body) > limit:
        raise too_large(f"Request must be smaller than {limit} bytes for the {_operation(request)} operation")
    return bytes(body)


async def _json_body(request: web.Request, limit: int = MAX_PAYLOAD_BYTES) -> dict[str, Any]:
    try:
        body = json.loads(await _body(request, limit) or b"{}")
    except ValueError as error:
        raise invalid_content(f"Could not parse request body into json: {error}") from error
    if not isinstance(body, dict):
        raise invalid_content("Could not parse request body into json: it is no object")
    return body


def _operation(request: web.Request) -> str:
    return "InvokeFunction" if request.path.endswith("/invocations") else "Lambda"


def _zip_bytes(code: dict[str, Any]) -> bytes:
    if "ZipFile" not in code:
        raise invalid_value("Please provide a source for function code: the local Lambda takes a ZipFile")
    try:
        return base64.b64decode(code["ZipFile"], validate=True)
    except (binascii.Error, TypeError) as error:
        raise invalid_value(f"ZipFile is not base64: {error}") from error


def _page_of(items: list[dict[str, Any]], request: web.Request) -> tuple[list[dict[str, Any]], str | None]:
    """Return what the caller's Marker and MaxItems ask for, and the next Marker."""
    start = int(request.query.get("Marker") or 0)
    end = start + int(request.query.get("MaxItems") or 50)
    return items[start:end], str(end) if end < len(items) else None
