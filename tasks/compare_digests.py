"""Compare the two tables' digests, and read again what looks different until it is proven equal or proven drift.

Done when: all digests are equal, or a second pass is laid out; after it, every key that looked different was read again
and is equal.

Reads: the route, digests or suspects, items of both tables, tips and watermarks. Writes: which lists of hashes are
compared, and which keys and stretches are settled. Run again it reads again only what looked different, so a redrive
after the drift was mended is a proof.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books import hash_lists
from tasks.aws.books.books import Books, open_books
from tasks.aws.books.digests import Digests, Look
from tasks.aws.prove import recheck
from tasks.aws.replicate import route
from tasks.aws.session import measure
from tasks.aws.session.budget import deadline_of
from tasks.aws.session.handler import RouteRequest, task
from tasks.core.errors import DriftFound, VerifyPending
from tasks.core.metrics import DRIFT, UNEQUAL_BUCKETS
from tasks.core.model.item import Item
from tasks.core.prove.digest import SOURCE, TARGET, Digest, key_hash, plan_sums
from tasks.core.prove.drift import Drift, summed, way_out
from tasks.core.prove.passes import plan_stretches
from tasks.core.prove.verification import Kept, Verification, VerifySlice, slices_of
from tasks.core.run.plan import Plan

KEYS_AT_ONCE = 10_000
"""Keys that are read again together."""
CALLS_SIDE_BY_SIDE = 8


class CompareDigestsRequest(RouteRequest):
    """The verification as the Verify map did it."""

    verify: Verification


@task(CompareDigestsRequest)
def handler(request: CompareDigestsRequest, context: LambdaContext) -> dict[str, object]:
    """Return the verdict; `suspect` comes with slices that compare hashes where digests differ. Drift is an error."""
    books = open_books(request.plan.run)
    # What the slices read was found under names. An identity that is still there was there all the while.
    route.check(books, request.plan, request.route, with_replicas=False)
    if request.verify.stage == "digests":
        verification = _compare_sums(books.digests(request.verify.id), request.plan, request.verify)
    else:
        verification = _compare_suspects(books, request, deadline_of(context))
    return verification.model_dump(mode="json")


def _compare_sums(book: Digests, plan: Plan, verify: Verification) -> Verification:
    source, of_source = _read_table(book, plan, SOURCE)
    target, of_target = _read_table(book, plan, TARGET)
    unequal = source.unequal_buckets(target)
    measure.add(UNEQUAL_BUCKETS, len(unequal))
    counted = {"id": verify.id, "source_items": source.items, "target_items": target.items}
    if not unequal:
        measure.add(DRIFT, 0)
        return Verification(**counted, verdict="equal")
    lists = hash_lists.put_choice(f"{book.folder}/lists", {SOURCE: of_source, TARGET: of_target})
    counts = [max(pair) for pair in zip(source.counts, target.counts, strict=True)]
    slices = tuple(
        VerifySlice(table=TARGET, segment=number, stretch=stretch, lists=lists)
        for number, stretch in enumerate(plan_stretches(unequal, counts, plan.buckets))
    )
    return Verification(**counted, stage="suspects", verdict="suspect", slices=slices)


def _read_table(book: Digests, plan: Plan, table: str) -> tuple[Digest, list[Kept]]:
    """Return the digest of a whole table, and the lists of its hashes."""
    whole = Digest(plan_sums(plan.buckets))
    lists: list[Kept] = []
    with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads:
        for readings in threads.map(book.read_slice, slices_of(table, plan.verify_segments)):
            for reading in readings:
                whole.merge(reading.digest)
                lists += reading.lists
    return whole, lists


def _compare_suspects(books: Books, request: CompareDigestsRequest, deadline: float) -> Verification:
    plan, verify = request.plan, request.verify
    book = books.digests(verify.id_of_round)
    looks = _read_looks(books.digests(verify.id), verify.slices)
    done = book.read_settled_slices()
    settled = book.read_settled("equal") | book.read_settled("followed")
    cut = {name for name, of_slice in looks.items() if any(look.is_cut for look in of_slice)}
    open_looks = {name: of_slice for name, of_slice in looks.items() if name not in done}
    drift, is_whole = summed([]), True
    for names, suspects in _iter_lots(open_looks, deadline):
        keys = [key for key in suspects if key_hash(key).hex() not in settled]
        drifted, is_whole = recheck.recheck(books, plan, request.route, verify.id_of_round, keys, deadline=deadline)
        drift += drifted
        if not is_whole:
            break
        if not drift.total:
            book.put_settled_slices(names)
    if is_whole or drift.total:
        measure.add(DRIFT, drift.total)
    if drift.total:
        raise DriftFound(_in_words(plan, drift, is_all=is_whole and not cut))
    if not is_whole:
        raise VerifyPending(
            f"{len(settled)} keys that looked different are settled, and there are more; they are read again once "
            "the replicator has passed them"
        )
    equal = sum(look.equal for of_slice in looks.values() for look in of_slice)
    found = {
        "rechecked": verify.rechecked + equal + len(book.read_settled("equal")),
        "followed": verify.followed + len(book.read_settled("followed")),
    }
    return verify.settled(found, cut)


def _in_words(plan: Plan, drift: Drift, *, is_all: bool) -> str:
    so_far = "" if is_all else " (so far)"
    return (
        f"{plan.source.name} and {plan.target.name} differ{so_far}: {drift.in_words()}. Traffic stays where it is. "
        "Look for rejects in the bucket and for the reason in the logs of WritePages and ReplicateChanges; mend those "
        "keys at the target, then redrive: they are read again"
        + way_out(drift, version_attribute=plan.version_attribute)
    )


def _read_looks(book: Digests, slices: Sequence[VerifySlice]) -> dict[str, list[Look]]:
    with ThreadPoolExecutor(CALLS_SIDE_BY_SIDE) as threads:
        return {slice_.name: looks for slice_, looks in zip(slices, threads.map(book.read_looks, slices), strict=True)}


def _iter_lots(looks: dict[str, list[Look]], deadline: float) -> Iterator[tuple[list[str], list[Item]]]:
    """Yield suspects, as many at a time as time and memory allow, and the stretches that end with them.

    Keys are read again in lots, for each time the replicator has to pass a moment. But a lot is closed when half of the
    time is over: a call that only ever listed keys would settle nothing, and neither would the next.
    """
    names: list[str] = []
    keys: list[Item] = []
    list_until = _half_way(deadline)
    for name, found in looks.items():
        for suspects in (suspects for look in found for suspects in look.suspects):
            for key in hash_lists.read_keys(suspects):
                keys.append(key)
                if len(keys) >= KEYS_AT_ONCE:
                    yield names, keys
                    names, keys, list_until = [], [], _half_way(deadline)
        names.append(name)
        if time.monotonic() > list_until:
            yield names, keys
            names, keys, list_until = [], [], _half_way(deadline)
    yield names, keys


def _half_way(deadline: float) -> float:
    now = time.monotonic()
    return now + (deadline - now) / 2
