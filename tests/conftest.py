"""A local AWS for each file of tests; they take tables and streams of their own names.

Not one for all: DynamoDB Local grows slow with the streams that earlier tests have left.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from infra.local.emulator.__main__ import RECORD_VARIABLE
from infra.local.emulator.client import LocalAwsProcess
from infra.local.emulator.engines.engines import JAVA_OPTIONS_VARIABLE
from tests.infra.roles_in_use import unused
from tests.one_migration_at_a_time import OneMigrationAtATime
from tests.step_functions_local.report import summary

RECORDS = pytest.StashKey[Path]()
UNUSED = pytest.StashKey[list[str]]()


@pytest.fixture(scope="module")
def local_aws() -> Iterator[LocalAwsProcess]:
    with LocalAwsProcess(options=("--replica-seconds", "0.4")) as aws:
        yield aws


def pytest_configure(config: pytest.Config) -> None:
    """Make every local AWS cheap, and have those of a whole run write down what the functions needed to be allowed."""
    # None of them lives long enough for the code that Java would compile a second time: it would take half of its CPU.
    os.environ.setdefault(JAVA_OPTIONS_VARIABLE, "-XX:TieredStopAtLevel=1")
    if is_whole(config) and not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="tableferry-requirements-"))
        os.environ[RECORD_VARIABLE] = str(folder)
        config.stash[RECORDS] = folder


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a whole run in which a role allowed what no function needed."""
    folder = session.config.stash.get(RECORDS, None)
    if folder is None:
        return
    if session.exitstatus == pytest.ExitCode.OK:
        session.config.stash[UNUSED] = unused(folder)
        if session.config.stash[UNUSED]:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
    shutil.rmtree(folder)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:  # noqa: ANN401 — untyped
    """Give the migrations under load to one process, and all other files to whoever is free."""
    return OneMigrationAtATime(config, log)


def is_whole(config: pytest.Config) -> bool:
    """Say whether this run leaves no test out."""
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS and not (
        config.option.keyword or config.option.markexpr or config.option.deselect or config.option.lf
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say which Step Functions engines the tests that passed ran on, and what the roles allow and nobody needed."""
    if line := summary(terminalreporter.getreports("passed")):
        terminalreporter.write_line(line)
    for line in config.stash.get(UNUSED, []):
        terminalreporter.write_line(f"FAILED {line}", red=True)
