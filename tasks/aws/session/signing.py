"""AWS's Signature Version 4 of the one kind of request that this project sends by itself: JSON, posted to an endpoint.

botocore's signer takes every request apart anew, and costs as much as writing ten items does. What never changes is
prepared here once, and the key that is derived for a day is kept for it. A property test holds both equal.
"""

import hashlib
import hmac
from datetime import datetime
from typing import Final, NamedTuple

ALGORITHM: Final = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """Of one moment, all of one piece."""

    access_key: str
    secret_key: str
    token: str | None
    """Of a session, as a role's are."""


class Signer:
    """Signs posts to one endpoint of one service.

    Args:
        service: by its signing name, such as `dynamodb`.
        region: of the endpoint.
        host: as the request names it, with its port where that is not the scheme's own.
        path: of the endpoint.
        content_type: of all bodies.
    """

    def __init__(self, *, service: str, region: str, host: str, path: str, content_type: str) -> None:
        self._service = service
        self._region = region
        self._host = host
        self._path = path
        self._content_type = content_type
        self._key: tuple[tuple[str, str], bytes] = ("", ""), b""

    def headers(self, target: str, body: bytes, credentials: Credentials, at: datetime) -> dict[str, str]:
        """Return all headers of a request that have to do with whom it is from and what it asks for.

        Args:
            target: the operation, as `X-Amz-Target` names it.
            body: exactly as it is sent.
            credentials: to sign with.
            at: now, in UTC; AWS takes it within five minutes of its own.
        """
        moment = at.strftime("%Y%m%dT%H%M%SZ")
        named = {"content-type": self._content_type, "host": self._host, "x-amz-date": moment}
        if credentials.token:
            named["x-amz-security-token"] = credentials.token
        named["x-amz-target"] = target
        names = ";".join(named)  # they stand in their order
        lines = "".join([f"{name}:{value}\n" for name, value in named.items()])
        asked = f"POST\n{self._path}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{moment[:8]}/{self._region}/{self._service}/aws4_request"
        said = f"{ALGORITHM}\n{moment}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
        signature = hmac.digest(self._key_of(credentials.secret_key, moment[:8]), said.encode(), "sha256").hex()
        signed = f"Credential={credentials.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        return {**named, "authorization": f"{ALGORITHM} {signed}"}

    def _key_of(self, secret: str, day: str) -> bytes:
        """Return the key that is derived of a secret for a day. Threads that derive it together derive the same."""
        kept_for, key = self._key
        if kept_for != (secret, day):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, self._service, "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = (secret, day), key
        return key
