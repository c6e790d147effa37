"""Which checkpoints a resumed scan goes on from, and how they travel to the Map."""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from tasks.core.copy.segment import Checkpoint

STATE_BYTES_MOST: Final = 160 * 1024
"""A state's input and output take 256 KiB (Step Functions, "Quotas"); the plan and the proof need room beside them."""


class Search:
    """The search for the checkpoints to go on from, through the histories of a run from the newest to the oldest.

    A checkpoint (cursor, pages) is good as long as the first `pages` pages of the send ledger end at that cursor. A
    later scan that began further back has put other pages in place of some of them. So the newest scan of a segment
    is believed: it began at a good checkpoint, and all that it reached is good. An older one is only asked where the
    newest began behind a page that is missing; then it had not touched what comes before. To begin further back than
    needed is always right, and costs reading.

    Args:
        total_segments: of the run.
        noted: by segment, the last checkpoint in the control table, without its cursor. It alone says what is done.
        missing: by segment that is done, its first page that has no receipt and is not waited for any more.
        kept: by segment, the checkpoint that was last kept in the control table whole.
    """

    def __init__(
        self,
        total_segments: int,
        noted: Mapping[int, Checkpoint],
        missing: Mapping[int, int],
        kept: Mapping[int, Checkpoint],
    ) -> None:
        self._kept = kept
        self._wanted = [
            segment
            for segment in range(total_segments)
            if segment in missing or segment not in noted or noted[segment].state != "done"
        ]
        self._missing = missing
        self._seen: set[int] = set()
        self._found: dict[int, Checkpoint] = {}

    @property
    def is_complete(self) -> bool:
        """Whether older histories can say nothing more."""
        return len(self._found) == len(self._wanted)

    def look_at(self, reached: Mapping[int, Sequence[Checkpoint]]) -> None:
        """Take from one scan of the run what is good and not known from a newer one.

        Args:
            reached: by segment, the checkpoint that the scan began at, and then those that it reached.
        """
        for segment in self._wanted:
            checkpoints = [self._whole(checkpoint) for checkpoint in reached.get(segment, ())]
            if segment in self._found or not checkpoints:
                continue
            limit = self._missing.get(segment)
            # One that is done to its history, but not to the control table, was taken up again by a later call.
            good = [
                checkpoint
                for checkpoint in checkpoints
                if checkpoint.state != "done" and (limit is None or checkpoint.pages <= limit)
            ]
            if good:
                self._found[segment] = max(good, key=lambda checkpoint: checkpoint.pages)
            self._seen.add(segment)

    def result(self) -> list[Checkpoint]:
        """Return the checkpoint of each segment that has to be scanned on; unknown ones are scanned from the start."""
        return [self._found.get(segment, Checkpoint(segment=segment)) for segment in self._wanted]

    def _whole(self, checkpoint: Checkpoint) -> Checkpoint:
        if not checkpoint.kept:
            return checkpoint
        segment = checkpoint.segment
        # What an older scan had kept is written over: nobody knows where it began, so it counts from the start.
        return (
            Checkpoint(segment=segment)
            if segment in self._seen
            else self._kept.get(segment, Checkpoint(segment=segment))
        )


def fit_into_state(checkpoints: Sequence[Checkpoint]) -> tuple[list[Checkpoint], list[Checkpoint]]:
    """Return the checkpoints as the Map gets them, and those that have to be kept in the control table for that.

    Cursors are keys of the table, up to 3 KiB each. Where they do not all fit, none of them travels, and each
    checkpoint is kept: of ten thousand even the words around their numbers would be too much.
    """
    if len(json.dumps([checkpoint.in_short() for checkpoint in checkpoints])) <= STATE_BYTES_MOST:
        return list(checkpoints), []
    return [Checkpoint(segment=checkpoint.segment, kept=True) for checkpoint in checkpoints], list(checkpoints)
