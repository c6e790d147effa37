"""The local AWS, started once for all tests that need it; tests take tables and streams of their own names."""

from collections.abc import Iterator

import pytest

from infra.local.client import LocalAwsProcess


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAwsProcess]:
    with LocalAwsProcess(options=("--replica-seconds", "0.4")) as aws:
        yield aws
