"""Make the target in the source's shape, and its replicas one at a time, each ACTIVE before the next.

Reads: the source's and the target's descriptions. Writes: the target table, its stream and its replicas. Run again it
takes the next step that is still to be done, and none when all is done.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws import streams, tables
from tasks.aws.handler import Request, task
from tasks.core.errors import Refused, ReplicasPending
from tasks.core.plan import STREAM_VIEW_TYPE

NEVER_ACTIVE = frozenset(
    {
        "ARCHIVED",
        "ARCHIVING",
        "CREATION_FAILED",
        "INACCESSIBLE_ENCRYPTION_CREDENTIALS",
        "REGION_DISABLED",
        "REPLICATION_NOT_AUTHORIZED",
    }
)
"""A replica leaves these only by somebody's hand."""


@task(Request)
def handler(request: Request, _: LambdaContext) -> dict[str, object]:
    """Return the target's name and Regions once all are ACTIVE; until then `ReplicasPending`."""
    plan = request.plan
    target = tables.describe(plan.target_table)
    if target is None:
        source = tables.describe(plan.source_table)
        if source is None:
            raise Refused(f"source_table {plan.source_table} is gone since Preflight; restore it and start again")
        tables.create_like(source, plan.target_table)
        raise ReplicasPending(f"{plan.target_table} is being created")
    if target["TableStatus"] != "ACTIVE":
        raise ReplicasPending(f"{plan.target_table} is {target['TableStatus']}")
    stream = target.get("StreamSpecification", {})
    if plan.replica_regions and stream.get("StreamViewType") != STREAM_VIEW_TYPE:
        streams.enable_stream(plan.target_table)
        raise ReplicasPending(f"the stream of {plan.target_table} is being enabled")
    states = tables.replica_states(target)
    for region in plan.replica_regions:
        state = states.get(region)
        if state is None:
            tables.add_replica(plan.target_table, region)
            raise ReplicasPending(f"the replica of {plan.target_table} in {region} is being created")
        if state in NEVER_ACTIVE:
            raise Refused(
                f"the replica of {plan.target_table} in {region} is {state}: {tables.replica_reason(target, region)}; "
                "mend what it names or remove that replica, then redrive"
            )
        if state != "ACTIVE":
            raise ReplicasPending(f"the replica of {plan.target_table} in {region} is {state}")
    return {"target_table": plan.target_table, "regions": [plan.region, *plan.replica_regions]}
