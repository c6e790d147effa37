"""Detach the replicator and leave nothing of the migration but the target.

Reads: the replicator's mapping, the source. Writes: deletes the mapping, turns the source's stream off if the migration
turned it on, forgets the plan. Run again it finds all that done.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import deployment, mappings, migration_record, streams, tables
from tasks.aws.handler import Request, task
from tasks.core.errors import DetachPending


class DetachReplicatorRequest(Request):
    """The source's stream."""

    stream_arn: str


@task(DetachReplicatorRequest)
def handler(request: DetachReplicatorRequest, _: LambdaContext) -> dict[str, object]:
    """Return the active table and what was done to the source's stream; until then `DetachPending`."""
    migration_record.check_run(request.plan)
    plan = request.plan
    if not mappings.detach(request.stream_arn, deployment.replicator_function()):
        raise DetachPending("the replicator's mapping is on its way out")
    source = tables.describe(plan.source_table)
    is_streaming = source is not None and source.get("StreamSpecification", {}).get("StreamEnabled", False)
    if is_streaming and not plan.stream_was_enabled:
        streams.disable_stream(plan.source_table)
    migration_record.end_plan()
    return {"active_table": plan.target_table, "source_stream": "kept" if plan.stream_was_enabled else "disabled"}
