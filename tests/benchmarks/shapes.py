"""The items that are copied: how large, with how many attributes, text that compresses or noise that does not."""

import base64
import functools
import itertools
import random
from dataclasses import dataclass
from typing import Any, Final, Literal

from infra.local.emulator.limits.sizes import item_bytes, write_units

Item = dict[str, Any]
"""Typed JSON."""

SIZES: Final = {
    "100 B": 100,
    "500 B": 500,
    "1 KB": 1024,
    "10 KB": 10 * 1024,
    "100 KB": 100 * 1024,
    "400 KB": 400 * 1024 - 64,
}
"""As DynamoDB counts an item: names and values. The last is about the most that it takes."""
PAGE_BYTES: Final = 1024 * 1024
"""What one Scan call returns at most, counted in the same way."""
KEY_LENGTH: Final = 16
FIRST_UPDATE: Final = 1_764_000_000_000
"""`updatedAt` of the first item, in milliseconds: the attribute by which the article says what is newer."""
_VOCABULARY: Final = (
    "the of and to in is was for on as with by at from his had are but not which their been has have who one all "
    "would will there more when said what about into time its only could new them some other than then these two "
    "order customer warehouse delivery address invoice payment discount quantity returned pending shipped article"
)
WORDS: Final = tuple(_VOCABULARY.split())
_POOL_CHARACTERS: Final = 1 << 20


@dataclass(frozen=True)
class Shape:
    """What the items of one table are like."""

    size: str
    attributes: Literal["few", "many"] = "few"
    content: Literal["text", "noise"] = "text"

    @property
    def name(self) -> str:
        """What tables call it."""
        return f"{self.size}, {self.attributes}, {self.content}"

    @property
    def bytes(self) -> int:
        """Of each item, as DynamoDB counts."""
        return SIZES[self.size]

    @property
    def write_units(self) -> int:
        """What writing one item takes."""
        return write_units(self.bytes)

    @property
    def items_a_page(self) -> int:
        """How many items a Scan call returns."""
        return PAGE_BYTES // self.bytes

    def items(self, count: int, *, first: int = 0) -> list[Item]:
        """Return so many different items, the same ones each time."""
        chance = random.Random(f"{self.name}/{first}")
        return [self._item(number, chance) for number in range(first, first + count)]

    def _item(self, number: int, chance: random.Random) -> Item:
        item: Item = {
            "pk": {"S": f"key-{number:0{KEY_LENGTH - 4}}"},
            "updatedAt": {"N": str(FIRST_UPDATE + number)},
            "live": {"BOOL": True},
        }
        names = [f"a{each:02}" for each in range(self._payloads)]
        room = self.bytes - item_bytes(item) - sum(map(len, names))
        each, rest = divmod(room, len(names))
        for place, name in enumerate(names):
            item[name] = self._value(each + (place < rest), chance)
        return item

    @property
    def _payloads(self) -> int:
        """How many attributes share what the key leaves of the size."""
        if self.attributes == "few":
            return 1
        return 8 if self.bytes < SIZES["500 B"] else 40

    def _value(self, size: int, chance: random.Random) -> Item:
        if self.content == "noise":
            return {"B": base64.b64encode(chance.randbytes(size)).decode()}
        start = chance.randrange(_POOL_CHARACTERS - size)
        return {"S": _text()[start : start + size]}


@functools.cache
def _text() -> str:
    """Return words, the common ones more often, as in what people write."""
    chance = random.Random(1)
    weights = [1 / rank for rank in range(1, len(WORDS) + 1)]
    return " ".join(chance.choices(WORDS, weights, k=_POOL_CHARACTERS // 3))[:_POOL_CHARACTERS]


SHAPES: Final = tuple(itertools.starmap(Shape, itertools.product(SIZES, ("few", "many"), ("text", "noise"))))


def shape_of(name: str) -> Shape:
    """Return the shape of that name.

    Raises:
        KeyError: there is none.
    """
    return {shape.name: shape for shape in SHAPES}[name]
