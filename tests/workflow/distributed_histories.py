"""Histories of Distributed Maps, derived from the recorded ones of inline Maps.

No engine of this machine runs children of their own, so these cannot be recorded here. They are made from what AWS
documents: the parent's events are those of an inline Map without its iterations, but with MapRunStarted and how the Map
Run ended (API reference, HistoryEvent); each child is an execution whose history begins with ExecutionStarted, goes on
with the events of one iteration, and ends with its own end. A child that has not ended when its Map Run fails, or when
its parent ends, is aborted.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.core.run.course import MapRun
from tasks.core.run.events import ENDS, iter_placed

Event = dict[str, Any]

MAP_RUN = "arn:aws:states:eu-west-1:123456789012:mapRun:tableferry-asking/"
TOO_MANY = "States.ExceedToleratedFailureThreshold"
"""The error of a Map Run in which a child failed."""

_CHILDS_END = {
    "MapIterationStarted": "ExecutionStarted",
    "MapIterationSucceeded": "ExecutionSucceeded",
    "MapIterationFailed": "ExecutionFailed",
    "MapIterationAborted": "ExecutionAborted",
}


@dataclass
class Distributed:
    """What GetExecutionHistory, ListExecutions and DescribeMapRun would answer.

    Attributes:
        events: The parent's.
        children: By Map Run's ARN, each child's events.
    """

    events: list[Event] = field(default_factory=list)
    children: dict[str, list[list[Event]]] = field(default_factory=dict)

    @property
    def map_runs(self) -> dict[str, MapRun]:
        """All that can be known of them."""
        return {
            arn: MapRun(sum(status_of(child) == "SUCCEEDED" for child in children), tuple(map(tuple, children)))
            for arn, children in self.children.items()
        }

    @property
    def unsuccessful(self) -> dict[str, MapRun]:
        """What is read of them: children that succeeded are only counted."""
        return {
            arn: MapRun(run.succeeded, tuple(child for child in run.children if status_of(child) != "SUCCEEDED"))
            for arn, run in self.map_runs.items()
        }


def status_of(child: Iterable[Mapping[str, Any]]) -> str:
    """Return a child's status, as ListExecutions has it."""
    return next((ENDS[event["type"]] for event in reversed(list(child)) if event["type"] in ENDS), "RUNNING")


def distribute(events: list[Event]) -> Distributed:
    """Return an inline execution's history as that of one whose Maps are distributed."""
    made = Distributed()
    children: dict[tuple[int, int], list[Event]] = {}
    arns: dict[int, str] = {}
    failed = False
    for event, placed in zip(events, iter_placed(events), strict=True):
        visit, iteration = placed.place.visit, placed.place.iteration
        if visit is not None and iteration is not None:
            children.setdefault((visit, iteration), []).append(event)
            continue
        arn = arns.get(visit) if visit is not None else None
        if placed.kind in {"MapStateSucceeded", "MapStateFailed"} or (placed.kind in ENDS and _is_open(made.events)):
            failed = placed.kind == "MapStateFailed"
            made.events += _map_runs_end(event, placed.kind)
        if failed and placed.kind == "ExecutionFailed":
            event = {**event, "executionFailedEventDetails": {"error": TOO_MANY, "cause": "a child failed"}}  # noqa: PLW2901
        made.events.append(event)
        if placed.kind == "MapStateStarted" and visit is not None:
            arn = arns.setdefault(visit, f"{MAP_RUN}{placed.place.state}:{visit}")
            made.children[arn] = []
            started = {"type": "MapRunStarted", "mapRunStartedEventDetails": {"mapRunArn": arn}}
            made.events.append({**started, "timestamp": event["timestamp"]})
    ended = next((event for event in reversed(made.events) if event["type"] in ENDS), None)
    for (visit, _), its in sorted(children.items()):
        made.children[arns[visit]].append(_numbered(_child(its, ended)))
    made.events = _numbered(made.events)
    return made


def _is_open(events: list[Event]) -> bool:
    kinds = [event["type"] for event in events if event["type"].startswith("MapRun")]
    return kinds[-1:] == ["MapRunStarted"]


def _map_runs_end(event: Event, kind: str) -> Iterator[Event]:
    if kind == "MapStateSucceeded":
        yield {"type": "MapRunSucceeded", "timestamp": event["timestamp"]}
    elif kind == "MapStateFailed":
        details = {"error": TOO_MANY, "cause": "a child failed"}
        yield {"type": "MapRunFailed", "mapRunFailedEventDetails": details, "timestamp": event["timestamp"]}
    else:
        yield {"type": "MapRunAborted", "timestamp": event["timestamp"]}


def _child(events: list[Event], parents_end: Event | None) -> list[Event]:
    made: list[Event] = []
    for event in events:
        kind = _CHILDS_END.get(event["type"], event["type"])
        if kind == event["type"]:
            made.append(event)
            continue
        own = {"type": kind, "timestamp": event["timestamp"]}
        if kind == "ExecutionFailed":
            failure = next(
                entry["taskFailedEventDetails"] for entry in reversed(events) if entry["type"] == "TaskFailed"
            )
            own["executionFailedEventDetails"] = {"error": failure["error"], "cause": failure.get("cause", "")}
        made.append(own)
    if parents_end is not None and made[-1]["type"] not in ENDS:
        # Calls of it that are answered later find no execution any more.
        made.append({"type": "ExecutionAborted", "timestamp": parents_end["timestamp"]})
    return made


def _numbered(events: list[Event]) -> list[Event]:
    return [{**event, "id": number, "previousEventId": number - 1} for number, event in enumerate(events, start=1)]


def redriven(made: Distributed) -> Distributed:
    """Return a failed execution as it is after a redrive that succeeded in its Map: unsuccessful children go on."""
    at = made.events[-1]["timestamp"]
    children = {
        arn: [child if status_of(child) == "SUCCEEDED" else _numbered(_gone_on(child)) for child in run]
        for arn, run in made.children.items()
    }
    arn = next(reversed(made.children))
    more = [
        {"type": "ExecutionRedriven", "executionRedrivenEventDetails": {"redriveCount": 1}},
        {"type": "MapRunRedriven", "mapRunRedrivenEventDetails": {"mapRunArn": arn, "redriveCount": 1}},
    ]
    events = _numbered([*made.events, *({**event, "timestamp": at} for event in more)])
    # In the same Map: the events after the redrive follow the one that started it.
    started = next(event["id"] for event in events if event["type"] == "MapRunStarted")
    events[-1]["previousEventId"] = started
    return Distributed(events, children)


def _gone_on(child: list[Event]) -> list[Event]:
    """Return a child whose failed state was tried again, and succeeded: its segment is done then."""
    entered = next(event for event in reversed(child) if event["type"] == "TaskStateEntered")
    output = entered["stateEnteredEventDetails"]["input"].replace(
        '"checkpoint":{', '"checkpoint":{"state":"done","pages":9,'
    )
    steps: list[Event] = [
        {"type": "ExecutionRedriven", "executionRedrivenEventDetails": {"redriveCount": 1}},
        *({"type": kind} for kind in ("TaskScheduled", "TaskStarted", "TaskSucceeded")),
        {"type": "TaskStateExited", "stateExitedEventDetails": {"name": "ScanSegment", "output": output}},
        {"type": "ExecutionSucceeded"},
    ]
    return [*child, *({**step, "timestamp": child[-1]["timestamp"]} for step in steps)]


def pages_of(events: list[Event], size: int) -> list[list[Event]]:
    """Return a history as GetExecutionHistory pages it."""
    return [events[start : start + size] for start in range(0, len(events), size)] or [[]]
