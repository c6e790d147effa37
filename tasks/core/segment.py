"""A segment of the parallel scan: how many there are, and how far each has come."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from tasks.core.item import Item

GIBIBYTE = 1024**3
LEAST_SEGMENTS = 16
MOST_PLANNED_SEGMENTS = 4096

VERIFY_SEGMENTS_MOST = 64


class Checkpoint(BaseModel):
    """How far one segment has come: all that a new run of ScanSegment needs to go on.

    It is the state's input and output, so the execution history holds every checkpoint ever reached.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    segment: int
    """0-based."""
    state: Literal["scanning", "done"] = "scanning"
    """`done` once the segment's last page is in Kinesis. A cursor alone can not say so: it is absent at both ends."""
    cursor: Item | None = None
    """The LastEvaluatedKey of the last page that Kinesis took: typed JSON, absent before the first page and after the
    last. Everything up to it is in Kinesis."""
    pages: int = 0
    records: int = 0
    items: int = 0
    kept: bool = False
    """The rest of it is in the control table: cursors of very many segments do not fit into the state's input."""


def plan_total_segments(size_bytes: int) -> int:
    """Return how many segments to scan a table of this size in: one per GiB, at least 16, at most 4,096.

    Sixteen keep even a small table's scan parallel; a GiB is some minutes of one segment's work, so that a segment
    that fails costs little.
    """
    return min(max(LEAST_SEGMENTS, -(-size_bytes // GIBIBYTE)), MOST_PLANNED_SEGMENTS)


def plan_checkpoints(total_segments: int) -> list[Checkpoint]:
    """Return the checkpoints of a run that starts at the beginning."""
    return [Checkpoint(segment=segment) for segment in range(total_segments)]


def plan_verify_segments(total_segments: int) -> int:
    """Return how many segments each table is verified in: digests are as large as they are many."""
    return min(total_segments, VERIFY_SEGMENTS_MOST)
