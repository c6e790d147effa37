"""A page: what one Scan call returned, on its way to the target as opaque bytes.

`ScanSegment` never parses an item. It finds where `Items` begins and ends in the response, compresses those bytes, and
puts them into Kinesis behind a header. So no type can be damaged on the way, and an item costs microseconds.

A record in Kinesis:

    b"TFP1" | header length, 2 bytes big endian | header, JSON | items, zlib

`items` is the JSON array exactly as DynamoDB sent it. A page that does not fit one record, or has very many items, is
split between items into parts, each a record that can be written on its own.
"""

import hashlib
import json
import math
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.core.errors import PageUnreadable
from tasks.core.model.capacity import capacity_of
from tasks.core.model.item import Item
from tasks.core.model.item_text import ItemText, ValueText, cut, split, whole
from tasks.core.model.packing import pack, unpack

MAGIC = b"TFP1"
KINESIS_RECORD_BYTES = 1024 * 1024
"""The most that data and partition key of one record may have together."""
PARTITION_KEY_BYTES = 64
HEADER_BYTES = 512
"""Kept free for a part's header."""
ITEMS_A_PART = 2000
"""The writer has to get through a part within its time, however small the items are: a page may hold 70,000."""
BEHIND_ITEMS_BYTES = 64 * 1024
"""More than a Scan response can have behind its items: a key of 3 KB, each character escaped, and some counts."""
SAMPLE_BYTES = 32 * 1024
"""Of a page that may not fit into one record, to see how well it packs."""
DIGEST_DIGITS = 16
_HEADER_LENGTH = struct.Struct(">H")
_ITEMS_START = re.compile(rb'"Items"\s*:\s*\[')


class PageHeader(BaseModel):
    """Which page a record holds. The writer's receipt repeats it, so that the drain can compare."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: str
    segment: int
    page: int
    """0-based within the segment."""
    part: int
    parts: int
    count: int
    """Items in this part."""
    digest: str
    """Names the bytes of this part: a page that is scanned again may hold other items under the same number."""


@dataclass(frozen=True, slots=True)
class ScannedPage:
    """A Scan response, taken apart without parsing its items."""

    items: bytes
    """The JSON array `[…]` as it came."""
    count: int
    cursor: Item | None
    """LastEvaluatedKey; `None` after the segment's last page."""
    read_units: float | None = None
    """What the Scan call took, `None` if DynamoDB does not say."""


def take_apart(body: bytes) -> ScannedPage:
    """Find items, count and cursor in the JSON body of a Scan response.

    The array's start is the first `"Items":[`: inside a JSON string each quote is escaped, and the only other place
    for a key of that name, LastEvaluatedKey, holds no array. Its end is the last `]` behind which the rest of the body
    still is JSON: behind a `]` inside a string an odd number of quotes is left, which never is, and nothing that
    DynamoDB sends after Items has an array.

    Raises:
        PageUnreadable: the body is not a Scan response.
    """
    start = _ITEMS_START.search(body)
    if start is None:
        raise PageUnreadable("a Scan response without Items: was Select or an index set on the Scan?")
    before, opening = body[: start.start()], start.end() - 1
    first = max(start.end(), len(body) - BEHIND_ITEMS_BYTES)
    closing = body.rfind(b"]", first)
    while closing >= 0:
        envelope = _envelope(before + b'"Items":[]' + body[closing + 1 :])
        if envelope is not None:
            return ScannedPage(
                items=body[opening : closing + 1],
                count=envelope["Count"],
                cursor=envelope.get("LastEvaluatedKey") or None,
                read_units=capacity_of(envelope),
            )
        closing = body.rfind(b"]", first, closing)
    raise PageUnreadable(f"a Scan response of {len(body)} bytes whose Items never end: was the answer truncated?")


def _envelope(text: bytes) -> dict[str, Any] | None:
    """Return a Scan response without its items; `None` if the text is not one, or only the front of one."""
    try:
        envelope = json.loads(text)
    except ValueError:
        return None
    is_whole = type(envelope.get("Count")) is int and type(envelope.get("ScannedCount")) is int
    return envelope if is_whole else None


def encode_page(
    page: ScannedPage, *, run: str, segment: int, number: int, record_bytes: int = KINESIS_RECORD_BYTES
) -> list[bytes]:
    """Return the Kinesis records that carry the page: mostly one, none for a page without items.

    Args:
        page: what `take_apart` returned.
        run: the migration's run.
        segment: 0-based.
        number: the page's 0-based number within the segment.
        record_bytes: the most that one record may have, partition key included.

    Raises:
        PageUnreadable: one item alone does not fit a record, which DynamoDB's 400 KB limit rules out.
    """
    if page.count == 0:
        return []
    room = record_bytes - PARTITION_KEY_BYTES
    bodies = list(_split(page.items, page.count, room))
    return [
        _record(
            PageHeader(
                run=run,
                segment=segment,
                page=number,
                part=part,
                parts=len(bodies),
                count=count,
                digest=hashlib.sha256(body).hexdigest()[:DIGEST_DIGITS],
            ),
            body,
        )
        for part, (count, body) in enumerate(bodies)
    ]


def read_header(record: bytes) -> PageHeader:
    """Read a record's header.

    Raises:
        PageUnreadable: the bytes were not written by this version.
    """
    header, _ = _take_header(record)
    return header


def decode_items(record: bytes) -> list[Item]:
    """Return a record's items, read.

    Raises:
        PageUnreadable: as `split_items`.
    """
    return [whole(item) for item in split_items(record)]


def split_items(record: bytes) -> list[ItemText]:
    """Return a record's items, each with its values as text.

    Raises:
        PageUnreadable: the bytes are damaged, or hold another number of items than the header says.
    """
    header, body = _take_header(record)
    try:
        items = split(unpack(body))
    except ValueError as error:
        raise PageUnreadable(f"{_name(header)}: its items cannot be read back ({error})") from None
    if len(items) != header.count:
        raise PageUnreadable(f"{_name(header)}: holds {len(items)} items, its header says {header.count}")
    return items


def partition_key(header: PageHeader) -> str:
    """Return the Kinesis partition key: any shard will do, so pages spread by their number."""
    return f"{header.segment}-{header.page}-{header.part}"


def _record(header: PageHeader, body: bytes) -> bytes:
    text = header.model_dump_json().encode()
    return MAGIC + _HEADER_LENGTH.pack(len(text)) + text + body


def _take_header(record: bytes) -> tuple[PageHeader, bytes]:
    start = len(MAGIC) + _HEADER_LENGTH.size
    if record[: len(MAGIC)] != MAGIC or len(record) < start:
        raise PageUnreadable(
            f"a record of {len(record)} bytes that is no page of this version: "
            "does another producer put into the migration's stream?"
        )
    (length,) = _HEADER_LENGTH.unpack(record[len(MAGIC) : start])
    try:
        header = PageHeader.model_validate_json(record[start : start + length])
    except ValidationError as error:
        raise PageUnreadable(f"a record whose header is damaged ({error.error_count()} fields)") from None
    return header, record[start + length :]


def _name(header: PageHeader) -> str:
    return f"segment {header.segment} page {header.page} part {header.part}"


def _split(items: bytes, count: int, room: int) -> Iterator[tuple[int, bytes]]:
    """Yield (count, compressed array) for the whole page, or for parts of it that each fit."""
    parts = max(math.ceil(count / ITEMS_A_PART), _parts_by_size(items, room - HEADER_BYTES))
    if parts == 1:
        packed = pack(items)
        if len(packed) <= room - HEADER_BYTES:
            yield count, packed
            return
    pieces = cut(items)
    for group in _groups(pieces, len(items) // parts):
        yield from _halve(group, room)


def _parts_by_size(items: bytes, room: int) -> int:
    """Guess by its beginning how many parts a page needs: what is packed in vain is packed again."""
    if len(items) <= room:
        return 1
    sample = items[:SAMPLE_BYTES]
    return max(1, math.ceil(len(items) * len(pack(sample)) / len(sample) / room))


def _groups(pieces: Sequence[ValueText], size: int) -> Iterator[list[ValueText]]:
    """Yield items that follow each other, no more than go into a part, and about so many bytes of them."""
    group: list[ValueText] = []
    held = 0
    for piece in pieces:
        length = len(memoryview(piece))
        # Half of an item more or less: so many parts of about one size are as many as were wanted.
        if group and (len(group) == ITEMS_A_PART or held + length // 2 > size):
            yield group
            group, held = [], 0
        group.append(piece)
        held += length
    if group:
        yield group


def _halve(pieces: Sequence[ValueText], room: int) -> Iterator[tuple[int, bytes]]:
    compressed = pack(b"[" + b",".join(pieces) + b"]")
    if len(compressed) <= room - HEADER_BYTES:
        yield len(pieces), compressed
        return
    if len(pieces) == 1:
        raise PageUnreadable(
            f"one item of {len(memoryview(pieces[0]))} bytes of JSON does not fit a record of {room} bytes"
        )
    middle = len(pieces) // 2
    yield from _halve(pieces[:middle], room)
    yield from _halve(pieces[middle:], room)
