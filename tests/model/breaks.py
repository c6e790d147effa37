"""The world breaks the route that changes take: once, at any time, whatever the machine is at.

Each of these steps takes a part of the route away and puts another in its place under the same name. While nothing is
in its place nothing goes on there, so that needs no step of its own; but a look may fall into that time, and has to
find the route broken then as well as later.
"""

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from tasks.core.model.item import KeySchema
from tasks.core.model.table_ref import TableRef
from tasks.core.replicate.route import Route, Seen
from tests.model.bounds import Break
from tests.model.state import State, Step
from tests.model.ways import Ways
from tests.model.world import World

_SOURCE: Final = TableRef(name="source", region="here", account="ours", key=KeySchema("pk", "S"), id="source")
_TARGET: Final = _SOURCE.model_copy(update={"name": "target", "id": "target"})
ROUTE: Final = Route(source=_SOURCE, target=_TARGET, stream_arn="stream", mapping_id="mapping")
WHOLE: Final = Seen(source_id="source", stream_arn="stream", mapping_id="mapping", target_id="target")
SEEN: Final[dict[Break, tuple[Seen, ...]]] = {
    "": (WHOLE,),
    "stream": (replace(WHOLE, stream_arn=None), replace(WHOLE, stream_arn="another stream")),
    "target": (replace(WHOLE, target_id=None), replace(WHOLE, target_id="another target")),
    "mapping": (replace(WHOLE, mapping_id=None), replace(WHOLE, mapping_id="another mapping")),
}
"""What a look may see of each break: nothing, or another one."""


def break_steps(world: World, state: State) -> Iterator[tuple[Step, State]]:
    """Yield the break that the bounds allow, unless it has happened."""
    if not world.bounds.breaks or state.is_broken or state.phase == "before":
        return
    after = state._replace(is_broken=True)
    if world.bounds.breaks == "stream":
        # Turned on again it is another stream. The one that is read brings what it has, and no more.
        after = after._replace(streamed_until=len(state.history))
        yield ("the source's stream is turned off, or off and on again",), after
    elif world.bounds.breaks == "target":
        nothing = (0,) * world.bounds.keys
        after = after._replace(target=nothing, owned=frozenset(), carried=nothing if state.carried else ())
        yield ("the target is deleted, and made anew without an item",), after
    else:
        # A batch that is under way and comes to its end is one that came to its end before.
        tips = world.tips(state)
        none = (None,) * len(tips)
        after = after._replace(begins=tips, checkpoints=tips, batches=none, reach=(0,) * len(tips))
        yield ("the replicator's mapping is deleted, and made anew at LATEST",), after


def is_found_broken(world: World, state: State) -> bool:
    """Whether the phase looks at the route, and finds it broken whatever it sees."""
    seen_of = world.bounds.breaks if state.is_broken else ""
    return state.phase in world.ways.looks_in and _is_found_broken(world.ways, seen_of)


@functools.cache
def _is_found_broken(ways: Ways, broken: Break) -> bool:
    return all(ways.finds_broken(ROUTE, seen) for seen in SEEN[broken])


def is_stopped(world: World, state: State) -> bool:
    """Whether a phase before the move stops the run. Nothing mends a route, so it is one whether it looks now or later.

    One that looks early does not look again.
    """
    looks_last = state.phase != "moved" and not world.ways.looks_early_in(state.phase)
    return looks_last and state.is_broken and is_found_broken(world, state)
