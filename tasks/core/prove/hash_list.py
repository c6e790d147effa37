"""Lists of hashes: what the items of some pages hash to, with their keys, by buckets.

One call's readings make one list, or some, each an object in S3. Its form: 8 bytes of head (`FORM` and the number of
buckets), an index, the hashes of all buckets one behind the other, and then their keys. An index entry says where a
bucket's hashes begin and where its keys do, from the object's beginning; one entry more says where the last ones end.
So whoever compares some buckets reads their hashes in one stretch of bytes, and keys only where something differs.

Of an item there are the 16 bytes of its key's hash and the 16 of its own. Keys are JSON lines in the same order, packed
for each bucket by itself.
"""

import itertools
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from tasks.core.errors import PreconditionFailed
from tasks.core.model.item import Item, json_bytes
from tasks.core.model.packing import pack, unpack_first
from tasks.core.prove.digest import bucket_of
from tasks.core.prove.passes import Step

FORM = b"TFH1"
_HEAD = struct.Struct(">4sI")
_ENTRY = struct.Struct(">QQ")
_PAIR = struct.Struct("16s16s")
ROW_BYTES = _PAIR.size


class Writing:
    """A list that is being written. It holds plain bytes and no item: some 32 bytes each, and their keys.

    Args:
        buckets: that the hashes are kept in, a power of two.
    """

    def __init__(self, buckets: int) -> None:
        self._buckets = buckets
        self._hashes: dict[int, bytearray] = {}
        self._keys: dict[int, bytearray] = {}
        self.bytes = 0
        """That it holds by now."""

    def add(self, key_hash: bytes, item_hash: bytes, key: Item) -> None:
        """Add an item, given its key hash, its own, and its key."""
        bucket = bucket_of(key_hash, self._buckets)
        text = json_bytes(key) + b"\n"
        self._hashes.setdefault(bucket, bytearray()).extend(key_hash + item_hash)
        self._keys.setdefault(bucket, bytearray()).extend(text)
        self.bytes += ROW_BYTES + len(text)

    def take(self) -> bytes:
        """Return the list as it is kept, and begin a new one; empty if there is nothing in it."""
        if not self.bytes:
            return b""
        packed = {bucket: pack(self._keys.pop(bucket)) for bucket in sorted(self._keys)}
        index = bytearray()
        behind_index = _HEAD.size + (self._buckets + 1) * _ENTRY.size
        at_hashes = behind_index
        at_keys = behind_index + sum(map(len, self._hashes.values()))
        for bucket in range(self._buckets + 1):
            index += _ENTRY.pack(at_hashes, at_keys)
            at_hashes += len(self._hashes.get(bucket, b""))
            at_keys += len(packed.get(bucket, b""))
        body = bytearray(_HEAD.pack(FORM, self._buckets)) + index
        for bucket in sorted(self._hashes):
            body += self._hashes.pop(bucket)
        for bucket in sorted(packed):
            body += packed.pop(bucket)
        self.bytes = 0
        return bytes(body)


@dataclass(frozen=True, slots=True)
class Index:
    """Where a stretch of buckets lies in one list.

    Attributes:
        first: the stretch's first bucket.
        entries: the index from its entry on, to the one behind the stretch.
    """

    first: int
    entries: bytes

    @staticmethod
    def place(first: int, end: int) -> tuple[int, int]:
        """Return where in a list the index of a stretch begins, and where it ends."""
        return _HEAD.size + first * _ENTRY.size, _HEAD.size + (end + 1) * _ENTRY.size

    def hashes(self, first: int, end: int) -> tuple[int, int]:
        """Return where the hashes of these buckets begin and end."""
        return self._at(first)[0], self._at(end)[0]

    def keys(self, first: int, end: int) -> tuple[int, int]:
        """Return where the packed keys of these buckets begin and end."""
        return self._at(first)[1], self._at(end)[1]

    def _at(self, bucket: int) -> tuple[int, int]:
        at_hashes, at_keys = _ENTRY.unpack_from(self.entries, (bucket - self.first) * _ENTRY.size)
        return at_hashes, at_keys


def iter_rows(hashes: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (key hash, item hash) of each item."""
    return _PAIR.iter_unpack(hashes)


def iter_keys(packed: bytes) -> Iterator[bytes]:
    """Yield the JSON of each key, in the order of the hashes; one bucket's keys are unpacked at a time.

    Raises:
        PreconditionFailed: the bytes are not what was kept.
    """
    try:
        while packed:
            text, packed = unpack_first(packed)
            yield from text.splitlines()
    except ValueError as error:
        raise PreconditionFailed(f"keys of a list of hashes in the bucket are damaged ({error}); resume") from error


def iter_differing_keys(hashes: bytes, packed: bytes, differing: set[bytes]) -> Iterator[Item]:
    """Yield the keys of a list that differ, each once for all lists: its hash is taken out of `differing`.

    Raises:
        PreconditionFailed: there are more or fewer keys than hashes.
    """
    for row, text in itertools.zip_longest(iter_rows(hashes), iter_keys(packed)):
        if row is None or text is None:
            raise PreconditionFailed("a list of hashes in the bucket has not one key for each of them; resume")
        if row[0] in differing:
            differing.remove(row[0])
            yield json.loads(text)


def pass_over(hashes: bytes, differing: set[bytes], most: int) -> int:
    """Take the keys out of `differing` that a call before this one has looked at; return how many those are.

    Args:
        hashes: rows of a list, in whose order keys are looked at.
        differing: hashes of the keys that differ.
        most: to be passed over.
    """
    passed = 0
    if most:
        for key_hash, _ in iter_rows(hashes):
            if key_hash in differing:
                differing.remove(key_hash)
                passed += 1
                if passed == most:
                    break
    return passed


class Comparing:
    """One step of a comparison: first come all rows of the source, then all of the other table.

    A key is equal if each side has one item of it and their hashes agree; what a repeated call has kept a second time
    does no harm. The source's rows are held, the other side's are not.

    Args:
        step: whose keys are compared; others are passed over.
    """

    def __init__(self, step: Step) -> None:
        self._step = step
        self._source: dict[bytes, bytes] = {}
        self._differing: set[bytes] = set()

    def add_source(self, hashes: bytes) -> None:
        """Take rows of the source."""
        if self._step.parts == 1:
            self._source.update(iter_rows(hashes))
            return
        self._source.update(row for row in iter_rows(hashes) if self._is_ours(row[0]))

    def add_other(self, hashes: bytes) -> None:
        """Take rows of the other table, once the source has no more."""
        source, differing, all_are_ours = self._source, self._differing, self._step.parts == 1
        for key_hash, item_hash in iter_rows(hashes):
            if (all_are_ours or self._is_ours(key_hash)) and source.pop(key_hash, None) != item_hash:
                differing.add(key_hash)

    def differing(self) -> set[bytes]:
        """Return the hashes of the keys that differ, or that one side alone has; the comparison is over with it."""
        self._differing.update(self._source)
        self._source = {}
        return self._differing

    def _is_ours(self, key_hash: bytes) -> bool:
        return int.from_bytes(key_hash[-4:], "big") % self._step.parts == self._step.part
