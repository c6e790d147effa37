"""What the control table says of the migration as a whole: its plan, and the rule that the replicator is under."""

from tasks.aws.books.control import ControlTable
from tasks.core.errors import ChangesLost, OutOfOrder, Superseded
from tasks.core.replicate.conflict import RULE_ORDER, ReplicationRule, RuleRecord
from tasks.core.run.plan import Plan, parse_plan
from tasks.core.run.resume import Newest

_PK = "migration"


class Record:
    """What holds for the whole migration."""

    def __init__(self, table: ControlTable, direction: str) -> None:
        self._table = table
        self._rule_sk = f"rule#{direction}"

    def read_plan(self) -> Plan | None:
        """Return the plan of the run that attached the replicator and has not ended, if there is one."""
        document = self._table.read(_PK, "plan")
        return None if document is None else parse_plan(document["plan"])

    def read_replication(self) -> tuple[Plan, str] | None:
        """Return the plan for the replicator, and the ARN of the stream whose changes it is to apply, if it has any."""
        document = self._table.read(_PK, "plan")
        return None if document is None else (parse_plan(document["plan"]), document["stream_arn"])

    def required_replication(self) -> tuple[Plan, str]:
        """Return the plan for the replicator, and the ARN of the stream whose changes it is to apply.

        Raises:
            OutOfOrder: there is none, so nothing should have called the function.
        """
        replication = self.read_replication()
        if replication is None:
            raise _not_under_way()
        return replication

    def required_plan(self) -> Plan:
        """Return the plan for a function that a stream drives.

        Raises:
            OutOfOrder: there is none, so nothing should have called the function.
        """
        plan = self.read_plan()
        if plan is None:
            raise _not_under_way()
        return plan

    def read_newest(self) -> Newest | None:
        """Return the execution that took the migration over last."""
        document = self._table.read(_PK, "newest-run")
        return None if document is None else Newest(document["run"], float(document["begun_at"]))

    def put_plan(self, plan: Plan, stream_arn: str) -> None:
        """Make this the plan that the stream-driven functions go by, and this the stream that the replicator reads.

        Raises:
            Superseded: an execution that began later has been here. One that was given up and is redriven must not take
                the migration back, least of all after the later one's cut-over.
        """
        self.check_latest(plan)
        self._table.put(_PK, "newest-run", {"run": plan.run, "begun_at": plan.begun_at})
        self._table.put(_PK, "plan", {"plan": plan.model_dump(mode="json"), "stream_arn": stream_arn})

    def check_run(self, plan: Plan) -> None:
        """Make sure that an execution is the one under way, before something of the migration is changed.

        Its run's name alone does not say it: an execution that resumes another has the same, and the other can still be
        redriven.

        Raises:
            Superseded: another one has begun since.
        """
        self.check_latest(plan)
        record = self.read_rule()
        if record is not None and record.run != plan.run:
            raise Superseded(_over(plan.run, record.run))

    def put_lost(self, plan: Plan, why: str) -> None:
        """Note that a run has lost changes. No later look may find it whole: what was skipped stays skipped."""
        self._table.put(_PK, "lost", {"run": plan.run, "why": why})

    def lost_in_words(self, run: str) -> str | None:
        """Return why a run is lost, `None` if it is not."""
        document = self._table.read(_PK, "lost")
        return str(document["why"]) if document is not None and document["run"] == run else None

    def check_not_lost(self, plan: Plan) -> None:
        """Make sure that no state of this run has found changes lost.

        Raises:
            ChangesLost: one has; in its words.
        """
        why = self.lost_in_words(plan.run)
        if why is not None:
            raise ChangesLost(why)

    def check_latest(self, plan: Plan) -> None:
        """Make sure that no execution has taken the migration over from this one.

        Raises:
            Superseded: one has.
        """
        newest = self.read_newest()
        if newest is not None and newest.begun_at > plan.begun_at:
            raise Superseded(_over(plan.run, newest.run))

    def end_plan(self) -> None:
        """Forget the plan: the migration has ended, and its target is nobody's work in progress any more."""
        self._table.delete_all([(_PK, "plan"), (_PK, "stream")])

    def read_rule(self) -> RuleRecord | None:
        """Return the replication rule, if one was ever set."""
        document = self._table.read(_PK, self._rule_sk)
        if document is None:
            return None
        return RuleRecord(ReplicationRule(document["rule"]), float(document["since"]), document["run"])

    def required_rule(self) -> RuleRecord:
        """Return the rule for the replicator.

        Raises:
            OutOfOrder: none was ever set, so nothing should have called the function.
        """
        record = self.read_rule()
        if record is None:
            raise OutOfOrder(
                "the control table holds no replication rule: AttachReplicator sets it before it attaches the "
                "replicator; detach whatever else calls this function"
            )
        return record

    def set_rule(self, rule: ReplicationRule, *, run: str, now: float) -> RuleRecord:
        """Put the replicator under a rule and return the record; a rule never moves back within a run.

        Raises:
            Superseded: another run has begun since: an execution that was given up must not move its rule.
        """
        current = self.read_rule()
        if current is not None and current.run == run and RULE_ORDER.index(current.rule) >= RULE_ORDER.index(rule):
            return current  # within a run the rule only moves on
        if current is not None and current.run != run and rule is not ReplicationRule.LEAVE_TOMBSTONES:
            raise Superseded(_over(run, current.run))
        self._table.put(_PK, self._rule_sk, {"rule": rule, "since": now, "run": run})
        return RuleRecord(rule, now, run)

    def stream_seen_at(self, stream_arn: str, *, now: float) -> float:
        """Return when this stream was first seen ENABLED, epoch seconds; the first call is that moment."""
        seen = self._table.read(_PK, "stream")
        if seen is not None and seen["stream_arn"] == stream_arn:
            return float(seen["seen_at"])
        self._table.put(_PK, "stream", {"stream_arn": stream_arn, "seen_at": now})
        return now

    def writer_gone_at(self, run: str, *, now: float) -> float:
        """Return when the writer's mapping was first seen gone in this run; the first call is that moment."""
        seen = self._table.read(_PK, "writer-gone")
        if seen is not None and seen["run"] == run:
            return float(seen["at"])
        self._table.put(_PK, "writer-gone", {"run": run, "at": now})
        return now

    def forget_writer_gone(self) -> None:
        """Forget when the writer's mapping was seen gone, before it is made anew: the next wait begins anew too."""
        self._table.delete_all([(_PK, "writer-gone")])

    def put_approval(self, execution_arn: str, task_token: str) -> None:
        """Keep the token that answers an execution's question. It goes into no log and no other state's input."""
        self._table.put(_PK, "approval", {"execution_arn": execution_arn, "task_token": task_token})

    def read_approval(self) -> tuple[str, str] | None:
        """Return the ARN of the execution that asked last and the token that answers it; `None` if none ever asked."""
        document = self._table.read(_PK, "approval")
        return None if document is None else (document["execution_arn"], document["task_token"])

    def cut_over_at(self, run: str) -> float | None:
        """Return when this run flipped the pointer and announced it, epoch seconds; `None` before."""
        document = self._table.read(_PK, "cut-over")
        return float(document["at"]) if document is not None and document["run"] == run else None

    def put_flip(self, run: str) -> None:
        """Note that this run is about to flip the pointer: who finds it flipped then knows by whom."""
        self._table.put(_PK, "flip", {"run": run})

    def is_flip_begun(self, run: str) -> bool:
        """Whether this run was about to flip the pointer."""
        document = self._table.read(_PK, "flip")
        return document is not None and document["run"] == run

    def put_cut_over(self, run: str, *, at: float) -> None:
        """Note that the pointer is flipped and the event sent."""
        self._table.put(_PK, "cut-over", {"run": run, "at": at})


def _not_under_way() -> OutOfOrder:
    return OutOfOrder(
        "the control table holds no plan: this function is driven by a stream while a migration runs; "
        "start an execution, which attaches it"
    )


def _over(run: str, later: str) -> str:
    if run == later:
        return (
            f"a later execution goes on with run {run}, and this one is over; stop this execution, and resume or "
            "redrive the later one only"
        )
    return f"run {later} has begun since, and run {run} is over; stop this execution, and leave it"
