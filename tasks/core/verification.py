"""The course of a verification: which slices are read, for what, and how far each has come."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.core.item import Item


class VerifySlice(BaseModel):
    """One segment of one of the two tables, and how far its verification has come."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: Literal["source", "target"]
    segment: int
    state: Literal["reading", "done"] = "reading"
    cursor: Item | None = None
    """LastEvaluatedKey of the last page that was counted."""
    pages: int = 0
    items: int = 0

    @property
    def name(self) -> str:
        """Names the slice in the control table."""
        return f"{self.table}#{self.segment:04}"


class Verification(BaseModel):
    """What the Verify map is to do, and in the end what it found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    """Of this verification: another one never sees its digests."""
    stage: Literal["digests", "suspects"] = "digests"
    """`digests` sums every bucket; `suspects` lists the keys of those buckets that came out unequal."""
    verdict: Literal["open", "suspect", "equal"] = "open"
    slices: tuple[VerifySlice, ...] = ()
    source_items: int = 0
    target_items: int = 0
    rechecked: int = 0
    """Keys that looked different, were read once more on both sides, and are equal."""
    followed: int = 0
    """Keys that the source changes faster than they can be compared; each change replaces the target's item."""


def plan_slices(verify_segments: int) -> tuple[VerifySlice, ...]:
    """Return the slices of one pass over both tables, source and target in turn so that both are read together."""
    return tuple(
        VerifySlice(table=table, segment=segment)
        for segment in range(verify_segments)
        for table in ("source", "target")
    )
