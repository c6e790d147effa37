"""Compare the two tables' digests, and read again what looks different until it is proven equal or proven drift.

Reads: digests or suspects, items of both tables, tips and watermarks. Writes: which buckets are unequal. Run again it
reads again only what looked different, so a redrive after the drift was mended is a proof.
"""

import time
from collections.abc import Iterator

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import digests, measure, recheck
from tasks.aws.handler import Request, deadline_of, task
from tasks.core.digest import key_hash
from tasks.core.drift import summed
from tasks.core.errors import DriftFound, VerifyPending
from tasks.core.item import Item
from tasks.core.metrics import DRIFT, UNEQUAL_BUCKETS
from tasks.core.plan import Plan
from tasks.core.verification import Verification, plan_slices

KEYS_AT_ONCE = 10_000
"""Keys that are read again together."""


class CompareDigestsRequest(Request):
    """The verification as the Verify map did it."""

    verify: Verification
    stream_arn: str


@task(CompareDigestsRequest)
def handler(request: CompareDigestsRequest, context: LambdaContext) -> dict[str, object]:
    """Return the verdict; `suspect` comes with slices that list the keys to look at. Drift is an error."""
    if request.verify.stage == "digests":
        verification = _compare_sums(request.plan, request.verify)
    else:
        verification = _compare_suspects(request.plan, request.verify, request.stream_arn, deadline_of(context))
    return verification.model_dump(mode="json")


def _compare_sums(plan: Plan, verify: Verification) -> Verification:
    source = digests.read_digest(plan.run, verify.id, "source", plan.buckets)
    target = digests.read_digest(plan.run, verify.id, "target", plan.buckets)
    unequal = source.unequal_buckets(target)
    measure.add(UNEQUAL_BUCKETS, len(unequal))
    counted = {"id": verify.id, "source_items": source.items, "target_items": target.items}
    if not unequal:
        measure.add(DRIFT, 0)
        return Verification(**counted, verdict="equal")
    digests.put_unequal_buckets(plan.run, verify.id, unequal)
    return Verification(**counted, stage="suspects", verdict="suspect", slices=plan_slices(plan.verify_segments))


def _compare_suspects(plan: Plan, verify: Verification, stream_arn: str, deadline: float) -> Verification:
    settled = digests.read_settled(plan.run, verify.id, "equal") | digests.read_settled(plan.run, verify.id, "followed")
    drift, is_whole = summed([]), True
    for groups, differing in _iter_lots(plan, verify, deadline):
        keys = [key for key in differing if key_hash(key).hex() not in settled]
        found, is_whole = recheck.recheck(plan, verify.id, stream_arn, keys, deadline=deadline)
        drift += found
        if not is_whole:
            break
        if not drift.total:
            digests.put_settled_groups(plan.run, verify.id, groups)
    if is_whole or drift.total:
        measure.add(DRIFT, drift.total)
    if drift.total:
        so_far = "" if is_whole else " (so far)"
        raise DriftFound(
            f"{plan.source_table} and {plan.target_table} differ{so_far}: {drift.in_words()}. Traffic stays "
            "where it is. Look for rejects in the bucket and for the reason in the logs of WritePages and "
            "ReplicateChanges; mend those keys, then redrive: they are read again"
        )
    if not is_whole:
        raise VerifyPending(
            f"{len(settled)} keys that looked different are settled, and there are more; they are read again once "
            "the replicator has passed them"
        )
    return Verification(
        id=verify.id,
        stage="suspects",
        verdict="equal",
        source_items=verify.source_items,
        target_items=verify.target_items,
        rechecked=len(digests.read_settled(plan.run, verify.id, "equal")),
        followed=len(digests.read_settled(plan.run, verify.id, "followed")),
    )


def _iter_lots(plan: Plan, verify: Verification, deadline: float) -> Iterator[tuple[list[int], list[Item]]]:
    """Yield keys that differ, as many at a time as time and memory allow, and the groups that end with them.

    Keys are read again in lots, for each time the replicator has to pass a moment. But a lot is closed when half of the
    time is over: a call that only ever listed keys would settle nothing, and neither would the next.
    """
    groups: list[int] = []
    keys: list[Item] = []
    list_until = _half_way(deadline)
    for group in digests.read_unsettled_groups(plan.run, verify.id):
        for key in _iter_differing(plan, verify, group):
            keys.append(key)
            if len(keys) >= KEYS_AT_ONCE:
                yield groups, keys
                groups, keys, list_until = [], [], _half_way(deadline)
        groups.append(group)
        if time.monotonic() > list_until:
            yield groups, keys
            groups, keys, list_until = [], [], _half_way(deadline)
    yield groups, keys


def _half_way(deadline: float) -> float:
    now = time.monotonic()
    return now + (deadline - now) / 2


def _iter_differing(plan: Plan, verify: Verification, group: int) -> Iterator[Item]:
    """Yield the keys of a group whose hashes differ between the lists, or that only one list has; by hashes alone.

    Keys themselves would take six times the memory.
    """
    source: dict[bytes, bytes] = {}
    for table, key, item_hash in digests.iter_suspects(plan.run, verify.id, group):
        if table == "source":
            source[key_hash(key)] = item_hash
        elif source.pop(key_hash(key), None) != item_hash:
            yield key
    if source:
        for table, key, _ in digests.iter_suspects(plan.run, verify.id, group):
            if table == "source" and source.pop(key_hash(key), None) is not None:
                yield key
