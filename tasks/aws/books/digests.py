"""Digests, the names of lists of hashes, looks and settled keys in the control table, by verification.

What a slice has found is under a partition key of its own, so no key has more than one writer at a time, and all of
them are read side by side. Each call's entry is named by the place at which it began and the one it reached: a call
that is repeated, or that was given up and goes on, never stands in for another
(`tasks.core.prove.verification.chain`).
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tasks.aws.books.control import ControlTable, Document, pk_of_run
from tasks.core.errors import PreconditionFailed
from tasks.core.prove.digest import Digest
from tasks.core.prove.verification import Kept, LinkT, VerifySlice, chain, kept_of, pairs_of

SETTLED_A_PIECE = 5000
"""A hash takes 35 bytes in an entry, which has 400 KB at most."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one call has read of a segment."""

    begun: str
    reached: str
    digest: Digest
    lists: Sequence[Kept]


@dataclass(frozen=True, slots=True)
class Look:
    """What one call found that compared a stretch and looked at the keys that differ."""

    begun: str
    reached: str
    equal: int
    suspects: Sequence[Kept]
    is_cut: bool


class Digests:
    """What one verification has found."""

    def __init__(self, table: ControlTable, run: str, verification: str) -> None:
        self._table = table
        self._pk = pk_of_run(run, "verify", verification)
        self.folder = f"{run}/{verification}"
        """Of the verification in the bucket."""

    def put_reading(self, begun: VerifySlice, reached: VerifySlice, digest: Digest, lists: Sequence[Kept]) -> None:
        """Keep what a call has read: its digest, and the lists of its hashes, both in one entry."""
        document = {
            "b": base64.b64encode(digest.to_bytes()).decode(),
            "lists": pairs_of(lists),
        }
        self._put("reading", begun, reached, document)

    def read_slice(self, slice_: VerifySlice) -> list[Reading]:
        """Return what calls have read of a segment, each part of it once.

        Raises:
            PreconditionFailed: a part of it is not there.
        """
        return self._whole(
            slice_,
            (
                Reading(begun, reached, Digest.from_bytes(base64.b64decode(document["b"])), kept_of(document["lists"]))
                for begun, reached, document in self._iter("reading", slice_)
            ),
        )

    def put_look(self, begun: VerifySlice, reached: VerifySlice, equal: int, suspects: Sequence[Kept]) -> None:
        """Keep what a call found that looked once at the keys that differ.

        Args:
            begun: the slice as the call was given it.
            reached: how far the call came.
            equal: keys that are by now.
            suspects: lists of those that are not.
        """
        document = {
            "equal": equal,
            "suspects": pairs_of(suspects),
            "cut": reached.is_cut,
        }
        self._put("look", begun, reached, document)

    def read_looks(self, slice_: VerifySlice) -> list[Look]:
        """Return what calls found in a stretch, each part of it once.

        Raises:
            PreconditionFailed: a part of it is not there.
        """
        return self._whole(
            slice_,
            (
                Look(begun, reached, document["equal"], kept_of(document["suspects"]), document["cut"])
                for begun, reached, document in self._iter("look", slice_)
            ),
        )

    def read_settled_slices(self) -> frozenset[str]:
        """Return the stretches in which no key is left to be looked at."""
        found = self._table.iter_all(self._pk, "slices#")
        return frozenset(name for _, document in found for name in document["slices"])

    def put_settled_slices(self, slice_names: Sequence[str]) -> None:
        """Note stretches in which no key is left to be looked at."""
        if slice_names:
            self._table.put(self._pk, f"slices#{slice_names[0]}", {"slices": list(slice_names)}, expires=True)

    def put_settled(self, how: str, key_hashes: Sequence[str]) -> None:
        """Note keys that were read again and need no further look, by the hex of their hash.

        Args:
            how: `equal` or `followed`.
            key_hashes: of the keys.
        """
        for start in range(0, len(key_hashes), SETTLED_A_PIECE):
            some = list(key_hashes[start : start + SETTLED_A_PIECE])
            self._table.put(self._pk, f"settled#{how}#{some[0]}", {"keys": some}, expires=True)

    def read_settled(self, how: str) -> frozenset[str]:
        """Return the keys that were settled so, by the hex of their hash."""
        found = self._table.iter_all(self._pk, f"settled#{how}#")
        return frozenset(key_hash for _, document in found for key_hash in document["keys"])

    def _put(self, kind: str, begun: VerifySlice, reached: VerifySlice, document: Document) -> None:
        sk = f"{kind}#{begun.place}#{reached.place}"
        self._table.put(self._of(begun), sk, document, expires=True)

    def _iter(self, kind: str, slice_: VerifySlice) -> Iterator[tuple[str, str, Document]]:
        for sk, document in self._table.iter_all(self._of(slice_), f"{kind}#"):
            _, begun, reached = sk.split("#")
            yield begun, reached, document

    def _whole(self, slice_: VerifySlice, links: Iterable[LinkT]) -> list[LinkT]:
        if (found := chain(links, slice_.begun_place)) is None:
            raise PreconditionFailed(
                f"what the proof has read of {slice_.name} is not whole in the control table; an item that was not "
                "read must not count as equal. Resume, which reads all tables anew"
            )
        return found

    def _of(self, slice_: VerifySlice) -> str:
        return f"{self._pk}#{slice_.name}"
