"""A page travels as it came: no byte of an item is touched, and no hostile name or value cuts it short."""

import json
import random
import time
import zlib
from typing import Any

import pytest

from tasks.core.copy.page import (
    ITEMS_A_PART,
    KINESIS_RECORD_BYTES,
    MAGIC,
    PARTITION_KEY_BYTES,
    ScannedPage,
    decode_items,
    encode_page,
    partition_key,
    read_header,
    take_apart,
)
from tasks.core.errors import PageUnreadable
from tasks.core.model.item import Item

HOSTILE_STRINGS = [
    '"],"LastEvaluatedKey":{',
    '"],"Count":0}',
    "]",
    "]]]}}}",
    "]}",
    "[",
    '"',
    "\\",
    '\\"',
    '\\\\"]',
    '"Items":[',
    '"Items" : [ ]',
    "],",
    '],"ScannedCount":1}',
    "\u2028\u00e9\U0001f600",
    "\x00\x1f\n",
    "",
]
HOSTILE_NAMES = ["Items", "LastEvaluatedKey", "Count", "ScannedCount", "ConsumedCapacity"]


def items_first(items: str, count: int, cursor: str | None) -> str:
    """DynamoDB Local's order of keys."""
    tail = "" if cursor is None else f',"LastEvaluatedKey":{cursor}'
    return f'{{"Items":{items},"Count":{count},"ScannedCount":{count}{tail}}}'


def count_first(items: str, count: int, cursor: str | None) -> str:
    """AWS's order of keys."""
    tail = "" if cursor is None else f'"LastEvaluatedKey":{cursor},'
    return f'{{"Count":{count},"Items":{items},{tail}"ScannedCount":{count}}}'


def cursor_first(items: str, count: int, cursor: str | None) -> str:
    """An order that nobody promised not to send."""
    head = "" if cursor is None else f'"LastEvaluatedKey" : {cursor} , '
    return f'{{ {head}"ScannedCount": {count}, "Count": {count}, "Items" : {items} }}'


ORDERS = [items_first, count_first, cursor_first]


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def utf8(value: object) -> str:
    return json.dumps(value, separators=(", ", ": "), ensure_ascii=False)


def hostile_items() -> list[Item]:
    items: list[Item] = [
        {"pk": {"S": name}, name: {"L": [{"S": text}, {"M": {text or "-": {"SS": [text, name]}}}]}}
        for name in HOSTILE_NAMES
        for text in HOSTILE_STRINGS
    ]
    return [*items, {"pk": {"S": "x"}, **{text: {"S": text} for text in HOSTILE_STRINGS if text}}]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dump", [compact, utf8])
def test_hostile_names_and_values_in_items_never_cut_a_page_short(order: Any, dump: Any) -> None:  # noqa: ANN401 — functions
    items = hostile_items()
    text = dump(items)
    for cursor in (None, {"pk": {"S": "plain"}}):
        page = take_apart(order(text, len(items), None if cursor is None else dump(cursor)).encode())
        assert page.items == text.encode(), "byte for byte"
        assert (page.count, page.cursor) == (len(items), cursor)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dump", [compact, utf8])
@pytest.mark.parametrize("name", [*HOSTILE_NAMES, *[text for text in HOSTILE_STRINGS if text]])
def test_hostile_keys_never_damage_the_cursor(order: Any, dump: Any, name: str) -> None:  # noqa: ANN401 — functions
    for text in HOSTILE_STRINGS:
        cursor = {name: {"S": text}, f"{name}2": {"B": "/w=="}}
        items = [{name: {"S": text}, f"{name}2": {"B": "/w=="}}]
        page = take_apart(order(dump(items), 1, dump(cursor)).encode())
        assert page.cursor == cursor
        assert json.loads(page.items) == items


@pytest.mark.parametrize("order", ORDERS)
def test_an_empty_page_in_the_middle_does_not_end_the_segment(order: Any) -> None:  # noqa: ANN401 — a function
    page = take_apart(order("[]", 0, '{"pk":{"S":"a"}}').encode())
    assert page == ScannedPage(items=b"[]", count=0, cursor={"pk": {"S": "a"}})
    assert take_apart(order("[]", 0, None).encode()) == ScannedPage(items=b"[]", count=0, cursor=None)


@pytest.mark.parametrize("order", ORDERS)
def test_consumed_capacity_is_found_wherever_it_stands_and_never_among_the_items(order: Any) -> None:  # noqa: ANN401 — a function
    items = [*hostile_items(), {"pk": {"S": "x"}, "ConsumedCapacity": {"M": {"CapacityUnits": {"N": "9"}}}}]
    bare = order(compact(items), len(items), '{"pk":{"S":"a"}}')
    assert take_apart(bare.encode()).read_units is None
    consumed = '"ConsumedCapacity":{"TableName":"source","CapacityUnits":128.5}'
    for body in (f"{{{consumed},{bare[1:]}", f"{bare[:-1]},{consumed}}}"):
        page = take_apart(body.encode())
        assert page.items == compact(items).encode()
        assert (page.count, page.cursor, page.read_units) == (len(items), {"pk": {"S": "a"}}, 128.5)


def test_numbers_keep_their_spelling_on_the_way() -> None:
    text = '[{"pk":{"N":"1.50"},"n":{"NS":["-0","1E+2","00012345678901234567890123456789012345678.0"]}}]'
    page = take_apart(items_first(text, 1, None).encode())
    assert page.items == text.encode()


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"Count":3,"ScannedCount":3}', b'{"Items":{}}', b'{"message":"Items"}', b"null"]
)
def test_an_answer_without_items_is_not_taken_for_an_empty_page(body: bytes) -> None:
    with pytest.raises(PageUnreadable):
        take_apart(body)


TRUNCATED = [
    {"pk": {"S": "a]b"}, "l": {"L": [{"S": "x"}, {"L": [{"N": "1"}]}]}, "s": {"SS": ["]}"]}},
    {"pk": {"S": "c"}, "l": {"L": []}},
]


@pytest.mark.parametrize("order", [items_first, count_first])
def test_a_truncated_answer_is_never_taken_for_a_segments_last_page(order: Any) -> None:  # noqa: ANN401 — a function
    body = order(compact(TRUNCATED), 2, '{"pk":{"S":"c"}}').encode()
    assert take_apart(body).count == 2
    for length in range(len(body)):
        with pytest.raises(PageUnreadable):
            take_apart(body[:length])


def test_the_longest_key_that_dynamodb_allows_never_hides_where_the_items_end() -> None:
    # 2,048 and 1,024 bytes of control characters and names of 255 bytes, each escaped to six characters.
    cursor = {"\x01" * 255: {"S": "]\x01" * 1024}, "\x02" * 255: {"S": "]\x02" * 512}}
    for order in (items_first, count_first):
        page = take_apart(order(compact([cursor]), 1, compact(cursor)).encode())
        assert (page.items, page.cursor) == (compact([cursor]).encode(), cursor)


def test_a_truncated_answer_of_a_whole_megabyte_is_refused_without_a_search_of_minutes() -> None:
    body = count_first(compact(TRUNCATED * 12_000), 24_000, None).encode()[:-100]
    began = time.process_time()
    with pytest.raises(PageUnreadable):
        take_apart(body)
    assert time.process_time() - began < 5, "seconds of CPU; every closing bracket tried would be minutes"


def scanned(items: list[Item]) -> ScannedPage:
    return take_apart(items_first(compact(items), len(items), None).encode())


def noise(size: int, seed: int) -> str:
    """Text that does not compress, so that sizes mean something."""
    return "".join(random.Random(seed).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=size))


def test_a_page_that_fits_travels_as_one_record_with_its_bytes_untouched() -> None:
    page = scanned(hostile_items())
    (record,) = encode_page(page, run="run-1", segment=3, number=7)
    header = read_header(record)
    assert (header.run, header.segment, header.page) == ("run-1", 3, 7)
    assert (header.part, header.parts, header.count) == (0, 1, page.count)
    assert zlib.decompress(record[record.index(b"}") + 1 :]) == page.items
    assert decode_items(record) == hostile_items()


def test_an_empty_page_puts_no_record() -> None:
    assert encode_page(scanned([]), run="r", segment=0, number=0) == []


def test_a_page_of_very_many_small_items_is_cut_so_that_the_writer_gets_through_each_part() -> None:
    count = 2 * ITEMS_A_PART + 7
    items = [{"k": {"N": str(number)}} for number in range(count)]
    page = ScannedPage(json.dumps(items).encode(), count, None)
    records = encode_page(page, run="r", segment=0, number=0)
    counts = [read_header(record).count for record in records]
    assert sum(counts) == count
    assert len(counts) == 3
    assert all(count <= ITEMS_A_PART for count in counts)
    assert [item for record in records for item in decode_items(record)] == items


@pytest.mark.parametrize("room", [3000, 10_000, 40_000])
def test_a_page_over_the_record_limit_loses_no_item_where_it_is_split(room: int) -> None:
    items: list[Item] = [
        {"pk": {"S": f"{number}"}, 'quote"]': {"S": noise(700, number)}, "l": {"L": [{"S": "],["}]}}
        for number in range(97)
    ]
    records = encode_page(scanned(items), run="r", segment=1, number=2, record_bytes=room)
    headers = [read_header(record) for record in records]
    assert len(records) > 1
    assert [header.part for header in headers] == list(range(len(records)))
    assert {header.parts for header in headers} == {len(records)}
    assert sum(header.count for header in headers) == 97
    assert [item for record in records for item in decode_items(record)] == items
    for record, header in zip(records, headers, strict=True):
        assert len(record) + len(partition_key(header).encode()) <= room


def test_the_default_room_is_what_kinesis_takes_of_one_record() -> None:
    items: list[Item] = [{"pk": {"S": f"{number}"}, "raw": {"S": noise(40_000, number)}} for number in range(60)]
    records = encode_page(scanned(items), run="r" * 80, segment=9999, number=99_999_999)
    assert len(records) > 1
    for record in records:
        assert len(record) + len(partition_key(read_header(record))) <= KINESIS_RECORD_BYTES
    assert len(partition_key(read_header(records[-1]))) <= PARTITION_KEY_BYTES


def test_the_largest_item_that_dynamodb_keeps_fits_a_record() -> None:
    (record,) = encode_page(scanned([{"pk": {"S": "a"}, "s": {"S": noise(409_000, 1)}}]), run="r", segment=0, number=0)
    assert decode_items(record)[0]["pk"] == {"S": "a"}


def test_an_item_that_fits_no_record_is_not_dropped_in_silence() -> None:
    page = scanned([{"pk": {"S": "a"}, "s": {"S": noise(9000, 1)}}])
    with pytest.raises(PageUnreadable, match="does not fit a record"):
        encode_page(page, run="r", segment=0, number=0, record_bytes=4000)


def test_pages_with_other_items_are_never_told_apart_by_their_number_alone() -> None:
    one, other = scanned([{"pk": {"S": "a"}}]), scanned([{"pk": {"S": "b"}}])
    digests = [read_header(encode_page(page, run="r", segment=0, number=0)[0]).digest for page in (one, other, one)]
    assert digests[0] != digests[1]
    assert digests[0] == digests[2], "sent again unchanged, the receipt still counts"


@pytest.mark.parametrize("record", [b"", b"TFP", b"TFP1", b"TFP1\x00", b"TFP2\x00\x02{}", b'{"pk":{"S":"a"}}'])
def test_another_producers_record_is_not_written_into_the_target(record: bytes) -> None:
    with pytest.raises(PageUnreadable):
        read_header(record)
    with pytest.raises(PageUnreadable):
        decode_items(record)


def test_a_damaged_record_is_never_read_as_fewer_items() -> None:
    (record,) = encode_page(scanned(hostile_items()), run="r", segment=0, number=0)
    start = record.index(b"}") + 1
    wrong_count = record.replace(b'"count":86', b'"count":85')
    assert wrong_count != record
    length = (start - len(MAGIC) - 2).to_bytes(2, "big")
    for damaged in (
        record[:-1],
        record[: start + 10],
        record[:start],
        wrong_count,
        MAGIC + length + record[6:start] + zlib.compress(b"[1,2"),
        MAGIC + length + record[6 : start - 1] + b"]" + record[start:],
        MAGIC + b"\xff\xff" + record[6:],
    ):
        with pytest.raises(PageUnreadable):
            decode_items(damaged)
