"""What was explored is said at the end of the run: a number that falls tells that something is looked into no more."""

from collections.abc import Callable

import pytest

from tests.model.exploration import Found

LINES = pytest.StashKey[list[str]]()

Report = Callable[[str, Found], None]


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    lines = request.config.stash.setdefault(LINES, [])

    def add(name: str, found: Found) -> None:
        lines.append(found.in_one_line(name))
        print(f"\n{lines[-1]}\n{found.trace_in_words()}")  # noqa: T201 — shown with -s, and where a test fails

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    lines = config.stash.get(LINES, [])
    if lines:
        terminalreporter.section("explored")
        for line in lines:
            terminalreporter.write_line(line)
