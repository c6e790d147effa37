"""A segment of the parallel scan: how many there are, and how far each has come."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from tasks.core.model.item import Cursor
from tasks.core.model.order import spread

GIBIBYTE = 1024**3
LEAST_SEGMENTS = 16
MOST_PLANNED_SEGMENTS = 4096

VERIFY_SEGMENTS_MOST = 64
VERIFY_SLICES_MOST = 512
"""Of all tables together: some 170 bytes each of the 262,144 that a state has."""


class Checkpoint(BaseModel):
    """How far one segment has come: all that a new run of ScanSegment needs to go on.

    It is the state's input and output, so the execution history holds every checkpoint ever reached.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    segment: int
    """0-based."""
    state: Literal["scanning", "sent", "done"] = "scanning"
    """`sent` once the segment's last page is in Kinesis, and `done` once nearly all of them are in the target as well,
    so that another segment may begin. A cursor alone cannot say so: it is absent at both ends."""
    cursor: Cursor = None
    """The LastEvaluatedKey of the last page that Kinesis took: typed JSON, absent before the first page and after the
    last. Everything up to it is in Kinesis."""
    pages: int = 0
    records: int = 0
    items: int = 0
    written: int = 0
    """Every page before this one has its receipts: a call need not look at them again."""
    waiting: str = ""
    """Why the last call sent nothing. It is in the control table only, for whoever watches."""
    kept: bool = False
    """The rest of it is in the control table: cursors of very many segments do not fit into the state's input."""

    @model_validator(mode="before")
    @classmethod
    def _of_its_number(cls, given: object) -> object:
        """Take a number alone for a segment whose rest is in the control table."""
        return {"segment": given, "kept": True} if type(given) is int else given

    def in_short(self) -> int | dict[str, Any]:
        """Return it as the Map gets it: of one that is kept the number alone, since there may be ten thousand."""
        return self.segment if self.kept else self.model_dump(mode="json", exclude_defaults=True)


def plan_total_segments(size_bytes: int) -> int:
    """Return how many segments to scan a table of this size in: one per GiB, at least 16, at most 4,096.

    Sixteen keep even a small table's scan parallel; a GiB is some minutes of one segment's work, so that a segment
    that fails costs little.
    """
    return min(max(LEAST_SEGMENTS, -(-size_bytes // GIBIBYTE)), MOST_PLANNED_SEGMENTS)


def plan_checkpoints(total_segments: int) -> list[Checkpoint]:
    """Return the checkpoints of a run that starts at the beginning, in the order in which they are begun."""
    return [Checkpoint(segment=segment) for segment in spread(total_segments)]


def plan_verify_segments(total_segments: int, *, tables: int = 2) -> int:
    """Return how many segments each table is verified in: digests are as large as they are many.

    Args:
        total_segments: of the backfill.
        tables: of the proof. What is read of each travels in the execution's state.
    """
    return max(1, min(total_segments, VERIFY_SEGMENTS_MOST, VERIFY_SLICES_MOST // tables))
