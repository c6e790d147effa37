"""What demonstration and playground begin with: the airports' table, filled, and the settings of its migration."""

from typing import Literal

import boto3

from infra.local.rehearsal.deploy import LOCAL_CONCURRENCY
from infra.local.rehearsal.owner import airports
from infra.local.rehearsal.owner.journal import Journal
from infra.local.rehearsal.owner.table import create_table, load
from infra.local.rehearsal.owner.wire import Wire
from tasks.core.settings.migration import Migration

REGION = "eu-west-1"
REPLICA_REGION = "ap-northeast-1"


def migration_of_airports(*, segments: int, approval: Literal["required", "automatic"]) -> Migration:
    """Return the settings, with waits for runs that somebody watches."""
    return Migration(
        migration="airports",
        source_table="airports",
        target_table="airports-global",
        replica_regions=(REPLICA_REGION,),
        approval=approval,
        total_segments=segments,
        max_concurrency=LOCAL_CONCURRENCY["ScanSegment"],  # more would be throttled, and wait to try again
        settle_seconds=3,
        quiet_seconds=5,
    )


def load_airports(session: boto3.Session, table: str, *, items: int, seed: int, notes: Journal | None = None) -> int:
    """Create the table, fill it, and return the number of its items.

    Args:
        session: of the Region that the table is in.
        table: its name.
        items: how many.
        seed: decides which.
        notes: the journal of an application that is to own them.
    """
    create_table(session.client("dynamodb"), table)
    wire = Wire(session)
    try:
        return load(wire, table, airports.items(items, seed), notes)
    finally:
        wire.close()
