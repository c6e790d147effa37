"""The local AWS, started once in each process that runs tests; tests take tables and streams of their own names."""

from collections.abc import Iterator

import pytest

from infra.local.client import LocalAwsProcess


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAwsProcess]:
    with LocalAwsProcess(options=("--replica-seconds", "0.4")) as aws:
        yield aws
