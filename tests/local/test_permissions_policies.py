"""What a role's policies say: never more than AWS would, and nothing of what is not understood."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.local.emulator.permissions.policies import Decision, Policies, PolicyUnknown
from infra.local.emulator.permissions.requirements.requirement import Requirement
from infra.local.emulator.permissions.wildcards import fits_action, fits_arn, fits_resource, fits_text
from tests.property.typed_json import BOUNDED

PUT = Requirement("dynamodb:PutItem", "arn:aws:dynamodb:eu-west-1:123456789012:table/t")


def policies(*statements: dict[str, Any]) -> Policies:
    return Policies([json.dumps({"Version": "2012-10-17", "Statement": list(statements)})])


def allow(**parts: Any) -> dict[str, Any]:  # noqa: ANN401 - a policy's own
    return {"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "*", **parts}


def decided(requirement: Requirement, *statements: dict[str, Any]) -> Decision:
    return policies(*statements).decide(requirement)


# Wildcards against an oracle that tries every way


def oracle(pattern: str, text: str) -> bool:
    """Say whether a text fits, by trying every length that a star may have."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(oracle(pattern[1:], text[length:]) for length in range(len(text) + 1))
    return bool(text) and pattern[0] in ("?", text[0]) and oracle(pattern[1:], text[1:])


def oracle_in_parts(pattern: str, text: str) -> bool:
    """Do the same where colons divide: only a star that ends its part may go on beyond it."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        most = len(text) if pattern[1:2] in {"", ":"} else len(text.partition(":")[0])
        return any(oracle_in_parts(pattern[1:], text[length:]) for length in range(most + 1))
    fits = bool(text) and (text[0] == pattern[0] or (pattern[0] == "?" and text[0] != ":"))
    return fits and oracle_in_parts(pattern[1:], text[1:])


patterns = st.text("ab:*?\n.", max_size=7)
plain = st.text("ab:\n.", max_size=7)


@given(patterns, plain)
@BOUNDED
def test_a_wildcard_never_fits_what_it_does_not_mean(pattern: str, text: str) -> None:
    assert fits_text(pattern, text) == oracle(pattern, text)
    assert fits_resource(pattern, text) == oracle_in_parts(pattern, text)
    assert fits_action(pattern.upper(), text) == oracle(pattern, text)


@given(st.lists(patterns, min_size=6, max_size=6), st.lists(plain, min_size=6, max_size=6))
@BOUNDED
def test_no_part_of_an_arn_fits_another_part(pattern: list[str], text: list[str]) -> None:
    wanted = [part.replace(":", "") for part in pattern[:5]] + [pattern[5]]
    given_ = [part.replace(":", "") for part in text[:5]] + [text[5]]
    assert fits_arn(":".join(wanted), ":".join(given_)) == all(map(oracle, wanted, given_))


def test_the_end_of_a_resource_is_not_left_out() -> None:
    arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/t"
    assert fits_resource("arn:aws:dynamodb:*:123456789012:table/t", arn)
    assert not fits_resource(arn, arn + "2")
    assert not fits_resource(arn + "/index/*", arn)
    assert not fits_resource("arn:aws:*-1:123456789012:table/t", arn)
    assert not fits_resource("arn:*", "*"), "an action without resources needs a star"
    assert fits_resource("*", "*")


# Statements


def test_nothing_is_allowed_that_no_statement_names() -> None:
    assert decided(PUT) is Decision.NOT_ALLOWED
    assert decided(PUT, allow()) is Decision.ALLOWED
    assert decided(PUT, allow(Action=["dynamodb:GetItem", "DYNAMODB:put*"])) is Decision.ALLOWED
    assert decided(PUT, allow(Action="dynamodb:GetItem")) is Decision.NOT_ALLOWED
    assert decided(PUT, allow(Resource=[PUT.resource + "2", PUT.resource + "/*"])) is Decision.NOT_ALLOWED


def test_a_deny_anywhere_wins() -> None:
    deny = allow(Effect="Deny", Action="dynamodb:*", Resource=PUT.resource)
    assert decided(PUT, allow(), deny) is Decision.DENIED
    assert decided(PUT, deny, allow()) is Decision.DENIED
    role = Policies([json.dumps({"Version": "2012-10-17", "Statement": one}) for one in (allow(), deny)])
    assert role.decide(PUT) is Decision.DENIED


def test_two_calls_that_differ_in_a_key_are_not_judged_as_one() -> None:
    role = policies(allow(Action="s3:ListBucket", Condition={"StringLike": {"s3:prefix": "a/*"}}))
    bucket = "arn:aws:s3:::b"
    for _ in range(2):
        assert role.decide(Requirement("s3:ListBucket", bucket, (("s3:prefix", ("a/x",)),))) is Decision.ALLOWED
        assert role.decide(Requirement("s3:ListBucket", bucket, (("s3:prefix", ("b/x",)),))) is Decision.NOT_ALLOWED
        assert role.decide(Requirement("s3:ListBucket", bucket)) is Decision.NOT_ALLOWED


FUNCTION = "arn:aws:lambda:eu-west-1:123456789012:function:f"


@pytest.mark.parametrize(
    ("condition", "given_", "met"),
    [
        ({"StringEquals": {"events:source": ["a", "b"]}}, {"events:source": ["b"]}, True),
        ({"StringEquals": {"Events:Source": "b"}}, {"events:source": ["b"]}, True),
        ({"StringEquals": {"events:source": "B"}}, {"events:source": ["b"]}, False),
        ({"StringEquals": {"events:source": "b*"}}, {"events:source": ["bc"]}, False),
        ({"StringEquals": {"events:source": "a"}}, {}, False),
        ({"StringEqualsIfExists": {"events:source": "a"}}, {}, True),
        ({"StringEqualsIfExists": {"events:source": "a"}}, {"events:source": ["b"]}, False),
        ({"StringLike": {"s3:prefix": "a?/*"}}, {"s3:prefix": ["ab/"]}, True),
        ({"ArnEquals": {"lambda:FunctionArn": FUNCTION}}, {"lambda:FunctionArn": [FUNCTION]}, True),
        ({"ArnEquals": {"lambda:FunctionArn": FUNCTION}}, {"lambda:FunctionArn": [FUNCTION + "2"]}, False),
        ({"ArnLike": {"lambda:FunctionArn": FUNCTION[:-1] + "*"}}, {"lambda:FunctionArn": [FUNCTION]}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws:TagKeys": ["a"]}, True),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {"aws:TagKeys": ["a", "c"]}, False),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}}, {}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}, {"aws:TagKeys": ["c", "a"]}, True),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}, {}, False),
        ({"StringEquals": {"events:source": "a", "events:detail-type": "t"}}, {"events:source": ["a"]}, False),
        ({"StringEquals": {"aws:RequestTag/x": "1"}}, {"aws:RequestTag/x": ["1"]}, True),
    ],
)
def test_a_condition_that_is_not_met_never_allows(
    condition: dict[str, Any],
    given_: dict[str, list[str]],
    met: bool,  # noqa: FBT001 - a column of a table
) -> None:
    asked = Requirement("x:Y", "*", tuple(sorted((key, tuple(values)) for key, values in given_.items())))
    expected = Decision.ALLOWED if met else Decision.NOT_ALLOWED
    assert decided(asked, allow(Action="x:Y", Condition=condition)) is expected


# What is not understood


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"},
        {"Effect": "Allow", "Action": "s3:*", "NotResource": "*"},
        allow(Principal="*"),
        allow(Effect="allow"),
        allow(Resource="arn:aws:s3:::b/${aws:username}/*"),
        allow(Condition={"StringLike": {"s3:prefix": "${aws:username}/*"}}),
        allow(Condition={"StringNotEquals": {"events:source": "a"}}),
        allow(Condition={"Bool": {"aws:SecureTransport": "true"}}),
        allow(Condition={"ForEachValue:StringEquals": {"aws:TagKeys": "a"}}),
        allow(Condition={"StringEquals": {"aws:SourceIp": "127.0.0.1"}}),
        allow(Condition={"ForAllValues:StringLike": {"dynamodb:LeadingKeys": "a*"}}),
    ],
)
def test_a_part_of_the_language_that_is_not_understood_is_not_skipped(statement: dict[str, Any]) -> None:
    with pytest.raises(PolicyUnknown):
        policies(statement).decide(PUT)


def test_a_key_of_a_service_that_is_not_here_does_not_spoil_the_whole_role() -> None:
    decrypt = allow(Action="kms:Decrypt", Condition={"StringEquals": {"kms:ViaService": "dynamodb.amazonaws.com"}})
    role = policies(decrypt, allow())
    assert role.decide(PUT) is Decision.ALLOWED
    with pytest.raises(PolicyUnknown, match="kms:viaservice"):
        role.decide(Requirement("kms:Decrypt", "*"))


def test_an_old_version_of_the_language_is_not_read_as_the_new_one() -> None:
    with pytest.raises(PolicyUnknown, match="2008-10-17"):
        Policies([json.dumps({"Version": "2008-10-17", "Statement": allow()})])


def test_a_key_of_several_values_is_not_compared_as_one() -> None:
    role = policies(allow(Condition={"StringEquals": {"aws:TagKeys": "a"}}))
    with pytest.raises(PolicyUnknown, match="ForAllValues"):
        role.decide(Requirement("dynamodb:PutItem", "*", (("aws:TagKeys", ("a", "b")),)))
