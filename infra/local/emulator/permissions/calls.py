"""The call behind a request: which service and operation, and as much of it as its requirements are read from."""

import re
from typing import Final

from aiohttp import web

from infra.local.emulator.bodies import body_of
from infra.local.emulator.permissions.requirements.requirement import Call

_SERVICES: Final = {
    "AWSEvents": "events",
    "AWSStepFunctions": "states",
    "AmazonSSM": "ssm",
    "DynamoDBStreams_20120810": "dynamodbstreams",
    "DynamoDB_20120810": "dynamodb",
    "GraniteServiceVersion20100801": "cloudwatch",
    "Kinesis_20131202": "kinesis",
}
"""By the first part of `X-Amz-Target`."""

_MAPPINGS: Final = "/2015-03-31/event-source-mappings"
_ACCOUNT: Final = "GET /2016-08-19/account-settings"
_INVOKE: Final = re.compile(r"/2015-03-31/functions/[^/]+/invocations")
_ON_MAPPINGS: Final = {"POST": "CreateEventSourceMapping", "GET": "ListEventSourceMappings"}
_ON_MAPPING: Final = {
    "DELETE": "DeleteEventSourceMapping",
    "GET": "GetEventSourceMapping",
    "PUT": "UpdateEventSourceMapping",
}
_ON_OBJECT: Final = {"DELETE": "DeleteObject", "GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject"}
_OF_OBJECTS: Final = frozenset({"x-id"})
"""Parameters that change nothing of what is asked for."""


async def call_of(request: web.Request, service: str, region: str, account: str) -> Call:
    """Return the call.

    Args:
        request: as it came to the gateway.
        service: that it is signed for.
        region: the same.
        account: whose resources it means.
    """
    api, _, operation = request.headers.get("X-Amz-Target", "").partition(".")
    if operation:
        return Call(_SERVICES.get(api, api), operation, region, account, await body_of(request))
    path = request.path
    if service == "lambda":
        operation = _lambda_operation(request.method, path)
        # What else Lambda is sent may be large, and is read by its own route.
        takes_json = operation in {"CreateEventSourceMapping", "UpdateEventSourceMapping"}
        return Call(service, operation, region, account, await request.read() if takes_json else b"", path)
    if service == "s3":
        operation = _s3_operation(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        return Call(service, operation, region, account, b"", path, dict(request.query), headers)
    return Call(service, f"{request.method} {path}", region, account)


def _lambda_operation(method: str, path: str) -> str:
    known = f"{method} {path}"
    if path.rstrip("/") == _MAPPINGS:
        return _ON_MAPPINGS.get(method, known)
    if path.startswith(f"{_MAPPINGS}/"):
        return _ON_MAPPING.get(method, known)
    if known.rstrip("/") == _ACCOUNT:
        return "GetAccountSettings"
    return "Invoke" if method == "POST" and _INVOKE.fullmatch(path) else known


def _s3_operation(request: web.Request) -> str:
    _, _, key = request.path.lstrip("/").partition("/")
    if not key and request.method == "GET" and request.query.get("list-type") == "2":
        return "ListObjectsV2"
    if key and request.method in _ON_OBJECT and request.query.keys() <= _OF_OBJECTS:
        return _ON_OBJECT[request.method]
    return f"{request.method} {request.path}"
