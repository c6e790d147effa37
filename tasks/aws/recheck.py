"""Keys that looked different, read again on both sides so that live writes are not called drift."""

import time
from collections.abc import Sequence

from tasks.aws import digests, measure, moments
from tasks.aws.raw import raw_dynamodb
from tasks.aws.target import read_items
from tasks.core.digest import key_hash
from tasks.core.drift import Difference, Drift, Finding, Looks, differ, summed
from tasks.core.item import Item, canonical
from tasks.core.metrics import PROGRESS
from tasks.core.plan import Plan

KEYS_AT_ONCE = 200
"""Of each the images of three readings are held, 400 KB at most."""
BETWEEN_LOOKS_SECONDS = 0.5


def recheck(
    plan: Plan, verification: str, stream_arn: str, keys: Sequence[Item], *, deadline: float
) -> tuple[Drift, bool]:
    """Look at keys on both sides until each is settled, or proven to have drifted.

    One look: the source is read, then the tips of its stream; once the replicator has passed them, the target is read,
    and the source again. `tasks.core.drift` says what looks mean.

    Args:
        plan: names tables and key.
        verification: its id; what one call has settled, the next one does not read again.
        stream_arn: of the source's stream.
        keys: to compare.
        deadline: by `time.monotonic`.

    Returns:
        What differs, and whether that is all: at the deadline some keys may still be open.
    """
    drifted: list[tuple[Difference, Item]] = []
    looks: dict[bytes, Looks] = {}
    open_keys = list({canonical(key): key for key in keys}.values())
    while open_keys:
        if time.monotonic() > deadline:
            break
        batch, later = open_keys[:KEYS_AT_ONCE], open_keys[KEYS_AT_ONCE:]
        before = read_items(raw_dynamodb(), plan.source_table, batch, plan.key)
        if not moments.await_passed(stream_arn, deadline=deadline):
            break
        target = read_items(raw_dynamodb(), plan.target_table, batch, plan.key)
        after = read_items(raw_dynamodb(), plan.source_table, batch, plan.key)
        found: dict[Finding, list[Item]] = {finding: [] for finding in Finding}
        for key in batch:
            name = canonical(key)
            seen = looks.setdefault(name, Looks())
            found[seen.look(before.get(name), target.get(name), after.get(name))].append(key)
        for finding in (Finding.EQUAL, Finding.FOLLOWED):
            digests.put_settled(plan.run, verification, finding, [key_hash(key).hex() for key in found[finding]])
        for key in found[Finding.DRIFTED]:
            difference = differ(after.get(canonical(key)), target.get(canonical(key)))
            if difference is not None:
                drifted.append((difference, key))
        if len(found[Finding.OPEN]) < len(batch):
            measure.add(PROGRESS)
        open_keys = later + found[Finding.OPEN]
        if found[Finding.OPEN] and not later:
            time.sleep(BETWEEN_LOOKS_SECONDS)
    return summed(drifted), not open_keys
