"""A batch of stream records as changes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tasks.core.conflict import Change
from tasks.core.item import Item, KeySchema, canonical
from tasks.core.watermark import Watermark


def parse_changes(records: Iterable[Mapping[str, Any]], clean: Callable[[Item], Item]) -> list[Change]:
    """Return the changes of a Lambda event's stream records, in their order.

    Args:
        records: of a DynamoDB stream with both images; typed JSON as it came.
        clean: takes from an image what is never copied.
    """
    changes = []
    for record in records:
        stream = record["dynamodb"]
        old = clean(stream["OldImage"]) if "OldImage" in stream else None
        new = clean(stream["NewImage"]) if "NewImage" in stream else None
        changes.append(Change(stream["Keys"], old, new, stream["SequenceNumber"], deleted=old if new is None else None))
    return changes


def unapplied(changes: Sequence[Change], watermark: Watermark | None) -> list[Change]:
    """Return the changes that are ahead of the shard's watermark."""
    if watermark is None:
        return list(changes)
    return [change for change in changes if int(change.sequence_number) > int(watermark.sequence_number)]


def first_unapplied(changes: Sequence[Change], applied: Iterable[Change], schema: KeySchema) -> str:
    """Return the sequence number to go on from after a failure: the first change of a key that is not applied.

    A key counts as applied when its last image is. Its earlier changes may come again with it; its last image is then
    written once more, which changes nothing.
    """
    done = {canonical(schema.key_of(change.key)) for change in applied}
    for change in changes:
        if canonical(schema.key_of(change.key)) not in done:
            return change.sequence_number
    return changes[0].sequence_number  # all are applied, but the watermark could not be written
