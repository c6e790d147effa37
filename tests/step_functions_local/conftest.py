"""Tells the summary of the tests which Step Functions engine each of these tests ran on."""

from collections.abc import Callable

import pytest

from tests.step_functions_local.report import PROPERTY


@pytest.fixture(autouse=True)
def _named_in_the_report(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    if "engine" in request.fixturenames:
        record_property(PROPERTY, request.getfixturevalue("engine").name)
