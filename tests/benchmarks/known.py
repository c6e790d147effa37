"""The copiers by name, and how the process of each is started and finds AWS."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.local.emulator.client import environment
from tests.benchmarks.canned import BOOKS
from tests.benchmarks.copiers.task import ACCOUNT, REGION, Task
from tests.benchmarks.install import Installed

OURS: Final = "tableferry"
ARTICLE: Final = "the article's design"
NAIVE: Final = "naive boto3"
COPY_DYNAMODB_TABLE: Final = "copy-dynamodb-table"
DYNAMODUMP: Final = "dynamodump"
NAMES: Final = (OURS, ARTICLE, NAIVE, COPY_DYNAMODB_TABLE, DYNAMODUMP)
PEERS: Final = NAMES[2:]
"""What one would take instead."""
PAGES_STREAM_ARN: Final = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/pages"

_HERE = Path(__file__).parent


BESIDES: Final = ("replicate", "verify")
"""Sides of ours that are no part of a copy at rest."""


@dataclass(frozen=True)
class Copier:
    """One copier."""

    name: str
    command: Sequence[str]


def command_of(installed: Installed, name: str, sides: str) -> Sequence[str]:
    """Return what starts a copier, or one of our functions besides."""
    if sides in BESIDES:
        return [sys.executable, "-m", "tests.benchmarks.copiers.ours_besides"]
    return copiers(installed)[name].command


def copiers(installed: Installed) -> dict[str, Copier]:
    """Return all copiers, by name."""
    here = _HERE / "copiers"
    commands = {
        OURS: [sys.executable, "-m", "tests.benchmarks.copiers.ours"],
        ARTICLE: [sys.executable, "-m", "tests.benchmarks.copiers.article"],
        NAIVE: [sys.executable, "-m", "tests.benchmarks.copiers.naive"],
        COPY_DYNAMODB_TABLE: [str(installed.node), str(here / "copy_dynamodb_table.js")],
        DYNAMODUMP: [str(installed.dynamodump), str(here / "dynamodump_peer.py")],
    }
    return {name: Copier(name, command) for name, command in commands.items()}


def environment_of(endpoint_url: str, installed: Installed, task: Task) -> Mapping[str, str]:
    """Return the variables by which a copier finds AWS, and what else it needs."""
    return {
        **environment(endpoint_url, REGION),
        "CONTROL_TABLE": BOOKS,
        "PAGES_STREAM_ARN": task.stream_arn,
        "REJECTS_BUCKET": "rejects",
        "NODE_PATH": str(installed.node_modules),
        "AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE": "1",
    }
