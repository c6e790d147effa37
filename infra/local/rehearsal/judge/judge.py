"""Which tables of a migration are judged: the source, the target and each replica."""

from pathlib import Path

from infra.local.emulator.client import LocalAwsProcess
from infra.local.rehearsal.judge.comparer import Comparison, Place, compare
from tasks.core.settings.migration import Migration

_REPLICATED_WITHIN_SECONDS = 60.0


def judge(aws: LocalAwsProcess, migration: Migration, journal_path: Path) -> Comparison:
    """Compare source, target and every replica with the journal."""
    target = migration.target_table
    return compare(
        journal_path,
        [
            Place("source", aws.session(), migration.source_table, written_as=migration.source_table),
            Place("target", aws.session(), target),
            *(
                Place(f"replica {region}", aws.session(region), target, settle_seconds=_REPLICATED_WITHIN_SECONDS)
                for region in migration.replica_regions
            ),
        ],
    )
