"""The resolved plan: what Preflight found, checked and decided. It is the input of every later state."""

from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel, ConfigDict

from tasks.core.digest import plan_buckets
from tasks.core.errors import Refused
from tasks.core.item import KeySchema
from tasks.core.migration import Migration
from tasks.core.segment import plan_total_segments, plan_verify_segments

STREAM_VIEW_TYPE: Final = "NEW_AND_OLD_IMAGES"
STREAM_READERS_MOST = 2
"""A shard that more readers poll is throttled (DynamoDB, "Reading and processing a stream")."""

STREAM_READERS_OF_A_GLOBAL_TABLE = 1
"""What DynamoDB recommends there ("Service quotas": simultaneous readers of a shard)."""

TARGET_STATUSES = frozenset({"ACTIVE", "CREATING", "UPDATING"})

NEW_TABLE_WRITES_PER_SECOND = 4000
"""What a new on-demand table takes before it has ever had a peak."""


class Plan(BaseModel):
    """All that a migration's tasks need to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    migration: str
    run: str
    """Name of the execution that began; receipts and digests are kept under it. One that resumes it takes it over."""
    begun_at: float
    """When this execution began, epoch seconds: of two the later one counts. A redrive leaves it as it was."""
    resume_from: str | None = None
    """ARN of the execution that this one goes on from."""
    source_table: str
    target_table: str
    key: KeySchema
    region: str
    """Where source and target are."""
    replica_regions: tuple[str, ...]
    stream_was_enabled: bool
    """Whether the source had its stream before us; if not, it is turned off again at the end."""
    version_attribute: str | None
    approval: str
    total_segments: int
    max_concurrency: int
    verify_segments: int
    buckets: int
    settle_seconds: int
    lag_limit_seconds: int
    quiet_seconds: int
    notices: tuple[str, ...] = ()
    """What the operator should know and need not act on."""


@dataclass(frozen=True, slots=True)
class TableFacts:
    """What DescribeTable says of a table, as far as it matters here."""

    name: str
    arn: str
    status: str
    key: KeySchema
    item_count: int
    """DynamoDB counts every six hours; 0 for a new table."""
    size_bytes: int
    stream_arn: str | None = None
    """`None` without an enabled stream."""
    stream_view_type: str | None = None
    replica_regions: tuple[str, ...] = ()


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
    other_executions: tuple[str, ...] = ()
    """ARNs of this state machine's executions that were started before this one and are still running."""
    table_write_limit: int | None = None
    """The account's limit of write units a second for one table, where it is known."""
    notices: tuple[str, ...] = field(default=())


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
        source_table=settings.source_table,
        target_table=settings.target_table,
        key=source.key,
        region=facts.region,
        replica_regions=settings.replica_regions,
        stream_was_enabled=_stream_was_enabled(facts),
        version_attribute=settings.version_attribute,
        approval=settings.approval,
        total_segments=total_segments,
        max_concurrency=settings.max_concurrency,
        verify_segments=plan_verify_segments(total_segments),
        buckets=plan_buckets(source.item_count),
        settle_seconds=settings.settle_seconds,
        lag_limit_seconds=settings.lag_limit_seconds,
        quiet_seconds=settings.quiet_seconds,
        notices=tuple(notices_for(settings, facts, source)),
    )


def _stream_was_enabled(facts: Facts) -> bool:
    """An earlier, unfinished run may have turned the stream on: then it was not the owner."""
    if facts.earlier_plan is not None and facts.replicator_attached:
        return facts.earlier_plan.stream_was_enabled
    return facts.source is not None and facts.source.stream_arn is not None


def reasons_against(settings: Migration, facts: Facts, *, keeps_items: bool = False) -> list[str]:
    """Return why a migration can not be run with these settings, each reason as what, why and the way out.

    Args:
        settings: with the execution's overrides.
        facts: what Preflight saw.
        keeps_items: the target's items are known to be those of the run that is resumed.
    """
    reasons = _source_reasons(settings, facts) + _target_reasons(settings, facts)
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
        reasons.append(
            f"another execution of this migration is running ({', '.join(facts.other_executions)}), and two would undo "
            "each other's steps; wait for it, or stop it first"
        )
    if facts.active_table == settings.target_table:
        reasons.append(
            f"the pointer already says {settings.target_table}: this migration has been cut over; "
            "to migrate on, deploy a migration whose source is that table"
        )
    return reasons


def _source_reasons(settings: Migration, facts: Facts) -> list[str]:
    source = facts.source
    if source is None:
        return [f"source_table {settings.source_table} does not exist in {facts.region}; correct its name"]
    reasons = []
    if source.status != "ACTIVE":
        reasons.append(f"source_table {source.name} is {source.status}; start again when it is ACTIVE")
    if source.stream_arn is not None and source.stream_view_type != STREAM_VIEW_TYPE:
        reasons.append(
            f"the stream of {source.name} has view type {source.stream_view_type}, and changes can only be replicated "
            f"from {STREAM_VIEW_TYPE}; disable that stream if nothing needs it (this migration then makes its own), "
            "or move its readers to one with both images"
        )
    if len(facts.other_stream_readers) >= STREAM_READERS_MOST:
        reasons.append(
            f"the stream of {source.name} already has {len(facts.other_stream_readers)} readers "
            f"({', '.join(facts.other_stream_readers)}), and a third is throttled; "
            "detach one for the time of the migration"
        )
    return reasons


def _target_reasons(settings: Migration, facts: Facts) -> list[str]:
    target, source = facts.target, facts.source
    if target is None:
        return []
    reasons = []
    if target.status not in TARGET_STATUSES:
        reasons.append(
            f"target_table {target.name} is {target.status}; start again when it is ACTIVE or gone, "
            "or name another target"
        )
    if source is not None and target.key != source.key:
        reasons.append(
            f"target_table {target.name} has the key {_key_in_words(target.key)}, its source has "
            f"{_key_in_words(source.key)}; delete the target (it is then made with the source's key) or name another"
        )
    if settings.replica_regions and target.stream_arn is not None and target.stream_view_type != STREAM_VIEW_TYPE:
        reasons.append(
            f"the stream of {target.name} has view type {target.stream_view_type}, and a global table replicates by "
            f"{STREAM_VIEW_TYPE}; disable that stream (it is then made anew), or name another target"
        )
    return reasons


def _is_ours(facts: Facts) -> bool:
    """Items of an earlier run may stay as long as its replicator has kept them current."""
    earlier = facts.earlier_plan
    return (
        earlier is not None
        and facts.replicator_attached
        and facts.source is not None
        and facts.target is not None
        and (earlier.source_table, earlier.target_table) == (facts.source.name, facts.target.name)
    )


def notices_for(settings: Migration, facts: Facts, source: TableFacts) -> list[str]:
    """Return what the operator should know and need not act on."""
    notices = list(facts.notices)
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
            "only: a late change of the source can not see a write that another Region has not brought yet"
        )
    if facts.target_has_items:
        notices.append(f"{settings.target_table} keeps the items of this migration's earlier run")
    writes = min(NEW_TABLE_WRITES_PER_SECOND, facts.table_write_limit or NEW_TABLE_WRITES_PER_SECOND)
    hours = source.item_count / writes / 3600
    if hours >= 1:
        notices.append(
            f"{source.item_count} items take about {hours:.0f} h at the {writes} writes/s that a new on-demand table "
            "starts with; raise the target's warm throughput to go faster"
        )
    return notices


def _key_in_words(key: KeySchema) -> str:
    words = f"{key.hash_name} ({key.hash_type})"
    return words if key.range_name is None else f"{words}, {key.range_name} ({key.range_type})"
