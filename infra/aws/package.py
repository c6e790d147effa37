"""Builds the Lambda package: `tasks/` and the packages it needs, for Lambda's platform, by pip and without Docker."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from infra.install import PROJECT_ROOT
from workflow.refusals import CommandRefused

PACKAGE_FOLDER = PROJECT_ROOT / "build" / "package"
LOCK = PROJECT_ROOT / "requirements.lock"

REQUIREMENTS = (
    "aws-lambda-powertools[tracer]",
    "boto3",
    "isal",
    "msgspec",
    "orjson",
    "pybase64",
    "pydantic",
    "urllib3",
)
"""What `tasks/` imports; a test holds this. Lambda has a boto3 of its own, of a version that AWS chooses."""

PYTHON = "3.14"
PLATFORMS = ("manylinux2014_aarch64", "manylinux_2_28_aarch64")
"""Of wheels that run on Lambda's arm64, which is Amazon Linux 2023 (glibc 2.34)."""


def build(folder: Path = PACKAGE_FOLDER) -> Path:
    """Build the package, its dependencies only if what is locked has changed, and return its folder.

    Raises:
        CommandRefused: pip could not bring a package.
    """
    stamp = folder.with_suffix(".stamp")
    wanted = _fingerprint()
    if not folder.is_dir() or not stamp.is_file() or stamp.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        _install(folder)
        stamp.write_text(wanted, encoding="utf-8")
    shutil.rmtree(folder / "tasks", ignore_errors=True)
    shutil.copytree(PROJECT_ROOT / "tasks", folder / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def _fingerprint() -> str:
    said = "\n".join((*REQUIREMENTS, PYTHON, *PLATFORMS, LOCK.read_text(encoding="utf-8")))
    return hashlib.sha256(said.encode()).hexdigest()


def _install(folder: Path) -> None:
    print("fetching the Lambda package's dependencies", flush=True)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"),
            *("--target", str(folder), "--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"),
            *(f"--platform={platform}" for platform in PLATFORMS),
            *("--constraint", str(LOCK), *REQUIREMENTS),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise CommandRefused(
            f"the Lambda package could not be built, pip said: {done.stderr.strip()[-2000:]}\n"
            "check that this machine reaches its package registry, then run the command again"
        )
    # Scripts of packages; no function calls them.
    shutil.rmtree(folder / "bin", ignore_errors=True)
