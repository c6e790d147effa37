"""Capacity: what a call has consumed, as DynamoDB reports it where it is asked, and what a table is made ready for."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

READ_UNIT_BYTES: Final = 4096
"""A read unit is one consistent read of up to so many bytes."""
READ_UNIT_SHARE: Final = 0.5
"""An eventually consistent one takes so much of it."""

NEW_TABLE_READS_PER_SECOND: Final = 12_000
"""What a new table on demand, and each of its global indexes, gives at once, before it has ever had a peak."""
NEW_TABLE_WRITES_PER_SECOND: Final = 4_000
"""What it takes at once."""
TABLE_READS_PER_SECOND: Final = 40_000
TABLE_WRITES_PER_SECOND: Final = 40_000
"""What an account allows one table, and each of its global indexes, unless it was raised ("Quotas", on demand)."""
PEAK_SECONDS: Final = 30 * 60
"""A table on demand takes twice its former peak; what it takes more within half an hour may be throttled, and is a new
peak from then on ("On-demand capacity mode")."""
PARTITION_WRITES_PER_SECOND: Final = 1000
"""What one partition takes, of whatever table ("Partitions and data distribution")."""
PARTITION_BYTES: Final = 10 * 10**9
"""About what it holds: a fuller one is split (the same page)."""

STREAM_BYTES_PER_SECOND: Final = 4 * 10**6
"""What a new Kinesis stream on demand takes ("Quotas and limits")."""
STREAM_BYTES_PER_SECOND_MOST: Final = 200 * 10**6
"""What it grows to unless AWS is asked for more (the same page)."""
STREAM_PEAK_SECONDS: Final = 15 * 60
"""As for a table: it takes twice its former peak (the same page)."""
SHARD_BYTES_PER_SECOND: Final = 10**6
"""Of one shard of it."""


class WarmThroughput(BaseModel):
    """What a table, and each of its global indexes, is to take at once. It can only be raised, never lowered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    read_units: Annotated[int | None, Field(strict=True, ge=NEW_TABLE_READS_PER_SECOND)] = None
    write_units: Annotated[int | None, Field(strict=True, ge=NEW_TABLE_WRITES_PER_SECOND)] = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.read_units is None and self.write_units is None:
            raise ValueError(
                "warm_throughput has neither read_units nor write_units; give one of them, or leave it out"
            )
        return self

    def as_aws_names_it(self) -> dict[str, int]:
        """Return it as CreateTable takes it."""
        named = {"ReadUnitsPerSecond": self.read_units, "WriteUnitsPerSecond": self.write_units}
        return {name: units for name, units in named.items() if units is not None}


ASKED_FOR: Final = {"ReturnConsumedCapacity": "TOTAL"}
"""Part of a request. `TOTAL` is one sum for each table, without arrays: `take_apart` relies on that."""


def capacity_of(answer: Mapping[str, Any], table: str | None = None) -> float | None:
    """Return the read or write units of a call's answer; `None` if it reports none, which is not the same as 0.

    Args:
        answer: of one operation, where `ConsumedCapacity` is an object, or of a batch, where it is a list of them.
        table: whose units count, by default those of all that the call was about.
    """
    consumed = answer.get("ConsumedCapacity")
    if not consumed:
        return None
    each = consumed if isinstance(consumed, list) else [consumed]
    units = [
        entry["CapacityUnits"]
        for entry in each
        if "CapacityUnits" in entry and (table is None or entry["TableName"] == table)
    ]
    return float(sum(units)) if units else None
