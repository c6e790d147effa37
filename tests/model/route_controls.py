"""Negative controls of the looks at the route: left out, too early, or at names alone. And what no look can see to."""

from dataclasses import replace

from tasks.core.replicate.route import Route, Seen
from tests.model.bounds import Bounds
from tests.model.controls import Control
from tests.model.ways import Ways


class LooksAtNames(Ways):
    """Something has to be there, whatever it is."""

    def finds_broken(self, route: Route, seen: Seen) -> bool:
        """Only if there is nothing."""
        del route
        return None in {seen.source_id, seen.stream_arn, seen.mapping_id, seen.target_id}


STREAM = Bounds(operations=1, waits_until="protecting", breaks="stream", ends_with="ended")
TARGET = replace(STREAM, breaks="target")
MAPPING = Bounds(keys=2, before=0, operations=2, waits_until="proof", breaks="mapping", ends_with="ended")
"""With one key, the next change that is delivered brings all that was passed over."""


def without_look_in(phase: str) -> Ways:
    """Return the product's ways, but for one look."""
    return Ways(looks_in=Ways().looks_in - {phase})


def looking_first_in(phase: str) -> Ways:
    """Return the product's ways, but that one phase looks before it takes the tips."""
    return Ways(looks_before_tips_in=frozenset({phase}))


def looking_then_waiting_in(phase: str) -> Ways:
    """Return the product's ways, but that one phase looks behind the tips, and waits for the replicator then."""
    return Ways(looks_before_passing_in=frozenset({phase}))


IN_NEITHER = "CutOver goes on, and write 1 of a is in neither the target nor the stream that is read"
LOST = "the run ends, and write 1 of a is lost"

ROUTE_CONTROLS = (
    Control("a cut-over that does not look, the stream off", without_look_in("cutting over"), IN_NEITHER, 17, STREAM),
    Control("a cut-over that does not look, the target anew", without_look_in("cutting over"), IN_NEITHER, 20, TARGET),
    Control(
        "a cut-over that does not look, the mapping anew", without_look_in("cutting over"), IN_NEITHER, 18, MAPPING
    ),
    Control("a look at names, the stream anew", LooksAtNames(), IN_NEITHER, 17, STREAM),
    Control("a look at names, the target anew", LooksAtNames(), IN_NEITHER, 20, TARGET),
    Control("a look at names, the mapping anew", LooksAtNames(), IN_NEITHER, 18, MAPPING),
    Control("a look before CutOver's tips, the stream off", looking_first_in("cutting over"), IN_NEITHER, 18, STREAM),
    Control(
        "a look before CutOver's tips, the mapping anew", looking_first_in("cutting over"), IN_NEITHER, 23, MAPPING
    ),
    Control(
        "a look before CutOver's tips are passed, the mapping anew",
        looking_then_waiting_in("cutting over"),
        IN_NEITHER,
        19,
        MAPPING,
    ),
    Control("an end that does not look, the stream off", without_look_in("moved"), LOST, 20, STREAM),
    Control("an end that does not look, the target anew", without_look_in("moved"), LOST, 23, TARGET),
    Control("an end that does not look, the mapping anew", without_look_in("moved"), LOST, 21, MAPPING),
    Control("a look before the last tips, the stream off", looking_first_in("moved"), LOST, 20, STREAM),
    Control("a look before the last tips, the mapping anew", looking_first_in("moved"), LOST, 26, MAPPING),
    Control(
        "a look before the last tips are passed, the mapping anew", looking_then_waiting_in("moved"), LOST, 22, MAPPING
    ),
)

MOVES = "traffic moves, and write 1 of a is in neither the target nor the stream that is read"

ROUTE_RELIED_ON = tuple(
    Control(
        f"nothing breaks between CutOver's look and its flip, the {bounds.breaks}",
        Ways(),
        MOVES,
        steps,
        replace(bounds, judges_the_flip=True),
    )
    for bounds, steps in ((STREAM, 18), (TARGET, 21), (MAPPING, 19))
)
"""They are two calls. Traffic moves over what breaks in between, and DrainLateWrites stops the run."""
