"""Moments: "everything that the source had taken by now" as tips, and waiting until the replicator has passed them."""

import time
from collections.abc import Sequence

from tasks.aws import deployment, streams, watermarks
from tasks.core.conflict import RuleRecord
from tasks.core.watermark import Passing, is_rule_in_force, shards_behind

POLL_SECONDS = 0.5


def read_passing(moment: str, stream_arn: str, *, deadline: float) -> Passing:
    """Return how far the replicator has passed a moment; the first call takes its tips, later ones compare.

    Args:
        moment: what the wait is for and the state's entered time.
        stream_arn: of the source's stream.
        deadline: by `time.monotonic`.

    Raises:
        TipOutOfReach: a tip could not be reached by reading until the deadline.
    """
    tips = watermarks.remembered_tips(moment)
    if tips is None:
        tips = streams.read_tips(stream_arn, watermarks.read_watermarks(), deadline=deadline)
        tips = watermarks.remember_tips(moment, tips)
    return Passing(shards=len(tips), behind=len(shards_behind(tips, watermarks.read_watermarks())))


def await_passed(stream_arn: str, *, deadline: float) -> bool:
    """Wait within this call until the replicator has passed this very moment; say whether it did before the deadline.

    Args:
        stream_arn: of the source's stream.
        deadline: by `time.monotonic`.

    Raises:
        TipOutOfReach: a tip could not be reached by reading until the deadline.
    """
    tips = streams.read_tips(stream_arn, watermarks.read_watermarks(), deadline=deadline)
    while shards_behind(tips, watermarks.read_watermarks()):
        if time.monotonic() + POLL_SECONDS > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def is_in_force(record: RuleRecord, open_shards: Sequence[str]) -> bool:
    """Whether no batch of these shards can still be under way that began under an earlier rule."""
    return is_rule_in_force(
        record,
        now=time.time(),
        timeout_seconds=deployment.replicator_timeout_seconds(),
        open_shards=open_shards,
        watermarks=watermarks.read_watermarks(),
    )
