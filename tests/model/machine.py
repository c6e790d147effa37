"""The state machine's phases: what each waits for, and what it does. The application moves at the end."""

from collections.abc import Callable, Iterator

from tasks.core.conflict import RULE_ORDER, ReplicationRule
from tests.model.replicator import killed
from tests.model.state import APPLICATION, LETTERS, Scanner, State, Step, put_at
from tests.model.world import World

DELETE = RULE_ORDER.index(ReplicationRule.DELETE)
TARGET_WINS = RULE_ORDER.index(ReplicationRule.TARGET_WINS)

Steps = Iterator[tuple[Step, State]]


def machine_steps(world: World, state: State) -> Steps:
    """Yield what the phase that is under way may do."""
    yield from PHASE_STEPS[state.phase](world, state)


def _entered(world: World, state: State) -> State:
    """Enter the next phase; some take the tips of this moment."""
    phase = world.ways.after(state.phase)
    tips = state.tips
    is_missed = world.bounds.misses_tips_of_the_fence if phase == "fencing" else world.bounds.misses_tips
    if phase in {"fencing", "draining", "cutting over"} and is_missed:
        tips = tuple(mark.position if mark else 0 for mark in state.marks)
    elif phase in {"fencing", "draining", "cutting over"}:
        tips = world.tips(state)
    begins_to_carry = "draining" if world.bounds.misses_tips else "cutting over"
    carried = (0,) * world.bounds.keys if phase == begins_to_carry else state.carried
    return state._replace(phase=phase, tips=tips, carried=carried)


def _before(world: World, state: State) -> Steps:
    after = state._replace(
        streamed_from=len(state.history), checkpoints=tuple(len(state.history) for _ in world.shards)
    )
    yield ("the source's stream is turned on",), _entered(world, after)


def _settling(world: World, state: State) -> Steps:
    yield ("the stream has settled",), _entered(world, state)


def _backfill(world: World, state: State) -> Steps:
    scanner = state.scanner
    if scanner is None or scanner.page is not None or scanner.cursor < world.bounds.keys:
        return
    if world.is_drained(state, scanner.number):
        yield ("DrainBackfill finds a receipt for every page",), _entered(world, state)


def _detaching(world: World, state: State) -> Steps:
    if world.ways.closes_door:
        yield ("the writer's mapping is gone",), _entered(world, state)
    else:
        yield ("DetachWriter sets the rule DELETE",), _entered(world, _entered(world, state))._replace(rule=DELETE)


def _closing(world: World, state: State) -> Steps:
    after = _entered(world, state)._replace(rule=DELETE)
    if not world.ways.waits_for_writer:
        yield ("DetachWriter sets the rule DELETE",), after
        return
    # No page can come any more: what is left of the backfill plays no part, and is forgotten.
    after = after._replace(scanner=None, kinesis=frozenset(), sent=(), receipts=frozenset(), deliveries=frozenset())
    yield ("the writer's time-out has passed; DetachWriter sets the rule DELETE",), after


def _proof(world: World, state: State) -> Steps:
    # Tables are read over a time, not at once: each key is found equal at a moment of its own.
    for key in world.keys:
        if key not in state.proven and not world.differs(state.history, key, state.target[key]):
            proven = state.proven | {key}
            after = state._replace(proven=proven)
            is_over = len(proven) == world.bounds.keys
            yield ("the proof finds {} equal", LETTERS[key]), _entered(world, after) if is_over else after


def _fencing(world: World, state: State) -> Steps:
    if not world.is_behind(state):
        yield (
            ("FenceSource sets the rule TARGET_WINS",),
            _entered(world, state)._replace(rule=TARGET_WINS, is_waited=False),
        )


def _draining(world: World, state: State) -> Steps:
    if not world.is_behind(state) and not state.rejected:
        yield ("DrainChanges finds every tip passed",), _entered(world, state)


def _purging(world: World, state: State) -> Steps:
    yield from _wait(world, state)
    if not world.ways.may_purge(RULE_ORDER[state.rule]) or not world.is_in_force(state):
        return
    for key in sorted(state.tombstones):
        if key in state.swept:
            yield (
                ("the purge strikes {} out of the tombstone ledger", LETTERS[key]),
                state._replace(tombstones=state.tombstones - {key}, swept=state.swept - {key}),
            )
            continue
        swept = state._replace(swept=state.swept | {key})
        if world.is_tombstone(state.target[key]):
            swept = swept._replace(target=put_at(state.target, key, 0))
            yield ("the purge removes the tombstone of {}", LETTERS[key]), swept
        else:
            yield ("the purge finds no tombstone of {}", LETTERS[key]), swept
    if not state.tombstones:
        yield ("PurgeTombstones finds its ledger empty; the next state takes the tips",), _entered(world, state)


def _cutting_over(world: World, state: State) -> Steps:
    yield from _wait(world, state)
    is_ready = state.rule == TARGET_WINS and world.is_in_force(state) and not world.is_behind(state)
    if is_ready and not state.rejected:
        yield ("CutOver flips the pointer",), _entered(world, state)._replace(is_waited=True, proven=frozenset())


def _wait(world: World, state: State) -> Steps:
    """Let the replicator's time-out pass: a batch that began under an earlier rule has ended by then."""
    if state.is_waited or state.phase not in world.ways.waits_for_rule_in:
        return
    after = state
    for shard in world.shards:
        batch = state.batches[shard]
        if batch is not None and batch.rule < state.rule:
            after = killed(world, after, shard)
    yield ("the replicator's time-out passes",), after._replace(is_waited=True)


def _moved(world: World, state: State) -> Steps:
    if state.application >= world.bounds.application:
        return
    for key in world.keys:
        after = state._replace(application=state.application + 1, owned=state.owned | {key})
        yield (
            ("the application puts its own {} at the target", LETTERS[key]),
            after._replace(target=put_at(state.target, key, APPLICATION + state.application)),
        )
        if state.target[key]:
            yield (
                ("the application deletes {} at the target", LETTERS[key]),
                after._replace(target=put_at(state.target, key, 0)),
            )


PHASE_STEPS: dict[str, Callable[[World, State], Steps]] = {
    "before": _before,
    "settling": _settling,
    "backfill": _backfill,
    "detaching": _detaching,
    "closing": _closing,
    "proof": _proof,
    "fencing": _fencing,
    "draining": _draining,
    "purging": _purging,
    "cutting over": _cutting_over,
    "moved": _moved,
}


def first_state(world: World) -> State:
    """Return the state in which nothing has happened."""
    shards = len(world.shards)
    return State(
        phase=world.ways.phases[0],
        history=(),
        target=(0,) * world.bounds.keys,
        marks=(None,) * shards,
        checkpoints=(0,) * shards,
        reach=(0,) * shards,
        late=(0,) * world.bounds.keys,
        batches=(None,) * shards,
        scanner=Scanner(0, 0),
    )
