"""Bytes made small in zlib's format, by ISA-L: a fifth of zlib's own time for some percent more bytes."""

from isal import isal_zlib

LEVEL = 1


def pack(plain: bytes | bytearray) -> bytes:
    """Return the bytes, packed; any zlib can unpack them."""
    return isal_zlib.compress(plain, LEVEL)


def unpack(packed: bytes) -> bytes:
    """Return what was packed.

    Raises:
        ValueError: the bytes are damaged, or end too early, or there are more behind them.
    """
    plain, behind = unpack_first(packed)
    if behind:
        raise ValueError(f"{len(behind)} bytes behind the end")
    return plain


def unpack_first(packed: bytes) -> tuple[bytes, bytes]:
    """Return what was packed first, and the bytes behind it.

    Raises:
        ValueError: the bytes are damaged, or end too early.
    """
    unpacking = isal_zlib.decompressobj()
    try:
        plain = unpacking.decompress(packed)
    except isal_zlib.IsalError as error:  # type: ignore[misc]  # its stub says that the class is an instance
        raise ValueError(str(error)) from None
    if not unpacking.eof:
        raise ValueError("they end too early")
    return plain, unpacking.unused_data
