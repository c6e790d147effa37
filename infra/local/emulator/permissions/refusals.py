"""AWS's own no, in each service's protocol, so that an SDK takes it for real."""

import json
import uuid
from http import HTTPStatus
from typing import Final
from xml.sax.saxutils import escape

from aiohttp import web

from infra.local.emulator.answers import JSON_10, JSON_11, given, refusal
from infra.local.emulator.permissions.callers import Caller
from infra.local.emulator.permissions.policies import Decision
from infra.local.emulator.permissions.requirements.requirement import Call, Requirement

_DENIED: Final = "AccessDeniedException"
_JSON_11: Final = frozenset({"kinesis", "ssm", "events"})
_DYNAMODB: Final = frozenset({"dynamodb", "dynamodbstreams"})


def message_of(caller: Caller, requirement: Requirement, decision: Decision) -> str:
    """Return AWS's sentence on what was not allowed."""
    resource = requirement.resource
    if requirement.action.startswith("s3:"):
        resource = f'"{resource}"'  # S3 alone quotes it
    why = (
        "with an explicit deny in an identity-based policy"
        if decision is Decision.DENIED
        else f"because no identity-based policy allows the {requirement.action} action"
    )
    return f"User: {caller.arn} is not authorized to perform: {requirement.action} on resource: {resource} {why}"


def refused(call: Call, message: str) -> web.Response:
    """Return the answer to a call that is not allowed."""
    if call.service == "s3":
        body = f"<Error><Code>AccessDenied</Code><Message>{escape(message)}</Message></Error>"
        return web.Response(status=HTTPStatus.FORBIDDEN, text=body, content_type="application/xml")
    if call.service == "lambda":
        return web.Response(
            status=HTTPStatus.FORBIDDEN,
            body=json.dumps({"Message": message, "message": message}).encode(),
            content_type="application/json",
            headers={"x-amzn-ErrorType": _DENIED, "x-amzn-RequestId": str(uuid.uuid4())},
        )
    code = f"com.amazon.coral.service#{_DENIED}" if call.service in _DYNAMODB else _DENIED
    return refusal(code, message, content_type=JSON_11 if call.service in _JSON_11 else JSON_10)


def refused_statements(call: Call, message: str) -> web.Response:
    """Return the answer to a BatchExecuteStatement none of whose statements is allowed: each has its own error."""
    error = {"Error": {"Code": "AccessDenied", "Message": message}}
    count = len(json.loads(call.body)["Statements"])
    return given(json.dumps({"Responses": [error] * count}).encode())
