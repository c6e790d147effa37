"""What must hold however the route breaks: the run stops, or nothing is lost of what the source had taken by then."""

from tests.model.bounds import Break
from tests.model.state import LETTERS, State
from tests.model.world import World


def lost_by_the_machine(world: World, before: State, after: State) -> str | None:
    """The machine never goes on over a loss: not to the flip, and not to the end.

    It has looked at the route, and its tips are passed. So whatever the source has taken by then is in the target, or
    comes there: what is lost later is none of that look's affair.
    """
    if after.phase == "flipping":
        return _lost_before_the_move(world, after, "CutOver goes on")
    if before.phase == "flipping" and world.bounds.judges_the_flip:
        return _lost_before_the_move(world, before, "traffic moves")
    if after.phase == "ended":
        return _lost_at_the_end(world, after)
    return None


def _lost_before_the_move(world: World, state: State, what: str) -> str | None:
    for key in world.keys:
        position = _last_write(state, key)
        is_dealt_with = position in state.rejected or not world.differs(state.history, key, state.target[key])
        if not is_dealt_with and not _comes(world, state, key, position):
            name = f"write {position} of {LETTERS[key]}"
            return f"{what}, and {name} is in neither the target nor the stream that is read"
    return None


def _lost_at_the_end(world: World, state: State) -> str | None:
    """Every write is carried over, kept as a reject, or the application's own stands over what had moved.

    What came behind the last tips is in the stream still, and lost with it: it takes `quiet_seconds` to trust that
    nothing comes any more.
    """
    for key in world.keys:
        position = _last_write(state, key)
        if position in state.rejected or (state.carried and state.carried[key] >= position):
            continue
        if key in state.owned:
            is_dealt_with = position <= max(state.streamed_from, state.tips[world.shard_of(key)])
        else:
            is_dealt_with = not world.differs(state.history, key, state.target[key])
        is_behind_tips = position > state.last_tips[world.shard_of(key)]
        if not is_dealt_with and not (is_behind_tips and _comes(world, state, key, position)):
            return f"the run ends, and write {position} of {LETTERS[key]} is lost"
    return None


def _last_write(state: State, key: int) -> int:
    """Return the position of the key's last write, 0 without any: no earlier one matters beside it."""
    return max((place for place, write in enumerate(state.history, start=1) if write.key == key), default=0)


def _comes(world: World, state: State, key: int, position: int) -> bool:
    """Whether a write is in the stream, and the replicator will be sent it."""
    shard = world.shard_of(key)
    mark = state.marks[shard]
    passed = max(mark.position if mark else 0, state.begins[shard] if state.begins else 0)
    return position > passed and position in world.positions(state, shard)


# ------------------------------------------------------------ what a broken world is not blamed for


def is_anew(world: World, state: State, *parts: Break) -> bool:
    """Whether one of these parts of the route was made anew."""
    return state.is_broken and world.bounds.breaks in parts


def differs(world: World, state: State, key: int) -> bool:
    """Whether the target has under a key what the source has not.

    With the stream off the target may stay at any moment of the source since; made anew, it or the mapping answers for
    nothing that came before.
    """
    cell = state.target[key]
    if not state.is_broken:
        return world.differs(state.history, key, cell)
    since = range(state.streamed_until, len(state.history) + 1)
    return world.bounds.breaks == "stream" and all(world.differs(state.history, key, cell, moment) for moment in since)
