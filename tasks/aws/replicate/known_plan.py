"""The plan that the replicator goes by, kept between the calls of one process: it is the same for weeks.

Never the rule: that is read for every batch. It says too of which run it is, and the plan of another run is read anew.
Of one run all that the replicator takes from the plan stays as it is, whichever execution goes on with it.
"""

import time
from dataclasses import dataclass
from typing import Final

from tasks.aws.books.record import Record
from tasks.core.replicate.conflict import RuleRecord
from tasks.core.run.plan import Plan

KEPT_SECONDS: Final = 60
"""As long as a call of the replicator may take: a call that read the plan itself may go by one that is as old. So a
migration that has ended is found to have ended."""


@dataclass(frozen=True, slots=True)
class _Kept:
    plan: Plan
    stream_arn: str
    read_at: float
    """Epoch seconds. Not by the monotonic clock, which may stand still while Lambda keeps a process for later."""


class KnownPlan:
    """The plan as it was read last."""

    def __init__(self) -> None:
        self._kept: _Kept | None = None

    def required(self, record: Record, rule: RuleRecord) -> tuple[Plan, str]:
        """Return the plan for the replicator, and the ARN of the stream whose changes it is to apply.

        Args:
            record: of the migration.
            rule: as it was read for this batch. A plan is put before its run's rule is set, so one that is read now is
                at least of the rule's run.

        Raises:
            OutOfOrder: there is no plan.
        """
        now, kept = time.time(), self._kept
        if kept is None or kept.plan.run != rule.run or not 0 <= now - kept.read_at < KEPT_SECONDS:
            plan, stream_arn = record.required_replication()
            kept = self._kept = _Kept(plan, stream_arn, now)
        return kept.plan, kept.stream_arn

    def forget(self) -> None:
        """Read it anew in the next call."""
        self._kept = None


known_plan: Final = KnownPlan()
