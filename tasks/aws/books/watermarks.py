"""The replicator's watermarks in the control table, and the tips that a state waits for."""

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping

from tasks.aws.books.control import SHELVES, Absent, ControlTable, Document, NotAhead
from tasks.core.errors import AwsUnavailable
from tasks.core.replicate.watermark import Tips, Watermark

TIPS_A_PIECE = 1000
"""Each has some hundred bytes at most, and an item 400 KB."""


class Watermarks:
    """How far the replicator is, by shard."""

    def __init__(self, table: ControlTable, direction: str) -> None:
        self._table = table
        self._book = f"watermarks#{direction}"

    def put(self, watermark: Watermark) -> None:
        """Record that everything up to here is applied. Called only after the last of it was.

        A call that was given up and comes late does not set it back.
        """
        self._table.put(
            self._shelf(watermark.shard),
            watermark.shard,
            {
                "sequence_number": watermark.sequence_number,
                "changed_at": watermark.changed_at,
                "applied_at": watermark.applied_at,
                "rule_since": watermark.rule_since,
                "written_at": watermark.written_at,
                "late_at": watermark.late_at,
            },
            when=NotAhead(int(watermark.sequence_number)),
        )

    def read_all(self) -> dict[str, Watermark]:
        """Return all watermarks by shard, in the order of the shards."""
        return self._read(SHELVES)

    def read_of(self, shards: Iterable[str]) -> dict[str, Watermark]:
        """Return the watermarks of some shards, and perhaps of others: a wait that asks often reads few shelves."""
        return self._read("".join(sorted({shelf_of(shard) for shard in shards})))

    def _read(self, shelves: str) -> dict[str, Watermark]:
        found = {shard: document for _, shard, document in self._iter_entered(shelves)}
        return {shard: Watermark(shard=shard, **found[shard]) for shard in sorted(found)}

    def read(self, shard: str) -> Watermark | None:
        """Return one shard's watermark, `None` before its first batch."""
        document = self._table.read(self._shelf(shard), shard)
        return None if document is None else Watermark(shard=shard, **document)

    def forget(self) -> None:
        """Drop all watermarks, before a new mapping begins: they would pass for what it has applied."""
        self._table.delete_all([(pk, shard) for pk, shard, _ in self._iter_entered()])

    def _iter_entered(self, shelves: str = SHELVES) -> Iterator[tuple[str, str, Document]]:
        for shelf in shelves:
            pk = f"{self._book}#{shelf}"
            for shard, document in self._table.iter_all(pk):
                yield pk, shard, document

    def _shelf(self, shard: str) -> str:
        return f"{self._book}#{shelf_of(shard)}"


class TipsBook:
    """The tips that waits are for, by moment."""

    def __init__(self, table: ControlTable, direction: str) -> None:
        self._table = table
        self._pk = f"tips#{direction}"

    def remembered(self, moment: str) -> Tips | None:
        """Return the tips taken at a moment, `None` before they were taken.

        Args:
            moment: what the wait is for and the state's entered time, so that each entry of the state takes its own.

        Raises:
            AwsUnavailable: not all of them are there to be read.
        """
        head = self._table.read(self._pk, moment)
        if head is None:
            return None
        pieces = [piece for _, piece in self._table.iter_all(self._pieces_of(moment), f"{head['by']}#")]
        if len(pieces) != head["pieces"]:
            raise AwsUnavailable(f"{len(pieces)} of {head['pieces']} entries with the tips of {moment} could be read")
        return {shard: tip for piece in pieces for shard, tip in piece.items()}

    def remember(self, moment: str, tips: Tips) -> Tips:
        """Keep a moment's tips; if it has some already, those stay and are returned.

        They are as many as the stream has shards, of which a large table has thousands: too many for one entry.
        """
        if self._put(moment, tips, when=Absent()):
            return tips
        remembered = self.remembered(moment)
        return tips if remembered is None else remembered

    def _put(self, moment: str, tips: Mapping[str, str], *, when: Absent | None = None) -> bool:
        by, shards = uuid.uuid4().hex, sorted(tips)
        pieces = [shards[start : start + TIPS_A_PIECE] for start in range(0, len(shards), TIPS_A_PIECE)]
        for number, piece in enumerate(pieces):
            document = {shard: tips[shard] for shard in piece}
            self._table.put(self._pieces_of(moment), f"{by}#{number:04}", document, expires=True)
        # Only now: of two calls that take a moment's tips, the one whose head stands has them all there.
        return self._table.put(self._pk, moment, {"by": by, "pieces": len(pieces)}, when=when, expires=True)

    def reached(self, moment: str) -> Tips:
        """Return what earlier calls have reached of a moment's tips: empty text for a shard without records."""
        return self.remembered(_part_of(moment)) or {}

    def keep_reached(self, moment: str, reached: Mapping[str, str]) -> None:
        """Keep what is reached of a moment's tips, so that the next call goes on with the rest."""
        self._put(_part_of(moment), reached)

    def _pieces_of(self, moment: str) -> str:
        return f"{self._pk}#{moment}"


def shelf_of(shard: str) -> str:
    """Return the shelf that a shard's watermark stands on."""
    return hashlib.sha256(shard.encode()).hexdigest()[0]


def _part_of(moment: str) -> str:
    return f"{moment}#reached"
