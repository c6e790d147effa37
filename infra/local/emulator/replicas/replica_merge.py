"""Decides what each region of a global table is to write, from the changes seen in every region's stream. Pure.

Each region's stream tells its own writers' changes and, mixed among them, the echoes of what was replicated into it.
An echo replicated again would run round for ever; a writer's change taken for an echo would be lost. They are told
apart by what the stream guarantees: for one item, the records are in order, and each one's old image is the previous
one's new image.

Two writers that change one item in two regions at once: the last one wins, and all regions end up equal. A stream
tells no exact time, so a change's stamp is a lower bound of when it was written: of two writes within one round of
reading, either may win.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Image = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One stream record.

    Attributes:
        key: the key as text, the same in every region.
        keys: the key as DynamoDB's typed JSON.
        old: the item before, None where there was none.
        new: the item after, None where it was deleted.
        stamp: seconds, the same clock in every region: it was written then or later.
    """

    key: str
    keys: Image
    old: Image | None
    new: Image | None
    stamp: float


def key_text(keys: Image) -> str:
    """Return the text that stands for a key."""
    return json.dumps(keys, sort_keys=True)


class Merge:
    """The state of one global table.

    A round is: `see` every change read from the streams, then for every region write what `take_writes` gives, then,
    for each region whose stream was read to its end, `reached_tip` before its next round's changes are seen.
    """

    def __init__(self) -> None:
        # What was written into a region and has not come back in its stream, in the order of writing.
        self._awaited: dict[str, dict[str, list[Change]]] = defaultdict(dict)
        # What this round will write into a region.
        self._writes: dict[str, dict[str, Change]] = defaultdict(dict)

    def see(self, region: str, change: Change, regions: Iterable[str]) -> None:
        """Take one record of a region's stream, in the stream's order; `regions` are all members."""
        awaited = self._awaited[region].get(change.key, [])
        for index, ours in enumerate(awaited):
            if ours.new == change.new:
                # An echo. What was awaited before it changed nothing when it was written, and has no record.
                self._forget(region, change.key, index + 1)
                return
        for index, ours in enumerate(awaited):
            if ours.new == change.old:
                # A writer's change on top of ours: ours is through, whether or not it had a record.
                self._forget(region, change.key, index + 1)
                break
        overwritten_by = self._awaited[region].get(change.key, [])
        about_to_be = self._writes[region].get(change.key)
        rivals = [*overwritten_by, about_to_be] if about_to_be else overwritten_by
        if any(rival.stamp >= change.stamp for rival in rivals):
            return  # the rival is everywhere already, or on its way
        for target in regions:
            if target != region:
                self._writes[target][change.key] = change
        if overwritten_by:
            # It wins, but in its own region the rival stands in its place.
            self._writes[region][change.key] = change
        else:
            self._writes[region].pop(change.key, None)

    def lose(self, region: str, keys: Image) -> None:
        """Take an item from one region alone, as if its replica had lost it: no other is told, by an echo neither."""
        key = key_text(keys)
        self._writes[region][key] = Change(key, keys, old=None, new=None, stamp=0.0)

    def take_writes(self, region: str) -> list[Change]:
        """Return what to write into a region now, one change per key; from here on their echoes are awaited."""
        changes = list(self._writes.pop(region, {}).values())
        for change in changes:
            self._awaited[region].setdefault(change.key, []).append(change)
        return changes

    def reached_tip(self, region: str) -> None:
        """Note that a region's stream was seen whole: what has no echo by now changed nothing and will have none."""
        self._awaited[region].clear()

    def leave(self, region: str) -> None:
        """Let a region no longer be a member."""
        self._awaited.pop(region, None)
        self._writes.pop(region, None)

    def _forget(self, region: str, key: str, count: int) -> None:
        left = self._awaited[region][key][count:]
        if left:
            self._awaited[region][key] = left
        else:
            del self._awaited[region][key]
