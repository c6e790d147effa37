"""Lambda and the functions' work: how fast each is, how many run at once, what they cost.

Speeds are those of this machine and of experience with the real AWS; none was measured there. Each says which.
"""

from typing import Final

from infra.aws.functions.registry import function_of
from tasks.core.run.prices import LAMBDA_GB_SECOND, LAMBDA_REQUEST
from tests.simulation.bill import Bill

ACCOUNT_CALLS: Final = 1000
"""Calls at once, of all functions of an account and Region, by default ("Lambda quotas")."""
PAGE_BYTES: Final = 10**6
"""What one Scan call returns at most is 1 MB ("Scan")."""
PAGE_SECONDS: Final = 0.2
"""Suspected: a page is read in some 130 ms, is compressed in 5 (measured: 3 µs an item), is put into Kinesis in 40 and
is noted in the send ledger in 10, one after the other."""
VERIFIED_ITEMS: Final = 12_500
"""A second, of one call: 80 µs of parsing and hashing an item on one CPU (measured on this machine)."""
COMPRESSED: Final = 4.0
"""How many times smaller a page becomes (measured on this machine's items)."""
CALL_SECONDS: Final = 0.02
"""Of one write call of 25 items (suspected)."""
WRITER_ITEMS: Final = 4000
"""A second, of one writer that meets no throttle: four calls of 25 items side by side are 5,000, less the page's own
overhead (suspected)."""
REPLICATOR_CHANGES: Final = 500
"""A second, of one shard: 25 changes a call, one call after the other, and the books (suspected)."""
REPLICATOR_BATCH: Final = 500
"""Records a call at most: the mapping's batch size."""
PASSED_CHANGES: Final = 2000
"""A second, of one shard, where changes are read and not applied (suspected)."""
POLLS_A_SECOND: Final = 4
"""Of each shard by Lambda ("Using Lambda with DynamoDB": four times a second)."""


def run(bill: Bill, what: str, state: str, *, calls: float, seconds: float) -> None:
    """Put calls of a function on the bill.

    Args:
        bill: of the run.
        what: they are for.
        state: of the function.
        calls: how many.
        seconds: all of them together.
    """
    bill.add(what, LAMBDA_REQUEST, calls)
    bill.add(what, LAMBDA_GB_SECOND, seconds * function_of(state).memory_mb / 1024)
