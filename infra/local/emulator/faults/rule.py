"""Which calls a fault meets, and what then happens to them.

A rule is JSON: `{"name": "throttled", "action": "throttle", "operation": "PutItem", "probability": 0.1}`. It meets the
calls that all of its selectors fit, and of those it meets, in their order, only the ones that its count says.

| action | what happens |
|---|---|
| `throttle` | refused as the service refuses whoever is too fast; not carried out |
| `error` | refused with status 500, or with the rule's own `error` and `status`; not carried out |
| `expired-iterator` | refused as a shard iterator that was kept for too long; not carried out |
| `no-records` | a read of a stream's shard answers without records, to be asked again; not carried out |
| `reset` | the connection is cut; not carried out |
| `lose-answer` | carried out, then the connection is cut |
| `delay` | carried out `seconds` later, unless the caller has hung up by then |
| `hang` | no answer until the caller hangs up, as a function does at its timeout; not carried out |
| `refuse-some` | `members` of a batch are refused, the others are carried out |
| `short-page` | a Scan reads at most `items` items |
| `kill-before` | the calling Lambda worker is killed; not carried out |
| `kill-after` | carried out, then the calling worker is killed before it hears of it |

The last two meet no calls but those of Lambda workers.
"""

import random
from fnmatch import fnmatchcase
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

Action = Literal[
    "throttle",
    "error",
    "expired-iterator",
    "no-records",
    "reset",
    "lose-answer",
    "delay",
    "hang",
    "refuse-some",
    "short-page",
    "kill-before",
    "kill-after",
]

KILLS: Final[tuple[Action, ...]] = ("kill-before", "kill-after")


class Rule(BaseModel):
    """One rule, as it is installed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """Of its own among the installed ones; counts are told by it."""
    action: Action

    operation: str = "*"
    """As the gateway counts calls (`Scan`, `kinesis.PutRecords`); `*` stands for anything."""
    caller: str = "*"
    """A function's name, `event-source-mappings`, or nothing for everybody else; `*` stands for anything."""
    mentions: str = ""
    """Stands in the body: the name of a table or a stream, or of an entry."""

    nth: int = Field(default=0, ge=0)
    """Only this call, from 1."""
    first: int = Field(default=0, ge=0)
    """Only the first so many calls."""
    every: int = Field(default=0, ge=0)
    """Only each so-manieth call."""
    probability: float = Field(default=1.0, ge=0, le=1)
    """Of each call that is left."""
    seed: int = 1
    most: int = Field(default=0, ge=0)
    """So often and then never again; 0 for no bound."""

    error: str = ""
    """The error's name, in place of the service's own."""
    status: int = 500
    seconds: float = Field(default=1.0, ge=0)
    members: int = Field(default=1, ge=1)
    items: int = Field(default=25, ge=1)


class Installed:
    """A rule at work: how many calls it has met, and how often it fired.

    Args:
        rule: what was installed.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.seen = 0
        self.fired = 0
        self.random = random.Random(rule.seed)  # noqa: S311 — which calls fail is no secret

    def fits(self, operation: str, caller: str) -> bool:
        """Whether a call is one of the rule's, as far as its body does not matter."""
        return fnmatchcase(operation, self.rule.operation) and fnmatchcase(caller, self.rule.caller)

    def fires(self) -> bool:
        """Count a call that fits, and say whether the fault happens to it."""
        rule = self.rule
        self.seen += 1
        if (
            (rule.most and self.fired >= rule.most)
            or (rule.nth and self.seen != rule.nth)
            or (rule.first and self.seen > rule.first)
            or (rule.every and self.seen % rule.every)
        ):
            return False
        # Drawn for each call that is left, so that one seed gives one sequence.
        fires = self.random.random() < rule.probability
        self.fired += fires
        return fires

    def report(self) -> dict[str, object]:
        """Return the rule and its counts."""
        return {**self.rule.model_dump(exclude_defaults=True), "seen": self.seen, "fired": self.fired}
