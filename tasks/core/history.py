"""What the events of an execution belong to, and which checkpoints stand in them: pure.

Which phase or iteration an event belongs to follows from `previousEventId`: walking it back, the first
MapIterationStarted names the iteration, and before any the last state entered is the phase. Events come in order of
their ids, so the walk is made forwards: each event takes over the place of its previous one.

The children of a Distributed Map have histories of their own, of the same events as an iteration of an inline Map.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tasks.core.segment import Checkpoint

Event = Mapping[str, Any]
"""One event as boto3 returns it; `timestamp` is a datetime with its time zone."""

ENDS: Final[Mapping[str, str]] = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}
"""Events that end an execution, and the status that it has then."""

SCANNING_STATE: Final = "ScanSegment"
BACKFILL_STATE: Final = "Backfill"

_NO_PHASES = frozenset({"ChoiceStateEntered", "PassStateEntered"})
"""States that take no time; they are read in the definition, not in a status."""


@dataclass(frozen=True, slots=True)
class Place:
    """What an event belongs to."""

    visit: int | None = None
    """Of a state, 0-based in the order of entry; `None` outside of any."""
    state: str = ""
    iteration: int | None = None
    """Of an inline Map; `None` for what is the phase's own."""


_OUTSIDE = Place()


@dataclass(frozen=True, slots=True)
class Placed:
    """An event in its place."""

    kind: str
    at: datetime
    details: Event
    place: Place


def iter_placed(events: Iterable[Event]) -> Iterator[Placed]:
    """Yield each event in its place.

    Args:
        events: all of an execution's, in the order of their ids, with execution data.
    """
    places: dict[int, Place] = {}
    visits = 0
    for event in events:
        kind: str = event["type"]
        details = details_of(event)
        place = places.get(event.get("previousEventId", 0), _OUTSIDE)
        if kind.endswith("StateEntered") and place.iteration is None:
            if kind in _NO_PHASES:
                place = _OUTSIDE
            else:
                place = Place(visits, details["name"])
                visits += 1
        elif kind.startswith("MapIteration"):
            place = Place(place.visit, place.state, details["index"])
        elif kind.startswith(("MapState", "MapRun")):
            # It follows the event that ended the last iteration, and is the phase's own.
            place = Place(place.visit, place.state)
        places[event["id"]] = place
        yield Placed(kind, event["timestamp"], details, place)


def details_of(event: Event) -> Event:
    """Return the details, which AWS keeps under a name made of the event's type."""
    details: Event = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
    return details


@dataclass(slots=True)
class Told:
    """What an execution's own history tells of its course, as far as a resume needs it."""

    document: Mapping[str, Any] = field(default_factory=dict)
    """What the last state that was left handed on: the plan and the results so far."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """The execution's input; empty if it is no object."""
    error: str = ""
    """With which it failed; of a time-out or a stop what Step Functions says, if anything."""
    checkpoints: dict[int, list[Checkpoint]] = field(default_factory=dict)
    """By segment, each one that was laid out or reached, in order."""
    map_runs: list[str] = field(default_factory=list)
    """ARNs of the backfill's Map Runs; none of an inline Map."""


def read_told(events: Iterable[Event]) -> Told:
    """Read an execution's history, or that of a Map's child, in which only checkpoints are of use.

    Args:
        events: all of the execution's, in the order of their ids, with execution data.
    """
    told = Told()
    for event in iter_placed(events):
        if event.kind == "ExecutionStarted":
            given = json.loads(event.details.get("input") or "{}")
            told.given = given if isinstance(given, dict) else {}
        elif event.kind == "ExecutionRedriven":
            told.error = ""
        elif event.kind in ENDS:
            told.error = event.details.get("error") or ""
        elif event.kind == "MapRunStarted" and event.place.state == BACKFILL_STATE:
            told.map_runs.append(event.details["mapRunArn"])
        elif event.kind.endswith(("StateEntered", "StateExited")):
            _read_state(event, told)
    return told


def _read_state(event: Placed, told: Told) -> None:
    text = event.details.get("input") or event.details.get("output") or "{}"
    if event.details.get("name") == SCANNING_STATE:
        checkpoint = Checkpoint.model_validate(json.loads(text)["scan"]["checkpoint"])
        told.checkpoints.setdefault(checkpoint.segment, []).append(checkpoint)
    elif event.place.iteration is None and event.place.visit is not None and event.kind.endswith("StateExited"):
        told.document = json.loads(text)
        if event.place.state == "PlanSegments":
            for planned in told.document["segments"]["checkpoints"]:
                checkpoint = Checkpoint.model_validate(planned)
                told.checkpoints.setdefault(checkpoint.segment, []).append(checkpoint)
