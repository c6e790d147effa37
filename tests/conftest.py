"""The local AWS, started once in each process that runs tests; tests take tables and streams of their own names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.client import LocalAwsProcess

TESTS = Path(__file__).parent
WORLDS = {"local": "one world", "workflow": "another world", "faults": "another world"}
"""Folders whose tests need a local AWS. `make test` runs two processes, each with a world of its own; the tests of one
folder stay together, and all others go wherever there is room."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in WORLDS:
            item.add_marker(pytest.mark.xdist_group(WORLDS[folder]))


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAwsProcess]:
    with LocalAwsProcess(options=("--replica-seconds", "0.4")) as aws:
        yield aws
