"""The route that changes take from the source to the target, each part by an identity that never comes back.

A name is no identity. A table that is made anew has the name of the one before it and nothing of what was copied; a
stream that is turned off and on again is another stream, and what the source took in between is in none. DynamoDB and
Lambda give every table, stream and mapping an identity once and never again. So whoever finds the identities of the
beginning at the end knows that nothing was taken away and put back in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from tasks.core.errors import ChangesLost, LateChangesLost, PreconditionFailed
from tasks.core.model.table_ref import TableRef

IN_USE: Final = frozenset({"ACTIVE", "UPDATING"})
"""Statuses of a table, and of a replica, that can be read and written. Autoscaling alone makes a table UPDATING."""


FORWARD: Final = "forward"
"""From the source to the target."""


class Route(BaseModel):
    """What the copy rests on, as AttachReplicator saw it at work. Everything that is proven later is proven of this."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    direction: Literal["forward"] = FORWARD
    """Under which the replicator's rule, its watermarks and the tips that waits are for are kept."""
    source: TableRef
    target: TableRef
    stream_arn: str
    """Of the source's stream. It ends in the time at which the stream was turned on."""
    mapping_id: str
    """UUID of the mapping that feeds the replicator."""

    @model_validator(mode="after")
    def _names_tables_that_are_there(self) -> Self:
        if self.source.id is None or self.target.id is None:
            raise ValueError("a route goes between tables that are there, each with its id")
        return self


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands where the route went, at one moment. `None`: nothing, or what is being deleted."""

    source_id: str | None
    stream_arn: str | None
    """`None` without an enabled stream."""
    mapping_id: str | None
    target_id: str | None
    source_status: str = "ACTIVE"
    target_status: str = "ACTIVE"
    mapping_state: str = "Enabled"
    skips_changes: bool = False
    """Whether the mapping has a filter, or gives changes up after some tries or at some age."""
    replicas: Mapping[str, str] = field(default_factory=dict)
    """The target's replicas, Region to status."""


class Breach(StrEnum):
    """How a route is no longer what it was."""

    SOURCE_GONE = "source gone"
    SOURCE_ANEW = "source made anew"
    SOURCE_OUT_OF_REACH = "source out of reach"
    STREAM_OFF = "stream turned off"
    STREAM_ANEW = "stream turned off and on again"
    MAPPING_ANEW = "mapping made anew"
    MAPPING_SKIPS = "mapping skips changes"
    MAPPING_GONE = "mapping gone"
    MAPPING_OFF = "mapping switched off"
    TARGET_GONE = "target gone"
    TARGET_ANEW = "target made anew"
    TARGET_OUT_OF_REACH = "target out of reach"
    REPLICA_GONE = "replica gone"


SOURCE_IS_LOST: Final = frozenset({Breach.SOURCE_GONE, Breach.SOURCE_ANEW})
"""Behind these the target may be the only copy that is left."""
CHANGES_ARE_LOST: Final = SOURCE_IS_LOST | {
    Breach.STREAM_OFF,
    Breach.STREAM_ANEW,
    Breach.MAPPING_ANEW,
    Breach.MAPPING_SKIPS,
}
"""Behind these, changes may be where nobody reads them. Whatever is done about it, the copy cannot be trusted."""


def breaches(route: Route, seen: Seen, replica_regions: Sequence[str] = ()) -> list[Breach]:
    """Return everything that is no longer as it was, in the order of the route; nothing if it is whole.

    Args:
        route: as it was named.
        seen: what stands there now.
        replica_regions: Regions in which the target has to have a replica.
    """
    is_source, is_mapping = seen.source_id == route.source.id, seen.mapping_id == route.mapping_id
    is_target = seen.target_id == route.target.id
    found: list[tuple[bool, Breach]] = [
        (seen.source_id is None, Breach.SOURCE_GONE),
        (seen.source_id is not None and not is_source, Breach.SOURCE_ANEW),
        (is_source and seen.source_status not in IN_USE, Breach.SOURCE_OUT_OF_REACH),
        (is_source and seen.stream_arn is None, Breach.STREAM_OFF),
        (is_source and seen.stream_arn not in {None, route.stream_arn}, Breach.STREAM_ANEW),
        (seen.mapping_id is None, Breach.MAPPING_GONE),
        (seen.mapping_id is not None and not is_mapping, Breach.MAPPING_ANEW),
        (is_mapping and seen.skips_changes, Breach.MAPPING_SKIPS),
        (is_mapping and seen.mapping_state.startswith("Disabl"), Breach.MAPPING_OFF),
        (seen.target_id is None, Breach.TARGET_GONE),
        (seen.target_id is not None and not is_target, Breach.TARGET_ANEW),
        (is_target and seen.target_status not in IN_USE, Breach.TARGET_OUT_OF_REACH),
        (bool(missing_replicas(seen, replica_regions)), Breach.REPLICA_GONE),
    ]
    return [breach for holds, breach in found if holds]


def missing_replicas(seen: Seen, replica_regions: Sequence[str]) -> list[str]:
    """Return the Regions, with the status there, in which a wanted replica cannot be used."""
    found = [(region, seen.replicas.get(region, "gone")) for region in replica_regions]
    return [f"{region} ({status})" for region, status in found if status not in IN_USE]


def copy_anew(target: str) -> str:
    """Return the way out for a copy that cannot be trusted, before traffic has moved."""
    return (
        f"delete {target} (its deletion protection first; or deploy a migration to another target), and start a new "
        "execution"
    )


def check_route(route: Route, seen: Seen, replica_regions: Sequence[str] = ()) -> None:
    """Make sure that the route is the one that was named, before traffic moves.

    Args:
        route: as it was named.
        seen: what stands there now.
        replica_regions: Regions in which the target has to have a replica.

    Raises:
        ChangesLost: changes of the source may be in neither the stream that is read nor the target.
        PreconditionFailed: a table or a replica is not there to be used, or nothing brings the target changes.
    """
    found = breaches(route, seen, replica_regions)
    if not found:
        return
    source, target = route.source.name, route.target.name
    what = "; ".join(_in_words(breach, route, seen, replica_regions) for breach in found)
    if CHANGES_ARE_LOST.isdisjoint(found):
        ways_out = " ".join(dict.fromkeys(_way_out(breach, route) for breach in found))
        raise PreconditionFailed(f"{what}. Traffic stays where it is. {ways_out}")
    if not SOURCE_IS_LOST.isdisjoint(found):
        raise ChangesLost(
            f"{what}. Traffic stays where it is. Do not delete {target}: it may be the only copy that is left, as of "
            "the last change that was applied. Find out first which table is the right one, and restore it; a "
            "migration of it is a new one, to another target"
        )
    raise ChangesLost(
        f"{what}: {target} may lack writes that {source} accepted. Traffic stays where it is. Find out who changed it "
        f"(an owner's template that does not know of it undoes it with the next deployment), {copy_anew(target)}"
    )


def check_late_route(route: Route, seen: Seen) -> None:
    """Make sure that late changes still come, once traffic has moved. The target's replicas are its owner's by then.

    Raises:
        LateChangesLost: late writes to the source may be missing from the target.
        PreconditionFailed: nothing brings the target late changes at the moment, or a table is not there to be used.
    """
    found = breaches(route, seen)
    if not found:
        return
    source, target = route.source.name, route.target.name
    what = "; ".join(_in_words(breach, route, seen, ()) for breach in found)
    if CHANGES_ARE_LOST.isdisjoint(found):
        ways_out = " ".join(dict.fromkeys(_late_way_out(breach, route) for breach in found))
        raise PreconditionFailed(f"{what}. Traffic has moved to {target}, and stays there. {ways_out}")
    raise LateChangesLost(
        f"{what}: a write that reached {source} since then is in no stream that is read, and {target} lacks it. "
        f"Traffic has moved to {target}, and stays there: leave {target} alone. {by_hand(route.mapping_id, source)}"
    )


def by_hand(mapping_id: str, source: str) -> str:
    """Return the way out where late changes no longer come, once traffic has moved."""
    return (
        f"If an application still wrote to {source}, compare what it wrote and carry it over by hand. Then delete the "
        f"mapping {mapping_id} if it is still there (Lambda, event source mappings), and remove what is left of the "
        "migration with `make destroy`"
    )


def _in_words(breach: Breach, route: Route, seen: Seen, replica_regions: Sequence[str]) -> str:
    source, target = route.source.name, route.target.name
    return {
        Breach.SOURCE_GONE: f"{source} was deleted since AttachReplicator",
        Breach.SOURCE_ANEW: f"{source} was deleted since AttachReplicator, and another table stands under its name",
        Breach.SOURCE_OUT_OF_REACH: f"{source} is {seen.source_status}",
        Breach.STREAM_OFF: f"the stream of {source} ({route.stream_arn}) was turned off since AttachReplicator",
        Breach.STREAM_ANEW: (
            f"the stream of {source} was turned off and on again since AttachReplicator (it was {route.stream_arn}, "
            f"and is {seen.stream_arn}), and what came in between is in neither"
        ),
        Breach.MAPPING_GONE: f"the replicator's mapping {route.mapping_id} was deleted since AttachReplicator",
        Breach.MAPPING_ANEW: (
            f"the replicator's mapping {route.mapping_id} was deleted since AttachReplicator, and another one, "
            f"{seen.mapping_id}, may have begun behind changes that were never applied"
        ),
        Breach.MAPPING_SKIPS: (
            f"the replicator's mapping {route.mapping_id} was changed since AttachReplicator: it has a filter, or "
            "gives changes up after some tries or at some age, so it may have skipped some"
        ),
        Breach.MAPPING_OFF: f"the replicator's mapping {route.mapping_id} is {seen.mapping_state}",
        Breach.TARGET_GONE: f"{target} was deleted since AttachReplicator",
        Breach.TARGET_ANEW: (
            f"{target} was deleted since AttachReplicator, and another table stands under its name, without what was "
            "copied"
        ),
        Breach.TARGET_OUT_OF_REACH: f"{target} is {seen.target_status}",
        Breach.REPLICA_GONE: (
            f"{target} has no usable replica in {', '.join(missing_replicas(seen, replica_regions))}"
        ),
    }[breach]


_OUT_OF_REACH = "Mend that (its KMS key, mostly), then redrive."
_SWITCH_ON = "Switch it on (Lambda, event source mappings), then redrive."


def _way_out(breach: Breach, route: Route) -> str:
    source, target = route.source.name, route.target.name
    return {
        Breach.SOURCE_OUT_OF_REACH: _OUT_OF_REACH,
        Breach.MAPPING_GONE: (
            "Resume: `python -m workflow resume` attaches it again and proves the tables anew, as long as the stream "
            f"still holds what came since and ProtectTarget has not run; otherwise {copy_anew(target)}."
        ),
        Breach.MAPPING_OFF: _SWITCH_ON,
        Breach.TARGET_GONE: f"Start a new execution: it copies {source} anew.",
        Breach.TARGET_ANEW: f"Empty {target} or delete it, and start a new execution: it copies {source} anew.",
        Breach.TARGET_OUT_OF_REACH: _OUT_OF_REACH,
        Breach.REPLICA_GONE: (
            "Add it again and wait until it is ACTIVE, then redrive; or leave that to `python -m workflow resume`."
        ),
    }[breach]


def _late_way_out(breach: Breach, route: Route) -> str:
    source, target = route.source.name, route.target.name
    return {
        Breach.SOURCE_OUT_OF_REACH: _OUT_OF_REACH,
        Breach.MAPPING_OFF: _SWITCH_ON,
        Breach.MAPPING_GONE: f"Late writes to {source} no longer reach it. {by_hand(route.mapping_id, source)}.",
        Breach.TARGET_OUT_OF_REACH: _OUT_OF_REACH,
    }.get(breach, f"Point the application to a table that is there, and restore {target} from its backup.")
