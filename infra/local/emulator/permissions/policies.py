"""What a role's policies say to a requirement: IAM's evaluation of identity policies, as far as this project's go.

A part of the policy language that is not written here is refused by name. Skipped instead, it could allow what AWS does
not.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from infra.local.emulator.permissions.requirements.requirement import Requirement
from infra.local.emulator.permissions.wildcards import fits_action, fits_arn, fits_resource, fits_text

KNOWN_KEYS: Final = frozenset(
    {
        "aws:tagkeys",
        "events:detail-type",
        "events:source",
        "iam:awsservicename",
        "lambda:functionarn",
        "s3:delimiter",
        "s3:prefix",
    }
)
"""The context keys that requirements carry; on AWS a call has many more. Capitals do not matter."""
_KNOWN_PREFIX: Final = "aws:requesttag/"
_STATEMENT_PARTS: Final = frozenset({"Sid", "Effect", "Action", "Resource", "Condition"})
_OPERATORS: Final[dict[str, Callable[[str, str], bool]]] = {
    "StringEquals": str.__eq__,
    "StringLike": fits_text,
    "ArnEquals": fits_arn,
    "ArnLike": fits_arn,
}
_QUANTIFIERS: Final = ("ForAllValues", "ForAnyValue")
_IF_EXISTS: Final = "IfExists"


class PolicyUnknown(Exception):  # noqa: N818 — it reads as what it says, like the project's other errors
    """A policy uses a part of the language that is not evaluated here; the message names it."""


class Decision(Enum):
    """What policies say."""

    ALLOWED = "allowed"
    NOT_ALLOWED = "not allowed"
    DENIED = "denied explicitly"


@dataclass(frozen=True)
class _Condition:
    """One key of one operator.

    Attributes:
        quantifier: ForAllValues, ForAnyValue or nothing.
    """

    quantifier: str
    fits: Callable[[str, str], bool]
    if_exists: bool
    key: str
    patterns: tuple[str, ...]

    def is_met(self, given: dict[str, tuple[str, ...]]) -> bool:
        # Only now: a statement on a service that is not here, such as KMS, may well ask for a key of its own.
        if self.key not in KNOWN_KEYS and not self.key.startswith(_KNOWN_PREFIX):
            raise PolicyUnknown(f"a condition asks for {self.key}, which requirements do not carry; add it to them")
        values = given.get(self.key)
        if values is None:
            return self.if_exists or self.quantifier == "ForAllValues"
        if not self.quantifier and len(values) != 1:
            raise PolicyUnknown(f"{self.key} has several values; its condition needs ForAllValues or ForAnyValue")
        met = (any(self.fits(pattern, value) for pattern in self.patterns) for value in values)
        return any(met) if self.quantifier == "ForAnyValue" else all(met)


@dataclass(frozen=True)
class _Statement:
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[_Condition, ...]

    def applies(self, requirement: Requirement, given: dict[str, tuple[str, ...]]) -> bool:
        return (
            any(fits_action(pattern, requirement.action) for pattern in self.actions)
            and any(fits_resource(pattern, requirement.resource) for pattern in self.resources)
            and all(condition.is_met(given) for condition in self.conditions)
        )


class Policies:
    """Everything that one role may do.

    Args:
        documents: the policies' JSON.

    Raises:
        PolicyUnknown: something in them is not evaluated here.
    """

    def __init__(self, documents: Iterable[str]) -> None:
        self._statements = [statement for document in documents for statement in _statements_of(document)]
        # A role asks for the same few things all the time.
        self._decisions: dict[Requirement, Decision] = {}

    def decide(self, requirement: Requirement) -> Decision:
        """Return what the policies say; a Deny wins over every Allow.

        Raises:
            PolicyUnknown: a condition cannot be evaluated here.
        """
        known = self._decisions.get(requirement)
        if known is None:
            known = self._decisions[requirement] = self._decide(requirement)
        return known

    def _decide(self, requirement: Requirement) -> Decision:
        given = {key.lower(): values for key, values in requirement.context}
        applying = [statement for statement in self._statements if statement.applies(requirement, given)]
        if any(not statement.allows for statement in applying):
            return Decision.DENIED
        return Decision.ALLOWED if applying else Decision.NOT_ALLOWED


def _statements_of(document: str) -> list[_Statement]:
    policy: dict[str, Any] = json.loads(document)
    if policy.get("Version") != "2012-10-17":
        raise PolicyUnknown(f"a policy of version {policy.get('Version')!r}; write 2012-10-17")
    return [_statement(raw) for raw in _several(policy.get("Statement", []))]


def _statement(raw: dict[str, Any]) -> _Statement:
    if strange := sorted(raw.keys() - _STATEMENT_PARTS):
        raise PolicyUnknown(f"a statement has {strange[0]}; policies.py knows {sorted(_STATEMENT_PARTS)}")
    if raw.get("Effect") not in {"Allow", "Deny"}:
        raise PolicyUnknown(f"a statement's Effect is {raw.get('Effect')!r}, neither Allow nor Deny")
    resources = tuple(map(str, _several(raw.get("Resource", []))))
    _check_no_variable(resources)
    return _Statement(
        allows=raw["Effect"] == "Allow",
        actions=tuple(map(str, _several(raw.get("Action", [])))),
        resources=resources,
        conditions=tuple(
            _condition(operator, key, tuple(map(str, _several(values))))
            for operator, keys in raw.get("Condition", {}).items()
            for key, values in keys.items()
        ),
    )


def _condition(operator: str, key: str, patterns: tuple[str, ...]) -> _Condition:
    quantifier, colon, name = operator.rpartition(":")
    if_exists = name.endswith(_IF_EXISTS)
    fits = _OPERATORS.get(name.removesuffix(_IF_EXISTS))
    if fits is None or (colon and quantifier not in _QUANTIFIERS):
        raise PolicyUnknown(f"a condition uses {operator}; policies.py knows {[*_OPERATORS]}")
    _check_no_variable(patterns)
    return _Condition(quantifier, fits, if_exists, key.lower(), patterns)


def _check_no_variable(patterns: Sequence[str]) -> None:
    for pattern in patterns:
        if "${" in pattern:
            raise PolicyUnknown(f"{pattern} has a policy variable, which is not put in here; write the value")


def _several(value: Any) -> list[Any]:  # noqa: ANN401 — one of them, or a list
    return value if isinstance(value, list) else [value]
