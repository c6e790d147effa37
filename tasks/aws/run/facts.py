"""Facts of the tables and of what hangs on them, on which Preflight decides."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

from botocore.exceptions import ClientError

from tasks.aws.books.record import Record
from tasks.aws.dynamodb import tables
from tasks.aws.replicate import mappings
from tasks.aws.run import pointer
from tasks.aws.session import clients
from tasks.core.model.table_facts import TableFacts
from tasks.core.model.table_ref import TableAddress
from tasks.core.replicate.route import IN_USE
from tasks.core.run.plan import Facts
from tasks.core.settings.migration import Migration

AnswerT = TypeVar("AnswerT")


def read_facts(
    settings: Migration, record: Record | None, *, replicator: str, other_executions: tuple[str, ...] = ()
) -> Facts:
    """Return what stands there now. Nothing is changed to see it.

    Args:
        settings: name the tables and the migration.
        record: of the migration; `None` before it is deployed.
        replicator: its function's name.
        other_executions: of the migration, that are still running.
    """
    region = clients.own_region()
    at_source = TableAddress(name=settings.source_table, region=region)
    at_target = TableAddress(name=settings.target_table, region=region)
    source, target = _facts_of(at_source), _facts_of(at_target)
    earlier = None if record is None else record.read_plan()
    readers = mappings.find_mappings(source.stream_arn) if source is not None and source.stream_arn else []
    return Facts(
        region=region,
        known_regions=clients.known_regions(),
        source=source,
        target=target,
        target_has_items=target is not None and target.status in IN_USE and tables.has_items(at_target),
        earlier_plan=earlier,
        earlier_is_lost=record is not None and earlier is not None and record.lost_in_words(earlier.run) is not None,
        replicator_attached=any(reader.function_name == replicator for reader in readers),
        other_stream_readers=tuple(reader.function_name for reader in readers if reader.function_name != replicator),
        active_table=pointer.read_pointer(settings.migration),
        kinesis_destinations=() if source is None else _unless_refused(partial(tables.kinesis_destinations, at_source)),
        other_executions=other_executions,
        table_write_limit=_unless_refused(tables.write_limit),
        concurrency_left=_unless_refused(_concurrency_left),
    )


def _facts_of(table: TableAddress) -> TableFacts | None:
    described = tables.describe(table)
    if described is None:
        return None
    facts = tables.facts_of(described)
    if facts.status not in IN_USE:  # it is waited for, or refused, and DynamoDB knows nothing of its TTL
        return facts
    status, attribute = tables.read_ttl(table)
    return replace(facts, ttl_status=status, ttl_attribute=attribute)


def _concurrency_left() -> int:
    return clients.lambda_().get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]


def _unless_refused(ask: Callable[[], AnswerT]) -> AnswerT | None:
    try:
        return ask()
    except ClientError:
        # It only serves to tell the operator something; an account may forbid the call.
        return None
