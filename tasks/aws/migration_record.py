"""What the control table says of the migration as a whole: its plan, and the rule that the replicator is under."""

from tasks.aws.control import ControlTable, control
from tasks.core.conflict import RULE_ORDER, ReplicationRule, RuleRecord
from tasks.core.errors import Refused
from tasks.core.plan import Plan
from tasks.core.resume import Newest

_PK = "migration"


def read_plan() -> Plan | None:
    """Return the plan of the run that attached the replicator and has not ended, if there is one."""
    document = control().read(_PK, "plan")
    return None if document is None else Plan.model_validate(document)


def required_plan() -> Plan:
    """Return the plan for a function that a stream drives.

    Raises:
        Refused: there is none, so nothing should have called the function.
    """
    plan = read_plan()
    if plan is None:
        raise Refused(
            "the control table holds no plan: this function is driven by a stream while a migration runs; "
            "start an execution, which attaches it"
        )
    return plan


def read_newest(table: ControlTable | None = None) -> Newest | None:
    """Return the execution that took the migration over last, from the function's own control table by default."""
    document = (table or control()).read(_PK, "newest-run")
    return None if document is None else Newest(document["run"], float(document["begun_at"]))


def put_plan(plan: Plan) -> None:
    """Make this the plan that the stream-driven functions go by.

    Raises:
        Refused: an execution that began later has been here. One that was given up and is redriven must not take the
            migration back, least of all after the later one's cut-over.
    """
    check_latest(plan)
    control().put(_PK, "newest-run", {"run": plan.run, "begun_at": plan.begun_at})
    control().put(_PK, "plan", plan.model_dump(mode="json"))


def check_run(plan: Plan) -> None:
    """Make sure that an execution is the one under way, before something of the migration is changed.

    Its run's name alone does not tell: an execution that resumes another has the same, and the other can still be
    redriven.

    Raises:
        Refused: another one has begun since.
    """
    check_latest(plan)
    record = read_rule()
    if record is not None and record.run != plan.run:
        raise Refused(_over(plan.run, record.run))


def check_latest(plan: Plan) -> None:
    """Make sure that no execution has taken the migration over from this one.

    Raises:
        Refused: one has.
    """
    newest = read_newest()
    if newest is not None and newest.begun_at > plan.begun_at:
        raise Refused(_over(plan.run, newest.run))


def _over(run: str, later: str) -> str:
    if run == later:
        return (
            f"a later execution goes on with run {run}, and this one is over; stop this execution, and resume or "
            "redrive the later one only"
        )
    return f"run {later} has begun since, and run {run} is over; stop this execution, and leave it"


def end_plan() -> None:
    """Forget the plan: the migration has ended, and its target is nobody's work in progress any more."""
    control().delete_all([(_PK, "plan"), (_PK, "stream")])


def read_rule(table: ControlTable | None = None) -> RuleRecord | None:
    """Return the replication rule, if one was ever set, from the function's own control table by default."""
    document = (table or control()).read(_PK, "rule")
    if document is None:
        return None
    return RuleRecord(ReplicationRule(document["rule"]), float(document["since"]), document["run"])


def required_rule() -> RuleRecord:
    """Return the rule for the replicator.

    Raises:
        Refused: none was ever set, so nothing should have called the function.
    """
    record = read_rule()
    if record is None:
        raise Refused(
            "the control table holds no replication rule: AttachReplicator sets it before it attaches the replicator; "
            "detach whatever else calls this function"
        )
    return record


def set_rule(rule: ReplicationRule, *, run: str, now: float) -> RuleRecord:
    """Put the replicator under a rule and return the record; a rule that this run has reached or passed stays.

    Raises:
        Refused: another run has begun since: an execution that was given up must not move its rule.
    """
    current = read_rule()
    if current is not None and current.run == run and RULE_ORDER.index(current.rule) >= RULE_ORDER.index(rule):
        return current  # within a run the rule only moves on
    if current is not None and current.run != run and rule is not ReplicationRule.LEAVE_TOMBSTONES:
        raise Refused(_over(run, current.run))
    control().put(_PK, "rule", {"rule": rule, "since": now, "run": run})
    return RuleRecord(rule, now, run)


def stream_seen_at(stream_arn: str, *, now: float) -> float:
    """Return when this stream was first seen ENABLED, epoch seconds; the first call is that moment."""
    seen = control().read(_PK, "stream")
    if seen is not None and seen["stream_arn"] == stream_arn:
        return float(seen["seen_at"])
    control().put(_PK, "stream", {"stream_arn": stream_arn, "seen_at": now})
    return now


def writer_gone_at(run: str, *, now: float) -> float:
    """Return when the writer's mapping was first seen gone in this run; the first call is that moment."""
    seen = control().read(_PK, "writer-gone")
    if seen is not None and seen["run"] == run:
        return float(seen["at"])
    control().put(_PK, "writer-gone", {"run": run, "at": now})
    return now


def forget_writer_gone() -> None:
    """Forget when the writer's mapping was seen gone, before it is made anew: the next wait has to begin anew too."""
    control().delete_all([(_PK, "writer-gone")])


def put_approval(execution_arn: str, task_token: str) -> None:
    """Keep the token that answers an execution's question. It goes into no log and no other state's input."""
    control().put(_PK, "approval", {"execution_arn": execution_arn, "task_token": task_token})


def read_approval(table: ControlTable) -> tuple[str, str] | None:
    """Return the ARN of the execution that asked last and the token that answers it; `None` if none ever asked."""
    document = table.read(_PK, "approval")
    return None if document is None else (document["execution_arn"], document["task_token"])


def cut_over_at(run: str) -> float | None:
    """Return when this run flipped the pointer and told of it, epoch seconds; `None` before."""
    document = control().read(_PK, "cut-over")
    return float(document["at"]) if document is not None and document["run"] == run else None


def put_cut_over(run: str, *, at: float) -> None:
    """Note that the pointer is flipped and the event sent."""
    control().put(_PK, "cut-over", {"run": run, "at": at})
