"""The functions: one per module of `tasks/`, in the order of their states; those that are no states come last.

Both deployments read this list, the one on AWS and the one on this machine, so nothing is wired twice.
"""

from infra.aws.functions.backfill import BACKFILL
from infra.aws.functions.cut_over import CUT_OVER
from infra.aws.functions.function import Function
from infra.aws.functions.preparation import PREPARATION
from infra.aws.functions.proof import PROOF
from infra.aws.functions.streams import STREAMS
from infra.aws.functions.watch import WATCH
from tasks.core.metrics import Metric

FUNCTIONS = (*PREPARATION, *BACKFILL, *PROOF, *CUT_OVER, *STREAMS, *WATCH)


def function_of(state: str) -> Function:
    """Return a function by its state's name.

    Raises:
        KeyError: there is none of that name.
    """
    for function in FUNCTIONS:
        if function.state == state:
            return function
    raise KeyError(f"no function is named {state}; infra/aws/functions has them all")


def emitters_of(metric: Metric) -> tuple[str, ...]:
    """Return the states of the functions that put a metric out: the values of its dimension `state`, if it has one."""
    return tuple(function.state for function in FUNCTIONS if function.puts_out(metric))
