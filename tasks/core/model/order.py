"""In which order the segments of a parallel scan are begun: far apart, so that those under way are all over the table.

Segment after segment is partition after partition, of the source and, since the key's hash is the same there, of the
target: begun one after the other, 40 of 932 are 4 % of the keys. One partition of the target then takes all writes, and
the users of a few partitions of the source are throttled.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

Element = TypeVar("Element")

TURN: Final = 2**64
GOLDEN: Final = 0x9E3779B97F4A7C15
"""The golden ratio's part of a turn: no number's multiples stay further apart around a circle (Hurwitz's theorem)."""


def spread(count: int) -> tuple[int, ...]:
    """Return the numbers from 0 to `count` - 1 so that any that stand beside each other are spread evenly.

    The k-th is the rank of k golden turns among all of them. So every stretch of the order, wherever it begins and
    however long it is, is spread alike: not only the first one, and not only for powers of two.

    Args:
        count: how many numbers.
    """
    by_angle = sorted(range(count), key=lambda number: number * GOLDEN % TURN)
    ranks = [0] * count
    for rank, number in enumerate(by_angle):
        ranks[number] = rank
    return tuple(ranks)


def spread_out(elements: Sequence[Element]) -> list[Element]:
    """Return elements, given in the order of the keys, so that any that stand beside each other are far apart.

    Where some are left out, as on a resume, those that there are count: where many lie close together, many are begun.
    """
    return [elements[place] for place in spread(len(elements))]
