"""What a function's answer says about the records of its batch (`ReportBatchItemFailures`)."""

import json
from collections.abc import Sequence
from typing import Any


def first_failure(sequence_numbers: Sequence[str], answer: bytes) -> int | None:
    """Return the index of the first record that failed: 0 for a complete failure, None for a complete success.

    The rules are AWS's: an empty or null answer, or an empty or null list, is a success. An identifier that is empty,
    null, misspelt or not of this batch makes the whole batch a failure, and so does an answer of another shape. Of
    several identifiers the lowest sequence number counts, and every record from there on is sent again.

    Args:
        sequence_numbers: the batch, in order.
        answer: the function's answer, JSON.
    """
    try:
        report = json.loads(answer or b"null")
    except ValueError:
        return 0
    if not report:
        return None
    if not isinstance(report, dict):
        return 0
    failures = report.get("batchItemFailures")
    if not failures:
        return None
    if not isinstance(failures, list):
        return 0
    indexes = {number: index for index, number in enumerate(sequence_numbers)}
    return min(indexes.get(_identifier(failure), 0) for failure in failures)


def _identifier(failure: Any) -> str:  # noqa: ANN401 — whatever the function returned
    identifier = failure.get("itemIdentifier") if isinstance(failure, dict) else None
    return identifier if isinstance(identifier, str) else ""
