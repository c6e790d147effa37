"""The sizes that are simulated."""

import dataclasses
from typing import Final

from tests.simulation.world import Scenario

SMALL: Final = Scenario(name="10 GB", items=1e7, user_reads=100, user_writes=50, step_seconds=2)
MIDDLE: Final = Scenario(name="1 TB", items=1e9, user_reads=1000, user_writes=500, step_seconds=20)
WARM: Final = dataclasses.replace(MIDDLE, name="1 TB, warm", warm_writes=40_000, max_concurrency=120, reads_cap=30_000)
"""More segments at once make use of a warm target; without the cap they would read at the table's quota."""
LARGE: Final = Scenario(
    name="100 TB",
    items=1e11,
    user_reads=10_000,
    user_writes=5000,
    warm_writes=400_000,
    quota=400_000,
    stream_most_bytes=1e9,
    max_concurrency=500,
    reads_cap=350_000,
    step_seconds=100,  # in longer steps the writers run dry: what waits is two minutes of theirs
)
"""With quotas that AWS has raised: without that the copy alone takes a month."""
TINY_ITEMS: Final = dataclasses.replace(MIDDLE, name="10⁹ items of 100 bytes", item_bytes=100.0)
"""Of which a look at one costs as much as a scan of forty."""
