"""How far the drain has compared receipts, in the control table."""

from dataclasses import asdict, dataclass, replace

from tasks.aws.books.control import ControlTable, pk_of_run
from tasks.core.copy.receipts import SegmentDrain
from tasks.core.copy.segment import Checkpoint


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


class DrainBook:
    """How far one run's drain is."""

    def __init__(self, table: ControlTable, run: str) -> None:
        self._table = table
        self._run = run

    def read(self) -> DrainProgress:
        """Return the progress of earlier polls."""
        document = self._table.read(pk_of_run(self._run), "drain")
        return DrainProgress() if document is None else DrainProgress(**document)

    def put(self, progress: DrainProgress) -> DrainProgress:
        """Keep the progress, and return it."""
        self._table.put(pk_of_run(self._run), "drain", asdict(progress), expires=True)
        return progress

    def begin_anew(self) -> None:
        """Let the next wait begin anew: a wait that was given up must not be given up again at its first look."""
        self.put(self.read().begun_anew())
