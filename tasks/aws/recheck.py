"""Keys that looked different, read again on both sides so that live writes are not called drift."""

import time
from collections.abc import Sequence

from tasks.aws import digests, streams, watermarks
from tasks.aws.raw import raw_dynamodb
from tasks.aws.target import read_items
from tasks.core.digest import key_hash
from tasks.core.drift import Difference, Drift, differ, is_changed, summed
from tasks.core.item import Item, canonical
from tasks.core.plan import Plan
from tasks.core.watermark import shards_behind

POLL_SECONDS = 0.5
KEYS_AT_ONCE = 1000


def recheck(plan: Plan, verification: str, stream_arn: str, keys: Sequence[Item], *, deadline: float) -> Drift | None:
    """Compare keys on both sides until each is proven equal or proven different.

    The source is read, then the tips of its stream; once the replicator has passed them, the target is read, and the
    source again. A key that the source did not change in between must be equal at the target by then: if not, it has
    drifted. A key that was changed is taken once more.

    Args:
        plan: names tables and key.
        verification: its id; what one call has proven equal, the next one does not read again.
        stream_arn: of the source's stream.
        keys: to compare.
        deadline: by `time.monotonic`.

    Returns:
        What differs, or `None` if at the deadline some keys were still open.
    """
    drifted: list[tuple[Difference, Item]] = []
    equal = digests.read_proven(plan.run, verification)
    open_keys = [key for key in keys if key_hash(key).hex() not in equal]
    while open_keys:
        if time.monotonic() > deadline:
            return None
        batch, later = open_keys[:KEYS_AT_ONCE], open_keys[KEYS_AT_ONCE:]
        before = read_items(raw_dynamodb(), plan.source_table, batch, plan.key)
        if not _await_replicator(stream_arn, deadline):
            return None
        target = read_items(raw_dynamodb(), plan.target_table, batch, plan.key)
        after = read_items(raw_dynamodb(), plan.source_table, batch, plan.key)
        again: list[Item] = []
        proven: list[str] = []
        for key in batch:
            name = canonical(key)
            if is_changed(before.get(name), after.get(name)):
                again.append(key)
                continue
            difference = differ(after.get(name), target.get(name))
            if difference is None:
                proven.append(key_hash(key).hex())
            else:
                drifted.append((difference, key))
        digests.put_proven(plan.run, verification, proven)
        open_keys = later + again
    return summed(drifted)


def _await_replicator(stream_arn: str, deadline: float) -> bool:
    """Wait until the replicator has passed this moment; say whether it did before the deadline."""
    tips = streams.read_tips(stream_arn, watermarks.read_watermarks(), deadline=deadline)
    while shards_behind(tips, watermarks.read_watermarks()):
        if time.monotonic() + POLL_SECONDS > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
