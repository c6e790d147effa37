"""Move traffic: the pointer says target, and an event says so.

Done when: no batch of an earlier rule is under way, no tombstone is left, TTL is on at the target if it is at the
source, the replicator has passed the tips of this very call, no key of a rejected change differs, and tables, stream,
mapping and replicas are those that were named; then the pointer says target.

Reads: the rule, the tombstone ledger, the route, watermarks, tips, rejects and their keys in both tables, TTL of both,
the pointer. Writes: the target's TTL as the source has it, keys that are settled, the pointer, one event. Whatever was
proven, purged and drained before, it looks once more: a person may have been asked in between, or it is redriven the
next morning. Run again it finds the cut-over noted and does nothing; a crash before the note repeats the event.
"""

import functools
import time
from typing import Literal

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AwareDatetime

from tasks.aws.books.books import Books, open_books
from tasks.aws.dynamodb import tables
from tasks.aws.prove import rejected_changes
from tasks.aws.replicate import lag, moments, replicas, route, streams
from tasks.aws.run import pointer
from tasks.aws.session.budget import deadline_of
from tasks.aws.session.handler import RouteRequest, task
from tasks.core.errors import CutOverPending, OutOfOrder, PreconditionFailed
from tasks.core.replicate.conflict import ReplicationRule
from tasks.core.replicate.route import Route
from tasks.core.run.plan import Plan, pointer_reasons
from tasks.core.run.target_fit import check_indexes


class CutOverRequest(RouteRequest):
    """The proof, of which nothing but `equal` is accepted, and when the state was entered."""

    verdict: Literal["equal"]
    proven: AwareDatetime
    """When the proof began."""
    entered: str
    """When the state was entered."""
    replica_ids: dict[str, str]
    """TableIds of the replicas that the proof has read, by Region."""


@task(CutOverRequest)
def handler(request: CutOverRequest, context: LambdaContext) -> dict[str, object]:
    """Return the active table and when it became that."""
    plan = request.plan
    books = open_books(plan.run)
    at = books.record.cut_over_at(plan.run)
    if at is None:
        books.record.check_latest(plan)
        if not _was_flipped(books, plan):
            _check_all(books, request, deadline=deadline_of(context))
            # Before the flip: a call that dies behind it leaves a word that it was this run's.
            books.record.put_flip(plan.run)
            pointer.flip_pointer(plan.migration, plan.target.name)
        at = time.time()
        pointer.put_event(
            "Cut Over",
            {"migration": plan.migration, "run": plan.run, "from": plan.source.name, "to": plan.target.name},
        )
        books.record.put_cut_over(plan.run, at=at)
    return {"active_table": plan.target.name, "at": at}


def _was_flipped(books: Books, plan: Plan) -> bool:
    """Whether an earlier try of this call died behind its flip.

    What has become of the route since then is said by the next state, which knows that traffic has moved.
    """
    return pointer.read_pointer(plan.migration) == plan.target.name and books.record.is_flip_begun(plan.run)


def _check_all(books: Books, request: CutOverRequest, *, deadline: float) -> None:
    plan, named = request.plan, request.route
    look = functools.partial(route.check, books, plan, named)
    look()  # first: what is gone must be neither waited for nor asked for anything
    replicas.check_ids(plan, request.replica_ids)
    if being_made := _indexes_being_made(plan):
        raise CutOverPending(f"{plan.target.name} is still being given its index {', '.join(being_made)}")
    _check_pointer(plan)
    _check_rule(books, plan, named)
    taken = moments.take(books, named, deadline=deadline)
    late = lag.check_nothing_lost(books, named, taken.unapplied, proven_at=request.proven.timestamp())
    if not moments.await_passed(books, named, taken=taken, look=look, deadline=deadline):
        behind = f"the replicator is behind what {plan.source.name} has taken"
        raise CutOverPending(behind + late.warning(plan.lag_limit_seconds))
    if waiting := rejected_changes.check_none_stands(books, plan, named, entered=request.entered, deadline=deadline):
        raise CutOverPending(waiting)
    _expire_as_source(plan)
    # Last: behind the wait, for a mapping made anew during it would have let the watermark pass what it left out; and
    # in the very call that moves traffic.
    _check_pointer(plan)
    look()
    replicas.check_ids(plan, request.replica_ids)


def _indexes_being_made(plan: Plan) -> list[str]:
    source, target = tables.describe(plan.source), tables.describe(plan.target)
    if source is None or target is None:  # since the look at the route, a moment ago: the next one sees it
        return []
    return check_indexes(tables.facts_of(source), tables.facts_of(target), plan.without_indexes)


def _check_pointer(plan: Plan) -> None:
    active = pointer.read_pointer(plan.migration)
    if active == plan.target.name:
        raise PreconditionFailed(
            f"the pointer says {plan.target.name} already, and CutOver did not put that there: somebody moved traffic "
            f"before everything was looked at. Put it back to {plan.source.name} (SSM parameter "
            f"{pointer.pointer_name(plan.migration)}), look for what was written meanwhile, then redrive"
        )
    reasons = [] if active is None else pointer_reasons(plan.source.name, plan.target.name, active)
    if reasons:
        raise PreconditionFailed(" | ".join(reasons))


def _check_rule(books: Books, plan: Plan, named: Route) -> None:
    record = books.record.read_rule()
    if record is None or (record.run, record.rule) != (plan.run, ReplicationRule.TARGET_WINS):
        raise OutOfOrder(
            "the target was not protected in this run, so a late change could undo a write to the target; "
            "another run has begun since, or the control table was changed: stop this execution, and start a new one"
        )
    if not moments.is_in_force(books, record, streams.open_shards(named.stream_arn)):
        raise CutOverPending("a batch of an earlier rule may still be under way")
    if not books.tombstones.is_empty():
        raise PreconditionFailed(
            f"{plan.target.name} may have tombstones, which its readers would take for items: some have been entered "
            "since PurgeTombstones, and nothing of this run does that. Find out what calls the replicator, then "
            "resume: `python -m workflow resume` purges them, and proves the tables anew"
        )


def _expire_as_source(plan: Plan) -> None:
    # Not sooner: a target that expires items by itself would differ from its source while they are compared.
    wanted = tables.ttl_attribute(plan.source)
    status, attribute = tables.read_ttl(plan.target)
    if status == "DISABLED":
        if wanted is not None:
            tables.expire_by(plan.target, wanted)
    elif attribute != wanted or status == "DISABLING":
        of_source = f"by {wanted}" if wanted else "not at all"
        raise PreconditionFailed(
            f"items of {plan.target.name} expire by {attribute} (TTL is {status}), and those of {plan.source.name} "
            f"{of_source}: somebody turned it on since Preflight, and items that were proven may be gone. Turn it off, "
            "wait until it is DISABLED, and resume: `python -m workflow resume` proves the tables anew"
        )
