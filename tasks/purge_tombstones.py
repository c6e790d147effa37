"""Remove every tombstone from the target, at the price of what was deleted.

Reads: the ledger, the rule, watermarks. Writes: deletes at the target, each on the condition that the mark is still
there, then strikes the ledger's entry. Run again it goes on with what is left in the ledger.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import migration_record, moments, purge, streams
from tasks.aws.handler import Request, deadline_of, task
from tasks.core.conflict import RULE_ORDER, ReplicationRule
from tasks.core.errors import Refused, TombstonesPending


class PurgeTombstonesRequest(Request):
    """The source's stream."""

    stream_arn: str


@task(PurgeTombstonesRequest)
def handler(request: PurgeTombstonesRequest, context: LambdaContext) -> dict[str, int]:
    """Return how many tombstones this last call removed; while some are left `TombstonesPending`."""
    migration_record.check_latest(request.plan)
    record = migration_record.read_rule()
    leaves_none = RULE_ORDER.index(ReplicationRule.DELETE)
    if record is None or record.run != request.plan.run or RULE_ORDER.index(record.rule) < leaves_none:
        raise Refused(
            "the replicator still leaves tombstones: the writer has to be detached first, or a late page would bring "
            "deleted items back; another run has begun since, or the control table was changed: stop this execution, "
            "and start a new one"
        )
    if not moments.is_in_force(record, streams.open_shards(request.stream_arn)):
        raise TombstonesPending("a batch that leaves tombstones may still be under way")
    purged, is_complete = purge.purge(request.plan, deadline=deadline_of(context))
    if not is_complete:
        raise TombstonesPending(f"{purged} tombstones removed in this call, and there are more")
    return {"purged": purged}
