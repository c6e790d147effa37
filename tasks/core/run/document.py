"""The document that flows through the state machine: what each state has handed on so far, under which name.

The definition gives every result its place (`ResultPath`), and a state's output holds all of them up to there. The
models here are the definition's own names, and nothing else reads the document by them.
"""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import Refused
from tasks.core.prove.verification import Verification, VerifySlice
from tasks.core.replicate.route import Route
from tasks.core.run.plan import Plan
from tasks.core.settings.migration import other_form


class Part(BaseModel):
    """A part of the document. What another version of the definition has put beside it is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Replicator(Part):
    """What AttachReplicator found."""

    route: Route
    settled_at: float
    """From when on the source may be scanned, epoch seconds."""


class Segments(Part):
    """What PlanSegments laid out."""

    checkpoints: tuple[Checkpoint, ...]
    left: str = "some"
    """`none` if there is no segment to scan."""


class Backfill(Part):
    """What DrainBackfill counted."""

    pages: int
    """Page parts that Kinesis took, each of which has its receipt."""
    items: int
    inserted: int
    present: int
    """Items whose key was taken: by a change, a tombstone, or an earlier delivery."""
    rejected: int


class Verify(Part):
    """What PlanVerify laid out, and then what CompareDigests has found."""

    state: Verification


class CutOver(Part):
    """What CutOver did."""

    active_table: str
    at: float
    """When the pointer was moved, epoch seconds."""


class LateWrites(Part):
    """What DrainLateWrites counted."""

    overruled: int
    """Late changes that gave way to the target's own items."""


class Detached(Part):
    """What DetachReplicator left behind."""

    active_table: str
    source_stream: str
    to_move: tuple[str, ...] = ()


class Document(Part):
    """What the states have handed on so far; a part is `None` until its state was left."""

    plan: Plan | None = None
    replicator: Replicator | None = None
    segments: Segments | None = None
    backfill: Backfill | None = None
    verify: Verify | None = None
    cut_over: CutOver | None = None
    late_writes: LateWrites | None = None
    detached: Detached | None = None


class Scan(Part):
    """How far a segment of the backfill has come."""

    checkpoint: Checkpoint


class Read(Part):
    """How far a segment of the proof has come."""

    slice: VerifySlice


class SegmentDocument(Part):
    """What flows through the states inside a Map, as far as it says where the segment stands."""

    scan: Scan | None = None
    """Of the backfill."""
    read: Read | None = None
    """Of the proof."""

    @property
    def checkpoint(self) -> Checkpoint | VerifySlice | None:
        """How far the segment has come."""
        if self.scan is not None:
            return self.scan.checkpoint
        return None if self.read is None else self.read.slice


PartT = TypeVar("PartT", bound=Part)


def parse_document(model: type[PartT], text: str) -> PartT:
    """Return the document that an event has as its input or output.

    Args:
        model: `Document`, or inside a Map `SegmentDocument`.
        text: JSON.

    Raises:
        Refused: a part of it is of another form: it comes from another version, and would be misread.
    """
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        raise Refused(
            "the execution was run by another version of tableferry, and this one cannot read what its states handed "
            f"on ({other_form(error)}); use the version that it was started with, or start a new execution"
        ) from None
