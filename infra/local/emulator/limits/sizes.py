"""What calls cost in units: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html.

Closely enough to meet a limit; nobody is billed by it.
"""

import base64
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

WRITE_UNIT_BYTES: Final = 1024
READ_UNIT_BYTES: Final = 4096


def item_bytes(item: Mapping[str, Any]) -> int:
    """Return the size of an item in typed JSON."""
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def value_bytes(value: Mapping[str, Any]) -> int:
    """Return the size of one value in typed JSON."""
    ((kind, content),) = value.items()
    return _SIZES.get(kind, lambda _: 1)(content)


_SIZES: Final[dict[str, Callable[[Any], int]]] = {
    "S": lambda text: len(text.encode()),
    "N": lambda number: len(number) // 2 + 1,
    "B": lambda binary: len(base64.b64decode(binary)),
    "SS": lambda members: sum(value_bytes({"S": member}) for member in members),
    "NS": lambda members: sum(value_bytes({"N": member}) for member in members),
    "BS": lambda members: sum(value_bytes({"B": member}) for member in members),
    "L": lambda members: 3 + sum(1 + value_bytes(member) for member in members),
    "M": lambda members: 3 + item_bytes(members) + len(members),
}


def write_units(size: int) -> int:
    """Return the units that writing so many bytes takes."""
    return max(1, math.ceil(size / WRITE_UNIT_BYTES))


def read_units(size: int, *, is_consistent: bool) -> float:
    """Return the units that reading so many bytes takes."""
    return max(1, math.ceil(size / READ_UNIT_BYTES)) * (1.0 if is_consistent else 0.5)
