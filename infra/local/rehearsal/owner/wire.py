"""DynamoDB's own JSON over HTTP, signed by botocore: what goes in and comes out is typed JSON, binary values as base64.

boto3's validation, serialisation and parsing would cost five times as much as the rest of a write, and this load shares
two cores with all the engines.
"""

import json
from collections.abc import Mapping
from typing import Any

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, NoCredentialsError
from botocore.httpsession import URLLib3Session

_TIMEOUT_SECONDS = 10
_CONNECTIONS = 16
_OK = 200
_SERVER_FAULT = 500


class CallFailed(Exception):  # noqa: N818 — the subclasses say what it means
    """A call that brought no result. `name` is the service's name of the error, or the class of what went wrong."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class Refused(CallFailed):
    """The service said no; nothing was changed."""


class NoAnswer(CallFailed):
    """The answer was lost, or the service failed: the call may or may not have been carried out."""


class Wire:
    """Calls DynamoDB where a session's client would, once per call; safe to share between threads.

    It never repeats a call: a repeated conditional write would report its first success as a failed condition.
    """

    def __init__(self, session: boto3.Session) -> None:
        client = session.client("dynamodb")
        self._url = client.meta.endpoint_url
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        self._signer = SigV4Auth(credentials, "dynamodb", client.meta.region_name)
        self._http = URLLib3Session(timeout=_TIMEOUT_SECONDS, max_pool_connections=_CONNECTIONS)

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request in typed JSON.

        Raises:
            Refused: the service said no.
            NoAnswer: it is unknown what happened.
        """
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
        sent = AWSRequest("POST", self._url, data=json.dumps(request).encode(), headers=headers)
        self._signer.add_auth(sent)
        try:
            answer = self._http.send(sent.prepare())
            content: dict[str, Any] = json.loads(answer.content or b"{}")
        except (BotoCoreError, ValueError) as error:
            raise NoAnswer(type(error).__name__, str(error)) from error
        if answer.status_code == _OK:
            return content
        name = str(content.get("__type", f"HTTP{answer.status_code}")).rpartition("#")[2]
        kind = NoAnswer if answer.status_code >= _SERVER_FAULT else Refused
        raise kind(name, str(content.get("message", content.get("Message", ""))))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()
