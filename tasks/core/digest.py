"""Proof of equality at the price of two scans: sums of hashes that do not depend on order.

Each key falls into a bucket by its own hash. A bucket's digest is the sum, modulo 2¹²⁸, of the hashes of its items in
canonical form, and their count. Two tables whose buckets all agree are equal (up to a chance of 2⁻¹²⁸ for each pair);
where a bucket differs, only its keys need a closer look.
"""

import hashlib
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Self

from tasks.core.item import Item, canonical, is_tombstone, without_legacy_attributes

MODULUS = 1 << 128
LEAST_BUCKETS = 1024
MOST_BUCKETS = 16_384
ITEMS_PER_BUCKET = 64

_BUCKET = struct.Struct(">16sI")


def plan_buckets(item_count: int) -> int:
    """Return how many buckets a table of this size is compared in: a power of two, some 64 items each."""
    wanted = max(LEAST_BUCKETS, min(item_count // ITEMS_PER_BUCKET, MOST_BUCKETS))
    return 1 << (wanted - 1).bit_length()


def key_hash(key: Item) -> bytes:
    """Return the 16 bytes that stand for a key."""
    return hashlib.blake2b(canonical(key), digest_size=16).digest()


def item_hash(item: Item) -> bytes:
    """Return the 16 bytes that stand for an item's whole content."""
    return hashlib.blake2b(canonical(item), digest_size=16).digest()


def bucket_of(key: bytes, buckets: int) -> int:
    """Return the 0-based bucket of a key hash; `buckets` is a power of two."""
    return int.from_bytes(key[:4], "big") & (buckets - 1)


def comparable(item: Item, table: Literal["source", "target"]) -> Item | None:
    """Return what of a stored item takes part in the comparison: no legacy attributes, and nothing of a tombstone.

    Only the target has tombstones. An owner's item that bears the mark counts, so it shows as missing at the target.
    """
    return None if table == "target" and is_tombstone(item) else without_legacy_attributes(item)


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
            raise ValueError(f"digests of {self.buckets} and {other.buckets} buckets can not be merged")
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
