"""Make the target in the source's shape, and its replicas one at a time, each ACTIVE before the next.

Done when: the target exists, made in the source's shape if there was none, and each wanted replica is ACTIVE, unless
`add_replicas` leaves them to AddReplicas.

Reads: which execution is the latest, the source's and the target's descriptions. Writes: the target table, its stream
and its replicas. Run again it takes the next step that is still to be done, and none when all is done.
"""

from typing import TYPE_CHECKING

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.books.books import open_record
from tasks.aws.dynamodb import tables
from tasks.aws.replicate import replicas
from tasks.aws.session.handler import Request, task
from tasks.core.errors import PreconditionFailed, ReplicasPending
from tasks.core.run.plan import Plan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


@task(Request)
def handler(request: Request, _: LambdaContext) -> dict[str, object]:
    """Return the target's name and Regions once all are ACTIVE; until then `ReplicasPending`."""
    plan = request.plan
    open_record().check_latest(plan)
    target = tables.describe(plan.target)
    if target is None:
        _create_target(plan)
        raise ReplicasPending(f"{plan.target.name} is being created")
    _check_same(plan, target)
    if target["TableStatus"] != "ACTIVE":
        raise ReplicasPending(f"{plan.target.name} is {target['TableStatus']}")
    if waiting := replicas.add_missing(plan.target, target, plan.regions_first):
        raise ReplicasPending(waiting)
    return {"target_table": plan.target.name, "regions": [plan.target.region, *plan.regions_first]}


def _create_target(plan: Plan) -> None:
    if plan.target.id is not None:
        raise PreconditionFailed(f"target_table {plan.target.name} was deleted since Preflight; start a new execution")
    source = tables.describe(plan.source)
    if source is None or source["TableId"] != plan.source.id:
        raise PreconditionFailed(
            f"source_table {plan.source.name} was deleted since Preflight; restore it, and start a new execution"
        )
    tables.create_like(source, plan.target, without_indexes=plan.without_indexes, warm=plan.warm_throughput)


def _check_same(plan: Plan, target: "TableDescriptionTypeDef") -> None:
    if plan.target.id not in {None, target["TableId"]}:
        raise PreconditionFailed(
            f"target_table {plan.target.name} was deleted since Preflight, and another table stands under its name, "
            "of which nothing is known; start a new execution"
        )
    if tables.key_schema_of(target) != plan.target.key:
        raise PreconditionFailed(
            f"somebody has made target_table {plan.target.name} since Preflight, with another key than the source's; "
            "delete it, then redrive"
        )
