"""`python -m tests.guards [WORD …]`, or `make guards`: take each guard away in a copy of the project and run its tests.

Exits non-zero if the absence of one goes unnoticed. WORDs choose guards by what stands in their descriptions.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from tests.guards.guards import GUARDS
from tests.guards.place import GuardLostError

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    "tasks",
    "workflow",
    "infra",
    "tests",
    "docs",
    ".ci",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "pyproject.toml",
    "requirements.lock",
)
RUN = ("tests/workflow/test_execution.py", "tests/unit", "tests/property", "tests/contract")
"""None of these needs an engine: a guard is noticed within seconds."""
WITHIN_SECONDS = 300
FAILED = re.compile(r"^(?:FAILED|ERROR) \S+::(\w+)", re.MULTILINE)


def main(words: list[str]) -> int:
    """Try the guards and return the exit code."""
    table = Table("without the guard", Column("fails", overflow="fold"), title="Each guard taken away")
    unnoticed = 0
    chosen = [guard for guard in GUARDS if not words or any(word in guard.without for word in words)]
    with tempfile.TemporaryDirectory(prefix="tableferry-guards-") as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, copy / name)
        try:
            without = [(guard, *guard.taken_away(copy)) for guard in chosen]
        except GuardLostError as lost:
            sys.stderr.write(f"{lost}: mend the list first\n")
            return 1
        if test := first_failure(copy):
            sys.stderr.write(f"{test} fails with every guard in place: mend that first\n")
            return 1
        for guard, changed, code in without:
            test = failing_with(code, changed, copy)
            unnoticed += test is None
            table.add_row(guard.without, test or "[red]NOTHING[/red]")
            sys.stderr.write(f"{guard.without}: {test or 'NOTHING NOTICED IT'}\n")
    console = Console(highlight=False)
    console.print(table)
    console.print(f"{len(chosen) - unnoticed} passed, {unnoticed} failed")
    return 1 if unnoticed or not chosen else 0


def failing_with(source: str, file: Path, copy: Path) -> str | None:
    """Return the first test that fails while a file of the copy has another source, `None` if none does."""
    whole = file.read_text(encoding="utf-8")
    file.write_text(source, encoding="utf-8")
    try:
        return first_failure(copy)
    finally:
        file.write_text(whole, encoding="utf-8")


def first_failure(copy: Path) -> str | None:
    """Return the first test that fails in a copy of the project, `None` if none does."""
    run = subprocess.run(  # noqa: S603 — this project's own tests
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *RUN],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
        timeout=WITHIN_SECONDS,
    )
    found = FAILED.search(run.stdout)
    return found[1] if found else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
