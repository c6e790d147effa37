"""What IAM is asked for a call: the words in which calls, policies and the record speak of permissions.

The source for all of it is AWS's Service Authorization Reference. A call of which nobody wrote down what it needs is
refused, never let through.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

ANY_RESOURCE: Final = "*"
"""The resource of an action that knows none: a policy must then say `*` too."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that must be allowed for a call.

    Attributes:
        action: `dynamodb:PutItem`.
        resource: an ARN, or `*` where the action knows no resource.
        context: condition keys with the values that the call gives them, in the order of the keys.
    """

    action: str
    resource: str
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """One call to an AWS service, as it is on the wire.

    Attributes:
        service: as IAM's prefix, but `dynamodbstreams` for the API of streams.
        operation: the API's name for it.
        region: that it is signed for.
        account: whose resources it means.
        body: JSON, where the protocol has it.
        path: decoded, for the protocols that name things there.
        query: the parameters behind the path.
        headers: by names in lower case, as far as they matter.
    """

    service: str
    operation: str
    region: str
    account: str
    body: bytes = b""
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of the call's own account and Region."""
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def parsed(self) -> dict[str, Any]:
        """Return the body as the JSON object that it is.

        Raises:
            UnknownCall: it is none.
        """
        try:
            body = json.loads(self.body or b"{}")
        except ValueError as error:
            raise UnknownCall(f"the body of {self.service} {self.operation} is no JSON") from error
        if not isinstance(body, dict):
            raise UnknownCall(f"the body of {self.service} {self.operation} is no JSON object")
        return body


class World(Protocol):
    """What a call's own words do not say."""

    def replica_regions(self, table: str, region: str) -> tuple[str, ...]:
        """Return the other Regions of a global table."""
        ...

    def function_of_mapping(self, uuid: str) -> str | None:
        """Return the ARN of the function that an event source mapping calls, None if there is no such mapping."""
        ...


class UnknownCall(Exception):  # noqa: N818 — it reads as what it says, like the project's other errors
    """Nobody wrote down what a call needs, or its body does not tell; the message says which, and the way out."""


def context(**keys: str | tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return context keys as a requirement has them; `lambda_FunctionArn` stands for `lambda:FunctionArn`."""
    return tuple(
        sorted(
            (name.replace("_", ":", 1), (value,) if isinstance(value, str) else value) for name, value in keys.items()
        )
    )
