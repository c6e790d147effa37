"""A table that several tests plan a migration of, and what Preflight sees of it."""

from tasks.core.model.item import KeySchema
from tasks.core.model.table_facts import TableFacts
from tasks.core.run.plan import Facts
from tasks.core.settings.migration import Migration

SETTINGS = Migration(migration="orders", source_table="orders", target_table="orders-new")
ORDERS = TableFacts(
    name="orders",
    id="1",
    arn="arn:aws:dynamodb:eu-west-1:123456789012:table/orders",
    status="ACTIVE",
    key=KeySchema("id", "S"),
    item_count=10_000_000,
    size_bytes=10**10,
)
FACTS = Facts(
    region="eu-west-1",
    known_regions=frozenset({"eu-west-1"}),
    source=ORDERS,
    target=None,
    target_has_items=False,
    earlier_plan=None,
    replicator_attached=False,
    other_stream_readers=(),
    active_table=None,
)
