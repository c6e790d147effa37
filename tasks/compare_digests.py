"""Compare the tables' digests, and read again what looks different until it is proven equal or proven drift.

The target and each of its replicas is compared with the source, by digests of its own that were read in its Region.

Done when: all digests are equal, or a second pass is laid out; after it, every key that looked different was read again
and is equal.

Reads: the route, digests or suspects, items of all tables, tips and watermarks. Writes: which lists of hashes are
compared, and which keys and stretches are settled. Run again it reads again only what looked different, so a redrive
after the drift was mended is a proof.
"""

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books import hash_lists
from tasks.aws.books.books import Books, open_books
from tasks.aws.books.digests import Digests, Look
from tasks.aws.dynamodb.table_reads import NoTurnError
from tasks.aws.prove import recheck
from tasks.aws.replicate import replicas, route
from tasks.aws.session import measure
from tasks.aws.session.budget import deadline_of
from tasks.aws.session.handler import RouteRequest, task
from tasks.core.errors import DriftFound, TipOutOfReach, TurnPending, VerifyPending
from tasks.core.metrics import DRIFT, UNEQUAL_BUCKETS
from tasks.core.model.item import Item
from tasks.core.prove.digest import SOURCE, TARGET, Digest, key_hash, plan_sums, replica_in
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
    replicas.check_ids(request.plan, request.verify.replica_ids)
    if request.verify.stage == "digests":
        verification = _compare_sums(books.digests(request.verify.id), request.plan, request.verify)
    else:
        verification = _compare_suspects(books, request, deadline_of(context))
    return verification.model_dump(mode="json")


def _compare_sums(book: Digests, plan: Plan, verify: Verification) -> Verification:
    source, of_source = _read_table(book, plan, SOURCE)
    others = [role for role in plan.proven if role != SOURCE]
    items: dict[str, int] = {}
    unequal_buckets = 0
    slices: list[VerifySlice] = []
    for role in others:
        other, of_other = _read_table(book, plan, role)
        items[role] = other.items
        unequal = source.unequal_buckets(other)
        unequal_buckets += len(unequal)
        if not unequal:
            continue
        lists = hash_lists.put_choice(f"{book.folder}/lists/{role}", {SOURCE: of_source, role: of_other})
        counts = [max(pair) for pair in zip(source.counts, other.counts, strict=True)]
        stretches = plan_stretches(unequal, counts, plan.buckets, tables=len(others))
        slices += [
            VerifySlice(table=role, segment=number, stretch=stretch, lists=lists)
            for number, stretch in enumerate(stretches)
        ]
    measure.add(UNEQUAL_BUCKETS, unequal_buckets)
    counted = Verification(
        id=verify.id,
        replica_ids=verify.replica_ids,
        source_items=source.items,
        target_items=items[TARGET],
        replica_items={region: items[replica_in(region)] for region in plan.replicas},
    )
    if not slices:
        measure.add(DRIFT, 0)
        return counted.model_copy(update={"verdict": "equal"})
    return counted.model_copy(update={"stage": "suspects", "verdict": "suspect", "slices": tuple(slices)})


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
    cut = {name for name, of_slice in looks.items() if any(look.is_cut for look in of_slice)}
    done = book.read_settled_slices()
    drifts: dict[str, Drift] = {}
    is_whole = True
    for role in dict.fromkeys(slice_.table for slice_ in verify.slices):
        names = [slice_.name for slice_ in verify.slices if slice_.table == role and slice_.name not in done]
        open_looks = {name: looks[name] for name in names}
        drifts[role] = summed([])
        try:
            is_whole = _read_again(books, request, role, open_looks, drifts, deadline)
        except (TipOutOfReach, NoTurnError) as error:
            if not _total(drifts):
                if isinstance(error, NoTurnError):
                    raise TurnPending(str(error)) from None
                raise
            is_whole = False  # what has drifted is to be told, and not to be looked for anew
        # Its replicas differ in what the target lacks, and that is not their fault.
        if not is_whole or (drifts[role].total and role == TARGET):
            break
    total = _total(drifts)
    if is_whole or total:
        measure.add(DRIFT, total)
    if total:
        raise DriftFound(_in_words(plan, drifts, is_all=is_whole and not cut))
    settled = _count_settled(books, verify, drifts)
    if not is_whole:
        raise VerifyPending(
            f"{settled.total()} keys that looked different are settled, and there are more; they are read again once "
            "the replicator has passed them"
        )
    equal = sum(look.equal for of_slice in looks.values() for look in of_slice)
    found = {
        "rechecked": verify.rechecked + equal + settled["equal"],
        "followed": verify.followed + settled["followed"],
    }
    return verify.settled(found, cut)


def _total(drifts: Mapping[str, Drift]) -> int:
    return sum(drift.total for drift in drifts.values())


def _read_again(
    books: Books,
    request: CompareDigestsRequest,
    role: str,
    looks: dict[str, list[Look]],
    drifts: dict[str, Drift],
    deadline: float,
) -> bool:
    """Read the suspects of one table again; add what differs, and return whether all were read."""
    plan, verify = request.plan, request.verify
    manner = recheck.Manner(verify.id_of_looks(role), role)
    settled_book = books.digests(manner.looks)
    settled = settled_book.read_settled("equal") | settled_book.read_settled("followed")
    for names, suspects in _iter_lots(looks, deadline):
        keys = [key for key in suspects if key_hash(key).hex() not in settled]
        drifted, is_whole = recheck.recheck(books, plan, request.route, keys, manner, deadline=deadline)
        drifts[role] += drifted
        if not is_whole:
            return False
        if not drifts[role].total:
            books.digests(verify.id_of_round).put_settled_slices(names)
    return True


def _count_settled(books: Books, verify: Verification, roles: Iterable[str]) -> Counter[str]:
    """Return how many keys of these tables are settled, by how."""
    counted: Counter[str] = Counter()
    for role in roles:
        book = books.digests(verify.id_of_looks(role))
        counted.update({how: len(book.read_settled(how)) for how in ("equal", "followed")})
    return counted


def _in_words(plan: Plan, drifts: Mapping[str, Drift], *, is_all: bool) -> str:
    so_far = "" if is_all else " (so far)"
    said = [
        f"{plan.source.name} and {_name_of(plan, role)} differ{so_far}: {drift.in_words()}"
        for role, drift in drifts.items()
        if drift.total
    ]
    words = f"{'; '.join(said)}. Traffic stays where it is. "
    of_target = drifts.get(TARGET)
    if of_target is not None and of_target.total:
        return (
            f"{words}Look for rejects in the bucket and for the reason in the logs of WritePages and ReplicateChanges; "
            "mend those keys at the target, then redrive: they are read again"
            + way_out(of_target, version_attribute=plan.version_attribute)
        )
    return (
        f"{words}The replica lags, or differs. Redrive once its ReplicationLatency is low: those keys are read again. "
        f"If they differ still, write what is missing or mismatched into {plan.target.name} once more, and put and "
        "delete there what is extra; then redrive"
    )


def _name_of(plan: Plan, role: str) -> str:
    table = plan.proven[role]
    return table.name if role == TARGET else f"its replica in {table.region}"


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
