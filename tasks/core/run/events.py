"""What the events of an execution's history belong to: pure.

Which phase or iteration an event belongs to follows from `previousEventId`: walking it back, the first
MapIterationStarted names the iteration, and before any the last state entered is the phase. Events come in order of
their ids, so the walk is made forwards: each event takes over the place of its previous one.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

Event = Mapping[str, Any]
"""One event as boto3 returns it; `timestamp` is a datetime with its time zone."""

ENDS: Final[Mapping[str, str]] = {
    "ExecutionSucceeded": "SUCCEEDED",
    "ExecutionFailed": "FAILED",
    "ExecutionTimedOut": "TIMED_OUT",
    "ExecutionAborted": "ABORTED",
}
"""Events that end an execution, and the status that it has then."""

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
        details = _details_of(event)
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


def _details_of(event: Event) -> Event:
    """Return the details, which AWS keeps under a name made of the event's type."""
    details: Event = next((value for name, value in event.items() if name.endswith("EventDetails")), {})
    return details
