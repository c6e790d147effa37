"""What was explored is said at the end of the run: a number that falls tells that something is looked into no more."""

from collections.abc import Callable

import pytest

from tests.model.exploration import Found

EXPLORED = "explored"

Report = Callable[[str, Found], None]


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Report:
    def add(name: str, found: Found) -> None:
        line = found.in_one_line(name)
        # A property of the test travels with its report, wherever it ran.
        request.node.user_properties.append((EXPLORED, line))
        print(f"\n{line}\n{found.trace_in_words()}")  # noqa: T201 — shown with -s, and where a test fails

    return add


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]
    lines = [str(line) for report in reports for name, line in report.user_properties if name == EXPLORED]
    if lines:
        terminalreporter.section("explored")
        for line in dict.fromkeys(lines):
            terminalreporter.write_line(line)
