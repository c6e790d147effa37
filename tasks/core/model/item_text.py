"""An item whose values are still text: its names are read, and each value is the JSON that DynamoDB sent.

The writer only has to know which attributes an item has: an INSERT names them, and takes their values as they came. So
nothing of a value is read and written again, and none can be damaged. The few items that a call of their own has to
decide about are read whole.
"""

import json
from collections.abc import Iterator, Mapping

import msgspec

from tasks.core.model.item import Item, json_bytes

ValueText = msgspec.Raw
"""The JSON of one attribute's value. It shares the memory of the page that it was found in."""
ItemText = dict[str, ValueText]
"""Attribute names to the JSON of their values."""

_items = msgspec.json.Decoder(list[ItemText])
_elements = msgspec.json.Decoder(list[ValueText])
_read_one = json.JSONDecoder().raw_decode


def split(array: bytes) -> list[ItemText]:
    """Take a JSON array of items apart, as far as their values.

    Raises:
        ValueError: the bytes are no such array.
    """
    try:
        return _items.decode(array)
    except (msgspec.DecodeError, UnicodeError):
        # A name may be half of a surrogate pair, which only `json` reads; and it says best what else is wrong.
        items = json.loads(array)
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise ValueError("no array of items") from None
        return [text_of(item) for item in items]


def cut(array: bytes) -> list[ValueText]:
    """Cut a JSON array between its elements, and keep each one's bytes.

    Raises:
        ValueError: the bytes are no array.
    """
    try:
        return _elements.decode(array)
    except msgspec.DecodeError:
        return list(_cut_slowly(array.decode()))


def _cut_slowly(text: str) -> Iterator[ValueText]:
    """Cut an array in which half of a surrogate pair may stand, which `json` reads and msgspec refuses."""
    position = 1
    while True:
        while text[position] in " \t\r\n,":
            position += 1
        if text[position] == "]":
            return
        _, end = _read_one(text, position)
        yield msgspec.Raw(text[position:end].encode())
        position = end


def whole(text: Mapping[str, ValueText]) -> Item:
    """Return the item, read."""
    return {name: json.loads(bytes(value)) for name, value in text.items()}


def text_of(item: Item) -> ItemText:
    """Return an item with its values as text."""
    return {name: msgspec.Raw(json_bytes(value)) for name, value in item.items()}
