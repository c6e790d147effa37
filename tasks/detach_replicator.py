"""Detach the replicator and leave nothing of the migration but the target.

Done when: the replicator's mapping is gone, and the source's stream is off again if the migration turned it on and no
other mapping reads it.

Reads: the mappings on the source's stream, the source. Writes: deletes the replicator's mapping, turns the source's
stream off if the migration turned it on and nobody else is seen to read it, forgets the plan. Run again it finds all
that done.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import open_record
from tasks.aws.dynamodb import tables
from tasks.aws.replicate import mappings, streams
from tasks.aws.session import deployment
from tasks.aws.session.handler import RouteRequest, task
from tasks.core.errors import DetachPending
from tasks.core.replicate.route import Route
from tasks.core.run.plan import Plan


@task(RouteRequest)
def handler(request: RouteRequest, _: LambdaContext) -> dict[str, object]:
    """Return the active table, what was done to the source's stream, and what is left to its owner to move.

    Raises:
        DetachPending: the replicator's mapping is still there.
    """
    record = open_record()
    record.check_run(request.plan)
    plan = request.plan
    # On whatever stream: an earlier run may have left one on a stream that was turned off since.
    if not mappings.detach_from_all(deployment.replicator_function()):
        raise DetachPending("the replicator's mapping is on its way out")
    reason = _reason_to_keep_stream(plan, request.route)
    if reason is None:
        streams.disable_stream(plan.source)
    record.end_plan()
    return {
        "active_table": plan.target.name,
        "source_stream": f"kept: {reason}" if reason else "disabled",
        "to_move": list(plan.to_move),
    }


def _reason_to_keep_stream(plan: Plan, route: Route) -> str | None:
    """Return why the stream is not this migration's to turn off; `None` if it is.

    Of those that read a stream only Lambda's mappings are known to anyone but themselves.
    """
    if plan.stream_was_enabled:
        return "it was on before"
    source = tables.describe(plan.source)
    if source is None:
        return f"{plan.source.name} is gone"
    facts = tables.facts_of(source)
    if facts.replica_regions:
        return f"{plan.source.name} is a global table by now"
    if facts.stream_arn not in {None, route.stream_arn}:
        return "it was turned on anew by somebody else"
    readers = [found for found in mappings.find_mappings(route.stream_arn) if found.state != "Deleting"]
    return f"read by {', '.join(reader.function_name for reader in readers)}" if readers else None
