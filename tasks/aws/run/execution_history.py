"""Executions as Step Functions describes them: their status, their histories, and the children of their Map Runs.

The client is given: a task has its own, the command line one of the operator's session.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tasks.core.replicate.route import Route
from tasks.core.run.course import course_of
from tasks.core.run.events import Event
from tasks.core.run.phases import Course
from tasks.core.run.resume import Resumed

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


def read_course(client: "SFNClient", execution_arn: str) -> Course:
    """Return what an execution's own history says; of a Distributed Map's children nothing."""
    return course_of(iter_events(client, execution_arn))


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
    """Return what is known of an execution that is to be resumed."""
    try:
        status = client.describe_execution(executionArn=execution_arn)["status"]
    except client.exceptions.ExecutionDoesNotExist:
        return Resumed(execution_arn, status="")
    course = read_course(client, execution_arn)
    route, since = _replicated(client, course)
    return Resumed(
        execution_arn,
        status=status,
        plan=course.plan,
        route=route,
        replicated_since=since,
        error=course.error,
        resume_from=course.given.get("resume_from"),
        has_moved=course.document.cut_over is not None,
    )


def _replicated(client: "SFNClient", course: Course) -> tuple[Route | None, float]:
    """Return the route on which the run's replicator was seen at work, and when the execution that saw it began."""
    for link in iter_chain(client, course):
        if link.plan is not None and link.document.replicator is not None:
            return link.document.replicator.route, link.plan.begun_at
    return None, 0.0


def iter_chain(client: "SFNClient", course: Course) -> Iterator[Course]:
    """Yield the course of an execution, then of the one that it resumes, and so on to the first one of the run.

    The chain ends early where Step Functions has forgotten an execution, 90 days after its end.
    """
    for _ in range(CHAIN_MOST):
        yield course
        if course.plan is None or course.plan.resume_from is None:
            return
        try:
            course = read_course(client, course.plan.resume_from)
        except client.exceptions.ExecutionDoesNotExist:
            return
