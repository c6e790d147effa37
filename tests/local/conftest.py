"""The Lambda of the test's own process with the streams of the local AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.local.lambda_in_tests import lambda_in_tests
from tests.local.streams_in_tests import Streams

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.local.emulator.client import LocalAwsProcess


@pytest.fixture
def streams(tmp_path: Path, local_aws: LocalAwsProcess) -> Iterator[Streams]:
    with lambda_in_tests(tmp_path, endpoint_url=local_aws.endpoint_url) as aws:
        yield Streams(aws, local_aws)
