"""How far the drain has compared receipts, in the control table."""

from dataclasses import asdict, dataclass, replace

from tasks.aws.control import ControlTable, control
from tasks.core.receipts import SegmentDrain
from tasks.core.segment import Checkpoint


@dataclass(frozen=True, slots=True)
class DrainProgress:
    """Segments whose every page has its receipt, and what the writer did with their items."""

    segments: int = 0
    """The first so many segments are drained."""
    pages: int = 0
    items: int = 0
    inserted: int = 0
    present: int = 0
    rejected: int = 0
    waiting: str = ""
    """What the last poll waited for, and since when: the same for too long means that nothing comes any more."""
    since: float = 0.0
    receipts: int = -1
    """Of all segments that are not drained, when they were last counted; -1 before that."""

    def waiting_for(self, what: str, *, now: float) -> "DrainProgress":
        """Return the progress with what is waited for; the time stays while that is the same."""
        return self if self.waiting == what else replace(self, waiting=what, since=now)

    def with_receipts(self, receipts: int, *, now: float) -> "DrainProgress":
        """Return the progress with the receipts counted anew; the time begins anew too."""
        return replace(self, receipts=receipts, since=now)

    def with_segment(self, checkpoint: Checkpoint, drain: SegmentDrain) -> "DrainProgress":
        """Return the progress with one more segment drained."""
        return replace(
            self,
            segments=self.segments + 1,
            pages=self.pages + checkpoint.pages,
            items=self.items + checkpoint.items,
            inserted=self.inserted + drain.inserted,
            present=self.present + drain.present,
            rejected=self.rejected + drain.rejected,
        )

    def begun_anew(self) -> "DrainProgress":
        """Return the progress with nothing waited for: what was compared stays."""
        return replace(self, waiting="", since=0.0, receipts=-1)


def read_progress(run: str, table: ControlTable | None = None) -> DrainProgress:
    """Return the progress of earlier polls, from the function's own control table unless another is given."""
    document = (table or control()).read(run, "drain")
    return DrainProgress() if document is None else DrainProgress(**document)


def put_progress(run: str, progress: DrainProgress) -> DrainProgress:
    """Keep the progress, and return it."""
    control().put(run, "drain", asdict(progress), expires=True)
    return progress


def begin_anew(run: str) -> None:
    """Let the next wait begin anew: a wait that was given up must not be given up again at its first look."""
    put_progress(run, read_progress(run).begun_anew())
