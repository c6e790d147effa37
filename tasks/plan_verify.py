"""Lay out the verification: the slices of source, target and its replicas whose digests are compared.

Done when: the slices of all of these tables are laid out.

Reads: which tables the replicas are. Writes nothing. Run again it says the same; a new entry of the state begins a
verification of its own.
"""

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks.aws.replicate import replicas
from tasks.aws.session.handler import Request, task
from tasks.core.prove.verification import Verification, plan_slices


class PlanVerifyRequest(Request):
    """When the state was entered."""

    entered: str


@task(PlanVerifyRequest)
def handler(request: PlanVerifyRequest, _: LambdaContext) -> dict[str, object]:
    """Return the slices of the first pass."""
    plan = request.plan
    slices = plan_slices(plan.verify_segments, tuple(plan.proven))
    verification = Verification(id=request.entered, replica_ids=replicas.ids_of(plan), slices=slices)
    return verification.model_dump(mode="json")
