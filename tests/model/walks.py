"""Random walks through the same world, within bounds that are far too wide to be explored in full.

Hypothesis draws who comes next, and what it does. All that a walk could do next is asked for what must hold, whether it
goes there or not. It never comes back to where it was, so that crashes do not hold it up, and each walk draws how eager
everyone is: a replicator that stays behind, a source that still takes writes after the move.
"""

import itertools
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from tests.model.bounds import Bounds
from tests.model.breaks import break_steps
from tests.model.exploration import ACTORS, Found, is_over
from tests.model.invariants import is_quiet, wrong_between, wrong_in
from tests.model.machine import first_state
from tests.model.state import PHASES, State, in_words
from tests.model.ways import Ways
from tests.model.world import World

EAGERNESS = (1, 4, 16)
"""How likely one is to come next, beside the others."""
BREAKS_FROM = ("settling", *PHASES[PHASES.index("proof") :])
"""Before the proof nobody looks at the route, and a break there is like any other."""
MOST_STEPS = 400
"""No walk takes more; most are over after a hundred."""


@dataclass(frozen=True, slots=True)
class Walks:
    """One setting of the bounds, and what shows that walks within them see something."""

    name: str
    bounds: Bounds
    moves: int
    """So many walks of thirty get as far as the move, at least."""
    catch: tuple[str, ...]
    """Negative controls, by name, that walks within these bounds catch as well."""


WIDE = Bounds(keys=2, before=2, operations=8, sendings=4, writers=2, changes_at_once=4, application=3)
LATE = replace(WIDE, waits_until="protecting", application=4)
BROKEN = replace(WIDE, waits_until="proof", ends_with="ended")

WALKS = (
    Walks(
        "two keys",
        WIDE,
        25,
        (
            "the article's rule",
            "deletes without tombstones",
            "a purge before the writer is detached",
            "the rule DELETE while the writer is attached",
            "the rule DELETE while a last page is written",
            "a receipt before the last item",
            "a cursor before PutRecords",
            "a cursor before the send ledger",
            "a watermark before the write",
            "a tombstone before its ledger entry",
            "a purge while an old batch may be under way",
            "a replicator that goes on past a failure",
        ),
    ),
    Walks(
        "three keys in two shards, and items that come back as they were",
        replace(WIDE, keys=3, shards=2, before=3, operations=10, clock="forwards", restores=True),
        25,
        ("the article's rule", "deletes without tombstones"),
    ),
    Walks(
        "versions that run forwards",
        replace(WIDE, clock="forwards", is_versioned=True),
        25,
        ("a tombstone with the version of the batch's first image",),
    ),
    Walks(
        "batches that come again smaller",
        replace(WIDE, shrinks=True, stops=True),
        25,
        ("the article's rule", "deletes without tombstones"),
    ),
    Walks(
        "late writes",
        LATE,
        25,
        (
            "a cut-over before the replicator has passed",
            "a late change that comes again taken for overruled",
            "late changes without a ledger",
            "a late change before its entry in the ledger",
            "a late change over anything",
        ),
    ),
    Walks(
        "late writes of one key",
        replace(LATE, keys=1, before=1),
        25,
        ("a late change judged by its first image alone", "a late change judged by its first two images alone"),
    ),
    Walks(
        "an item that the target refuses",
        replace(WIDE, refuses=True),
        3,
        ("a cut-over that passes over rejects",),
    ),
    Walks(
        "a stream that is turned off",
        replace(BROKEN, breaks="stream"),
        3,
        ("a cut-over that does not look, the stream off", "a look at names, the stream anew"),
    ),
    Walks(
        "a target that is made anew",
        replace(BROKEN, breaks="target"),
        3,
        (
            "a cut-over that does not look, the target anew",
            "a look at names, the target anew",
            "an end that does not look, the target anew",
        ),
    ),
    Walks(
        "a mapping that is made anew",
        replace(BROKEN, breaks="mapping"),
        3,
        ("a cut-over that does not look, the mapping anew",),
    ),
)


def is_time(state: State, phase: str) -> bool:
    """Whether the phase has begun."""
    return PHASES.index(state.phase) >= PHASES.index(phase)


@st.composite
def walks(draw: st.DrawFn, bounds: Bounds, ways: Ways | None = None) -> Found:
    """Draw one walk from the beginning, until it is over or something is wrong."""
    began = time.process_time()
    world = World(bounds, ways or Ways())
    eagerness = {actor: draw(st.sampled_from(EAGERNESS)) for actor in ACTORS}
    breaks_from = draw(st.sampled_from(BREAKS_FROM)) if bounds.breaks else "before"
    state = first_state(world)
    been = {state}
    by_phase = Counter({state.phase: 1})
    trace: list[str] = []
    steps = 0
    while len(trace) < MOST_STEPS and not is_over(world, state):
        possible = {
            actor: list(actor(world, state))
            for actor in ACTORS
            if actor is not break_steps or is_time(state, breaks_from)
        }
        for step, after in itertools.chain(*possible.values()):
            steps += 1
            wrong = wrong_between(world, state, after) or (None if after in been else wrong_in(world, after))
            if wrong is not None:
                seconds = time.process_time() - began
                return Found(len(been), steps, 0, seconds, wrong, (*trace, in_words(step)), by_phase)
        # Back to where it was it goes only where there is nothing new.
        new = {actor: [step for step in its if step[1] not in been] for actor, its in possible.items()}
        ready = new if any(new.values()) else possible
        lots = [its for actor, its in ready.items() if its for _ in range(eagerness[actor])]
        if not lots:
            break
        its = lots[draw(st.integers(0, len(lots) - 1))]
        step, state = its[draw(st.integers(0, len(its) - 1))]
        been.add(state)
        by_phase[state.phase] += 1
        trace.append(in_words(step))
    ends = int(state.phase == bounds.ends_with and is_quiet(world, state))
    return Found(len(been), steps, ends, time.process_time() - began, trace=tuple(trace), by_phase=by_phase)


def together(walked: Iterable[Found]) -> Found:
    """Return what several walks found, none of which found anything wrong."""
    walked = list(walked)
    return Found(
        states=sum(found.states for found in walked),
        steps=sum(found.steps for found in walked),
        ends=sum(found.ends for found in walked),
        cpu_seconds=sum(found.cpu_seconds for found in walked),
        by_phase=sum((found.by_phase for found in walked), Counter()),
    )
