"""Who makes a call, and by which role: read from the User-Agent, where each caller of ours says it.

| caller | User-Agent has | role |
|---|---|---|
| a Lambda worker | `app/<worker>` | the function's, as it was when the worker began |
| an event source mapping | `app/event-source-mappings function/<ARN>` | the same function's |
| a state machine | `role/<ARN>` | that role |

All others, tests, the operator, the application, may do everything.
"""

import re
from dataclasses import dataclass
from typing import Final, Protocol

from infra.local.emulator.lambdas.lambda_function import LambdaFunction

_CALLER: Final = re.compile(r"\b(app/worker-|function/(?=arn:aws:lambda:)|role/(?=arn:aws:iam:))(\S+)")
_REMEMBERED_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        name: the function's name, or the state machine's role's.
        role_arn: by whose policies the call is judged.
        arn: the caller as AWS names it when it says no.
    """

    name: str
    role_arn: str
    arn: str


class Functions(Protocol):
    """Knows which function runs where: LambdaHost."""

    def function_in(self, worker: str) -> LambdaFunction | None:
        """Return the function that a worker runs, as it was when the worker began."""
        ...

    def find(self, arn: str) -> LambdaFunction | None:
        """Return the function of an ARN."""
        ...


class Callers:
    """Finds the caller behind a User-Agent.

    Args:
        functions: of the local Lambda.
        account: for ARNs.
    """

    def __init__(self, functions: Functions, account: str) -> None:
        self._functions = functions
        self._account = account
        # A worker is asked for at each of its calls, and runs one function all its life.
        self._workers: dict[str, Caller] = {}

    def find(self, user_agent: str) -> Caller | None:
        """Return the caller; None if it is nobody whose role counts."""
        found = _CALLER.search(user_agent)
        if found is None:
            return None
        kind, name = found[1], found[2]
        if kind == "role/":
            return self._of_role(name, name=name.rpartition("/")[2], session="execution")
        if kind == "function/":
            return self.of_function(self._functions.find(name))
        known = self._workers.get(name)
        if known is None:
            known = self.of_function(self._functions.function_in(f"worker-{name}"))
            if known is not None:
                if len(self._workers) >= _REMEMBERED_MOST:
                    self._workers.clear()
                self._workers[name] = known
        return known

    def of_function(self, function: LambdaFunction | None) -> Caller | None:
        """Return the caller that a function is; None without one."""
        return self._of_role(function.role, name=function.name, session=function.name) if function else None

    def _of_role(self, role_arn: str, *, name: str, session: str) -> Caller:
        role_name = role_arn.rpartition("/")[2]
        return Caller(name, role_arn, f"arn:aws:sts::{self._account}:assumed-role/{role_name}/{session}")
