"""What `python -m workflow report` reads: the run's own metrics and its executions' histories, for a plan's sake.

Metrics are of a migration and a state, not of a run: those count that lie between an execution's beginning and its end.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3

from tasks.aws.run.spending import read_sums
from tasks.core.forecast.prices import PriceList
from tasks.core.forecast.spent import spent
from tasks.core.forecast.taken import Asked, asked_of, taken_of
from tasks.core.run.course import course_of
from tasks.core.run.phases import Course
from workflow import execution
from workflow.compared import APPROVAL, PHASES, Compared, Predicted, Timed, billed, counted, seconds_in, timed
from workflow.machine import Machine
from workflow.refusals import CommandRefused, in_words


@dataclass(frozen=True, slots=True)
class Report:
    """A plan beside its run."""

    counts: Sequence[Compared]
    seconds: Sequence[Timed]
    usd: Sequence[Compared]
    left_out: Sequence[str] = ()
    """ARNs of executions that those which were given had resumed."""

    def as_json(self) -> dict[str, Any]:
        """Return it as it is printed for a program."""
        return {
            "counts": [_row(row) for row in self.counts],
            "seconds": [asdict(row) for row in self.seconds],
            "usd": [_row(row) for row in self.usd],
            "left_out": list(self.left_out),
        }


def _row(row: Compared) -> dict[str, Any]:
    return {**asdict(row), "off": row.off}


def read_report(
    session: boto3.Session, execution_arns: Sequence[str], plan: Predicted, prices: PriceList | None = None
) -> Report:
    """Return all that the plan predicted, beside what metrics and histories tell of the run.

    Args:
        session: of the SDK.
        execution_arns: of the run, all of one migration; what they took is added up.
        plan: of the run.
        prices: those of the plan.

    Raises:
        CommandRefused: an execution or its metrics cannot be read, they are of several migrations, or the plan was made
            with other prices.
    """
    listed = prices or PriceList()
    _check_prices(plan, listed)
    machines = {Machine.of_execution(arn).arn: Machine.of_execution(arn) for arn in execution_arns}
    if len(machines) > 1:
        raise CommandRefused(f"the executions are of several migrations ({', '.join(sorted(machines))}); give one's")
    (machine,) = machines.values()
    now, courses, periods = datetime.now(UTC), list[Course](), list[tuple[datetime, datetime]]()
    for arn in dict.fromkeys(execution_arns):
        with in_words(f"reading execution {arn}"):
            described = execution.stepfunctions(session, machine.region).describe_execution(executionArn=arn)
        courses.append(course_of(execution.read_events(session, arn).all))
        periods.append((described["startDate"], described.get("stopDate") or now))
    asked = asked_of(machine.migration)
    sums: dict[Asked, float | None] = dict.fromkeys(asked)
    client = session.client("cloudwatch", region_name=machine.region)
    with in_words(f"reading the metrics of {machine.migration}"):
        for begun, ended in _apart(periods):
            for one, sum_ in read_sums(client, asked, begun, ended, now=now).items():
                sums[one] = sums[one] if sum_ is None else (sums[one] or 0.0) + sum_
    taken = taken_of(machine.migration, sums)
    # The plan has the stream until the cut-over, with the answer given at once; the rest of what it waits is added.
    until = [state for states in PHASES.values() for state in states] + [APPROVAL]
    there = seconds_in(courses, until, now) or 0.0
    bill = spent(taken, plan.basis, seconds=there, pages_shards=plan.pages_shards).at(listed)
    return Report(
        counted(plan, taken),
        timed(plan, courses, now),
        billed(plan, bill, waited_seconds=seconds_in(courses, [APPROVAL], now) or 0.0),
        sorted(_resumed(courses) - set(execution_arns)),
    )


def _check_prices(plan: Predicted, listed: PriceList) -> None:
    said = plan.bill.prices
    if (said.dated, said.region) != (listed.dated, listed.region):
        raise CommandRefused(
            f"the plan was made with prices of {said.region}, {said.dated}, and these are of {listed.region}, "
            f"{listed.dated}; give the same list: --prices FILE"
        )


def _apart(periods: Sequence[tuple[datetime, datetime]]) -> Iterator[tuple[datetime, datetime]]:
    """Yield stretches of time that have no minute in common: what lies in one would count twice."""
    begun: datetime | None = None
    ended = datetime.min.replace(tzinfo=UTC)
    for begins, ends in sorted(periods):
        if begun is not None and begins > ended + timedelta(minutes=2):
            yield begun, ended
            begun = None
        begun = begun or begins
        ended = max(ended, ends)
    if begun is not None:
        yield begun, ended


def _resumed(courses: Sequence[Course]) -> set[str]:
    return {course.plan.resume_from for course in courses if course.plan is not None and course.plan.resume_from}
