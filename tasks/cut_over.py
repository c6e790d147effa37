"""Move traffic: the pointer says target, and an event tells so.

Reads: the rule, watermarks, tips, rejects, TTL of both tables. Writes: the target's TTL as the source has it, the
pointer, one event. Whatever was proven and drained before, it looks once more: the states before it may have taken an
hour, or it is redriven the next morning. Run again it finds the cut-over noted and does nothing; a crash before the
note repeats the event.
"""

import time
from typing import Literal

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AwareDatetime

from tasks.aws import lag, migration_record, moments, pointer, rejects, streams, tables
from tasks.aws.handler import Request, deadline_of, task
from tasks.core.conflict import ReplicationRule
from tasks.core.errors import CutOverPending, Refused
from tasks.core.plan import Plan


class CutOverRequest(Request):
    """The source's stream, and the proof: nothing but `equal` is accepted."""

    stream_arn: str
    verdict: Literal["equal"]
    proven: AwareDatetime
    """When the proof began."""


@task(CutOverRequest)
def handler(request: CutOverRequest, context: LambdaContext) -> dict[str, object]:
    """Return the active table and when it became that."""
    plan = request.plan
    at = migration_record.cut_over_at(plan.run)
    if at is None:
        migration_record.check_latest(plan)
        _check_rule(plan, request.stream_arn)
        _expire_as_source(plan)
        deadline = deadline_of(context)
        late = lag.check_nothing_lost(plan, request.stream_arn, proven_at=request.proven.timestamp(), deadline=deadline)
        if not moments.await_passed(request.stream_arn, deadline=deadline):
            behind = f"the replicator is behind what {plan.source_table} has taken"
            raise CutOverPending(behind + late.warning(plan.lag_limit_seconds))
        rejects.check_no_change_rejected(plan.run)
        pointer.flip_pointer(plan.migration, plan.target_table)
        at = time.time()
        pointer.put_event(
            "Cut Over",
            {"migration": plan.migration, "run": plan.run, "from": plan.source_table, "to": plan.target_table},
        )
        migration_record.put_cut_over(plan.run, at=at)
    return {"active_table": plan.target_table, "at": at}


def _check_rule(plan: Plan, stream_arn: str) -> None:
    record = migration_record.read_rule()
    if record is None or (record.run, record.rule) != (plan.run, ReplicationRule.TARGET_WINS):
        raise Refused(
            "the source was not fenced in this run, so a late change could undo a write to the target; "
            "another run has begun since, or the control table was changed: stop this execution, and start a new one"
        )
    if not moments.is_in_force(record, streams.open_shards(stream_arn)):
        raise CutOverPending("a batch from before the fence may still be under way")


def _expire_as_source(plan: Plan) -> None:
    # Not sooner: a target that expires items by itself would differ from its source while they are compared.
    attribute = tables.ttl_attribute(plan.source_table)
    if attribute is not None and tables.ttl_attribute(plan.target_table) is None:
        tables.expire_by(plan.target_table, attribute)
