"""The resolved plan: what Preflight found, checked and decided. It is the input of every later state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError, model_validator

from tasks.core.copy.segment import plan_total_segments, plan_verify_segments
from tasks.core.errors import Refused, VersionsDiffer
from tasks.core.forecast.cost import cost_reasons
from tasks.core.forecast.counted import Counted, Seen
from tasks.core.forecast.estimate import estimate
from tasks.core.forecast.least import capacity_reasons
from tasks.core.forecast.replicas import replica_notices
from tasks.core.forecast.speed import concurrency_notices, planned_caps, time_notices, warm_notices, warm_reasons
from tasks.core.forecast.spent import Basis, basis_of
from tasks.core.model.item import LEGACY_REPLICATION_PREFIX
from tasks.core.model.shape import Shape, as_it_is
from tasks.core.model.table_facts import TableFacts
from tasks.core.model.table_ref import TableRef
from tasks.core.prove.digest import SOURCE, TARGET, plan_buckets, replica_in
from tasks.core.replicate.route import IN_USE
from tasks.core.run.target_fit import STREAM_VIEW_TYPE, target_notices, target_reasons, vector_index_reasons
from tasks.core.settings.caps import Caps
from tasks.core.settings.migration import Knobs, Migration, MigrationName, SegmentCount, other_form

STREAM_READERS_MOST = 2
"""A shard that more readers poll is throttled (DynamoDB, "Reading and processing a stream")."""

STREAM_READERS_OF_A_GLOBAL_TABLE = 1
"""What DynamoDB recommends there ("Service quotas": simultaneous readers of a shard)."""


class Plan(Knobs):
    """All that a migration's tasks need to know: the settings as they were resolved, and what was found."""

    migration: MigrationName
    run: str
    """Name of the execution that began; receipts and digests are kept under it. One that resumes it takes it over."""
    begun_at: float
    """When this execution began, epoch seconds: of two the later one counts. A redrive leaves it as it was."""
    run_begun_at: float | None = None
    """When the run's first execution began, epoch seconds; `None` in a plan of before this was kept."""
    basis: Basis = Basis()
    """By what its units become money."""
    source: TableRef
    """As Preflight found it: the plan is none for another table of that name."""
    target: TableRef
    """Without an id it was not there, and is made."""
    stream_was_enabled: bool
    """Whether the source had its stream before us; if not, it is turned off again at the end."""
    total_segments: SegmentCount
    verify_segments: int
    buckets: int
    caps: Caps = Caps()
    """Of what the run reads and writes, unless an operator sets others while it runs."""
    page_read_units: float = 0.5
    """About what a page of the scan takes, before the first one has said."""
    item_write_units: float = 1.0
    """About what an item takes of the target, its indexes included, before the first one has said."""
    notices: tuple[str, ...] = ()
    """What the operator should know and need not act on."""
    to_move: tuple[str, ...] = ()
    """What hangs on the source, and is its owner's to move or to make anew at the target."""

    @property
    def regions_first(self) -> tuple[str, ...]:
        """The Regions that get their replica before the backfill."""
        return self.replica_regions if self.add_replicas == "first" else ()

    @property
    def regions_after_backfill(self) -> tuple[str, ...]:
        """The Regions that get their replica behind the backfill, and before the proof."""
        return self.replica_regions if self.add_replicas == "after-backfill" else ()

    @property
    def replicas(self) -> Mapping[str, TableRef]:
        """The target's replicas that are wanted, by Region. Each has an id of its own, which nobody asks for."""
        return {
            region: self.target.model_copy(update={"region": region, "id": None}) for region in self.replica_regions
        }

    @property
    def proven(self) -> Mapping[str, TableRef]:
        """The tables of the proof by their roles: the source, and those that are compared with it."""
        replicas = {replica_in(region): table for region, table in self.replicas.items()}
        return {SOURCE: self.source, TARGET: self.target, **replicas}

    @property
    def shape(self) -> Shape:
        """The shape that the source's items have at the target: as they are."""
        return as_it_is

    @model_validator(mode="after")
    def _says_every_knob(self) -> Self:
        """Refuse a plan that leaves a setting out: the defaults are of this version, and the plan may be of another."""
        left_out = [name for name in Knobs.model_fields if name not in self.model_fields_set]
        if left_out:
            raise ValidationError.from_exception_data(
                type(self).__name__, [{"type": "missing", "loc": (name,), "input": {}} for name in left_out]
            )
        return self


@dataclass(frozen=True, slots=True)
class Facts:
    """What Preflight saw. Nothing in it was changed to see it."""

    region: str
    known_regions: frozenset[str]
    source: TableFacts | None
    target: TableFacts | None
    target_has_items: bool
    earlier_plan: Plan | None
    """Of a run of this migration that did not end."""
    replicator_attached: bool
    """Whether this migration's replicator has its mapping on the source's stream."""
    other_stream_readers: tuple[str, ...]
    """Functions of other mappings on the source's stream."""
    active_table: str | None
    """What the pointer says; `None` before the first cut-over."""
    kinesis_destinations: tuple[str, ...] | None = ()
    """ARNs of Kinesis streams that DynamoDB sends the source's changes to; `None`: it could not be asked."""
    earlier_is_lost: bool = False
    """Whether a state of that run has found changes lost: its items are of no use any more."""
    other_executions: tuple[str, ...] = ()
    """ARNs of this state machine's executions that were started before this one and are still running."""
    table_write_limit: int | None = None
    """The account's limit of write units a second for one table, where it is known."""
    concurrency_left: int | None = None
    """How many calls of functions without a share of their own Lambda runs at once in this account; the same."""


def parse_plan(stored: object) -> Plan:
    """Return the plan that is kept in the control table.

    Raises:
        VersionsDiffer: it is of another form: it comes from another version, and would be misread.
    """
    try:
        return Plan.model_validate(stored)
    except ValidationError as error:
        raise VersionsDiffer(
            "the control table holds the plan of a run that another version of tableferry began, and this one cannot "
            f"read it ({other_form(error)}); deploy the version that it began with and let it end, or give that run "
            "up: `make destroy`, then deploy this version anew"
        ) from None


def make_plan(settings: Migration, facts: Facts, *, run: str, begun_at: float) -> Plan:
    """Check the settings against the facts and resolve them.

    Raises:
        Refused: with every reason at once, each as what, why and the way out.
    """
    source = facts.source
    reasons = reasons_against(settings, facts)
    if reasons or source is None:
        raise Refused(" | ".join(reasons))
    total_segments = settings.total_segments or plan_total_segments(source.size_bytes)
    return Plan(
        migration=settings.migration,
        run=run,
        begun_at=begun_at,
        run_begun_at=begun_at,
        basis=basis_of(Counted(settings, Seen(source=source, target=facts.target))),
        source=TableRef(name=source.name, region=facts.region, account=source.account, key=source.key, id=source.id),
        target=TableRef(
            name=settings.target_table,
            region=facts.region,
            account=source.account,
            key=source.key,
            id=None if facts.target is None else facts.target.id,
        ),
        stream_was_enabled=_stream_was_enabled(facts),
        verify_segments=plan_verify_segments(total_segments, tables=2 + len(settings.replica_regions)),
        buckets=plan_buckets(source.item_count),
        **capacity_of_run(settings, facts, source, total_segments=total_segments),
        notices=tuple(notices_for(settings, facts, source)),
        to_move=tuple(to_move(facts, source)),
        **{**settings.knobs(), "total_segments": total_segments},
    )


def capacity_of_run(settings: Migration, facts: Facts, source: TableFacts, *, total_segments: int) -> dict[str, Any]:
    """Return what a plan says of capacity, by its fields."""
    copy = estimate(source)
    return {
        "caps": planned_caps(settings, source, facts.target),
        "page_read_units": copy.page_read_units(total_segments),
        "item_write_units": copy.write_units_an_item,
    }


def _stream_was_enabled(facts: Facts) -> bool:
    """An earlier, unfinished run may have turned the stream on: then it was not the owner."""
    if facts.earlier_plan is not None and facts.replicator_attached:
        return facts.earlier_plan.stream_was_enabled
    return facts.source is not None and facts.source.stream_arn is not None


def reasons_against(settings: Migration, facts: Facts, *, keeps_items: bool = False) -> list[str]:
    """Return why a migration cannot be run with these settings, each reason as what, why and the way out.

    Args:
        settings: with the execution's overrides.
        facts: what Preflight saw.
        keeps_items: the target's items are known to be those of the run that is resumed.
    """
    reasons = _source_reasons(settings, facts)
    if facts.target is not None:
        reasons += target_reasons(settings, facts.source, facts.target, keeps_items=keeps_items)
    if facts.target_has_items and not keeps_items and not _is_ours(facts):
        reasons.append(
            f"target_table {settings.target_table} has items that no unfinished run of this migration put there; "
            "items that the source does not have would stay for ever: empty it, or name another target"
        )
    unknown = [region for region in settings.replica_regions if region not in facts.known_regions]
    if unknown:
        reasons.append(
            f"replica_regions names {', '.join(unknown)}, which is no Region that DynamoDB is known to be in; "
            "correct the name"
        )
    if facts.region in settings.replica_regions:
        reasons.append(f"replica_regions names {facts.region}, where the target itself is; name only the other Regions")
    if facts.other_executions:
        reasons.append(running_reason(facts.other_executions))
    if facts.source is not None and not keeps_items:
        reasons += capacity_reasons(settings, facts.source, facts.target)
        reasons += cost_reasons(settings, facts.source, facts.target, table_write_limit=facts.table_write_limit)
    if facts.target is None:
        reasons += warm_reasons(settings, table_write_limit=facts.table_write_limit)
    if facts.active_table is not None:
        reasons += pointer_reasons(settings.source_table, settings.target_table, facts.active_table)
    return reasons


def running_reason(execution_arns: Sequence[str]) -> str:
    """Return why nothing is started beside executions that are running."""
    return (
        f"another execution of this migration is running ({', '.join(execution_arns)}), and two would undo each "
        "other's steps; wait for it, or stop it first: `python -m workflow status --watch` shows how far it is"
    )


def pointer_reasons(source_table: str, target_table: str, active_table: str) -> list[str]:
    """Return why traffic cannot be moved from where the pointer says that it is."""
    if active_table == source_table:
        return []
    if active_table == target_table:
        words = (
            f"the pointer already says {target_table}: this migration has been cut over; "
            "to migrate on, deploy a migration whose source is that table"
        )
    else:
        words = (
            f"the pointer says {active_table}, which is neither {source_table} nor {target_table}: the application "
            f"writes there, and not to the table that is copied; deploy a migration whose source is {active_table}, or "
            f"point the application to {source_table} first"
        )
    return [words]


def _source_reasons(settings: Migration, facts: Facts) -> list[str]:
    source = facts.source
    if source is None:
        return [f"source_table {settings.source_table} does not exist in {facts.region}; correct its name"]
    reasons = []
    if source.status not in IN_USE:
        reasons.append(f"source_table {source.name} is {source.status}; start again when it is ACTIVE")
    if source.stream_arn is not None and source.stream_view_type != STREAM_VIEW_TYPE:
        reasons.append(
            f"the stream of {source.name} has view type {source.stream_view_type}, and changes can only be replicated "
            f"from {STREAM_VIEW_TYPE}; disable that stream if nothing needs it (this migration then makes its own), "
            "or move its readers to one with both images"
        )
    global_indexes = [index.name for index in source.indexes if index.is_global]
    unknown = [name for name in settings.without_indexes if name not in global_indexes]
    if unknown and facts.target is None:  # else it says nothing any more: the target is there
        reasons.append(
            f"without_indexes names {', '.join(unknown)}, and the global indexes of {source.name} are "
            f"{', '.join(global_indexes) or 'none'}; correct the name (a local index cannot be added later)"
        )
    if facts.target is None:
        reasons += vector_index_reasons(settings, source)
    if len(facts.other_stream_readers) >= STREAM_READERS_MOST:
        reasons.append(
            f"the stream of {source.name} already has {len(facts.other_stream_readers)} readers "
            f"({', '.join(facts.other_stream_readers)}), and a third is throttled; "
            "detach one for the time of the migration"
        )
    return reasons


def _is_ours(facts: Facts) -> bool:
    """Items of an earlier run may stay as long as its replicator has kept them current."""
    earlier = facts.earlier_plan
    return (
        earlier is not None
        and not facts.earlier_is_lost
        and facts.replicator_attached
        and facts.source is not None
        and facts.target is not None
        and (earlier.source.name, earlier.target.name) == (facts.source.name, facts.target.name)
    )


def notices_for(settings: Migration, facts: Facts, source: TableFacts) -> list[str]:
    """Return what the operator should know and need not act on."""
    notices = []
    if settings.replica_regions and facts.target is None and not source.replica_regions:
        notices.append(
            "if all you want is replicas of the source in other Regions, no copy is needed: "
            f"aws dynamodb update-table --table-name {source.name} "
            f"--replica-updates 'Create={{RegionName={settings.replica_regions[0]}}}'"
        )
    if source.replica_regions and len(facts.other_stream_readers) >= STREAM_READERS_OF_A_GLOBAL_TABLE:
        notices.append(
            f"{source.name} is a global table, and DynamoDB recommends one reader of its stream; with the replicator "
            f"there are {len(facts.other_stream_readers) + 1}: watch for throttled reads, or detach "
            f"{', '.join(facts.other_stream_readers)} for the time of the migration"
        )
    if settings.replica_regions:
        notices.append(
            f"until DetachReplicator has ended, let the application write to {settings.target_table} in {facts.region} "
            "only: a late change of the source cannot see a write that another Region has not brought yet"
        )
    if source.stream_arn is None:
        notices.append(
            f"the stream of {source.name} is turned on for the time of the migration. If a template owns that table, "
            "its next deployment may turn it off again, and the migration then ends with ChangesLost: write "
            f"StreamViewType {STREAM_VIEW_TYPE} into the template first, or deploy nothing until DetachReplicator"
        )
    if facts.target is None:
        notices += _notices_of_a_new_target(settings, source)
    else:
        notices += target_notices(source, facts.target)
    notices += replica_notices(settings, source, facts.target)
    if facts.target_has_items:
        notices.append(f"{settings.target_table} keeps the items of this migration's earlier run")
    notices += concurrency_notices(settings, facts.concurrency_left)
    notices += warm_notices(settings, source, facts.target)
    return notices + time_notices(settings, source, facts.target, table_write_limit=facts.table_write_limit)


def _notices_of_a_new_target(settings: Migration, source: TableFacts) -> list[str]:
    notices = []
    useless = [index.name for index in source.indexes if not index.can_be_copied]
    if useless:
        notices.append(
            f"{settings.target_table} is made without {', '.join(useless)}: an index that is being deleted, or is "
            f"over {LEGACY_REPLICATION_PREFIX}… attributes, which are never copied"
        )
    if settings.without_indexes:
        notices.append(
            f"{settings.target_table} is made without {', '.join(settings.without_indexes)}, as without_indexes says: "
            "add them while ApproveCutOver waits, and say yes when they are ACTIVE, or queries by them fail behind the "
            "cut-over (with approval: automatic it does not wait)"
        )
    return notices


def to_move(facts: Facts, source: TableFacts) -> list[str]:
    """Return what hangs on the source and falls silent, or is missing at the target, behind the cut-over."""
    things = [f"the trigger {reader} reads the source's stream" for reader in facts.other_stream_readers]
    if facts.kinesis_destinations is None:
        things.append("a Kinesis stream that the source's changes go to, if there is one: it could not be asked for")
    else:
        things += [f"the source's changes go to the Kinesis stream {arn}" for arn in facts.kinesis_destinations]
    target = facts.target
    if source.is_protected and target is not None and not target.is_protected:
        things.append("the source has deletion protection, and the target has none")
    class_of_target = "STANDARD" if target is None else target.table_class
    if source.table_class != class_of_target:
        things.append(f"the source is of table class {source.table_class}, and the target of {class_of_target}")
    return things
