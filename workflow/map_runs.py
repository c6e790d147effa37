"""The Map Runs of an execution, as far as somebody who looks at it needs them.

A Map Run may have thousands of children, and each has a history of its own. Those that succeeded are counted, not
read; what they did stands in the control table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

import boto3

from tasks.aws.run.execution_history import UNSUCCESSFUL, iter_children, iter_events
from tasks.core.run.course import MapRun
from tasks.core.run.events import ENDS, Event
from tasks.core.run.phases import Course
from workflow import execution
from workflow.machine import Machine
from workflow.refusals import in_words

CHILDREN_MOST = 200
"""Of one Map Run; more than anybody looks through."""
ENDED_BADLY = ("FAILED", "TIMED_OUT")
"""Children that say why a Map failed; a status looks at no others."""


@dataclass(frozen=True, slots=True)
class MapRuns:
    """What was read of an execution's Map Runs."""

    runs: Mapping[str, MapRun] = field(default_factory=dict)
    """By ARN."""
    ended: Mapping[str, tuple[Event, ...]] = field(default_factory=dict)
    """Histories of children that are over, by ARN: they are not read again, unless they are redriven."""


def read_map_runs(
    session: boto3.Session,
    execution_arn: str,
    course: Course,
    *,
    statuses: Iterable[str] = UNSUCCESSFUL,
    known: MapRuns | None = None,
) -> MapRuns:
    """Read the Map Runs of an execution; none of one whose Maps are inline.

    Args:
        session: of the SDK.
        execution_arn: which execution.
        course: as its own events show it.
        statuses: of the children whose histories are read.
        known: what an earlier call returned.
    """
    arns = [arn for phase in course.phases for arn in phase.map_runs]
    ended = dict(known.ended) if known else {}
    if not arns:
        return MapRuns()
    client = execution.stepfunctions(session, Machine.of_execution(execution_arn).region)
    runs = {}
    for arn in arns:
        with in_words(f"reading Map Run {arn}"):
            counts = client.describe_map_run(mapRunArn=arn)["itemCounts"]
            children = (child for status in statuses for child in iter_children(client, arn, statusFilter=status))
            histories = []
            for child in islice(children, CHILDREN_MOST):
                events = ended.get(child) or tuple(iter_events(client, child))
                if events and events[-1]["type"] in ENDS:
                    ended[child] = events
                histories.append(events)
        runs[arn] = MapRun(counts["succeeded"], tuple(histories))
    return MapRuns(runs, ended)
