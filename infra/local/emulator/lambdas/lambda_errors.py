"""The errors of the Lambda API, in AWS's shape."""

from http import HTTPStatus
from typing import Final

MAX_PAYLOAD_BYTES: Final = 6_291_456
"""What an Invoke may carry (6 MiB)."""


class LambdaApiError(Exception):
    """An answer of the Lambda API that is an error.

    Attributes:
        status: HTTP status.
        code: AWS's error name; it travels in the header `x-amzn-errortype`.
        message: what is wrong, in AWS's words where they are known.
        fields: further members of the body, such as `Reason`.
    """

    def __init__(self, status: HTTPStatus, code: str, message: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields or {}


def not_found(message: str) -> LambdaApiError:
    """Return ResourceNotFoundException."""
    return LambdaApiError(HTTPStatus.NOT_FOUND, "ResourceNotFoundException", message)


def conflict(message: str) -> LambdaApiError:
    """Return ResourceConflictException."""
    return LambdaApiError(HTTPStatus.CONFLICT, "ResourceConflictException", message)


def in_use(message: str) -> LambdaApiError:
    """Return ResourceInUseException."""
    return LambdaApiError(HTTPStatus.BAD_REQUEST, "ResourceInUseException", message)


def invalid_value(message: str) -> LambdaApiError:
    """Return InvalidParameterValueException."""
    return LambdaApiError(HTTPStatus.BAD_REQUEST, "InvalidParameterValueException", message)


def invalid_content(message: str) -> LambdaApiError:
    """Return InvalidRequestContentException: the body is not the JSON that was asked for."""
    return LambdaApiError(HTTPStatus.BAD_REQUEST, "InvalidRequestContentException", message)


def too_large(message: str) -> LambdaApiError:
    """Return RequestEntityTooLargeException, the name that AWS sends (its model calls it RequestTooLargeException)."""
    return LambdaApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestEntityTooLargeException", message)


def throttled() -> LambdaApiError:
    """Return TooManyRequestsException for a function whose reserved concurrency is used up."""
    return LambdaApiError(
        HTTPStatus.TOO_MANY_REQUESTS,
        "TooManyRequestsException",
        "Rate Exceeded.",
        {"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"},
    )
