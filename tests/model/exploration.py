"""Breadth first through every state that the bounds allow, so that the first wrong one is reached by a shortest way."""

import gc
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.model.backfill import scanner_steps, writer_steps
from tests.model.bounds import Bounds
from tests.model.breaks import break_steps, is_stopped
from tests.model.invariants import is_quiet, wrong_between, wrong_in
from tests.model.machine import first_state, machine_steps
from tests.model.replicator import replicator_steps
from tests.model.source import source_steps
from tests.model.state import State, Step, in_words
from tests.model.ways import Ways
from tests.model.world import World

Actor = Callable[[World, State], Iterator[tuple[Step, State]]]


@dataclass(frozen=True, slots=True)
class Found:
    """What an exploration found."""

    states: int
    steps: int
    """Ways from one state to another."""
    ends: int
    """States of the last phase in which nothing is left to do for the replicator."""
    cpu_seconds: float
    wrong: str | None = None
    """What does not hold, `None` if everything does."""
    trace: tuple[str, ...] = ()
    """The shortest way there, one sentence a step."""
    by_phase: Counter[str] = field(default_factory=Counter)

    def in_one_line(self, name: str) -> str:
        """Say how much was looked into, and how many steps led to what is wrong."""
        counts = f"{self.states:>9,} states {self.steps:>10,} steps {self.cpu_seconds:>5.1f} s"
        return f"{name:<70} {counts}" + (f"  wrong after {len(self.trace)} steps" if self.wrong else "")

    def trace_in_words(self) -> str:
        """Say the trace, one step a line, and what is wrong at its end; nothing if nothing is."""
        if self.wrong is None:
            return ""
        lines = [f"{number:>3}. {line}" for number, line in enumerate(self.trace, start=1)]
        return "\n".join([*lines, f"     wrong: {self.wrong}"])


ACTORS: tuple[Actor, ...] = (
    break_steps,
    source_steps,
    machine_steps,
    scanner_steps,
    writer_steps,
    replicator_steps,
)
"""All who may take a step."""


def is_over(world: World, state: State) -> bool:
    """Whether nothing happens any more; a run that was stopped before the move has moved nothing, and is over."""
    return state.phase == "ended" or is_stopped(world, state)


def steps_from(world: World, state: State) -> Iterator[tuple[Step, State]]:
    """Yield everything that may happen next."""
    if not is_over(world, state):
        for actor in ACTORS:
            yield from actor(world, state)


def explore(bounds: Bounds, ways: Ways | None = None) -> Found:
    """Visit every state within the bounds once, or stop at the first that is wrong."""
    # States are tuples that are all kept and never form a circle: looking through them for garbage finds none.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _explore(bounds, ways or Ways())
    finally:
        if was_enabled:
            gc.enable()


def _explore(bounds: Bounds, ways: Ways) -> Found:
    began = time.process_time()
    world = World(bounds, ways)
    first = first_state(world)
    came_from: dict[State, tuple[State, Step] | None] = {first: None}
    waiting = deque([first])
    steps = ends = 0
    by_phase: Counter[str] = Counter()
    while waiting:
        state = waiting.popleft()
        by_phase[state.phase] += 1
        ends += state.phase == bounds.ends_with and is_quiet(world, state)
        for step, after in steps_from(world, state):
            steps += 1
            wrong = wrong_between(world, state, after)
            if wrong is None and after in came_from:
                continue
            wrong = wrong or wrong_in(world, after)
            if wrong is not None:
                trace = (*_way_to(came_from, state), in_words(step))
                seconds = time.process_time() - began
                return Found(len(came_from), steps, ends, seconds, wrong, trace, by_phase)
            came_from[after] = (state, step)
            waiting.append(after)
    return Found(len(came_from), steps, ends, time.process_time() - began, by_phase=by_phase)


def _way_to(came_from: dict[State, tuple[State, Step] | None], state: State) -> tuple[str, ...]:
    lines = []
    origin = came_from[state]
    while origin is not None:
        state, step = origin
        lines.append(in_words(step))
        origin = came_from[state]
    return tuple(reversed(lines))
