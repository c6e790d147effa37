"""Check everything that can be checked before anything is changed, and resolve the plan.

Done when: input, tables, stream, Regions and other executions are checked, and the plan is resolved; nothing was
changed.

Reads: the execution's input, the deployed settings, the source, the target, mappings on the source's stream, the
pointer, the control table, other executions; of a run that is resumed also the history of the execution to resume,
and how far its replicator is behind. Writes: nothing, so running it twice is safe.
"""

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.aws.books.books import Books, open_books, open_record
from tasks.aws.books.record import Record
from tasks.aws.replicate import mappings
from tasks.aws.replicate.lag import read_lag
from tasks.aws.run import execution_history, executions
from tasks.aws.run.facts import read_facts
from tasks.aws.session import clients, deployment
from tasks.aws.session.budget import deadline_of
from tasks.aws.session.call import call
from tasks.aws.session.handler import task
from tasks.core.errors import Refused
from tasks.core.run.plan import Facts, Plan, make_plan
from tasks.core.run.resume import (
    Replication,
    Resumed,
    inherited_settings,
    is_execution_of,
    plan_resumed,
    reasons_not_to_resume,
)
from tasks.core.settings.migration import Migration, apply_overrides, overrides_in, parse_migration


class PreflightRequest(BaseModel):
    """The execution's input as it was given, and which execution of which state machine it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Any
    execution_name: str
    execution_arn: str
    execution_started: AwareDatetime
    state_machine_arn: str


@task(PreflightRequest)
def handler(request: PreflightRequest, context: LambdaContext) -> Plan:
    """Return the plan, or refuse with every reason at once."""
    deployed = parse_migration(deployment.settings())
    call.identify(deployed.migration, run=request.execution_name)
    settings = apply_overrides(deployed, request.input)
    record = open_record()
    begun_at = request.execution_started.timestamp()
    if settings.resume_from is None:
        return make_plan(settings, _facts(settings, record, request), run=request.execution_name, begun_at=begun_at)
    resumed = _resumed(settings.resume_from, record, request)
    if resumed.plan is not None:
        settings = apply_overrides(deployed, {**inherited_settings(resumed.plan), **overrides_in(request.input)})
        call.identify(deployed.migration, run=resumed.plan.run)
    facts = _facts(settings, record, request)
    replication = _replication(open_books(request.execution_name), resumed, facts, deadline=deadline_of(context))
    return plan_resumed(settings, facts, resumed, replication, begun_at=begun_at, now=time.time())


def _resumed(resume_from: str, record: Record, request: PreflightRequest) -> Resumed:
    """Return the execution to resume.

    Raises:
        Refused: it cannot be resumed.
    """
    resumed = Resumed(resume_from, status="")
    if is_execution_of(resume_from, request.state_machine_arn):
        resumed = execution_history.read_resumed(clients.stepfunctions(), resume_from)
    reasons = reasons_not_to_resume(
        resumed,
        state_machine_arn=request.state_machine_arn,
        newest=record.read_newest(),
        lost=None if resumed.plan is None else record.lost_in_words(resumed.plan.run),
        total_segments=request.input.get("total_segments"),
    )
    if reasons:
        raise Refused(" | ".join(reasons))
    return resumed


def _replication(books: Books, resumed: Resumed, facts: Facts, *, deadline: float) -> Replication:
    stream_arn = facts.source.stream_arn if facts.source is not None else None
    mapping = mappings.find_mapping(stream_arn, deployment.replicator_function()) if stream_arn is not None else None
    rule = books.record.read_rule()
    is_of_run = rule is not None and resumed.plan is not None and rule.run == resumed.plan.run
    lost: tuple[str, ...] = ()
    watermarks = books.watermarks.read_all()
    is_read = mapping is not None or bool(watermarks)
    if stream_arn is not None and is_read and resumed.route is not None and stream_arn == resumed.route.stream_arn:
        lost = read_lag(books, resumed.route, deadline=deadline, is_glance=False).lost
    return Replication(
        mapping_id=None if mapping is None else mapping.uuid,
        stream_arn=stream_arn,
        lost=lost,
        rule=rule.rule if rule is not None and is_of_run else None,
        applied_at=max((watermark.applied_at for watermark in watermarks.values()), default=0.0),
    )


def _facts(settings: Migration, record: Record, request: PreflightRequest) -> Facts:
    return read_facts(
        settings,
        record,
        replicator=deployment.replicator_function(),
        other_executions=executions.running_before(request.state_machine_arn, request.execution_arn),
    )
