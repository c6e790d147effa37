"""Speeds of the world that the plan has no need of: who else calls, and how it was before.

Those that plan and simulation share are in `tasks.core.forecast.work`.
"""

from typing import Final

CALL_SECONDS: Final = 0.02
"""Of one write call of 25 items (suspected)."""
WRITER_ITEMS: Final = 4000
"""A second, of one writer that meets no throttle: four calls of 25 items side by side are 5,000, less the page's own
overhead (suspected)."""
POLLS_A_SECOND: Final = 4
"""Of each shard by Lambda ("Using Lambda with DynamoDB": four times a second)."""
