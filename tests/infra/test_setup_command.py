"""`make setup`, as a user behind a mirror runs it, with a Python that only says what pip would."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from infra.install import PROJECT_ROOT

PYTHON = """#!/bin/sh
case "$*" in
  *venv*) mkdir -p .venv/bin && cp "$0" .venv/bin/python;;
  *pip*) echo "WARNING: the mirror is slow" >&2; exit $PIP_CODE;;
  *infra.install*) echo "engines: all of them";;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A new checkout, as far as set-up reads it."""
    for name in ("Makefile", "requirements.lock", "infra/install.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT_ROOT / name, tmp_path / name)
    python = tmp_path / "python"
    python.write_text(PYTHON, encoding="utf-8")
    python.chmod(0o755)
    return tmp_path


def set_up(checkout: Path, *, pip_code: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 — the project's own Makefile
        ["make", "setup", f"PYTHON={checkout / 'python'}"],  # noqa: S607 — wherever the system has it
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "PIP_CODE": str(pip_code)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_warnings_of_pip_do_not_drown_what_a_user_needs(checkout: Path) -> None:
    done = set_up(checkout, pip_code=0)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["installing Python packages into .venv", "engines: all of them"]
    assert done.stderr == ""
    assert "the mirror is slow" in (checkout / "build" / "setup.log").read_text(encoding="utf-8")


def test_a_set_up_that_failed_says_why_and_where_all_of_it_stands_and_is_begun_anew(checkout: Path) -> None:
    for _ in range(2):
        done = set_up(checkout, pip_code=1)
        assert done.returncode != 0
        assert "the mirror is slow" in done.stdout
        assert "build/setup.log" in done.stdout
        assert "engines" not in done.stdout
