"""The other ways to what is asked for, for this very table: whether each is possible, its price, what it cannot do.

Facts are AWS's own, of November 2026: the DynamoDB guide on global tables ("Managing", "Multi-account global tables",
"Disassociating a global table replica"), "Import from Amazon S3", "Export to Amazon S3", and "Bulk put items".
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.core.copy.segment import GIBIBYTE
from tasks.core.forecast.prices import EXPORT_GB, IMPORT_GB, RESTORE_GB, PriceList
from tasks.core.forecast.sample import Sample
from tasks.core.model.table_facts import TableFacts
from tasks.core.settings.migration import Migration


@dataclass(frozen=True, slots=True)
class Way:
    """Another way."""

    name: str
    is_possible: bool
    """For what is asked."""
    why: str
    """Why it is, or is not."""
    usd: float | None
    """What it costs, what is stored and later writes aside; `None` where nobody here knows."""
    costs: str
    cannot: str
    """What it cannot do that a migration by tableferry does."""


def other_ways(
    settings: Migration, source: TableFacts, target: TableFacts | None, sample: Sample, prices: PriceList
) -> Sequence[Way]:
    """Return the other ways, those that AWS offers.

    Args:
        settings: say what is asked for.
        source: the table.
        target: `None` if it is still to be made.
        sample: of the source.
        prices: by which they are compared.
    """
    copied = sum(index.size_bytes for index in source.indexes if index.can_be_copied)
    table_gb, whole_gb = source.size_bytes / GIBIBYTE, (source.size_bytes + copied) / GIBIBYTE
    restored = prices.of(RESTORE_GB).usd * whole_gb
    return (
        _region_in_place(settings, source, target, restored),
        _other_account(settings, source, restored),
        _disassociated(settings, source),
        _import(settings, target, sample, table_gb, prices),
        _bulk_put(settings, target, table_gb, prices),
    )


def _region_in_place(settings: Migration, source: TableFacts, target: TableFacts | None, restored: float) -> Way:
    missing = [region for region in settings.replica_regions if region not in source.replica_regions]
    asks_more = "" if target is None else f"; a second table, {settings.target_table}, is there already"
    if missing:
        why = (
            f"it makes replicas of {source.name} itself in {', '.join(missing)}: enough, if a new name, and all else "
            f"that only a new table can have, is not wanted{asks_more}"
        )
    else:
        why = f"no replica is asked for that {source.name} has not, and it makes no second table in a Region"
    regions = max(1, len(missing))
    return Way(
        "adding a Region in place",
        bool(missing),
        why,
        restored * regions,
        f"a restore of table and indexes in {regions} Region{'s' if regions > 1 else ''}",
        "another name, fewer indexes or another table class; a proof that the replica is equal; stopping half-way "
        "with the source as it was (it becomes a global table)",
    )


def _other_account(settings: Migration, source: TableFacts, restored: float) -> Way:
    why = (
        f"each of its replicas has to be in another account, and {settings.target_table} is asked for in account "
        f"{source.account}, where the source is"
    )
    if source.replica_regions:
        why += f"; and {source.name} has replicas in its own account, which would have to be deleted first"
    return Way(
        "multi-account global table",
        is_possible=False,
        why=why,
        usd=restored,
        costs="a restore of table and indexes in each account",
        cannot="a table in the same account; another name; strong consistency over Regions; settings of one replica's "
        "own; a proof",
    )


def _disassociated(settings: Migration, source: TableFacts) -> Way:
    if source.replica_regions:
        why = (
            f"{source.name} is a global table, but a replica that is taken out of it keeps its name and its Region "
            f"({', '.join(source.replica_regions)}): it does not become {settings.target_table} beside the source"
        )
    else:
        why = f"{source.name} is no global table; a Region would have to be added first, and stays another Region"
    return Way(
        "disassociating a replica",
        is_possible=False,
        why=why,
        usd=0.0,
        costs="nothing for the step itself; the replica before it, as a restore",
        cannot="a table in the source's own Region, or of another name; replication behind it: each of both then goes "
        "its own way; strong consistency over Regions",
    )


def _import(settings: Migration, target: TableFacts | None, sample: Sample, table_gb: float, prices: PriceList) -> Way:
    as_json = sample.json_bytes / sample.bytes if sample.bytes else 1.0
    exported, imported = prices.of(EXPORT_GB).usd * table_gb, prices.of(IMPORT_GB).usd * table_gb * as_json
    why = "an import makes a new table, so only while nobody writes to the source, or where lost writes do not matter"
    if target is not None:
        why = f"an import makes a new table, and {settings.target_table} is there: delete it, or name another; {why}"
    replicas = "; replicas are added behind it, each as a restore" if settings.replica_regions else ""
    return Way(
        "export to S3 and import",
        target is None,
        why,
        exported + imported,
        f"{exported:,.2f} USD for the export, {imported:,.2f} USD for the import of {as_json:.1f} times the bytes as "
        f"JSON; point-in-time recovery has to be on{replicas}",
        "bring the changes of meanwhile (an incremental export cannot be imported into a table that is there), so "
        "writes stop from export to cut-over; a proof",
    )


def _bulk_put(settings: Migration, target: TableFacts | None, table_gb: float, prices: PriceList) -> Way:
    is_global = bool(target is not None and target.replica_regions)
    if is_global:
        why = f"{settings.target_table} is part of a global table, and a bulk put does not write to one"
    elif settings.replica_regions and settings.add_replicas == "first":
        why = "a bulk put does not write to a global table: the target would have to get its replicas behind it"
    else:
        why = (
            "it fills a table that is there from an export, in place of our backfill, while nobody writes to the source"
        )
    exported = prices.of(EXPORT_GB).usd * table_gb
    return Way(
        "bulk put from S3 (StartBulkPutItems)",
        not is_global and not (settings.replica_regions and settings.add_replicas == "first"),
        why,
        None,
        f"{exported:,.2f} USD for the export that it reads, and the price of the bulk put, which this list does not "
        "have: look at the page of DynamoDB's prices",
        "write to a global table; delete what was deleted meanwhile, or bring the changes of meanwhile: it puts what "
        "the export has, so writes stop until it has ended, or each line carries a condition; a proof",
    )
