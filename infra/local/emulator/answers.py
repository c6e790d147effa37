"""Answers in the shape of AWS's JSON protocols."""

import json
import uuid
from dataclasses import dataclass

from aiohttp import web

OWN_PATHS = "/_tableferry/"
"""Calls to the gateway itself: neither counted nor seen by a hook."""
JSON_10 = "application/x-amz-json-1.0"
JSON_11 = "application/x-amz-json-1.1"

_PASSED_BACK = ("content-type", "x-amzn-requestid", "x-amz-crc32", "x-amz-id-2")


@dataclass(frozen=True)
class Answer:
    """What an engine answered; the headers' names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def relayed(answer: Answer, body: bytes | None = None) -> web.Response:
    """Return an engine's answer to the gateway's caller, with another body where one is given.

    The engine's checksum belongs to the engine's body: it stays behind when the body is another.
    """
    headers = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
    if body is not None:
        headers.pop("x-amz-crc32", None)
    return web.Response(status=answer.status, headers=headers, body=answer.body if body is None else body)


def given(body: bytes, *, content_type: str = JSON_10) -> web.Response:
    """Return an answer of our own, in JSON."""
    return web.Response(body=body, headers={"Content-Type": content_type, "x-amzn-RequestId": str(uuid.uuid4())})


def refusal(error: str, message: str, *, status: int = 400, content_type: str = JSON_10) -> web.Response:
    """Return an error; `error` is its code as the SDK shows it."""
    return web.Response(
        status=status,
        body=json.dumps({"__type": error, "message": message}).encode(),
        headers={"Content-Type": content_type, "x-amzn-RequestId": str(uuid.uuid4()), "x-amzn-ErrorType": error},
    )
