"""The route as it stands now: the source, its stream, the mapping that feeds the replicator, the target."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tasks.aws.books.books import Books
from tasks.aws.dynamodb import tables
from tasks.aws.replicate import mappings
from tasks.aws.session import deployment
from tasks.core.errors import ChangesLost, LateChangesLost
from tasks.core.replicate.route import Route, Seen, check_late_route, check_route
from tasks.core.run.plan import Plan

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


def check(books: Books, plan: Plan, route: Route, *, with_replicas: bool = True) -> None:
    """Make sure, before traffic moves, that everything is still what was named when the replicator was attached.

    Args:
        books: of the run.
        plan: names the replicas that are wanted.
        route: as AttachReplicator named it.
        with_replicas: whether each replica has to be there already. One that is added again takes its time.

    Raises:
        ChangesLost: changes of the source may be in neither the stream that is read nor the target, or were found to be
            at some earlier look.
        PreconditionFailed: a table or a replica is not there to be used, or nothing brings the target changes.
        Superseded: another execution has taken over.
    """
    # First: what an execution named that was overtaken says nothing of the later one's table.
    books.record.check_latest(plan)
    books.record.check_not_lost(plan)
    with _noting_losses(books, plan):
        check_route(route, _seen(route), plan.replica_regions if with_replicas else ())


def check_source(books: Books, plan: Plan, route: Route) -> None:
    """Make sure that the source still streams into the very stream that is replicated; at the price of one call.

    Whoever takes a stream's tips asks this behind them: only then the tips are all that the source had taken.

    Raises:
        ChangesLost: it does not.
        PreconditionFailed: the source cannot be used at the moment.
    """
    source = tables.describe(route.source)
    seen = Seen(
        _id_of(source),
        _stream_of(source),
        mapping_id=route.mapping_id,
        target_id=route.target.id,
        source_status=_status_of(source),
    )
    with _noting_losses(books, plan):
        check_route(route, seen)


def check_late(books: Books, plan: Plan, route: Route) -> None:
    """Make sure, once traffic has moved, that what still reaches the source is carried over.

    Raises:
        LateChangesLost: late writes to the source may be missing from the target.
        PreconditionFailed: nothing brings the target late changes at the moment.
        Superseded: another execution has taken over.
    """
    books.record.check_latest(plan)
    try:
        books.record.check_not_lost(plan)
    except ChangesLost as lost:  # whose way out would have the table deleted that traffic is at
        raise LateChangesLost(str(lost)) from None
    with _noting_losses(books, plan):
        check_late_route(route, _seen(route))


@contextmanager
def _noting_losses(books: Books, plan: Plan) -> Iterator[None]:
    """Note a loss: a filter that is taken off again, say, brings nothing back, and the next look would not see it."""
    try:
        yield
    except ChangesLost as lost:
        books.record.put_lost(plan, str(lost))
        raise


def _seen(route: Route) -> Seen:
    source, target, mapping = tables.describe(route.source), tables.describe(route.target), _mapping(route)
    return Seen(
        _id_of(source),
        _stream_of(source),
        mapping_id=None if mapping is None else mapping.uuid,
        target_id=_id_of(target),
        source_status=_status_of(source),
        target_status=_status_of(target),
        mapping_state="" if mapping is None else mapping.state,
        skips_changes=mapping is not None and mapping.skips_changes,
        replicas={} if target is None else tables.replica_states(target),
    )


def _status_of(table: "TableDescriptionTypeDef | None") -> str:
    return "gone" if table is None else table["TableStatus"]


def _id_of(table: "TableDescriptionTypeDef | None") -> str | None:
    """Return the TableId, `None` for a table that is not there or on its way out."""
    return None if table is None or table["TableStatus"] == "DELETING" else table["TableId"]


def _stream_of(source: "TableDescriptionTypeDef | None") -> str | None:
    return None if source is None else tables.facts_of(source).stream_arn


def _mapping(route: Route) -> mappings.EventSourceMapping | None:
    ours = [
        mapping
        for mapping in mappings.find_mappings(route.stream_arn)
        if mapping.function_name == deployment.replicator_function() and mapping.state != "Deleting"
    ]
    named = [mapping for mapping in ours if mapping.uuid == route.mapping_id]
    return next(iter([*named, *ours]), None)
