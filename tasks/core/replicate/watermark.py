"""How far the replicator has come, and what "it has passed this moment" means.

Sequence numbers order the records of one shard, times do not (they are whole seconds). So a moment is a set of tips:
for each shard the last sequence number it held when the moment was taken. The replicator has passed the moment when
each shard's watermark has reached its tip.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.core.replicate.conflict import RuleRecord

CLOCK_MARGIN_SECONDS = 5.0
"""A timeout that was noted by one host and is awaited by another may be so much shorter than it looks."""

WRITTEN_EVERY_SECONDS = 1.0
"""How often a call that applies many changes writes its shard's watermark. What is killed in between comes again."""

Tips = dict[str, str]
"""Shard id to the last sequence number in it; a shard without records is not in it."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """Up to here every change of the shard is in the target."""

    shard: str
    sequence_number: str
    changed_at: float
    """When the source took that change, epoch seconds, by the stream's clock."""
    applied_at: float
    """When the replicator had applied it, epoch seconds."""
    rule_since: float
    """`since` of the rule under which it was applied."""
    written_at: float = 0.0
    """When a change was last applied that was no expiry, epoch seconds; 0 if none was seen in this shard."""
    late_at: float = 0.0
    """When a change was last applied that was about to leave the stream, epoch seconds: those before it may be lost."""

    @property
    def lag_seconds(self) -> float:
        """How far behind the source the last change was when it was applied."""
        return max(0.0, self.applied_at - self.changed_at)


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard of the source's stream."""

    id: str
    parent: str | None
    is_open: bool
    ends_at: str | None = None
    """Of a closed one, the last sequence number in it, as the stream is described."""


def shards_to_read(shards: Sequence[Shard], watermarks: Mapping[str, Watermark]) -> list[str]:
    """Return the shards that may hold a change which is not applied.

    Lambda begins a shard only when its parent is through, so a parent of a shard that has a watermark is applied to
    its end. A stream has six closed generations for each open shard: without this each poll would read them all.
    """
    through = {shard.parent for shard in shards if shard.id in watermarks}
    return [shard.id for shard in shards if shard.id not in through]


@dataclass(frozen=True, slots=True)
class Passing:
    """How far the replicator has passed a moment."""

    shards: int
    """That held records then."""
    behind: int
    """Of these, those whose tip it has not reached."""

    def in_words(self) -> str:
        """Say what is waited for."""
        return f"the replicator has not reached the tip of {self.behind} of {self.shards} shards"


def shards_behind(tips: Tips, watermarks: Mapping[str, Watermark]) -> list[str]:
    """Return the shards whose watermark has not reached its tip, in the order of their ids."""
    return sorted(
        shard
        for shard, tip in tips.items()
        if shard not in watermarks or int(watermarks[shard].sequence_number) < int(tip)
    )


def is_rule_in_force(
    record: RuleRecord,
    *,
    now: float,
    timeout_seconds: float,
    open_shards: Sequence[str],
    watermarks: Mapping[str, Watermark],
) -> bool:
    """Whether no batch can still be under way that began under an earlier rule.

    A batch reads the rule when it begins, and a shard has one batch at a time. So either every open shard shows a
    watermark written under this very setting of the rule, or one function timeout has gone by since it was set.

    Args:
        record: the rule.
        now: epoch seconds.
        timeout_seconds: the replicator's timeout.
        open_shards: ids of the shards that still take records.
        watermarks: by shard.
    """
    if now - record.since >= timeout_seconds + CLOCK_MARGIN_SECONDS:
        return True
    return bool(open_shards) and all(
        shard in watermarks and watermarks[shard].rule_since >= record.since for shard in open_shards
    )
