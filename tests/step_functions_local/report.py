"""What a green run ran on, for the summary of the tests."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

PROPERTY = "step-functions-engine"
"""The property of a test's report that names its engine; reports and their properties cross processes."""


def summary(passed: Iterable[Any]) -> str:
    """Return the line that names each engine of tests of Step Functions Local, or nothing if none passed.

    Args:
        passed: pytest's reports of tests that passed.
    """
    engines = Counter(
        str(value) for report in passed for name, value in getattr(report, "user_properties", []) if name == PROPERTY
    )
    if not engines:
        return ""
    used = "; ".join(f"{engine}, {count} passed" for engine, count in sorted(engines.items()))
    return f"Step Functions Local was: {used}"
