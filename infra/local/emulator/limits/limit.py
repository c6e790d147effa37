"""A limit, as it is set, and the bucket of units that a table or a shard has under it."""

from collections.abc import Callable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Limit(BaseModel):
    """What one table takes, or each shard of one stream."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str = ""
    stream: str = ""
    read_units: float | None = Field(default=None, gt=0)
    """Of a table, a second."""
    write_units: float | None = Field(default=None, gt=0)
    records: float | None = Field(default=None, gt=0)
    """That each shard takes, a second."""
    bytes: float | None = Field(default=None, gt=0)
    burst_seconds: float = Field(default=1.0, gt=0)
    """For so long is kept what was not used. DynamoDB keeps up to five minutes, Kinesis a second."""
    is_on_demand: bool = False
    """Whether the table throttles by the name that an on-demand table's calls get to hear."""

    @model_validator(mode="after")
    def _is_of_one(self) -> Self:
        if bool(self.table) == bool(self.stream):
            raise ValueError("a limit is of a table or of a stream")
        if self.table and (self.records or self.bytes):
            raise ValueError("records and bytes are of a stream")
        if self.stream and (self.read_units or self.write_units):
            raise ValueError("read_units and write_units are of a table")
        return self


class Bucket:
    """Units as they come and go. What is larger than what is there is taken too, and is owed: the rate holds.

    Args:
        rate: units a second.
        burst_seconds: for which unused units are kept.
        clock: in seconds.
    """

    def __init__(self, rate: float, burst_seconds: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._most = rate * burst_seconds
        self._clock = clock
        self._units = self._most
        self._at = clock()
        self.taken = 0.0
        self.refused = 0

    def is_open(self) -> bool:
        """Whether anything can be taken now; if not, that is counted as a refusal."""
        now = self._clock()
        self._units = min(self._most, self._units + (now - self._at) * self._rate)
        self._at = now
        if self._units >= min(1.0, self._most):
            return True
        self.refused += 1
        return False

    def charge(self, units: float) -> None:
        """Take units, owed where they are not there."""
        self._units -= units
        self.taken += units

    def take(self, units: float) -> bool:
        """Take units if anything can be taken now."""
        if not self.is_open():
            return False
        self.charge(units)
        return True
