"""Whether a target that was made beforehand fits its source: what queries or the backfill would break on is refused."""

from collections.abc import Sequence
from typing import Final

from tasks.core.errors import PreconditionFailed
from tasks.core.model.item import KeySchema
from tasks.core.model.table_facts import Index, TableFacts
from tasks.core.replicate.route import IN_USE
from tasks.core.settings.migration import Migration

STREAM_VIEW_TYPE: Final = "NEW_AND_OLD_IMAGES"
TARGET_STATUSES = frozenset({"ACTIVE", "CREATING", "UPDATING"})


def target_reasons(
    settings: Migration, source: TableFacts | None, target: TableFacts, *, keeps_items: bool = False
) -> list[str]:
    """Return why the target cannot be copied to, each reason as what, why and the way out.

    Args:
        settings: of the execution.
        source: `None` if it is not there.
        target: as it is now.
        keeps_items: it is that of a run that is resumed. Then an index may have been added as `without_indexes` has it,
            and units may have been taken away behind the backfill.
    """
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
    if source is not None:
        reasons += _index_reasons(settings, source, target)
        if not keeps_items:
            reasons += _early_index_reasons(settings, target)
    return reasons + _replica_reasons(settings, target) + _ttl_reasons(target)


def target_notices(source: TableFacts, target: TableFacts) -> list[str]:
    """Return what differs, and breaks nothing by itself."""
    notices = []
    own = [index.name for index in target.indexes if index.name not in {other.name for other in source.indexes}]
    if own:
        notices.append(
            f"{target.name} has {', '.join(own)}, which {source.name} has not: an item whose attribute that index can "
            "not take is refused there, and kept as a reject"
        )
    wider = [index.name for index in target.indexes if _is_wider(index, source)]
    if wider:
        notices.append(
            f"{', '.join(wider)} of {target.name} hold more of each item than those of {source.name}: writes cost more"
        )
    if target.write_units is not None:
        notices.append(
            f"{target.name} takes {target.write_units} write units a second, for the backfill and the replicator "
            "together, and later for its traffic; a target that is made for you is on demand"
        )
    if not target.is_protected:
        notices.append(
            f"{target.name} has no deletion protection; turn it on, so that nobody deletes what is proven before "
            "traffic moves there"
        )
    return notices


def check_indexes(source: TableFacts, target: TableFacts, without_indexes: Sequence[str]) -> list[str]:
    """Make sure, before traffic moves, that queries by an index of the source find it at the target.

    Returns:
        The names of the target's indexes that are still being made: they are worth waiting for.

    Raises:
        PreconditionFailed: an index was deleted there since Preflight, or was added at the source.
    """
    there = {index.name for index in target.indexes if index.status != "DELETING"}
    missing = [
        index.in_full()
        for index in source.indexes
        if index.status in IN_USE
        and index.can_be_copied
        and index.name not in there
        and index.name not in without_indexes
    ]
    if missing:
        raise PreconditionFailed(
            f"{target.name} does not have {'; '.join(missing)}, and {source.name} does, so queries by it would fail "
            "behind the cut-over. Traffic stays where it is. Add that index, then redrive"
        )
    return [index.name for index in target.indexes if index.status == "CREATING"]


def vector_index_reasons(settings: Migration, source: TableFacts) -> list[str]:
    """Return why a target cannot be made in a source's shape: none is made with a vector index."""
    left_out = [
        index.in_full()
        for index in source.indexes
        if index.is_vector and index.can_be_copied and index.name not in settings.without_indexes
    ]
    if not left_out:
        return []
    words = (
        f"{source.name} has {'; '.join(left_out)}, and the target is not made with a vector index, so searches by it "
        "would fail behind the cut-over; name it in without_indexes, and add it to the target once the proof is green, "
        "or make the target beforehand, with that index"
    )
    return [words]


def _is_wider(index: Index, source: TableFacts) -> bool:
    return any(
        index.name == other.name and index.serves_as(other) and index.projection != other.projection
        for other in source.indexes
    )


def _index_reasons(settings: Migration, source: TableFacts, target: TableFacts) -> list[str]:
    reasons = []
    there = {index.name: index for index in target.indexes if index.status != "DELETING"}
    for index in source.indexes:
        found = there.get(index.name)
        if found is None and index.can_be_copied and index.name not in settings.without_indexes:
            reasons.append(_missing(source, target, index))
        elif found is not None and not found.serves_as(index):
            reasons.append(
                f"index {index.name} of target_table {target.name} is {found.in_words()}, and that of {source.name} is "
                f"{index.in_words()}: queries or writes would fail; delete it there, and add it as the source has it"
            )
    return reasons


def _early_index_reasons(settings: Migration, target: TableFacts) -> list[str]:
    early = [index.name for index in target.indexes if index.name in settings.without_indexes]
    if not early:
        return []
    words = (
        f"target_table {target.name} has {', '.join(early)}, which without_indexes names; delete that index there and "
        "wait until it is gone, or leave it out of without_indexes"
    )
    return [words]


def _missing(source: TableFacts, target: TableFacts, index: Index) -> str:
    way_out = (
        "add it there, or name it in without_indexes to add it once the proof is green"
        if index.is_global
        else "delete the target (it is then made with it: a local index cannot be added later), or name it in "
        "without_indexes if no query needs it any more"
    )
    return (
        f"target_table {target.name} does not have {index.in_full()}, and {source.name} does: queries by it would fail "
        f"behind the cut-over; {way_out}"
    )


def _replica_reasons(settings: Migration, target: TableFacts) -> list[str]:
    wanted = [region for region in settings.replica_regions if region not in target.replica_regions]
    reasons = []
    if settings.replica_regions and target.stream_arn is not None and target.stream_view_type != STREAM_VIEW_TYPE:
        reasons.append(
            f"the stream of {target.name} has view type {target.stream_view_type}, and a global table replicates by "
            f"{STREAM_VIEW_TYPE}; disable that stream (it is then made anew), or name another target"
        )
    if wanted and target.is_provisioned:
        reasons.append(
            f"target_table {target.name} has provisioned write units, and DynamoDB adds a replica only where they are "
            "scaled automatically; switch it to on demand, or add the replicas yourself before you start: "
            f"{', '.join(wanted)}"
        )
    return reasons


def _ttl_reasons(target: TableFacts) -> list[str]:
    if target.ttl_status == "DISABLED":
        return []
    words = (
        f"items of target_table {target.name} expire by {target.ttl_attribute} (TTL is {target.ttl_status}): they "
        "would vanish while the tables are compared, and afterwards whether the source lets them expire or not; "
        f"turn it off (aws dynamodb update-time-to-live --table-name {target.name} --time-to-live-specification "
        f"Enabled=false,AttributeName={target.ttl_attribute}) and start again when it is DISABLED: CutOver turns "
        "on what the source has (that of an earlier execution may have; DynamoDB takes one such change an hour)"
    )
    return [words]


def _key_in_words(key: KeySchema) -> str:
    words = f"{key.hash_name} ({key.hash_type})"
    return words if key.range_name is None else f"{words}, {key.range_name} ({key.range_type})"
