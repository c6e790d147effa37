"""Proof of equality at the price of two scans: sums of hashes that do not depend on order.

Each key falls into a bucket by its own hash. A digest has, for some buckets together, the sum modulo 2¹²⁸ of the hashes
of their items in canonical form, and the count. Two tables whose sums all agree are equal (up to a chance of 2⁻¹²⁸ for
each pair); where one differs, the hashes themselves are compared (`tasks.core.prove.hash_list`).
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from tasks.core.model.item import Item, canonical, is_tombstone, without_legacy_attributes
from tasks.core.model.shape import Shape, as_it_is

MODULUS = 1 << 128
LEAST_BUCKETS = 64
MOST_BUCKETS = 1 << 18
ITEMS_PER_BUCKET = 1 << 20
SUMS_MOST = 64
"""A digest takes 20 bytes a sum, and there are as many digests as calls. More sums would tell no more: a few writes a
second make all of them unequal."""

SOURCE = "source"
TARGET = "target"

_BUCKET = struct.Struct(">16sI")


def replica_in(region: str) -> str:
    """Return the role of the target's replica in a Region."""
    return f"{TARGET}@{region}"


def plan_buckets(item_count: int) -> int:
    """Return how many buckets the hashes of a table of this size are kept in: a power of two, some 10⁶ items each.

    A bucket is what is compared at a time, so it bounds the memory; each bucket of each list is a read of its own, so
    there should be few.
    """
    wanted = max(LEAST_BUCKETS, min(item_count // ITEMS_PER_BUCKET, MOST_BUCKETS))
    return 1 << (wanted - 1).bit_length()


def plan_sums(buckets: int) -> int:
    """Return how many sums a digest over so many buckets has; each is of as many buckets, one behind the other."""
    return min(buckets, SUMS_MOST)


def key_hash(key: Item) -> bytes:
    """Return the 16 bytes that stand for a key."""
    return hashlib.blake2b(canonical(key), digest_size=16).digest()


def item_hash(item: Item) -> bytes:
    """Return the 16 bytes that stand for an item's whole content."""
    return hashlib.blake2b(canonical(item), digest_size=16).digest()


def bucket_of(key: bytes, buckets: int) -> int:
    """Return the 0-based bucket of a key hash, by its first bits; `buckets` is a power of two, at most 2³².

    Of fewer buckets each is one behind the other of more, so the same function says which sum a bucket is in.
    """
    return int.from_bytes(key[:4], "big") * buckets >> 32


def comparable(item: Item, table: str, shape: Shape = as_it_is) -> Item | None:
    """Return what of a stored item takes part in the comparison: no legacy attributes, and no tombstone of the target.

    An owner's item that looks like a tombstone counts, so it shows as missing at the target. One at a replica counts
    too: tombstones are purged before the proof, and the look that finds none of them left sees the target only.

    Args:
        item: as it is stored.
        table: its role in the proof; all but the source are compared with it.
        shape: that a source's item has to have at the target.
    """
    if table == SOURCE:
        return shape(item)
    return None if table == TARGET and is_tombstone(item) else without_legacy_attributes(item)


@dataclass(slots=True)
class Digest:
    """The buckets of one table, or of one segment of it."""

    buckets: int
    sums: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sums = self.sums or [0] * self.buckets
        self.counts = self.counts or [0] * self.buckets

    def add(self, key: bytes, item: bytes) -> None:
        """Count one item, given its key hash and item hash."""
        bucket = bucket_of(key, self.buckets)
        # The key is in the item's hash too: the item holds its key attributes.
        self.sums[bucket] = (self.sums[bucket] + int.from_bytes(item, "big")) % MODULUS
        self.counts[bucket] += 1

    def merge(self, other: Self) -> None:
        """Add another segment's buckets to these."""
        if other.buckets != self.buckets:
            raise ValueError(f"digests of {self.buckets} and {other.buckets} buckets cannot be merged")
        self.sums = [(mine + theirs) % MODULUS for mine, theirs in zip(self.sums, other.sums, strict=True)]
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]

    @property
    def items(self) -> int:
        """Items counted."""
        return sum(self.counts)

    def unequal_buckets(self, other: Self) -> list[int]:
        """Return the buckets in which the two differ."""
        return [
            bucket
            for bucket in range(self.buckets)
            if self.sums[bucket] != other.sums[bucket] or self.counts[bucket] != other.counts[bucket]
        ]

    def to_bytes(self) -> bytes:
        """Return 20 bytes a bucket: the sum and the count, big endian."""
        return b"".join(
            _BUCKET.pack(total.to_bytes(16, "big"), count) for total, count in zip(self.sums, self.counts, strict=True)
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read `to_bytes` back."""
        pairs = list(_BUCKET.iter_unpack(data))
        return cls(len(pairs), [int.from_bytes(total, "big") for total, _ in pairs], [count for _, count in pairs])


def merged(buckets: int, parts: Iterable[Digest]) -> Digest:
    """Return the sum of digests."""
    whole = Digest(buckets)
    for part in parts:
        whole.merge(part)
    return whole
