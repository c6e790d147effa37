"""Where replicas are cheapest: added before the backfill, or behind it. What each costs, from the table's own size."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.core.copy.segment import GIBIBYTE
from tasks.core.forecast.estimate import estimate
from tasks.core.forecast.prices import REPLICATED_WRITE_REQUEST_UNIT, RESTORE_GB, usd_of
from tasks.core.model.table_facts import TableFacts
from tasks.core.settings.migration import Migration

NOTICE_USD = 1.0
"""A table whose replicas cost less either way needs no word of it."""


@dataclass(frozen=True, slots=True)
class ReplicaCosts:
    """What the replicas of one table cost until they have its items, in US dollars, storage and later writes aside."""

    first: float
    """Each of the backfill's writes is made in each Region once more, and so is each of its global indexes'."""
    after_backfill: float
    """Each Region is charged as a restore of the table, its indexes included."""


def replica_costs(source: TableFacts, regions: Sequence[str]) -> ReplicaCosts:
    """Return what it costs to fill these Regions' replicas with what a source has, either way."""
    copy = estimate(source)
    units = copy.items * copy.write_units_an_item
    return ReplicaCosts(
        first=usd_of({REPLICATED_WRITE_REQUEST_UNIT: units * len(regions)}),
        after_backfill=usd_of({RESTORE_GB: restored_gigabytes(source) * len(regions)}),
    )


def restored_gigabytes(source: TableFacts) -> float:
    """Return how many GB are restored in each Region that is added to a full table: the table and its indexes."""
    copied = sum(index.size_bytes for index in source.indexes if index.can_be_copied)
    return (source.size_bytes + copied) / GIBIBYTE


def replica_notices(settings: Migration, source: TableFacts, target: TableFacts | None) -> list[str]:
    """Return what the wanted replicas cost before and behind the backfill, where some are still to be added."""
    there = () if target is None else target.replica_regions
    wanted = [region for region in settings.replica_regions if region not in there]
    costs = replica_costs(source, wanted)
    if max(costs.first, costs.after_backfill) < NOTICE_USD:
        return []
    chosen = f"add_replicas is {settings.add_replicas}"
    cheaper = "first" if costs.first < costs.after_backfill else "after-backfill"
    advice = f"{chosen}, the cheaper one" if cheaper == settings.add_replicas else f"{chosen}: {cheaper} is cheaper"
    words = (
        f"the replicas in {', '.join(wanted)} cost about {costs.first:,.0f} USD if they are there first, for every "
        f"write of the backfill is made in each Region once more, and about {costs.after_backfill:,.0f} USD if they "
        f"are added after the backfill, as a restore of the table (prices of us-east-1); {advice}"
    )
    return [words]
