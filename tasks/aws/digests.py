"""Digests, suspects and settled keys in the control table, by verification."""

import base64
from collections.abc import Iterable, Iterator, Sequence

from tasks.aws.control import control
from tasks.core.digest import Digest, merged
from tasks.core.item import Item

BUCKETS_A_PIECE = 8192
"""160 KB of digest, 214 KB as text: a control-table entry may have 400 KB."""
BYTES_A_BUCKET = 20
SUSPECTS_A_PIECE = 100
"""A key may have 3 KB."""
SUSPECT_GROUPS = 256
"""Suspects are kept and compared by groups of buckets: in a large table under steady writes every bucket may be
unequal, and all keys at once fit no function's memory."""


def put_digest(run: str, verification: str, slice_name: str, page: int, digest: Digest) -> None:
    """Keep the digest of a slice's pages from `page` on."""
    data = digest.to_bytes()
    step = BUCKETS_A_PIECE * BYTES_A_BUCKET
    for piece, start in enumerate(range(0, len(data), step)):
        text = base64.b64encode(data[start : start + step]).decode()
        control().put(_pk(run, verification), f"digest#{slice_name}#{page:08}#{piece:04}", {"b": text}, expires=True)


def read_digest(run: str, verification: str, table: str, buckets: int) -> Digest:
    """Return a whole table's digest, summed over its segments and their stretches of pages."""

    def stretches() -> Iterator[Digest]:
        begun, data = "", b""
        for sk, document in control().iter_all(_pk(run, verification), f"digest#{table}#"):
            stretch = sk.rsplit("#", 1)[0]
            if stretch != begun and data:
                yield Digest.from_bytes(data)
                data = b""
            begun, data = stretch, data + base64.b64decode(document["b"])
        if data:
            yield Digest.from_bytes(data)

    return merged(buckets, stretches())


def put_unequal_buckets(run: str, verification: str, buckets: Sequence[int]) -> None:
    """Keep which buckets differ, for the pass that lists their keys."""
    control().put(_pk(run, verification), "unequal", {"buckets": list(buckets)}, expires=True)


def read_unequal_buckets(run: str, verification: str) -> frozenset[int]:
    """Return which buckets differ."""
    document = control().read(_pk(run, verification), "unequal")
    return frozenset(document["buckets"] if document else ())


def read_unsettled_groups(run: str, verification: str) -> list[int]:
    """Return the groups that unequal buckets are in, as only these have suspects, without those that are settled."""
    unequal = {_group_of(bucket) for bucket in read_unequal_buckets(run, verification)}
    for _, document in control().iter_all(_pk(run, verification), "groups#"):
        unequal.difference_update(document["groups"])
    return sorted(unequal)


def put_settled_groups(run: str, verification: str, groups: Sequence[int]) -> None:
    """Note groups in which no key is left to be looked at."""
    if groups:
        control().put(_pk(run, verification), f"groups#{groups[0]:02x}", {"groups": list(groups)}, expires=True)


def put_suspects(
    run: str, verification: str, slice_name: str, page: int, suspects: Iterable[tuple[int, Item, str]]
) -> None:
    """Keep the keys and item hashes that one page has in unequal buckets.

    A page that is read again may list fewer; what it listed before does no harm: at the worst a key is read once more.

    Args:
        run: the migration's run.
        verification: its id.
        slice_name: which slice the page is of.
        page: 0-based.
        suspects: (bucket, key, hex item hash).
    """
    groups: dict[int, list[tuple[Item, str]]] = {}
    for bucket, key, item_hash in suspects:
        groups.setdefault(_group_of(bucket), []).append((key, item_hash))
    control().put_all(
        (
            (
                _group_pk(run, verification, group),
                f"suspects#{slice_name}#{page:08}#{start:06}",
                {"suspects": pairs[start : start + SUSPECTS_A_PIECE]},
            )
            for group, pairs in groups.items()
            for start in range(0, len(pairs), SUSPECTS_A_PIECE)
        ),
        expires=True,
    )


def iter_suspects(run: str, verification: str, group: int) -> Iterator[tuple[str, Item, bytes]]:
    """Yield (table, key, item hash) of the suspects in one group: all of the source, then all of the target."""
    for sk, document in control().iter_all(_group_pk(run, verification, group), "suspects#"):
        table = sk.split("#")[1]
        for key, item_hash in document["suspects"]:
            yield table, key, bytes.fromhex(item_hash)


def put_settled(run: str, verification: str, how: str, key_hashes: Sequence[str]) -> None:
    """Note keys that were read again and need no further look, by the hex of their hash.

    Args:
        run: the migration's run.
        verification: its id.
        how: `equal` or `followed`.
        key_hashes: of the keys.
    """
    if key_hashes:
        control().put(
            _pk(run, verification), f"settled#{how}#{key_hashes[0]}", {"keys": list(key_hashes)}, expires=True
        )


def read_settled(run: str, verification: str, how: str) -> frozenset[str]:
    """Return the keys that were settled so, by the hex of their hash."""
    found = control().iter_all(_pk(run, verification), f"settled#{how}#")
    return frozenset(key_hash for _, document in found for key_hash in document["keys"])


def _pk(run: str, verification: str) -> str:
    return f"{run}#verify#{verification}"


def _group_of(bucket: int) -> int:
    return bucket % SUSPECT_GROUPS


def _group_pk(run: str, verification: str, group: int) -> str:
    return f"{_pk(run, verification)}#{group:02x}"
