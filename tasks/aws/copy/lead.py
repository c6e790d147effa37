"""How far one call of the scan is ahead of the writer."""

import time

from tasks.aws.books.receipts import Receipts
from tasks.core.copy.back_pressure import Ahead, why_wait
from tasks.core.copy.segment import Checkpoint


class Lead:
    """What a segment has sent and has no receipt of, as far as a call knows.

    Receipts are looked at when the call begins, and then only where the limit would be reached without those that have
    come since: once for a hundred pages where the writer keeps up.

    Args:
        receipts: the run's.
        begun: where the call begins.
    """

    def __init__(self, receipts: Receipts, begun: Checkpoint) -> None:
        self._receipts = receipts
        self._ahead = Ahead(written=begun.written)
        if begun.pages > begun.written and begun.state != "done":
            self._look(begun)

    @property
    def written(self) -> int:
        """Every page before this one is in the target."""
        return self._ahead.written

    def note_sent(self, parts: int, *, at: float) -> None:
        """Count a page that was sent."""
        self._ahead = self._ahead.with_sent(parts, at=at)

    def why_wait(self, checkpoint: Checkpoint, *, parts_most: int) -> str:
        """Return why nothing is to be sent behind a checkpoint now; nothing if a page may be sent."""
        if not why_wait(self._ahead, parts_most=parts_most, now=time.time()):
            return ""
        self._look(checkpoint)
        return why_wait(self._ahead, parts_most=parts_most, now=time.time())

    def _look(self, checkpoint: Checkpoint) -> None:
        self._ahead = self._receipts.read_ahead(checkpoint, written=self.written, now=time.time())
