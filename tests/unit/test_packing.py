"""What is packed comes back byte for byte, and what is damaged never comes back as something else."""

import zlib

import pytest

from tasks.core.model.packing import pack, unpack, unpack_first

PLAIN = b'[{"pk":{"S":"a"}}]' * 100


def test_any_zlib_reads_what_is_packed_and_what_any_zlib_packed_is_read() -> None:
    assert zlib.decompress(pack(PLAIN)) == PLAIN
    assert unpack(zlib.compress(PLAIN)) == PLAIN
    assert unpack(pack(b"")) == b""


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"no zlib",
        pack(PLAIN)[:-1],
        pack(PLAIN)[:-1] + bytes([pack(PLAIN)[-1] ^ 1]),
        pack(PLAIN) + b"more",
    ],
    ids=["nothing", "something else", "cut short", "another checksum", "more behind it"],
)
def test_bytes_that_are_not_what_was_packed_are_an_error(damaged: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        unpack(damaged)


def test_what_is_packed_one_behind_the_other_comes_apart() -> None:
    assert unpack_first(pack(PLAIN) + pack(b"next")) == (PLAIN, pack(b"next"))
