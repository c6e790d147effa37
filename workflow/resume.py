"""Going on with an execution that did not succeed: what will be read again, by which way, and then the start.

A redrive goes on in the same execution, where Step Functions allows it. Otherwise a new execution goes on, which is
given `resume_from`: Preflight and PlanSegments then decide by the same rules as here.
"""

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import boto3

from tasks.aws.books.books import Books
from tasks.aws.run import execution_history, segment_reading
from tasks.core.copy.segment import Checkpoint
from tasks.core.run.plan import Plan
from tasks.core.run.resume import Resumed, reasons_not_to_resume
from workflow import execution
from workflow.machine import Machine
from workflow.refusals import CommandRefused, in_words

if TYPE_CHECKING:
    from mypy_boto3_stepfunctions import SFNClient

READS_FOR_SECONDS = 300.0
"""Receipts are compared for so long; what is left is found by the migration itself."""


class Way(StrEnum):
    """How it goes on."""

    REDRIVE = "redrive"
    NEW_EXECUTION = "new execution"


@dataclass(frozen=True, slots=True)
class Ahead:
    """One segment that will be scanned on."""

    begins_at: Checkpoint
    reached: Checkpoint
    """What the last call noted; pages between the two are read again."""

    @property
    def was_begun(self) -> bool:
        """Whether a page of it was sent."""
        return self.begins_at.pages > 0 or self.reached.pages > 0

    @property
    def pages_again(self) -> int:
        """Pages that were sent and will be read and sent once more."""
        return max(0, self.reached.pages - self.begins_at.pages)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What a resume will do."""

    execution_arn: str
    status: str
    reason: str
    """Why the execution ended."""
    way: Way
    why: str
    """Why by this way."""
    total_segments: int
    """0 if the execution never left Preflight."""
    pages: int
    """Sent so far, of all segments."""
    items: int
    items_expected: int | None
    """About how many the source has; `None` if it is not known."""
    ahead: tuple[Ahead, ...]
    overrides: Mapping[str, Any]


def look_ahead(session: boto3.Session, execution_arn: str, overrides: Mapping[str, Any] | None = None) -> Prospect:
    """Return what resuming an execution will do. Nothing is changed by it.

    Args:
        session: of the SDK.
        execution_arn: the execution to resume.
        overrides: fields of the migration that the new execution is to have otherwise.

    Raises:
        CommandRefused: it cannot be resumed; in words.
    """
    machine = Machine.of_execution(execution_arn)
    client = execution.stepfunctions(session, machine.region)
    overrides = {name: value for name, value in (overrides or {}).items() if name != "resume_from"}
    with in_words(f"reading execution {execution_arn}"):
        resumed = execution_history.read_resumed(client, execution_arn)
    books = Books(execution.control_table(session, machine), resumed.plan.run if resumed.plan else "")
    with in_words(f"reading {machine.control_table}"):
        newest = books.record.read_newest()
        lost = None if resumed.plan is None else books.record.lost_in_words(resumed.plan.run)
    reasons = reasons_not_to_resume(
        resumed,
        state_machine_arn=machine.arn,
        newest=newest,
        lost=lost,
        total_segments=overrides.get("total_segments"),
    )
    if reasons and (resumed.plan is not None or not resumed.status):
        raise CommandRefused(" | ".join(reasons))
    with in_words(f"reading execution {execution_arn}"):
        way, why = _choose(client, resumed, overrides)
    if way is Way.NEW_EXECUTION:
        _check_new_execution(resumed, reasons, why)
    execution.check_nothing_runs(session, machine)
    checkpoints: list[Checkpoint] = []
    noted: dict[int, Checkpoint] = {}
    plan = resumed.plan
    if plan is not None:
        with in_words(f"reading where the segments of run {plan.run} stand"):
            deadline = time.monotonic() + READS_FOR_SECONDS
            checkpoints = segment_reading.read_unfinished(client, books, plan, execution_arn, deadline=deadline)
            noted = books.receipts.read_checkpoints(range(plan.total_segments))
    return Prospect(
        execution_arn=execution_arn,
        status=resumed.status,
        reason=resumed.error,
        way=way,
        why=why,
        total_segments=plan.total_segments if plan else 0,
        pages=sum(checkpoint.pages for checkpoint in noted.values()),
        items=sum(checkpoint.items for checkpoint in noted.values()),
        items_expected=_items_expected(session, plan),
        ahead=tuple(
            Ahead(checkpoint, noted.get(checkpoint.segment, Checkpoint(segment=checkpoint.segment)))
            for checkpoint in checkpoints
        ),
        overrides=overrides,
    )


def go_on(session: boto3.Session, prospect: Prospect, name: str | None = None) -> str:
    """Do it, and return the ARN of the execution that goes on."""
    machine = Machine.of_execution(prospect.execution_arn)
    if prospect.way is Way.REDRIVE:
        with in_words(f"redriving execution {prospect.execution_arn}"):
            client = execution.stepfunctions(session, machine.region)
            client.redrive_execution(executionArn=prospect.execution_arn)
        return prospect.execution_arn
    return execution.start(session, machine, {**prospect.overrides, "resume_from": prospect.execution_arn}, name)


def _choose(client: "SFNClient", resumed: Resumed, overrides: Mapping[str, Any]) -> tuple[Way, str]:
    execution_arn, left_preflight = resumed.execution_arn, resumed.plan is not None
    described = client.describe_execution(executionArn=execution_arn)
    if overrides:
        return Way.NEW_EXECUTION, f"it is to have other settings ({json.dumps(overrides)}), and a redrive keeps them"
    if resumed.error == "BackfillIncomplete":
        return Way.NEW_EXECUTION, "pages have to be sent again, and a redrive would only wait for them again"
    if resumed.error in {"PreconditionFailed", "OutOfOrder"} and left_preflight and not resumed.has_moved:
        return (
            Way.NEW_EXECUTION,
            "Preflight looks again at what failed, and all is proven anew; a redrive would only look at the same",
        )
    if described.get("redriveStatus") != "REDRIVABLE":
        reason = described.get("redriveStatusReason") or "Step Functions offers none for it here"
        return Way.NEW_EXECUTION, f"a redrive is not possible: {reason.rstrip('.')}"
    then = client.describe_state_machine_for_execution(executionArn=execution_arn)["definition"]
    now = client.describe_state_machine(stateMachineArn=described["stateMachineArn"])["definition"]
    if json.loads(then) != json.loads(now):
        return Way.NEW_EXECUTION, "the state machine was deployed anew since, and a redrive keeps the old definition"
    where = "the state that failed" if left_preflight else "Preflight"
    return Way.REDRIVE, f"Step Functions can redrive it: it goes on in {where}, with the same input and definition"


def _check_new_execution(resumed: Resumed, reasons: list[str], why: str) -> None:
    if reasons:
        raise CommandRefused(" | ".join(reasons))
    if resumed.has_moved:
        raise CommandRefused(
            f"traffic was moved already, and after that only a redrive can finish, but {why}; docs/fine-print.md says "
            "what DetachReplicator would still have done: do that by hand"
        )


def _items_expected(session: boto3.Session, plan: Plan | None) -> int | None:
    # It only serves what is shown; an operator may be forbidden the call.
    with suppress(CommandRefused):
        if plan is not None:
            return execution.item_count(session, plan.source.region, plan.source.name)
    return None
