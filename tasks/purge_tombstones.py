"""Remove every tombstone from the target, at the price of what was deleted.

Done when: no batch of an earlier rule is under way, and the tombstone ledger is empty.

Reads: the ledger, the rule, watermarks. Writes: deletes at the target, each on the condition that it is still a
tombstone, then strikes the ledger's entry. It comes right behind the closed door, long before traffic moves: nothing
leaves tombstones from there on, and however many there are, nobody waits for it. Run again it goes on with what is left
in the ledger.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import open_books
from tasks.aws.replicate import moments, purge, streams
from tasks.aws.session.budget import deadline_of
from tasks.aws.session.handler import RouteRequest, task
from tasks.core.errors import OutOfOrder, TombstonesPending
from tasks.core.replicate.conflict import RULE_ORDER, ReplicationRule


@task(RouteRequest)
def handler(request: RouteRequest, context: LambdaContext) -> dict[str, int]:
    """Return how many tombstones this last call removed; while some are left `TombstonesPending`."""
    books = open_books(request.plan.run)
    books.record.check_latest(request.plan)
    record = books.record.read_rule()
    leaves_none = RULE_ORDER.index(ReplicationRule.DELETE)
    if record is None or record.run != request.plan.run or RULE_ORDER.index(record.rule) < leaves_none:
        raise OutOfOrder(
            "the replicator still leaves tombstones: the writer has to be detached first, or a late page would bring "
            "deleted items back; another run has begun since, or the control table was changed: stop this execution, "
            "and start a new one"
        )
    if not moments.is_in_force(books, record, streams.open_shards(request.route.stream_arn)):
        raise TombstonesPending("a batch that leaves tombstones may still be under way")
    purged, is_complete = purge.purge(books, request.plan, request.route.target, deadline=deadline_of(context))
    if not is_complete:
        raise TombstonesPending(f"{purged} tombstones removed in this call, and there are more")
    return {"purged": purged}
