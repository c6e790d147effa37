"""The state machine's phases: what each waits for, and what it does. The application moves at the end."""

import itertools
from collections.abc import Callable, Iterator

from tasks.core.replicate.conflict import RULE_ORDER, ReplicationRule
from tests.model.breaks import is_found_broken
from tests.model.replicator import killed
from tests.model.state import APPLICATION, LETTERS, Mark, Scanner, State, Step, item_name, put_at
from tests.model.world import World

DELETE = RULE_ORDER.index(ReplicationRule.DELETE)
TARGET_WINS = RULE_ORDER.index(ReplicationRule.TARGET_WINS)

Steps = Iterator[tuple[Step, State]]


def machine_steps(world: World, state: State) -> Steps:
    """Yield what the phase that is under way may do; the last one that is looked into has no other behind it."""
    if state.phase != world.bounds.ends_with or state.phase == "moved":
        yield from PHASE_STEPS[state.phase](world, state)
        yield from _resume(world, state)


def _entered(world: World, state: State) -> State:
    """Enter the next phase; some take the tips of this moment."""
    phase = world.ways.after(state.phase)
    tips = state.tips
    is_missed = world.bounds.misses_tips_of_protect_target if phase == "protecting" else world.bounds.misses_tips
    if phase in {"protecting", "draining", "cutting over"} and is_missed:
        tips = tuple(mark.position if mark else 0 for mark in state.marks)
    elif phase in {"protecting", "draining", "cutting over"}:
        tips = world.tips(state)
    # With tips that are missed a change may count as a late one whose batch began right behind the purge.
    begins_to_carry = "purging" if world.bounds.misses_tips else "cutting over"
    carried = (0,) * world.bounds.keys if phase == begins_to_carry else state.carried
    return state._replace(phase=phase, tips=tips, carried=carried)


def _resume(world: World, state: State) -> Steps:
    """Let another execution go on with the run: behind the closed door it scans nothing, and proves all anew."""
    closed = {"purging", "proof", "protecting", "draining", "cutting over"}
    if not world.bounds.resumes or state.is_resumed or state.phase not in closed:
        return
    phase = "purging" if world.ways.keeps_door_closed else "detaching"
    after = state._replace(phase=phase, tips=(), proven=frozenset(), carried=(), has_looked=False, is_resumed=True)
    yield ("another execution resumes the run",), after


def _before(world: World, state: State) -> Steps:
    if world.bounds.is_on_before:
        yield from _take_horizon(world, state)
        return
    after = state._replace(
        streamed_from=len(state.history), checkpoints=tuple(len(state.history) for _ in world.shards)
    )
    yield ("the source's stream is turned on",), _entered(world, after)


def _take_horizon(world: World, state: State) -> Steps:
    """Take up to where changes are passed over: of each shard what was seen of it, or nothing."""
    yield from _leave_over(world, state)
    is_for_it = world.ways.passes_over_into == "any" or not any(state.target)
    reaches = world.ways.horizon_reaches
    seen = [(0, tip + reaches) if tip and is_for_it else (0,) for tip in world.tips(state)]
    for horizon in itertools.product(*seen):
        after = state._replace(horizon=horizon, horizon_at=len(state.history))
        yield ("changes up to {} are passed over", ", ".join(map(str, horizon))), _entered(world, after)


def _leave_over(world: World, state: State) -> Steps:
    """A batch of an earlier run that was under way puts an item."""
    if not world.bounds.leaves_over or state.is_left_over or not state.history or not state.history[0].content:
        return
    key = state.history[0].key
    after = state._replace(is_left_over=True, target=put_at(state.target, key, 1))
    yield ("a batch of an earlier run puts {}", item_name(key, 1)), after


def _take_horizon_anew(world: World, state: State) -> Steps:
    """What must not be: the replicator may have applied a part of what is passed over then."""
    if state.horizon and not world.ways.takes_the_horizon_once and state.horizon != world.tips(state):
        tips = world.tips(state)
        marks = tuple(Mark(tip, state.rule) if tip else mark for tip, mark in zip(tips, state.marks, strict=True))
        after = state._replace(horizon=tips, marks=marks, batches=(None,) * len(tips))
        yield ("a second call passes changes over up to {}", ", ".join(map(str, tips))), after


def _settling(world: World, state: State) -> Steps:
    if not world.ways.waits_for_earlier_batches:
        yield from _leave_over(world, state)
    yield from _take_horizon_anew(world, state)
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
    after = _entered(world, state)._replace(rule=max(state.rule, DELETE))
    if not world.ways.waits_for_writer:
        yield ("DetachWriter sets the rule DELETE",), after
        return
    # No page can come any more: what is left of the backfill plays no part, and is forgotten.
    after = after._replace(scanner=None, deliveries=frozenset(), noted=frozenset())
    if not world.bounds.resumes:
        after = after._replace(kinesis=frozenset(), sent=(), receipts=frozenset())
    yield ("the writer's time-out has passed; DetachWriter sets the rule DELETE",), after


def _proof(world: World, state: State) -> Steps:
    # Tables are read over a time, not at once: each key is found equal at a moment of its own.
    for key in world.keys:
        if key not in state.proven and not world.differs(state.history, key, state.target[key]):
            proven = state.proven | {key}
            after = state._replace(proven=proven)
            is_over = len(proven) == world.bounds.keys
            yield ("the proof finds {} equal", LETTERS[key]), _entered(world, after) if is_over else after


def _protecting(world: World, state: State) -> Steps:
    if not world.is_behind(state):
        is_waited = state.is_waited and state.rule == TARGET_WINS
        yield (
            ("ProtectTarget sets the rule TARGET_WINS",),
            _entered(world, state)._replace(rule=TARGET_WINS, is_waited=is_waited),
        )


def _draining(world: World, state: State) -> Steps:
    if not world.is_behind(state) and not _stops_for_rejects(world, state):
        yield ("DrainChanges finds every tip passed",), _entered(world, state)


def _stops_for_rejects(world: World, state: State) -> bool:
    """Whether a key of which a change was rejected is in the way, as it is at this moment."""
    keys = {state.history[position - 1].key for position in state.rejected}
    return any(world.ways.stops_for(is_equal=not world.differs(state.history, key, state.target[key])) for key in keys)


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
    if world.ways.looks_early_in(state.phase) and not state.has_looked:
        yield from _look_early(world, state, "CutOver")
        return
    looks_first = state.phase in world.ways.looks_before_tips_in
    decided = state._replace(tips=world.tips(state) if looks_first else state.tips, has_looked=False)
    is_ready = state.rule == TARGET_WINS and world.is_in_force(state) and not world.is_behind(decided)
    if not is_ready or _stops_for_rejects(world, state):
        return
    if world.bounds.breaks:
        yield ("CutOver finds every tip passed{}", _look(world, state)), _entered(world, decided)
    else:
        yield from _flipping(world, _entered(world, decided))


def _flipping(world: World, state: State) -> Steps:
    yield ("CutOver flips the pointer",), _entered(world, state)._replace(is_waited=True, proven=frozenset())


def _look_early(world: World, state: State, name: str) -> Steps:
    if not is_found_broken(world, state):
        yield ("{} finds the route whole, and does not look again", name), state._replace(has_looked=True)


def _look(world: World, state: State) -> str:
    if world.ways.looks_early_in(state.phase):
        return ", having looked at the route before"
    return " and the route whole" if state.phase in world.ways.looks_in else ", and does not look at the route"


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
    yield from _application_steps(world, state)
    if world.bounds.ends_with == "ended":
        yield from _end(world, state)


def _end(world: World, state: State) -> Steps:
    """DrainLateWrites takes the tips, anew each time it is called, and looks at the route once they are passed."""
    tips = world.tips(state)
    looks_first = state.phase in world.ways.looks_before_tips_in
    if not looks_first and state.last_tips != tips:
        yield ("DrainLateWrites takes the tips",), state._replace(last_tips=tips, has_looked=False)
    if not looks_first and not state.last_tips:
        return
    if world.ways.looks_early_in(state.phase):
        if not state.has_looked:
            yield from _look_early(world, state, "DrainLateWrites")
            return
    elif is_found_broken(world, state):
        return
    decided = state._replace(last_tips=tips if looks_first else state.last_tips, has_looked=False)
    if world.has_passed(decided, decided.last_tips):
        yield (
            ("DrainLateWrites finds every tip passed{}; the run ends", _look(world, state)),
            _entered(world, decided),
        )


def _application_steps(world: World, state: State) -> Steps:
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
    "protecting": _protecting,
    "draining": _draining,
    "purging": _purging,
    "cutting over": _cutting_over,
    "flipping": _flipping,
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
        streamed_from=0 if world.bounds.is_on_before else -1,
    )
