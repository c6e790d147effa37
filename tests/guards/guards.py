"""Every guard of the design: where it stands and how it is taken away.

A guard is a condition, an order or a wait that keeps a write from being lost, or a deleted item from coming back. Each
of them, taken away alone, has to make a named test fail; `python -m tests.guards` tries them all.
"""

from tests.guards.of_backfill import GUARDS_OF_BACKFILL
from tests.guards.of_calls import GUARDS_OF_CALLS
from tests.guards.of_cut_over import GUARDS_OF_CUT_OVER
from tests.guards.of_horizon import GUARDS_OF_HORIZON
from tests.guards.of_late_changes import GUARDS_OF_LATE_CHANGES
from tests.guards.of_preparation import GUARDS_OF_PREPARATION
from tests.guards.of_proof import GUARDS_OF_PROOF
from tests.guards.of_replication import GUARDS_OF_REPLICATION
from tests.guards.of_resume import GUARDS_OF_RESUME
from tests.guards.of_route import GUARDS_OF_ROUTE
from tests.guards.of_tips import GUARDS_OF_TIPS

GUARDS = (
    *GUARDS_OF_PREPARATION,
    *GUARDS_OF_HORIZON,
    *GUARDS_OF_BACKFILL,
    *GUARDS_OF_REPLICATION,
    *GUARDS_OF_LATE_CHANGES,
    *GUARDS_OF_PROOF,
    *GUARDS_OF_CUT_OVER,
    *GUARDS_OF_ROUTE,
    *GUARDS_OF_TIPS,
    *GUARDS_OF_RESUME,
    *GUARDS_OF_CALLS,
)
