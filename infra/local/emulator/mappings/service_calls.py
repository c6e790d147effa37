"""Calls to AWS services with bodies as they are on the wire.

boto3 would parse and rebuild what it reads: binary values would be decoded, numbers become Decimals. What the event
source mappings carry from a stream to a function has to arrive as it left.
"""

import json
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import aiohttp

_CONTENT_TYPES: Final = {"dynamodb": "application/x-amz-json-1.0", "kinesis": "application/x-amz-json-1.1"}
_TIMEOUT: Final = aiohttp.ClientTimeout(total=30)


class ServiceCallError(Exception):
    """A service refused a call or could not be reached.

    Attributes:
        code: the service's name for the error, or "Unreachable".
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class _Connections:
    """The connections that all callers share."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        # Made at the first call: a session belongs to the loop that runs then.
        self._session = self._session or aiohttp.ClientSession(timeout=_TIMEOUT)
        return self._session

    async def close(self) -> None:
        if self._session:
            await self._session.close()


class ServiceCalls:
    """Calls AWS services at one endpoint.

    Args:
        endpoint_url: where all services answer.
        function_arn: for which function: Lambda reads streams and writes discarded records by the function's role.
    """

    def __init__(self, endpoint_url: str, function_arn: str = "") -> None:
        self._endpoint_url = endpoint_url
        self._function_arn = function_arn
        self._connections = _Connections()

    def for_function(self, arn: str) -> "ServiceCalls":
        """Return calls for a function, over the same connections."""
        calls = ServiceCalls(self._endpoint_url, arn)
        calls._connections = self._connections
        return calls

    async def close(self) -> None:
        """Close the connections, those of calls for functions too."""
        await self._connections.close()

    async def call(self, service: str, target: str, body: dict[str, Any], *, region: str) -> dict[str, Any]:
        """Return the JSON that an operation answers.

        Args:
            service: "dynamodb" or "kinesis", as in a credential scope.
            target: the value of `X-Amz-Target`.
            body: the operation's input.
            region: the region to sign for.

        Raises:
            ServiceCallError: refused or unreachable.
        """
        headers = {"X-Amz-Target": target, "Content-Type": _CONTENT_TYPES[service]} | self._signed(service, region)
        answer: dict[str, Any] = json.loads(await self._send("POST", "/", json.dumps(body).encode(), headers))
        return answer

    async def put_object(self, bucket: str, key: str, body: bytes, *, region: str) -> None:
        """Write an object to S3.

        Raises:
            ServiceCallError: refused or unreachable.
        """
        headers = {"Content-Type": "application/json"} | self._signed("s3", region)
        await self._send("PUT", f"/{bucket}/{key}", body, headers)

    async def _send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
        session = self._connections.session()
        try:
            async with session.request(method, self._endpoint_url + path, data=body, headers=headers) as response:
                answer = await response.read()
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise _refusal(response.status, answer)
                return answer
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ServiceCallError("Unreachable", f"{method} {path}: {error!r}") from error

    def _signed(self, service: str, region: str) -> dict[str, str]:
        """Return headers that name caller and region; no engine checks the signature."""
        now = datetime.now(UTC)
        scope = f"local/{now:%Y%m%d}/{region}/{service}/aws4_request"
        signature = f"Credential={scope}, SignedHeaders=host;x-amz-date;x-amz-target, Signature=00"
        return {
            "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
            "Authorization": f"AWS4-HMAC-SHA256 {signature}",
            # As an SDK names its application: fault injection tells callers apart by it, and permissions by the rest.
            "User-Agent": f"app/event-source-mappings function/{self._function_arn}",
        }


def _refusal(status: int, answer: bytes) -> ServiceCallError:
    try:
        body = json.loads(answer)
        code = str(body.get("__type", status)).rpartition("#")[2]
        return ServiceCallError(code, str(body.get("message") or body.get("Message") or ""))
    except (ValueError, AttributeError):
        return ServiceCallError(str(status), answer[:500].decode(errors="replace"))
