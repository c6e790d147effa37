"""A local AWS for each file of tests; they take tables and streams of their own names.

Not one for all: DynamoDB Local grows slow with the streams that earlier tests have left.
"""

from collections.abc import Iterator

import pytest

from infra.local.client import LocalAwsProcess


@pytest.fixture(scope="module")
def local_aws() -> Iterator[LocalAwsProcess]:
    with LocalAwsProcess(options=("--replica-seconds", "0.4")) as aws:
        yield aws
