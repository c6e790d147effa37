"""Installs what only the benchmarks need, into `build/bench/`: the peers, and what draws and times.

What comes from where:

- `bench` in pyproject.toml (what draws the plots and times the micro part) goes into a folder beside the project's own
  packages, at versions that fit requirements.lock.
- dynamodump pins a boto3 of its own, and gets a virtual environment of its own.
- copy-dynamodb-table comes from npm, without running any of its scripts.

Running it again does nothing, unless one of these versions has changed.
"""

import json
import shutil
import subprocess
import sys
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.install import PROJECT_ROOT, find_node, find_npm

FOLDER: Final = PROJECT_ROOT / "build" / "bench"
DYNAMODUMP: Final = "dynamodump==1.11.1"
COPY_DYNAMODB_TABLE: Final = "copy-dynamodb-table@2.2.1"


@dataclass(frozen=True)
class Installed:
    """Where everything is."""

    tools: Path
    """A folder of Python packages."""
    dynamodump: Path
    """The Python that has it."""
    node: Path
    node_modules: Path


def install() -> Installed:
    """Install what is missing.

    Raises:
        RuntimeError: something cannot be had; the message says what.
    """
    node = find_node()
    npm = None if node is None else find_npm(node)
    if node is None or npm is None:
        raise RuntimeError("the peers need Node.js with npm; run `make setup`, or install it")
    installed = Installed(FOLDER / "tools", FOLDER / "dynamodump" / "bin" / "python", node, FOLDER / "node_modules")
    tools = _tools()
    ready, wanted = FOLDER / "ready", json.dumps([tools, DYNAMODUMP, COPY_DYNAMODB_TABLE])
    if ready.exists() and ready.read_text(encoding="utf-8") == wanted:
        return installed
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
    lock = str(PROJECT_ROOT / "requirements.lock")
    _run([*pip, "--target", str(installed.tools), "--constraint", lock, *tools])
    venv.create(FOLDER / "dynamodump", with_pip=True)
    _run([str(installed.dynamodump), *pip[1:], DYNAMODUMP])
    _run([*npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(FOLDER), COPY_DYNAMODB_TABLE])
    ready.write_text(wanted, encoding="utf-8")
    return installed


def _tools() -> list[str]:
    """Return the packages of the group `bench`."""
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    tools: list[str] = project["project"]["optional-dependencies"]["bench"]
    return tools


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr.strip()[-2000:]}")
