"""Turn the source's stream on, attach the replicator, and see it work before anything is scanned.

Done when: the source's stream has been on for `settle_seconds`, the replicator was seen to apply a change of every open
shard that holds one, and what the copy rests on is named by identity.

Reads: the source, its stream, mappings, watermarks, the target. Writes: the source's stream setting, the plan, the rule
and the horizon in the control table (changes up to it are passed over: the scan sees them), the replicator's mapping;
it drops the watermarks of an earlier mapping. Each step is taken once; run again it goes on with the next. What it
returns names all that the copy rests on, for the states that look at it again.
"""

import time

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict

from tasks.aws.books.books import Books, open_books
from tasks.aws.books.horizon import Horizon
from tasks.aws.dynamodb import tables
from tasks.aws.replicate import mappings, moments, streams, tips
from tasks.aws.session import deployment
from tasks.aws.session.budget import deadline_of
from tasks.aws.session.handler import Request, task
from tasks.core.errors import PreconditionFailed, ReplicatorPending
from tasks.core.model.table_ref import TableRef
from tasks.core.replicate.conflict import ReplicationRule, RuleRecord
from tasks.core.replicate.route import Route
from tasks.core.replicate.watermark import CLOCK_MARGIN_SECONDS
from tasks.core.run.plan import Plan
from tasks.core.run.target_fit import STREAM_VIEW_TYPE

RECORDS_AT_ONCE = 1000
"""A partition takes a thousand writes a second: however busy a shard is, it needs no more than a call a second."""
WINDOW_SECONDS = 900


class Attached(BaseModel):
    """What the copy rests on, and since when a page may be read."""

    model_config = ConfigDict(frozen=True)

    route: Route
    settled_at: float
    """Epoch seconds."""


@task(Request)
def handler(request: Request, context: LambdaContext) -> Attached:
    """Return the route and when its stream had settled; until all is seen to work `ReplicatorPending`."""
    plan, deadline = request.plan, deadline_of(context)
    books = open_books(plan.run)
    books.record.check_latest(plan)
    stream_arn = _enabled_stream(plan)
    seen_at = books.record.stream_seen_at(stream_arn, now=time.time())
    earlier = books.record.read_rule()
    follows_a_run = books.horizon.begin(follows_a_run=earlier is not None and earlier.run != plan.run)
    books.record.put_plan(plan, stream_arn)
    rule = books.record.set_rule(ReplicationRule.LEAVE_TOMBSTONES, run=plan.run, now=time.time())
    is_attached = mappings.find_mapping(stream_arn, deployment.replicator_function()) is not None
    # Before the mapping: what the replicator has applied, nothing may be passed over behind.
    horizon = _horizon(
        books, plan, stream_arn, is_attached=is_attached, waits_for=rule if follows_a_run else None, deadline=deadline
    )
    if not is_attached:
        books.watermarks.forget()
    mapping = mappings.attach(
        stream_arn,
        deployment.replicator_function(),
        BatchSize=RECORDS_AT_ONCE,
        # Lambda reads a shard four times a second, and would call the function each time that a change has come.
        MaximumBatchingWindowInSeconds=deployment.replicator_window_seconds(),
        MaximumRetryAttempts=-1,
        # Lambda names the shard in an event of a DynamoDB stream only where the mapping has a window.
        TumblingWindowInSeconds=WINDOW_SECONDS,
    )
    if mapping.state != "Deleting":
        _check_mapping(mapping)
    if mapping.state != "Enabled":
        raise ReplicatorPending(f"the replicator's mapping is {mapping.state}")
    _see_it_work(books, stream_arn, rule, deadline=deadline)
    # A page may be a little stale. A write that it misses must then be in the stream, under the rule of this run, and
    # must not be passed over.
    settled_at = max(seen_at, rule.since, horizon.at) + plan.settle_seconds
    if time.time() < settled_at:
        raise ReplicatorPending(
            f"the stream settles for settle_seconds={plan.settle_seconds}: {settled_at - time.time():.0f} s to go",
            until=settled_at,
        )
    route = Route(source=plan.source, target=_made(plan), stream_arn=stream_arn, mapping_id=mapping.uuid)
    return Attached(route=route, settled_at=settled_at)


def _horizon(
    books: Books, plan: Plan, stream_arn: str, *, is_attached: bool, waits_for: RuleRecord | None, deadline: float
) -> Horizon:
    """Return up to where changes are passed over; decided once in a run, before the replicator is attached.

    Raises:
        ReplicatorPending: a batch of an earlier run may still put something into the target.
        TipOutOfReach: there are more shards than could be looked at until the deadline.
    """
    decided = books.horizon.read()
    if decided is not None:
        return decided
    # Attached by an earlier run, it goes on where it was.
    if is_attached or tables.has_items(plan.target):
        return books.horizon.decide(stream_arn, {}, at=0.0)
    if waits_for is not None:
        longest = max(deployment.replicator_timeout_seconds(), deployment.writer_timeout_seconds())
        over_at = waits_for.since + longest + CLOCK_MARGIN_SECONDS
        left = over_at - time.time()
        if left > 0:
            raise ReplicatorPending(
                f"a batch of an earlier run may still be under way: {left:.0f} s to go", until=over_at
            )
        if tables.has_items(plan.target):  # that such a batch has put since
            return books.horizon.decide(stream_arn, {}, at=0.0)
    seen = tips.look_for_horizon(stream_arn, deadline=deadline)
    return books.horizon.decide(stream_arn, seen, at=time.time())


def _check_mapping(mapping: mappings.EventSourceMapping) -> None:
    if mapping.begins_at != "TRIM_HORIZON" or mapping.skips_changes:
        raise PreconditionFailed(
            f"the replicator's mapping {mapping.uuid} was made or changed by somebody: it begins at "
            f"{mapping.begins_at}, or has a filter, or gives changes up after some tries or at some age, so it may "
            "skip some; delete it (Lambda, event source mappings), then redrive: this state makes its own"
        )


def _made(plan: Plan) -> TableRef:
    """Return the target as it is now that CreateReplicas has ended."""
    target = tables.describe(plan.target)
    if target is None or plan.target.id not in {None, target["TableId"]}:
        raise PreconditionFailed(f"target_table {plan.target.name} was deleted since Preflight; start a new execution")
    return plan.target.model_copy(update={"id": target["TableId"]})


def _enabled_stream(plan: Plan) -> str:
    source = tables.describe(plan.source)
    if source is None:
        raise PreconditionFailed(f"source_table {plan.source.name} is gone since Preflight; restore it and start again")
    facts = tables.facts_of(source)
    if facts.id != plan.source.id:
        raise PreconditionFailed(
            f"source_table {plan.source.name} was deleted since Preflight, and another table stands under its name; "
            "start a new execution"
        )
    if facts.stream_arn is None:
        if source["TableStatus"] == "ACTIVE":
            streams.enable_stream(plan.source)
        raise ReplicatorPending(f"the stream of {plan.source.name} is being enabled")
    if facts.stream_view_type != STREAM_VIEW_TYPE:
        raise PreconditionFailed(
            f"the stream of {plan.source.name} became {facts.stream_view_type} since Preflight; "
            f"it must be {STREAM_VIEW_TYPE}: change it back, then redrive"
        )
    if source["TableStatus"] != "ACTIVE":
        raise ReplicatorPending(f"{plan.source.name} is {source['TableStatus']}")
    return facts.stream_arn


def _see_it_work(books: Books, stream_arn: str, rule: RuleRecord, *, deadline: float) -> None:
    """Take "Enabled" for no proof: wait for a watermark on every open shard that holds records."""
    watermarks = books.watermarks.read_all()
    open_shards = streams.open_shards(stream_arn)
    unseen = [shard for shard in open_shards if shard not in watermarks]
    found = tips.look_for_oldest(stream_arn, {}, only=unseen, deadline=deadline) if unseen else []
    waiting = [oldest.shard for oldest in found]
    empty = {*unseen} - {*waiting}
    if waiting or not open_shards:
        raise ReplicatorPending(
            f"the replicator has not applied a change of {len(waiting)} of {len(open_shards)} open shards yet"
        )
    used = [shard for shard in open_shards if shard not in empty]
    if used and not moments.is_in_force(books, rule, used):
        raise ReplicatorPending("the replicator may still have a batch of an earlier rule under way")
