"""Compare the two tables' digests, and read again what looks different until it is proven equal or proven drift.

Reads: digests or suspects, items of both tables, tips and watermarks. Writes: which buckets are unequal. Run again it
reads again only what looked different, so a redrive after the drift was mended is a proof.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import digests, recheck
from tasks.aws.handler import Request, deadline_of, task
from tasks.core.errors import DriftFound, VerifyPending
from tasks.core.item import Item, canonical
from tasks.core.plan import Plan
from tasks.core.verification import Verification, plan_slices


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
    counted = {"id": verify.id, "source_items": source.items, "target_items": target.items}
    if not unequal:
        return Verification(**counted, verdict="equal")
    digests.put_unequal_buckets(plan.run, verify.id, unequal)
    return Verification(**counted, stage="suspects", verdict="suspect", slices=plan_slices(plan.verify_segments))


def _compare_suspects(plan: Plan, verify: Verification, stream_arn: str, deadline: float) -> Verification:
    keys = _differing_keys(plan, verify)
    drift = recheck.recheck(plan, verify.id, stream_arn, keys, deadline=deadline)
    if drift is None:
        raise VerifyPending(
            f"{len(keys)} keys looked different while they were written to; those that are not proven equal yet are "
            "read again once the replicator has passed them"
        )
    if drift.total:
        raise DriftFound(
            f"{plan.source_table} and {plan.target_table} differ: {drift.in_words()}. Traffic stays where it is. "
            "Look for rejects in the bucket and for the reason in the logs of WritePages and ReplicateChanges; "
            "mend those keys, then redrive: they are read again"
        )
    return Verification(
        id=verify.id,
        stage="suspects",
        verdict="equal",
        source_items=verify.source_items,
        target_items=verify.target_items,
        rechecked=len(keys),
    )


def _differing_keys(plan: Plan, verify: Verification) -> list[Item]:
    """Return the keys whose hashes differ between the lists, or that only one list has."""
    keys: dict[bytes, Item] = {}
    hashes: dict[str, dict[bytes, str]] = {"source": {}, "target": {}}
    for table, found in hashes.items():
        for key, item_hash in digests.iter_suspects(plan.run, verify.id, table):
            name = canonical(key)
            keys[name], found[name] = key, item_hash
    return [key for name, key in keys.items() if hashes["source"].get(name) != hashes["target"].get(name)]
