"""Check everything that can be checked before anything is changed, and resolve the plan.

Reads: the execution's input, the deployed settings, the source, the target, mappings on the source's stream, the
pointer, the control table, other executions; of a run that is resumed also the history of the execution to go on from,
and how far its replicator is behind. Writes: nothing, so running it twice is safe.
"""

import time
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError
from pydantic import AwareDatetime, BaseModel, ConfigDict

from tasks.aws import clients, deployment, execution_history, executions, mappings, migration_record, pointer, tables
from tasks.aws.call import call
from tasks.aws.handler import deadline_of, task
from tasks.aws.lag import read_lag
from tasks.core.errors import Refused
from tasks.core.migration import Migration, apply_overrides, parse_migration
from tasks.core.plan import Facts, Plan, TableFacts, make_plan
from tasks.core.resume import (
    Replication,
    Resumed,
    inherited_settings,
    is_execution_of,
    plan_resumed,
    reasons_not_to_resume,
)

READABLE = frozenset({"ACTIVE", "UPDATING"})
"""What can be scanned; a table that is CREATING has no items yet, and any other status is refused."""


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
    call.is_of(deployed.migration, run=request.execution_name)
    settings = apply_overrides(deployed, request.input)
    begun_at = request.execution_started.timestamp()
    if settings.resume_from is None:
        return make_plan(settings, _facts(settings, request), run=request.execution_name, begun_at=begun_at)
    resumed = _resumed(settings.resume_from, request)
    if resumed.plan is not None:
        settings = apply_overrides(deployed, {**inherited_settings(resumed.plan), **request.input})
        call.is_of(deployed.migration, run=resumed.plan.run)
    facts = _facts(settings, request)
    replication = _replication(resumed, facts, deadline=deadline_of(context))
    return plan_resumed(settings, facts, resumed, replication, begun_at=begun_at, now=time.time())


def _resumed(resume_from: str, request: PreflightRequest) -> Resumed:
    """Return the execution to go on from.

    Raises:
        Refused: it can not be gone on from.
    """
    resumed = Resumed(resume_from, status="")
    if is_execution_of(resume_from, request.state_machine_arn):
        resumed = execution_history.read_resumed(clients.stepfunctions(), resume_from)
    reasons = reasons_not_to_resume(
        resumed,
        state_machine_arn=request.state_machine_arn,
        newest=migration_record.read_newest(),
        total_segments=request.input.get("total_segments"),
    )
    if reasons:
        raise Refused(" | ".join(reasons))
    return resumed


def _replication(resumed: Resumed, facts: Facts, *, deadline: float) -> Replication:
    stream_arn = facts.source.stream_arn if facts.source is not None else None
    rule = migration_record.read_rule()
    is_of_run = rule is not None and resumed.plan is not None and rule.run == resumed.plan.run
    lost: tuple[str, ...] = ()
    if stream_arn is not None and facts.replicator_attached:
        lost = read_lag(stream_arn, deadline=deadline).lost
    return Replication(
        is_attached=facts.replicator_attached,
        stream_arn=stream_arn,
        lost=lost,
        rule=rule.rule if rule is not None and is_of_run else None,
    )


def _facts(settings: Migration, request: PreflightRequest) -> Facts:
    source, target = _facts_of(settings.source_table), _facts_of(settings.target_table)
    ours = deployment.replicator_function()
    readers = mappings.find_mappings(source.stream_arn) if source is not None and source.stream_arn else []
    return Facts(
        region=clients.own_region(),
        known_regions=clients.known_regions(),
        source=source,
        target=target,
        target_has_items=target is not None and target.status in READABLE and tables.has_items(settings.target_table),
        earlier_plan=migration_record.read_plan(),
        replicator_attached=any(reader.function_name == ours for reader in readers),
        other_stream_readers=tuple(reader.function_name for reader in readers if reader.function_name != ours),
        active_table=pointer.read_pointer(settings.migration),
        other_executions=executions.running_before(request.state_machine_arn, request.execution_arn),
        table_write_limit=_table_write_limit(),
    )


def _facts_of(table: str) -> TableFacts | None:
    described = tables.describe(table)
    return None if described is None else tables.facts_of(described)


def _table_write_limit() -> int | None:
    try:
        return tables.write_limit()
    except ClientError:
        # It only serves a notice; an account may forbid the call.
        return None
