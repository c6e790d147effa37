"""Going on where an execution ended: whether that can be done, and as which plan.

A resumed execution takes over the run of the first one in the chain. Receipts, the send ledger and the pages that are
still under way are kept under that name, and all of them count on.
"""

from dataclasses import dataclass
from typing import Any, Final

from tasks.core.errors import Refused
from tasks.core.replicate.conflict import ReplicationRule
from tasks.core.replicate.lag import HORIZON_SECONDS
from tasks.core.replicate.route import Route, by_hand, copy_anew
from tasks.core.run.plan import Facts, Plan, capacity_of_run, notices_for, reasons_against, to_move
from tasks.core.settings.migration import Knobs, Migration, Scope, fields_of

UNSUCCESSFUL: Final = frozenset({"FAILED", "TIMED_OUT", "ABORTED"})
"""Statuses of an execution that ended and can be resumed."""

INHERITED: Final = fields_of(Knobs, Scope.RUN)
"""Settings that a resumed execution takes over from the plan, unless its own input says otherwise."""


@dataclass(frozen=True, slots=True)
class Newest:
    """The execution that took the migration over last."""

    run: str
    begun_at: float
    """Epoch seconds."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """What is known of the execution to resume."""

    execution_arn: str
    status: str
    """As Step Functions has it; empty if there is no such execution."""
    plan: Plan | None = None
    """`None` if it never left Preflight."""
    route: Route | None = None
    """What its copy rests on, or that of one before it in the chain; `None` if none came so far."""
    replicated_since: float = 0.0
    """When the execution that saw that began, epoch seconds."""
    error: str = ""
    """With which it failed."""
    resume_from: str | None = None
    """ARN of the execution that it was to resume itself."""
    has_moved: bool = False
    """Whether it left CutOver: traffic is at the target."""


@dataclass(frozen=True, slots=True)
class Replication:
    """How the run's replicator stands now."""

    mapping_id: str | None
    """UUID of the mapping that feeds the replicator; `None` if it is detached."""
    stream_arn: str | None
    """The source's stream as it is now."""
    lost: tuple[str, ...] = ()
    """Shards that may have lost changes."""
    rule: ReplicationRule | None = None
    """`None`: no rule of this run is in the control table."""
    applied_at: float = 0.0
    """When the replicator last applied a change, epoch seconds; 0 if it is not known."""


def inherited_settings(plan: Plan) -> dict[str, Any]:
    """Return the settings that a resumed execution has if its input does not name them."""
    return plan.model_dump(mode="json", include=set(INHERITED))


def reasons_not_to_resume(
    resumed: Resumed,
    *,
    state_machine_arn: str,
    newest: Newest | None,
    lost: str | None = None,
    total_segments: int | None = None,
) -> list[str]:
    """Return why an execution cannot be resumed, as far as Step Functions and the control table know.

    Args:
        resumed: the execution.
        state_machine_arn: of the migration.
        newest: the execution that took the migration over last, if any did.
        lost: why the run is lost, as the control table has it; `None` if it is not.
        total_segments: what the resuming execution's input says, `None` if nothing.
    """
    arn, plan = resumed.execution_arn, resumed.plan
    if not is_execution_of(arn, state_machine_arn):
        words = (
            f"resume_from names an execution of another migration ({arn}), and this state machine is "
            f"{state_machine_arn}; give an execution of this one, or start the other migration's state machine"
        )
    elif not resumed.status:
        words = (
            f"resume_from names {arn}, which does not exist; copy its ARN from the console (executions are forgotten "
            "90 days after their end)"
        )
    elif resumed.status == "SUCCEEDED":
        words = f"execution {arn} has succeeded, and there is nothing left to go on with; leave resume_from out"
    elif resumed.status not in UNSUCCESSFUL:
        words = (
            f"execution {arn} is {resumed.status}, and two would undo each other's steps; wait for it, or stop it first"
        )
    elif plan is None:
        before = resumed.resume_from
        way_out = f"resume the one that it was to resume, {before}" if before else "start a new execution with {}"
        words = f"execution {arn} never left Preflight, so it has changed nothing and reached nothing; {way_out}"
    else:
        return _reasons_by_course(resumed, plan, newest, lost, total_segments)
    return [words]


def _reasons_by_course(
    resumed: Resumed, plan: Plan, newest: Newest | None, lost: str | None, total_segments: int | None
) -> list[str]:
    arn, reasons = resumed.execution_arn, []
    is_lost = resumed.error in {"ChangesLost", "LateChangesLost"} or lost is not None
    if is_lost and resumed.has_moved:
        mapping_id = resumed.route.mapping_id if resumed.route else "of ReplicateChanges"
        reasons.append(
            f"execution {arn} found changes lost after the cut-over, and no resume brings them back; traffic is at "
            f"{plan.target.name}, and stays there. {by_hand(mapping_id, plan.source.name)}"
        )
    elif is_lost:
        reasons.append(
            f"execution {arn} found changes lost, and no resume brings them back; {lost or copy_anew(plan.target.name)}"
        )
    if newest is not None and newest.begun_at > plan.begun_at:
        # A later scan of the same run may have begun further back, and put other pages in place of this one's.
        over = (
            f"execution {arn} was resumed already: its cursors may be of no use any more"
            if newest.run == plan.run
            else f"run {newest.run} has begun since, and run {plan.run} of execution {arn} is over: its receipts say "
            "nothing about the target any more"
        )
        reasons.append(f"{over}; resume the last execution, which `python -m workflow resume` without an ARN finds")
    if total_segments is not None and total_segments != plan.total_segments:
        reasons.append(
            f"total_segments={total_segments}, but execution {arn} scans in {plan.total_segments} segments, and a "
            "cursor is of use only among as many; leave total_segments out, or start a new execution without "
            "resume_from"
        )
    return reasons


def is_execution_of(execution_arn: str, state_machine_arn: str) -> bool:
    """Whether an execution is one of this state machine, whichever of its versions."""
    machine = state_machine_arn.split(":")[:7]
    return execution_arn.split(":")[:7] == [*machine[:5], "execution", *machine[6:]]


def plan_resumed(
    settings: Migration, facts: Facts, resumed: Resumed, replication: Replication, *, begun_at: float, now: float
) -> Plan:
    """Check the settings against the facts and the execution to resume, and return its plan as it goes on.

    Args:
        settings: with what is inherited from the plan, and the overrides of the execution's input.
        facts: what Preflight saw.
        resumed: an execution against which `reasons_not_to_resume` has nothing.
        replication: how the run's replicator stands.
        begun_at: when the resuming execution began, epoch seconds.
        now: epoch seconds.

    Raises:
        Refused: with every reason at once, each as what, why and the way out.
    """
    source, plan = facts.source, resumed.plan
    reasons = reasons_against(settings, facts, keeps_items=True)
    if plan is None or source is None:
        raise Refused(" | ".join(reasons))
    reasons += _reasons_by_plan(settings, facts, plan)
    if resumed.route is not None:
        reasons += _reasons_by_replication(resumed, resumed.route, plan, facts, replication, now=now)
    elif facts.target_has_items:
        # It never had a replicator, so what is there is none of its own.
        reasons += [reason for reason in reasons_against(settings, facts) if reason not in reasons]
    if reasons:
        raise Refused(" | ".join(reasons))
    return plan.model_copy(
        update={
            **settings.knobs(),
            "total_segments": plan.total_segments,  # a cursor is of use only among as many
            "target": plan.target.model_copy(update={"id": None if facts.target is None else facts.target.id}),
            "begun_at": begun_at,
            "resume_from": resumed.execution_arn,
            **capacity_of_run(settings, facts, source, total_segments=plan.total_segments),
            "notices": tuple(notices_for(settings, facts, source)),
            "to_move": tuple(to_move(facts, source)),
        }
    )


def _reasons_by_plan(settings: Migration, facts: Facts, plan: Plan) -> list[str]:
    key = None if facts.source is None else facts.source.key
    then_set, now_set = plan.knobs(), settings.knobs()
    pairs: dict[str, tuple[object, object]] = {
        "migration": (plan.migration, settings.migration),
        "source_table": (plan.source.name, settings.source_table),
        "target_table": (plan.target.name, settings.target_table),
        **{name: (then_set[name], now_set[name]) for name in fields_of(Knobs, Scope.MIGRATION)},
        "region": (plan.source.region, facts.region),
        "key": (plan.source.key, key),
        "source_id": (plan.source.id, None if facts.source is None else facts.source.id),
    }
    return [
        f"the execution to resume has {name}={then!r}, and now it is {now!r}: the migration was deployed anew, or "
        "the source was made anew; start a new execution without resume_from"
        for name, (then, now) in pairs.items()
        if then != now
    ]


def _reasons_by_replication(
    resumed: Resumed, route: Route, plan: Plan, facts: Facts, replication: Replication, *, now: float
) -> list[str]:
    """Return the first reason: what was copied is of use only as long as every change since then has come, or will."""
    # Another mapping than that which was named has left out what came while there was none.
    earlier, detached = facts.earlier_plan, replication.mapping_id != route.mapping_id
    reasons = (
        (
            facts.target is None,
            f"target_table {plan.target.name} is gone, and with it what was copied",
        ),
        (
            facts.target is not None and facts.target.id != route.target.id,
            f"target_table {plan.target.name} was made anew, and is not the one that was copied to",
        ),
        (
            earlier is None or earlier.run != plan.run,
            (
                f"run {plan.run} was given up or has ended: the control table has no plan of it any more, so nobody "
                f"knows what has become of {plan.target.name}"
            ),
        ),
        (
            replication.stream_arn != route.stream_arn,
            (
                f"the stream of {plan.source.name} is not the one that was replicated ({route.stream_arn}): changes "
                "between the two are in neither"
            ),
        ),
        (
            bool(replication.lost),
            (
                f"changes of {len(replication.lost)} shards ({', '.join(replication.lost)}) were not applied within "
                f"the 24 h that the stream of {plan.source.name} keeps them"
            ),
        ),
        (
            detached and now - max(resumed.replicated_since, replication.applied_at) >= HORIZON_SECONDS,
            (
                f"execution {resumed.execution_arn} is too old: the replicator was detached, and began, or last "
                f"applied a change, more than 23.5 h ago, so changes may have left the stream of {plan.source.name}, "
                "which keeps them for 24 h"
            ),
        ),
        (
            detached and replication.rule is ReplicationRule.TARGET_WINS,
            (
                "the replicator was detached under the late rule: attached again it would take the target's own items "
                "for writes of the application"
            ),
        ),
    )
    way_out = f"{copy_anew(plan.target.name)} without resume_from"
    if facts.target is None:
        way_out = "start a new execution without resume_from: it copies everything anew"
    return [f"{words}; {way_out}" for holds, words in reasons if holds][:1]
