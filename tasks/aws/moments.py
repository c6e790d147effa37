"""Moments: "everything that the source had taken by now" as tips, kept until the replicator has passed them."""

from tasks.aws import streams, watermarks
from tasks.core.watermark import Passing, shards_behind


def read_passing(moment: str, stream_arn: str) -> Passing:
    """Return how far the replicator has passed a moment; the first call takes its tips, later ones compare.

    Args:
        moment: what the wait is for and the state's entered time.
        stream_arn: of the source's stream.

    Raises:
        TipOutOfReach: a tip is further away than one call can read.
    """
    tips = watermarks.remembered_tips(moment)
    if tips is None:
        tips = watermarks.remember_tips(moment, streams.read_tips(stream_arn, watermarks.read_watermarks()))
    return Passing(shards=len(tips), behind=len(shards_behind(tips, watermarks.read_watermarks())))
