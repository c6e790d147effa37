"""Turn the source's stream on, attach the replicator, and see it work before anything is scanned.

Reads: the source, its stream, mappings, watermarks. Writes: the source's stream setting, the plan and rule in the
control table, the replicator's mapping; it drops the watermarks of an earlier mapping. Each step is taken once; run
again it goes on with the next.
"""

import time

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import deployment, mappings, migration_record, moments, streams, tables, watermarks
from tasks.aws.handler import Request, task
from tasks.core.conflict import ReplicationRule, RuleRecord
from tasks.core.errors import Refused, ReplicatorPending
from tasks.core.plan import STREAM_VIEW_TYPE, Plan

RECORDS_AT_ONCE = 500
WINDOW_SECONDS = 900


@task(Request)
def handler(request: Request, _: LambdaContext) -> dict[str, object]:
    """Return the stream and when it had settled; until all is seen to work `ReplicatorPending`."""
    plan = request.plan
    stream_arn = _enabled_stream(plan)
    seen_at = migration_record.stream_seen_at(stream_arn, now=time.time())
    migration_record.put_plan(plan)
    rule = migration_record.set_rule(ReplicationRule.LEAVE_TOMBSTONES, run=plan.run, now=time.time())
    if mappings.find_mapping(stream_arn, deployment.replicator_function()) is None:
        watermarks.forget_watermarks()
    mapping = mappings.attach(
        stream_arn,
        deployment.replicator_function(),
        BatchSize=RECORDS_AT_ONCE,
        MaximumRetryAttempts=-1,
        # Lambda names the shard in an event of a DynamoDB stream only where the mapping has a window.
        TumblingWindowInSeconds=WINDOW_SECONDS,
    )
    if mapping.state != "Enabled":
        raise ReplicatorPending(f"the replicator's mapping is {mapping.state}")
    _see_it_work(stream_arn, rule)
    # A page may be a little stale. A write that it misses must then be in the stream, under the rule of this run.
    settled_at = max(seen_at, rule.since) + plan.settle_seconds
    if time.time() < settled_at:
        raise ReplicatorPending(
            f"the stream settles for settle_seconds={plan.settle_seconds}: {settled_at - time.time():.0f} s to go"
        )
    return {"stream_arn": stream_arn, "settled_at": settled_at}


def _enabled_stream(plan: Plan) -> str:
    source = tables.describe(plan.source_table)
    if source is None:
        raise Refused(f"source_table {plan.source_table} is gone since Preflight; restore it and start again")
    facts = tables.facts_of(source)
    if facts.stream_arn is None:
        if source["TableStatus"] == "ACTIVE":
            streams.enable_stream(plan.source_table)
        raise ReplicatorPending(f"the stream of {plan.source_table} is being enabled")
    if facts.stream_view_type != STREAM_VIEW_TYPE:
        raise Refused(
            f"the stream of {plan.source_table} became {facts.stream_view_type} since Preflight; "
            f"it must be {STREAM_VIEW_TYPE}: change it back, then redrive"
        )
    if source["TableStatus"] != "ACTIVE":
        raise ReplicatorPending(f"{plan.source_table} is {source['TableStatus']}")
    return facts.stream_arn


def _see_it_work(stream_arn: str, rule: RuleRecord) -> None:
    """Take "Enabled" for no proof: wait for a watermark on every open shard that holds records."""
    marks = watermarks.read_watermarks()
    open_shards = streams.open_shards(stream_arn)
    unseen = [shard for shard in open_shards if shard not in marks]
    empty = set(streams.shards_without_records(stream_arn, unseen))
    waiting = [shard for shard in unseen if shard not in empty]
    if waiting or not open_shards:
        raise ReplicatorPending(
            f"the replicator has not applied a change of {len(waiting)} of {len(open_shards)} open shards yet"
        )
    used = [shard for shard in open_shards if shard not in empty]
    if used and not moments.is_in_force(rule, used):
        raise ReplicatorPending("the replicator may still have a batch of an earlier rule under way")
