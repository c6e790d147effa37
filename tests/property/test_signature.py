"""A request is signed as botocore signs it: whatever is wrong with a signature, AWS refuses every call."""

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as RenewedCredentials
from hypothesis import given
from hypothesis import strategies as st

from tasks.aws.session.signing import Credentials, Signer
from tests.property.typed_json import BOUNDED

WORDS = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=", min_size=1, max_size=60)
MOMENTS = st.integers(0, 10**9).map(lambda seconds: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))


def signed_by_botocore(
    url: str, service: str, region: str, headers: dict[str, str], body: bytes, keys: Credentials, at: datetime
) -> dict[str, str]:
    request: Any = AWSRequest("POST", url, headers=headers, data=body)
    with patch.object(botocore.auth, "get_current_datetime", lambda: at.replace(tzinfo=None)):
        SigV4Auth(RenewedCredentials(*keys), service, region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@BOUNDED
@given(
    st.binary(max_size=300),
    st.builds(Credentials, WORDS, WORDS, st.none() | WORDS),
    st.sampled_from(["dynamodb.eu-west-1.amazonaws.com", "127.0.0.1:8000", "kinesis.us-gov-west-1.amazonaws.com"]),
    st.sampled_from(["/", "/base"]),
    st.sampled_from([("dynamodb", "eu-west-1"), ("kinesis", "us-gov-west-1")]),
    st.lists(MOMENTS, min_size=1, max_size=3),
)
def test_every_request_is_signed_as_botocore_signs_it(
    body: bytes, keys: Credentials, host: str, path: str, where: tuple[str, str], moments: list[datetime]
) -> None:
    service, region = where
    signer = Signer(service=service, region=region, host=host, path=path, content_type="application/x-amz-json-1.1")
    for at in moments:  # the key that is kept is of another day, sometimes
        ours = signer.headers("Some_20120810.Operation", body, keys, at)
        asked = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "Some_20120810.Operation"}
        theirs = signed_by_botocore(f"https://{host}{path}", service, region, asked, body, keys, at)
        assert {"host": host, **theirs} == ours
