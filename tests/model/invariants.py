"""What must hold in every state, and of every step. Each says in words what is wrong where it does not hold."""

from collections.abc import Callable

from tests.model.losses import differs, is_anew, lost_by_the_machine
from tests.model.state import APPLICATION, LETTERS, MOVED, State, item_name
from tests.model.world import World

CLOSED_PHASES = frozenset({"proof", "protecting", "draining", "purging", "cutting over", "flipping"})
"""No page can come any more, and the application does not yet write to the target."""


def wrong_in(world: World, state: State) -> str | None:
    """Return what is wrong in a state, `None` if nothing is."""
    for invariant in STATE_INVARIANTS:
        wrong = invariant(world, state)
        if wrong is not None:
            return wrong
    return None


def wrong_between(world: World, before: State, after: State) -> str | None:
    """Return what a step has done that none may do, `None` if nothing."""
    wrong = None
    if before.is_broken != after.is_broken:
        # It was the world.
        return None
    if before.target != after.target:
        wrong = page_after_the_purge(world, before, after) or application_undone(world, before, after)
    elif before.phase != after.phase:
        wrong = move_too_soon(world, before, after) or lost_by_the_machine(world, before, after)
    return wrong


def is_quiet(world: World, state: State) -> bool:
    """Whether every change has its watermark, and no batch is under way."""
    return not any(state.batches) and all(
        (mark.position if mark else 0) >= world.tip(state, shard) for shard, mark in enumerate(state.marks)
    )


# ------------------------------------------------------------ of every state


def cursor_too_soon(_: World, state: State) -> str | None:
    """A cursor is returned only after Kinesis took the page and the ledger names it: a crash would lose it."""
    if state.scanner is None:
        return None
    ledger = dict(state.sent)
    for number in range(state.scanner.number):
        entry = ledger.get(number)
        if entry is None:
            return f"the cursor is behind page {number}, which the send ledger does not name"
        if entry.items and entry not in state.kinesis:
            return f"the cursor is behind page {number}, which Kinesis does not hold"
    return None


def receipt_too_soon(world: World, state: State) -> str | None:
    """A receipt stands only for a page of which every item was dealt with."""
    if is_anew(world, state, "target") or state.scanner is None:  # no page counts any more, and changes go over them
        return None
    for record in state.receipts:
        for key, position in record.items:
            is_deleted = any(write.key == key and not write.content for write in state.history[position:])
            if state.target[key] == 0 and not is_deleted and key not in state.refused:
                return f"page {record.number} has its receipt, and {item_name(key, position)} is not in the target"
    return None


def watermark_too_soon(world: World, state: State) -> str | None:
    """A watermark moves only over applied changes, and nothing older than it comes to the target again."""
    if is_anew(world, state, "target", "mapping"):
        return None
    for shard, mark in enumerate(state.marks):
        if mark is None:
            continue
        positions = [position for position in world.positions(state, shard) if position <= mark.position]
        last = {state.history[position - 1].key: position for position in positions}
        for key, position in last.items():
            if state.horizon and position <= state.horizon[shard]:
                continue
            wrong = _is_behind(world, state, key, position)
            if wrong:
                return f"the watermark has passed change {position} of {LETTERS[key]}, and {wrong}"
    return None


def _is_behind(world: World, state: State, key: int, position: int) -> str | None:
    cell = state.target[key]
    if key in state.owned or position in state.rejected or cell >= APPLICATION:
        return None
    if cell == 0:
        later = state.history[position - 1 :]
        is_deleted = any(write.key == key and not write.content for write in later)
        return None if is_deleted else "the target has nothing there"
    place = world.place_of(cell)
    return f"the target has what write {place} left" if place < position else None


def passed_over_unseen(world: World, state: State) -> str | None:
    """A change that was passed over is in what the scan reads."""
    if not state.horizon:
        return None
    for _, record in state.sent:
        for key, position in record.items:
            horizon = state.horizon[world.shard_of(key)]
            passed = [number for number, write in enumerate(state.history, 1) if number <= horizon and write.key == key]
            if position < max(passed, default=0):
                return f"change {max(passed)} is passed over, and page {record.number} has {item_name(key, position)}"
    return None


def unknown_tombstone(world: World, state: State) -> str | None:
    """The ledger knows every tombstone, or nobody ever removes it."""
    for key in world.keys:
        if state.target[key] < 0 and key not in state.tombstones:
            return f"the target has a tombstone of {LETTERS[key]} that the ledger does not know"
    return None


def tombstone_after_the_purge(world: World, state: State) -> str | None:
    """Nothing leaves a tombstone behind the purge: so it may come long before the cut-over, and is over for good."""
    if state.phase not in CLOSED_PHASES or world.ways.phases.index(state.phase) <= world.ways.phases.index("purging"):
        return None
    for key in world.keys:
        if state.target[key] < 0 or key in state.tombstones:
            return f"the purge is over, and a tombstone of {LETTERS[key]} comes"
    return None


def unequal_at_rest(world: World, state: State) -> str | None:
    """Once no page can come and every change is applied, the tables are equal."""
    if state.phase not in CLOSED_PHASES or not is_quiet(world, state):
        return None
    for key in world.keys:
        is_kept = key in state.refused or world.in_source(state.history, key) in state.rejected
        if not is_kept and differs(world, state, key):
            return f"every change is applied, and {LETTERS[key]} differs"
    return None


def overruled_without_cause(world: World, state: State) -> str | None:
    """No change is kept as overruled by the application before the application writes."""
    if world.bounds.stops or world.bounds.refuses or state.application or not state.rejected:
        return None
    if is_anew(world, state, "target", "mapping"):
        return None
    return "a change is kept as overruled by the target's own write, and nobody has written to the target"


def unequal_after_the_move(world: World, state: State) -> str | None:
    """A late write to the source is carried over, or the application's own stands and the late one is kept."""
    if state.phase not in MOVED or not is_quiet(world, state):
        return None
    for key in world.keys:
        if not differs(world, state, key):
            continue
        last = _last_late(world, state, key)
        is_kept = last in state.rejected
        if key not in state.owned and not (is_kept and world.bounds.refuses):
            return f"{LETTERS[key]} differs, and the application has not written it"
        if last > state.carried[key] and not is_kept:
            return f"change {last} is neither carried over nor kept as a reject"
    return None


def _last_late(world: World, state: State, key: int) -> int:
    """Return the position of the key's last change behind the cut-over's tips, 0 if there is none."""
    shard = world.shard_of(key)
    late = [position for position in world.positions(state, shard) if position > state.tips[shard]]
    return max([position for position in late if state.history[position - 1].key == key], default=0)


# ------------------------------------------------------------ of every step


def page_after_the_purge(world: World, before: State, after: State) -> str | None:
    """Nothing inserts pages after tombstones are purged: close the door before sweeping."""
    if before.deliveries == after.deliveries:
        return None
    phases = world.ways.phases
    is_purged = phases.index(before.phase) > phases.index("purging")
    return "a page puts an item after the purge" if is_purged else None


def move_too_soon(world: World, before: State, after: State) -> str | None:
    """Traffic moves only to a table that has all that the source had taken, and no tombstone."""
    if after.phase != "moved":
        return None
    for shard, tip in enumerate(before.tips):
        mark = before.marks[shard]
        if tip > (mark.position if mark else 0):
            return "traffic moves while the replicator is behind"
    for key in world.keys:
        if before.target[key] < 0:
            return f"traffic moves to a table with a tombstone of {LETTERS[key]}"
    if world.tips(before) == before.tips and any(differs(world, before, key) for key in world.keys):
        return "traffic moves to a table that differs"
    return None


def application_undone(world: World, before: State, after: State) -> str | None:
    """A late change never undoes what the application did, and one that was dealt with before never comes again.

    One thing it can not tell from nothing done: the application deletes a key that the source too has had absent since,
    and the change that makes it there again comes for the first time.
    """
    if not before.owned or before.application != after.application:
        return None
    for key in before.owned:
        cell = after.target[key]
        if before.target[key] == cell:
            continue
        since = before.tips[world.shard_of(key)]
        was_absent = any(
            not world.in_source(before.history[:length], key) for length in range(since, len(before.history) + 1)
        )
        comes_again = 0 < cell <= before.carried[key] and not world.bounds.repeats
        if before.target[key] >= APPLICATION or not was_absent or comes_again:
            return f"the application's own write of {LETTERS[key]} is undone"
    return None


STATE_INVARIANTS: tuple[Callable[[World, State], str | None], ...] = (
    cursor_too_soon,
    receipt_too_soon,
    watermark_too_soon,
    passed_over_unseen,
    unknown_tombstone,
    tombstone_after_the_purge,
    unequal_at_rest,
    overruled_without_cause,
    unequal_after_the_move,
)
