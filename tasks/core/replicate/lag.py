"""How far the replicator may fall behind: a stream keeps a change for 24 hours, and what leaves it unapplied is lost.

Times never order changes here. They only say how much time is left.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tasks.core.replicate.watermark import Watermark

STREAM_KEEPS_SECONDS = 24 * 3600
HORIZON_SECONDS = STREAM_KEEPS_SECONDS - 30 * 60
"""A change that was left for so long may have lost the one before it: the stream trims when it likes, times are whole
seconds, and clocks differ."""
KEPT_UP_SECONDS = 3600
"""A replicator that is at work applies a change much sooner."""


@dataclass(frozen=True, slots=True)
class Unapplied:
    """The oldest change of a shard that is still in the stream and not applied."""

    shard: str
    at: float
    """When the source took it, epoch seconds, by the stream's clock."""
    is_trimmed: bool
    """Whether the place behind the watermark has left the stream."""

    def is_lost(self, *, now: float) -> bool:
        """Whether changes before it may have left the stream without being applied.

        A shard at rest has a trimmed watermark too, and nothing is lost: then its next change is applied at once.
        """
        age = now - self.at
        return age >= HORIZON_SECONDS or (self.is_trimmed and age >= KEPT_UP_SECONDS)


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the replicator is behind, over all shards."""

    oldest_seconds: float = 0.0
    """Age of the oldest change that is not applied; 0 if all are."""
    lost: tuple[str, ...] = ()
    """Shards that may have lost changes."""

    def warning(self, limit_seconds: int) -> str:
        """Return a clause for the reason of a wait, empty within the limit."""
        if self.oldest_seconds < limit_seconds:
            return ""
        left = max(0.0, STREAM_KEEPS_SECONDS - self.oldest_seconds) / 3600
        return (
            f"; the replicator is {self.oldest_seconds / 3600:.1f} h behind, and in {left:.1f} h the stream begins to "
            "lose changes: look into the log of ReplicateChanges now"
        )


def judge_lag(unapplied: Iterable[Unapplied], *, now: float) -> Lag:
    """Sum up what is not applied.

    Args:
        unapplied: at most one per shard.
        now: epoch seconds.
    """
    found = list(unapplied)
    return Lag(
        oldest_seconds=max((max(0.0, now - oldest.at) for oldest in found), default=0.0),
        lost=tuple(sorted(oldest.shard for oldest in found if oldest.is_lost(now=now))),
    )


def shards_that_lost_since(proven_at: float, watermarks: Mapping[str, Watermark]) -> list[str]:
    """Return the shards that may have lost changes after a proof began: it cannot have seen that they are missing.

    What was lost before it, it found.

    Args:
        proven_at: when the proof began, epoch seconds.
        watermarks: by shard.
    """
    return sorted(shard for shard, watermark in watermarks.items() if watermark.late_at > proven_at)
