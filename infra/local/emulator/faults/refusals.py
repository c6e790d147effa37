"""Refusals in the services' own shapes, so that an SDK takes them for real."""

import json
import uuid
from http import HTTPStatus
from typing import Final

from aiohttp import web

from infra.local.emulator.answers import JSON_10, JSON_11, refusal

_DYNAMODB: Final = "dynamodb"
_JSON_11: Final = frozenset({"kinesis", "ssm", "events"})
_THROTTLED: Final = {
    _DYNAMODB: "ProvisionedThroughputExceededException",
    "kinesis": "ProvisionedThroughputExceededException",
    "lambda": "TooManyRequestsException",
    "s3": "SlowDown",
}
_FAILED: Final = {"kinesis": "InternalFailure", "lambda": "ServiceException", "s3": "InternalError"}


def throttled(operation: str, error: str = "") -> web.Response:
    """Refuse a call as made too fast."""
    service = service_of(operation)
    status = {"lambda": HTTPStatus.TOO_MANY_REQUESTS, "s3": HTTPStatus.SERVICE_UNAVAILABLE}.get(
        service, HTTPStatus.BAD_REQUEST
    )
    return refused(operation, error or _THROTTLED.get(service, "ThrottlingException"), status)


def failed(operation: str, error: str = "", status: int = HTTPStatus.INTERNAL_SERVER_ERROR) -> web.Response:
    """Refuse a call because of the service's own fault, or as the rule says."""
    return refused(operation, error or _FAILED.get(service_of(operation), "InternalServerError"), status)


def expired_iterator(operation: str) -> web.Response:
    """Refuse a read whose shard iterator is too old."""
    return refused(operation, "ExpiredIteratorException", HTTPStatus.BAD_REQUEST)


def refused(operation: str, error: str, status: int, message: str = "") -> web.Response:
    """Refuse a call with an error of its service."""
    service, message = service_of(operation), message or f"a fault injected into {operation}"
    if service == "s3":
        body = f"<Error><Code>{error}</Code><Message>{message}</Message></Error>"
        return web.Response(status=status, text=body, content_type="application/xml")
    if service == "lambda":
        return web.Response(
            status=status,
            body=json.dumps({"Type": "User", "Message": message, "message": message}).encode(),
            content_type="application/json",
            headers={"x-amzn-ErrorType": error, "x-amzn-RequestId": str(uuid.uuid4())},
        )
    name = f"com.amazonaws.dynamodb.v20120810#{error}" if service == _DYNAMODB else error
    return refusal(name, message, status=status, content_type=JSON_11 if service in _JSON_11 else JSON_10)


def service_of(operation: str) -> str:
    """Return the service of an operation as the gateway names it: DynamoDB's come without."""
    service, dot, _ = operation.partition(".")
    return service if dot else _DYNAMODB
