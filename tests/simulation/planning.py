"""What Preflight would see of a scenario, and what the product's plan then says of it."""

import functools

from tasks.core.forecast.duration import Duration
from tasks.core.forecast.speed import expected, planned_caps
from tasks.core.model.capacity import NEW_TABLE_WRITES_PER_SECOND, WarmThroughput
from tasks.core.model.item import KeySchema
from tasks.core.model.table_facts import Index, TableFacts
from tasks.core.settings.caps import Caps
from tasks.core.settings.migration import Migration
from tests.simulation.world import READS_BESIDE, Scenario


def settings_of(scenario: Scenario) -> Migration:
    """Return the settings that a scenario is deployed with."""
    warm = scenario.warm_writes > NEW_TABLE_WRITES_PER_SECOND and scenario.provisioned_writes is None
    return Migration(
        migration="simulated",
        source_table="source",
        target_table="target",
        max_concurrency=scenario.max_concurrency,
        read_units_per_second=scenario.reads_cap,
        write_units_per_second=scenario.writes_cap,
        warm_throughput=WarmThroughput(write_units=int(scenario.warm_writes)) if warm else None,
    )


def source_of(scenario: Scenario) -> TableFacts:
    """Return what DynamoDB says of the source."""
    return _facts("source", scenario, items=round(scenario.items), writes=None)


def target_of(scenario: Scenario) -> TableFacts | None:
    """Return what DynamoDB says of the target; `None` if the migration makes it."""
    writes = scenario.provisioned_writes
    return None if writes is None else _facts("target", scenario, items=0, writes=writes)


def _facts(name: str, scenario: Scenario, *, items: int, writes: int | None) -> TableFacts:
    size = round(items * scenario.item_bytes)
    indexes = tuple(
        Index(f"by-{number}", ("other",), write_units=writes, item_count=items, size_bytes=size)
        for number in range(scenario.indexes)
    )
    return TableFacts(
        name=name,
        id=name,
        arn=f"arn:aws:dynamodb:us-east-1:123456789012:table/{name}",
        status="ACTIVE",
        key=KeySchema("id", "S"),
        item_count=items,
        size_bytes=size,
        indexes=indexes,
        read_units=None if writes is None else READS_BESIDE * writes,
        write_units=writes,
        is_provisioned=writes is not None,
    )


def caps_of(scenario: Scenario) -> Caps:
    """Return the caps of the plan."""
    return planned_caps(settings_of(scenario), source_of(scenario), target_of(scenario))


@functools.cache
def planned(scenario: Scenario) -> Duration:
    """Return how long the copy takes by the plan."""
    return expected(
        settings_of(scenario), source_of(scenario), target_of(scenario), table_write_limit=round(scenario.quota)
    )
