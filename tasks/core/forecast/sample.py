"""What a few pages of the source tell that no description does: sizes as they are billed, keys, odd attributes."""

import base64
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tasks.core.forecast.estimate import UNIT_BYTES
from tasks.core.model.item import Item
from tasks.core.model.table_facts import Index, TableFacts

ITEM_BYTES_MOST: Final = 400 * 1024
"""Of an item ("Constraints in Amazon DynamoDB")."""
NEAR_MOST: Final = 0.9
"""From here on an item is near that."""
KEY_BYTES_MOST: Final[Mapping[str, int]] = {"HASH": 2048, "RANGE": 1024}
"""Of an index's key attribute; an item with a longer one is refused by a table that has the index."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Some items, looked at."""

    items: int = 0
    pages: int = 0
    read_units: float = 0.0
    """That the look took."""
    bytes: int = 0
    """As DynamoDB counts them."""
    json_bytes: int = 0
    """As Scan answers, and as an export holds them, with nothing around them."""
    packed_bytes: int = 0
    """Of them in records of the stream of pages."""
    write_units: int = 0
    """To put them into a table without indexes."""
    largest_bytes: int = 0
    large: int = 0
    """Items near the most that one may have."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """Items that a table with this index would refuse, by the index's name."""
    expired: int = 0
    """Items whose time to live is over, and that are still there."""
    of_one_key: int = 0
    """Items of the partition key that most of them have."""

    @property
    def write_units_an_item(self) -> float | None:
        """On the average; `None` without items."""
        return self.write_units / self.items if self.items else None

    @property
    def compressed(self) -> float | None:
        """How many times smaller the records of pages are than DynamoDB counts the items; `None` without items."""
        return self.bytes / self.packed_bytes if self.packed_bytes else None


def look_at(
    items: Sequence[Item],
    source: TableFacts,
    *,
    now: float,
    pages: int,
    read_units: float,
    packed_bytes: int,
) -> Sample:
    """Return what some items tell.

    Args:
        items: in typed JSON.
        source: whose they are.
        now: epoch seconds.
        pages: that they came in.
        read_units: that these took.
        packed_bytes: of the records that would carry them.
    """
    sizes = [item_bytes(item) for item in items]
    indexes = [index for index in source.indexes if index.can_be_copied and not index.is_vector]
    refused = {index.name: sum(not _takes(index, item) for item in items) for index in indexes}
    keys = Counter(json.dumps(item[source.key.hash_name], sort_keys=True) for item in items) if items else Counter()
    return Sample(
        items=len(items),
        pages=pages,
        read_units=read_units,
        bytes=sum(sizes),
        json_bytes=sum(len(json.dumps(item, separators=(",", ":"), ensure_ascii=False)) for item in items),
        packed_bytes=packed_bytes,
        write_units=sum(max(1, math.ceil(size / UNIT_BYTES)) for size in sizes),
        largest_bytes=max(sizes, default=0),
        large=sum(size >= NEAR_MOST * ITEM_BYTES_MOST for size in sizes),
        refused={name: count for name, count in refused.items() if count},
        expired=0 if source.ttl_attribute is None else sum(_is_over(item, source.ttl_attribute, now) for item in items),
        of_one_key=max(keys.values(), default=0),
    )


def _takes(index: Index, item: Item) -> bool:
    """Whether a table with this index takes the item: what it has of the index's key has to be fit for a key."""
    return all(
        _is_fit(item[name], kind) for name, kind in zip(index.key_names, index.key_kinds, strict=False) if name in item
    )


def _is_fit(value: Mapping[str, Any], kind: str) -> bool:
    role, wanted = kind.split()
    ((found, _),) = value.items()
    size = value_bytes(value)
    return found == wanted and (found == "N" or 0 < size <= KEY_BYTES_MOST[role])


def _is_over(item: Item, attribute: str, now: float) -> bool:
    until = item.get(attribute, {}).get("N")
    return until is not None and float(until) < now


def item_bytes(item: Mapping[str, Any]) -> int:
    """Return the size of an item in typed JSON, as DynamoDB counts it ("DynamoDB item sizes and formats")."""
    return sum(len(name.encode(errors="surrogatepass")) + value_bytes(value) for name, value in item.items())


def value_bytes(value: Mapping[str, Any]) -> int:
    """Return the size of one value in typed JSON."""
    ((kind, content),) = value.items()
    return _SIZES.get(kind, lambda _: 1)(content)


_SIZES: Final[Mapping[str, Callable[[Any], int]]] = {
    "S": lambda text: len(text.encode(errors="surrogatepass")),
    "N": lambda number: len(number.lstrip("-").replace(".", "")) // 2 + 1,
    "B": lambda binary: len(base64.b64decode(binary)),
    "SS": lambda members: sum(value_bytes({"S": member}) for member in members),
    "NS": lambda members: sum(value_bytes({"N": member}) for member in members),
    "BS": lambda members: sum(value_bytes({"B": member}) for member in members),
    "L": lambda members: 3 + sum(1 + value_bytes(member) for member in members),
    "M": lambda members: 3 + item_bytes(members) + len(members),
}
