"""The source takes writes at any time."""

from collections.abc import Iterator

from tests.model.state import LETTERS, State, Step, Write, item_name
from tests.model.world import World


def source_steps(world: World, state: State) -> Iterator[tuple[Step, State]]:
    """Yield every put and delete that the bounds allow; a write that changes nothing leaves no record, and is none."""
    if state.phase == "before":
        is_over = len(state.history) >= world.bounds.before
    else:
        begun = max(state.streamed_from, state.horizon_at)
        is_over = len(state.history) - begun >= world.bounds.operations
    if is_over or not _is_time(world, state):
        return
    position = len(state.history) + 1
    for key in world.keys:
        there = world.in_source(state.history, key)
        content = state.history[there - 1].content if there else 0
        yield (
            ("the source takes a put of {}", item_name(key, position)),
            state._replace(history=(*state.history, Write(key, position))),
        )
        if there:
            yield (
                ("the source takes a delete of {}", LETTERS[key]),
                state._replace(history=(*state.history, Write(key, 0))),
            )
        if world.bounds.restores:
            first = next((write.content for write in state.history if write.key == key and write.content), content)
            if first != content:
                yield (
                    ("the source takes a put of {}, the same as {}", item_name(key, position), item_name(key, first)),
                    state._replace(history=(*state.history, Write(key, first))),
                )


def _is_time(world: World, state: State) -> bool:
    phases = world.ways.phases
    return state.phase == "before" or phases.index(state.phase) >= phases.index(world.bounds.waits_until)
