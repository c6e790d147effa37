"""Changes: batches of any bounds, applied, partly applied, failed and replayed, with a crash between any two steps."""

from collections.abc import Iterator

from tasks.core.replicate.conflict import RULE_ORDER, LateChange, ReplicationRule
from tests.model.state import APPLICATION, LETTERS, Batch, Mark, State, Step, item_name, put_at
from tests.model.world import Merged, Stretch, World

LEAVE_TOMBSTONES = RULE_ORDER.index(ReplicationRule.LEAVE_TOMBSTONES)
TARGET_WINS = RULE_ORDER.index(ReplicationRule.TARGET_WINS)

Steps = Iterator[tuple[Step, State]]


def replicator_steps(world: World, state: State) -> Steps:
    """Yield what the replicator may do next, in each shard, which has one batch at a time."""
    if state.phase == "before":
        return
    for shard in world.shards:
        batch = state.batches[shard]
        if batch is None:
            yield from _begin(world, state, shard)
        else:
            yield from _go_on(world, state, shard, batch)


def killed(world: World, state: State, shard: int) -> State:
    """Return the state after the shard's batch has ended with nothing reported."""
    batch = state.batches[shard]
    if batch is None:
        return state
    reach = state.reach[shard]
    if batch.applied:
        reach = max(reach, world.stretch(state, shard, batch).end)
    return state._replace(batches=put_at(state.batches, shard, None), reach=put_at(state.reach, shard, reach))


def _begin(world: World, state: State, shard: int) -> Steps:
    if state.marks[shard] is None and state.horizon and state.horizon[shard]:
        # The shard's first batch, whatever comes in it.
        mark = Mark(state.horizon[shard], state.rule)
        yield ("the watermark begins at {}", mark.position), state._replace(marks=put_at(state.marks, shard, mark))
        return
    for first, end in world.batches(state, shard):
        batch = _with_next_step(world, state, shard, Batch(start=first - 1, end=end, rule=state.rule))
        yield (
            ("a batch of changes {} to {} begins under {}", first, end, RULE_ORDER[state.rule].name),
            state._replace(
                batches=put_at(state.batches, shard, batch), checkpoints=put_at(state.checkpoints, shard, first - 1)
            ),
        )


def _with_next_step(world: World, state: State, shard: int, batch: Batch) -> Batch:
    """Go over the tombstone ledger where there is nothing to enter."""
    stretch = world.stretch(state, shard, batch)
    is_idle = batch.rule != LEAVE_TOMBSTONES or not stretch.deleted
    if is_idle and world.ways.replicator[batch.step] == "enter":
        return batch._replace(step=batch.step + 1)
    return batch


def _go_on(world: World, state: State, shard: int, batch: Batch) -> Steps:
    stretch = world.stretch(state, shard, batch)
    name = world.ways.replicator[batch.step]
    if name == "enter":
        yield (
            ("the tombstone ledger takes {}", ", ".join(LETTERS[key] for key in sorted(stretch.deleted))),
            _done(world, state._replace(tombstones=state.tombstones | stretch.deleted), shard, batch, stretch),
        )
    elif name == "mark":
        mark = world.mark_behind(shard, state.marks[shard], stretch, batch.rule)
        is_reached = mark.position >= state.reach[shard]
        yield (
            ("the watermark moves to {}", mark.position),
            _done(
                world,
                state._replace(
                    marks=put_at(state.marks, shard, mark),
                    reach=put_at(state.reach, shard, 0 if is_reached else state.reach[shard]),
                ),
                shard,
                batch,
                stretch,
            ),
        )
    elif batch.rule == TARGET_WINS and not batch.seen:
        yield ("the batch reads the late ledger and the target",), _having_read(world, state, shard, batch)
    else:
        for one in stretch.merged:
            if one.key not in batch.applied:
                yield from _write(world, state, shard, batch, one)
    yield ("the replicator crashes",), killed(world, state, shard)
    yield from _fail(world, state, shard, batch, stretch)


def _having_read(world: World, state: State, shard: int, batch: Batch) -> State:
    batch = batch._replace(seen=state.target, entered=state.late)
    stretch = world.stretch(state, shard, batch)
    if not stretch.merged:
        return _done(world, state, shard, batch, stretch)
    return state._replace(batches=put_at(state.batches, shard, batch))


def _fail(world: World, state: State, shard: int, batch: Batch, stretch: Stretch) -> Steps:
    """Report the first change that is not applied; where that says no more than a crash, there is no such step."""
    if batch.rule == TARGET_WINS:
        applied = [*stretch.covered, *(one for one in stretch.merged if one.key in batch.applied)]
    else:
        applied = []
        for one in stretch.merged:
            if one.key not in batch.applied:
                break
            applied.append(one)
    checkpoint = world.go_on_from(stretch, applied) if applied else batch.start
    if checkpoint > batch.start:
        after = killed(world, state, shard)
        yield (
            ("the batch fails, and reports change {}", checkpoint + 1),
            after._replace(checkpoints=put_at(after.checkpoints, shard, checkpoint)),
        )


def _done(world: World, state: State, shard: int, batch: Batch, stretch: Stretch) -> State:
    """Go to the next step, the next stretch, or the batch's end."""
    after: Batch | None = batch._replace(step=batch.step + 1)
    if batch.step + 1 == len(world.ways.replicator):
        state = state._replace(checkpoints=put_at(state.checkpoints, shard, stretch.end))
        after = Batch(stretch.end, batch.end, batch.rule) if stretch.end < batch.end else None
    if after is not None:
        after = _with_next_step(world, state, shard, after)
    return state._replace(batches=put_at(state.batches, shard, after))


def _applied(world: World, state: State, shard: int, batch: Batch, one: Merged) -> State:
    """Note that a key's change is dealt with."""
    stretch = world.stretch(state, shard, batch)
    seen = put_at(batch.seen, one.key, 0) if batch.seen else ()
    batch = batch._replace(applied=tuple(sorted((*batch.applied, one.key))), seen=seen)
    if len(batch.applied) == len(stretch.merged):
        return _done(world, state, shard, batch, stretch)
    return state._replace(batches=put_at(state.batches, shard, batch))


def _write(world: World, state: State, shard: int, batch: Batch, one: Merged) -> Steps:
    if not world.ways.stops_at_failure:
        yield (
            ("the target throttles change {}, and the replicator goes on", one.position),
            _applied(world, state, shard, batch, one),
        )
    if batch.rule == TARGET_WINS:
        yield from _write_late(world, state, shard, batch, one)
        return
    if one.change.new is not None:
        cell, step = one.position, _put(one)
    elif batch.rule == LEAVE_TOMBSTONES:
        cell, step = one.left, ("change {} leaves {} deleted", one.position, LETTERS[one.key])
    else:
        cell, step = 0, ("change {} deletes {}", one.position, LETTERS[one.key])
    if _is_refused(world, one):
        yield _refuse(world, state, shard, batch, one)
    else:
        yield step, _applied(world, _with_cell(state, one, cell), shard, batch, one)


def _is_refused(world: World, one: Merged) -> bool:
    return world.bounds.refuses and one.change.new is not None and one.key == world.keys[-1]


def _refuse(world: World, state: State, shard: int, batch: Batch, one: Merged) -> tuple[Step, State]:
    step: Step = ("the target refuses change {}, which is kept as a reject", one.position)
    return step, _applied(world, _rejected(state, one), shard, batch, one)


def _rejected(state: State, one: Merged) -> State:
    return state._replace(rejected=state.rejected | {one.position})


def _put(one: Merged) -> Step:
    return ("change {} puts {}", one.position, item_name(one.key, one.position))


def _with_cell(state: State, one: Merged, cell: int) -> State:
    state = _carried(state, one)
    return state._replace(target=put_at(state.target, one.key, cell), owned=state.owned - {one.key})


def _carried(state: State, one: Merged) -> State:
    return state._replace(carried=put_at(state.carried, one.key, one.position)) if state.carried else state


def _write_late(world: World, state: State, shard: int, batch: Batch, one: Merged) -> Steps:
    seen, present = batch.seen[one.key], state.target[one.key]
    verdict = world.judge(state.history, one, seen)
    if verdict is LateChange.APPLIED:
        after = state
        # The item is what the change leaves; it counts as left by this write from now on.
        if seen == present and present and present < APPLICATION:
            after = after._replace(target=put_at(after.target, one.key, world.left_later(present, one.position)))
        yield ("change {} is found applied", one.position), _dealt_with(world, _carried(after, one), shard, batch, one)
    elif verdict is LateChange.TARGET_WINS:
        kept = _rejected(state, one)
        step: Step = ("change {} finds another item at the target, and is kept as a reject", one.position)
        yield step, _dealt_with(world, kept, shard, batch, one)
        yield ("change {} is kept as a reject, and the replicator crashes", one.position), killed(world, kept, shard)
    elif not world.still_holds(state.history, one, seen, present):
        again = batch._replace(seen=put_at(batch.seen, one.key, present))
        step = ("change {} finds {} written to since, and reads it again", one.position, LETTERS[one.key])
        yield step, state._replace(batches=put_at(state.batches, shard, again))
    elif _is_refused(world, one):
        kept = _rejected(state, one)
        yield (
            ("the target refuses change {}, which is kept as a reject", one.position),
            _dealt_with(world, kept, shard, batch, one),
        )
    else:
        cell = one.position if one.change.new is not None else 0
        step = _put(one) if cell else ("change {} deletes {}", one.position, LETTERS[one.key])
        written = _with_cell(state, one, cell)
        yield step, _dealt_with(world, written, shard, batch, one)
        if not world.ways.enters_with_the_write:
            yield ("change {} is written, and the replicator crashes", one.position), killed(world, written, shard)


def _dealt_with(world: World, state: State, shard: int, batch: Batch, one: Merged) -> State:
    """Enter a late change into the ledger."""
    if world.ways.has_late_ledger:
        state = state._replace(late=put_at(state.late, one.key, one.position))
    return _applied(world, state, shard, batch, one)
