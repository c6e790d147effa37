"""A few pages of the source, read before a run to see what its items are like. Nothing is changed to see it."""

import json
import time
from typing import TYPE_CHECKING

from tasks.aws.dynamodb.table_reads import scan_page
from tasks.core.copy.page import encode_page, take_apart
from tasks.core.forecast.sample import Sample, look_at
from tasks.core.model.order import spread
from tasks.core.model.table_facts import TableFacts
from tasks.core.model.table_ref import TableRef

if TYPE_CHECKING:
    from tasks.core.model.item import Item


def read_sample(source: TableFacts, region: str, *, pages: int, total_segments: int) -> Sample:
    """Read the first pages of some segments that are far apart, 1 MB each at most, eventually consistent.

    Args:
        source: the table.
        region: where it is.
        pages: how many at most.
        total_segments: that the table is divided into for it.
    """
    table = TableRef(name=source.name, region=region, account=source.account, key=source.key, id=source.id)
    items: list[Item] = []
    units, packed = 0.0, 0
    chosen = spread(total_segments)[:pages]
    for segment in chosen:
        page = take_apart(scan_page(table, segment=segment, total_segments=total_segments, cursor=None))
        units += page.read_units or 0.0
        packed += sum(map(len, encode_page(page, run="plan", segment=segment, number=0)))
        items += json.loads(page.items)
    return look_at(items, source, now=time.time(), pages=len(chosen), read_units=units, packed_bytes=packed)
