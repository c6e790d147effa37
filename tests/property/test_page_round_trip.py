"""Whatever an item holds, it arrives as it left, and no page is cut in a wrong place."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.copy.page import decode_items, encode_page, partition_key, read_header, take_apart
from tasks.core.errors import PageUnreadable
from tasks.core.model.item import Item
from tests.property.typed_json import BOUNDED, items, keys

Envelope = tuple[bytes, bytes]
"""(response, the Items array in it)"""


@st.composite
def responses(draw: st.DrawFn, page: list[Item], cursor: Item | None) -> Envelope:
    """Draw the body of a Scan response: keys in any order, compact or not, escaped or UTF-8."""
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
    ascii_only = draw(st.booleans())

    def dump(value: object) -> str:
        return json.dumps(value, separators=separators, ensure_ascii=ascii_only)

    array = dump(page)
    parts = {"Items": array, "Count": str(len(page)), "ScannedCount": str(len(page))}
    if cursor is not None:
        parts["LastEvaluatedKey"] = dump(cursor)
    order = draw(st.permutations(sorted(parts)))
    comma, colon = separators
    return ("{" + comma.join(f'"{name}"{colon}{parts[name]}' for name in order) + "}").encode(), array.encode()


@BOUNDED
@given(st.data(), st.lists(items, max_size=6), st.none() | keys)
def test_no_byte_of_any_item_changes_between_scan_and_target(
    data: st.DataObject, page: list[Item], cursor: Item | None
) -> None:
    body, array = data.draw(responses(page, cursor))
    scanned = take_apart(body)
    assert scanned.items == array
    assert (scanned.count, scanned.cursor) == (len(page), cursor)
    records = encode_page(scanned, run="run", segment=1, number=2)
    assert len(records) == (1 if page else 0)
    assert [item for record in records for item in decode_items(record)] == page


@BOUNDED
@given(st.data(), st.lists(items, max_size=3), st.none() | keys)
def test_a_truncated_answer_is_never_taken_for_a_whole_page(
    data: st.DataObject, page: list[Item], cursor: Item | None
) -> None:
    body, array = data.draw(responses(page, cursor))
    begins = body.index(array)
    # What the engines send: something stands behind Items, and it is what the cut takes away.
    cut = data.draw(st.integers(0, begins + len(array)))
    if all(f'"{name}"'.encode() in body[:begins] for name in ("Count", "ScannedCount")):
        return
    with pytest.raises(PageUnreadable):
        take_apart(body[:cut])


@BOUNDED
@given(st.data(), st.lists(items, min_size=1, max_size=30), st.integers(620, 3000))
def test_parts_of_a_split_page_are_disjoint_complete_and_each_within_the_limit(
    data: st.DataObject, page: list[Item], room: int
) -> None:
    body, _ = data.draw(responses(page, None))
    try:
        records = encode_page(take_apart(body), run="run", segment=0, number=0, record_bytes=room)
    except PageUnreadable:
        assert max(len(json.dumps(item)) for item in page) > (room - 600) // 2, (
            "refused only for an item that is too large"
        )
        return
    headers = [read_header(record) for record in records]
    assert [header.part for header in headers] == list(range(len(records)))
    assert {header.parts for header in headers} == {len(records)}
    assert [header.count for header in headers] == [len(decode_items(record)) for record in records]
    assert [item for record in records for item in decode_items(record)] == page
    for record, header in zip(records, headers, strict=True):
        assert len(record) + len(partition_key(header)) <= room
