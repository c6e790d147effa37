"""A batch of stream records as changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.core.model.item import KeySchema, canonical
from tasks.core.model.shape import Shape
from tasks.core.replicate.conflict import Change
from tasks.core.replicate.lag import HORIZON_SECONDS
from tasks.core.replicate.watermark import Watermark

TTL_PRINCIPAL = "dynamodb.amazonaws.com"
"""Who deletes what has expired (DynamoDB, "Working with expired items")."""


def parse_changes(records: Iterable[Mapping[str, Any]], shape: Shape) -> list[Change]:
    """Return the changes of a Lambda event's stream records, in their order.

    Args:
        records: of a DynamoDB stream with both images; typed JSON as it came.
        shape: that the images have at the target.
    """
    changes = []
    for record in records:
        stream = record["dynamodb"]
        old = shape(stream["OldImage"]) if "OldImage" in stream else None
        new = shape(stream["NewImage"]) if "NewImage" in stream else None
        changes.append(
            Change(
                key=stream["Keys"],
                old=old,
                new=new,
                sequence_number=stream["SequenceNumber"],
                deleted=old if new is None else None,
                at=float(stream.get("ApproximateCreationDateTime", 0)),
                is_expiry=record.get("userIdentity", {}).get("principalId") == TTL_PRINCIPAL,
            )
        )
    return changes


def unapplied(changes: Sequence[Change], watermark: Watermark | None) -> list[Change]:
    """Return the changes that are ahead of the shard's watermark."""
    if watermark is None:
        return list(changes)
    return [change for change in changes if int(change.sequence_number) > int(watermark.sequence_number)]


@dataclass(frozen=True, slots=True)
class DealtWith:
    """Of one key, the last change that was dealt with under the rule TARGET_WINS."""

    shard: str
    sequence_number: str

    def covers(self, change: Change, shard: str) -> bool:
        """Whether a change of this key, out of a shard, was dealt with by then.

        Numbers of two shards are not compared: a key moves on to a child of its shard, and only once all that the
        parent holds is dealt with.
        """
        return shard == self.shard and int(change.sequence_number) <= int(self.sequence_number)


def advance(
    watermark: Watermark | None, shard: str, applied: Sequence[Change], *, applied_at: float, rule_since: float
) -> Watermark:
    """Return the watermark behind the last of some changes, all of which are applied.

    Args:
        watermark: the shard's watermark before them.
        shard: its id.
        applied: in order, at least one.
        applied_at: epoch seconds.
        rule_since: of the rule they were applied under.
    """
    is_written = any(not change.is_expiry for change in applied)
    is_late = applied_at - applied[0].at >= HORIZON_SECONDS
    return Watermark(
        shard=shard,
        sequence_number=applied[-1].sequence_number,
        changed_at=applied[-1].at,
        applied_at=applied_at,
        rule_since=rule_since,
        written_at=applied_at if is_written else watermark.written_at if watermark else 0.0,
        late_at=applied_at if is_late else watermark.late_at if watermark else 0.0,
    )


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
