"""Consumed capacity, as DynamoDB tells it of a call that asked for it."""

from collections.abc import Mapping
from typing import Any, Final

ASKED_FOR: Final = {"ReturnConsumedCapacity": "TOTAL"}
"""Part of a request. `TOTAL` is one sum for each table, without arrays: `take_apart` relies on that."""


def capacity_of(answer: Mapping[str, Any], table: str | None = None) -> float | None:
    """Return the read or write units of a call's answer; `None` if it tells none, which is not the same as 0.

    Args:
        answer: of one operation, where `ConsumedCapacity` is an object, or of a batch, where it is a list of them.
        table: whose units count, by default those of all that the call was about.
    """
    consumed = answer.get("ConsumedCapacity")
    if not consumed:
        return None
    each = consumed if isinstance(consumed, list) else [consumed]
    told = [
        entry["CapacityUnits"]
        for entry in each
        if "CapacityUnits" in entry and (table is None or entry["TableName"] == table)
    ]
    return float(sum(told)) if told else None
