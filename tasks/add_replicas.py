"""Add the target's replicas behind the backfill, where `add_replicas` says so.

Done when: each wanted replica is ACTIVE, if `add_replicas` is `after-backfill`; if it is `first`, CreateReplicas has
made them, and nothing is done here.

Reads: which execution is the latest, the route, the target's description. Writes: the target's stream and its replicas.
A replica that is added to a full table is charged as a restore, far below what the backfill's writes cost once more in
each Region. Run again it takes the next step that is still to be done, and none when all is done.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import open_record
from tasks.aws.dynamodb import tables
from tasks.aws.replicate import replicas
from tasks.aws.session.handler import RouteRequest, task
from tasks.core.errors import PreconditionFailed, ReplicasPending


@task(RouteRequest)
def handler(request: RouteRequest, _: LambdaContext) -> dict[str, object]:
    """Return the Regions in which replicas were wanted here, once all are ACTIVE; until then `ReplicasPending`."""
    plan = request.plan
    open_record().check_latest(plan)
    if not plan.regions_after_backfill:
        return {"regions": []}
    target = tables.describe(plan.target)
    if target is None or target["TableId"] != request.route.target.id:
        raise PreconditionFailed(
            f"target_table {plan.target.name} is gone, or another table stands under its name: what was copied is "
            "lost; start a new execution"
        )
    if target["TableStatus"] != "ACTIVE":
        raise ReplicasPending(f"{plan.target.name} is {target['TableStatus']}")
    if waiting := replicas.add_missing(plan.target, target, plan.regions_after_backfill):
        raise ReplicasPending(waiting)
    return {"regions": [*plan.regions_after_backfill]}
