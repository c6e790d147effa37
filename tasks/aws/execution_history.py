"""Executions as Step Functions tells of them: their status, their histories, and the children of their Map Runs.

The client is given: a task has its own, the command line one of the operator's session.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasks.core.history import Event, Told, read_told
from tasks.core.plan import Plan
from tasks.core.resume import Resumed

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

EVENTS_AT_ONCE = 1000
"""GetExecutionHistory returns no more."""
CHAIN_MOST = 1000
"""Executions that are followed from one to the one it resumes."""


def iter_events(client: "SFNClient", execution_arn: str) -> Iterator[Event]:
    """Yield all events of an execution, in the order of their ids, with execution data."""
    pages = client.get_paginator("get_execution_history").paginate(
        executionArn=execution_arn, includeExecutionData=True, PaginationConfig={"PageSize": EVENTS_AT_ONCE}
    )
    for page in pages:
        yield from page["events"]


def iter_children(client: "SFNClient", map_run_arn: str, **where: Any) -> Iterator[str]:  # noqa: ANN401 — boto3's own
    """Yield the ARNs of a Map Run's children, the newest first.

    Args:
        client: of Step Functions.
        map_run_arn: which Map Run.
        where: `statusFilter`, for those of one status only.
    """
    for page in client.get_paginator("list_executions").paginate(mapRunArn=map_run_arn, **where):
        for child in page["executions"]:
            yield child["executionArn"]


UNSUCCESSFUL = ("RUNNING", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE")
"""A child that succeeded has scanned its segment to the end, which the control table says too."""


def iter_unsuccessful(client: "SFNClient", map_run_arn: str) -> Iterator[str]:
    """Yield the ARNs of those children of a Map Run that have not succeeded."""
    for status in UNSUCCESSFUL:
        yield from iter_children(client, map_run_arn, statusFilter=status)


def read_resumed(client: "SFNClient", execution_arn: str) -> Resumed:
    """Return what is known of an execution that is to be gone on from."""
    try:
        status = client.describe_execution(executionArn=execution_arn)["status"]
    except client.exceptions.ExecutionDoesNotExist:
        return Resumed(execution_arn, status="")
    told = read_told(iter_events(client, execution_arn))
    plan = plan_of(told)
    stream_arn, since = _replicated(client, told)
    return Resumed(
        execution_arn,
        status=status,
        plan=plan,
        stream_arn=stream_arn,
        replicated_since=since,
        error=told.error,
        given=told.given,
    )


def plan_of(told: Told) -> Plan | None:
    """Return the plan that an execution's Preflight resolved, `None` before."""
    return Plan.model_validate(told.document["plan"]) if "plan" in told.document else None


def _replicated(client: "SFNClient", told: Told) -> tuple[str | None, float]:
    """Return the stream that the run's replicator was seen to read, and when the execution that saw it began."""
    for link in iter_chain(client, told):
        plan = plan_of(link)
        if plan is not None and "replicator" in link.document:
            return link.document["replicator"]["stream_arn"], plan.begun_at
    return None, 0.0


def iter_chain(client: "SFNClient", told: Told) -> Iterator[Told]:
    """Yield what an execution's history tells, then the one that it resumes, and so on to the first one of the run.

    The chain ends early where Step Functions has forgotten an execution, 90 days after its end.
    """
    for _ in range(CHAIN_MOST):
        yield told
        plan = plan_of(told)
        if plan is None or plan.resume_from is None:
            return
        try:
            told = read_told(iter_events(client, plan.resume_from))
        except client.exceptions.ExecutionDoesNotExist:
            return
