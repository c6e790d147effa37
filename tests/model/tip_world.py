"""The search for tips beside a stream that answers as badly as it may: every interleaving within small bounds.

Two shards, a parent and the child that it has once it is closed; a list of shards that is older than the search; a
source that goes on writing. Which read comes next and when a tip is proven is the product's.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from tasks.core.replicate.tip_search import Answer, Place, TipSearch
from tasks.core.replicate.watermark import Shard, Watermark

PARENT, CHILD = "parent", "child"
EMPTY_READS = 3
"""So many in place of the product's twenty: what is explored is what they are counted over."""


@dataclass(frozen=True)
class TipBounds:
    """How badly the stream may answer, and how much happens."""

    empty_answers: int = EMPTY_READS - 1
    """So many in a row at most before records that are there."""
    writes: int = 3
    closes: bool = True
    """Whether the parent may be closed, at any time."""
    is_list_fresh: bool = False
    """Whether the shards are listed when the search begins, and not before."""


class Records(NamedTuple):
    """The stream: numbers of the records of each shard, and whether the parent is closed."""

    parent: tuple[int, ...] = ()
    child: tuple[int, ...] = ()
    is_closed: bool = False

    def of(self, shard: str) -> tuple[int, ...]:
        """Return a shard's records."""
        return self.parent if shard == PARENT else self.child

    def listed(self) -> list[Shard]:
        """Return the list of shards as of now."""
        parent = Shard(PARENT, None, is_open=not self.is_closed)
        return [parent, Shard(CHILD, PARENT, is_open=True)] if self.is_closed else [parent]

    def written(self) -> "Records":
        """Return the stream after one write more."""
        number = len(self.parent) + len(self.child) + 1
        if self.is_closed:
            return self._replace(child=(*self.child, number))
        return self._replace(parent=(*self.parent, number))


@dataclass
class TipState:
    """Everything of one moment."""

    records: Records = field(default_factory=Records)
    search: TipSearch | None = None
    moment: Records = field(default_factory=Records)
    """The stream when the search began."""
    places: dict[tuple[str, Place], int] = field(default_factory=dict)
    """So many records lie before the place."""
    empty: dict[str, int] = field(default_factory=dict)
    """So many answers without records came in a row though there were some."""
    waiting: list[str] = field(default_factory=list)
    """Shards that are not read yet in this round."""
    trace: list[str] = field(default_factory=list)

    def copied(self) -> "TipState":
        """Return a copy that nothing is shared with that changes."""
        after = copy.copy(self)
        after.places, after.empty = dict(self.places), dict(self.empty)
        after.waiting, after.trace = list(self.waiting), list(self.trace)
        if self.search is not None:
            after.search = copy.copy(self.search)
            for name in ("ends", "_searches", "_known", "_childless"):
                setattr(after.search, name, dict(getattr(self.search, name)))
            for shard, search in after.search._searches.items():  # noqa: SLF001 — each is copied
                after.search._searches[shard] = copy.copy(search)  # noqa: SLF001
        return after

    def name(self) -> str:
        """Return what tells it from other states."""
        return repr((self.records, self.search, self.moment, self.places, self.empty, self.waiting))


def explore_tips(bounds: TipBounds, search_class: type[TipSearch] = TipSearch) -> tuple[int, list[str]]:
    """Return how many states there are, and the trace to a tip that was missed; an empty one if none is.

    Unless it is fresh, the first list is taken before anything else: it may be older than the search by all that
    happens until then.
    """
    marks: list[dict[str, Watermark]] = [{}, {PARENT: Watermark(PARENT, "1", 0.0, 0.0, rule_since=0.0)}]
    seen: set[str] = set()
    waiting = [TipState(records=Records(parent=(1,)), trace=[f"applied: {sorted(mark)}"]) for mark in marks]
    first = {id(state): mark for state, mark in zip(waiting, marks, strict=True)}
    for state in waiting:
        search = search_class(first[id(state)], empty_reads=EMPTY_READS)
        if not bounds.is_list_fresh:
            search.learn(state.records.listed())
        state.search = search
    while waiting:
        state = waiting.pop()
        for after in _steps(bounds, state):
            if wrong := _missed(after):
                return len(seen), [*after.trace, wrong]
            if (name := after.name()) not in seen:
                seen.add(name)
                waiting.append(after)
    return len(seen), []


def _steps(bounds: TipBounds, state: TipState) -> Iterator[TipState]:
    has_begun = bool(state.moment.parent)
    records = state.records
    number = len(records.parent) + len(records.child) + 1
    if number <= bounds.writes:
        yield _with(state, f"the source takes a write, number {number}", records.written())
    if bounds.closes and not records.is_closed:
        yield _with(state, "the shard is closed, and has a child", records._replace(is_closed=True))
    if not has_begun:
        after = _with(state, "the search begins", records)
        after.moment = records
        assert after.search is not None
        if bounds.is_list_fresh:
            after.search.learn(records.listed())
        after.waiting = [one.shard.id for one in after.search.due()]
        yield after
    elif state.search is not None and not state.search.is_over():
        for shard in state.waiting:
            yield from _reads(bounds, state, shard)


def _with(state: TipState, sentence: str, records: Records) -> TipState:
    after = state.copied()
    after.records = records
    after.trace.append(sentence)
    return after


def _reads(bounds: TipBounds, state: TipState, shard: str) -> Iterator[TipState]:
    assert state.search is not None
    search = next(one for one in state.search.due() if one.shard.id == shard)
    records = state.records.of(shard)
    begin = int(search.tip or 0)
    place = search.place
    # LATEST is taken with the first read, in front of it.
    newest = state.places.get((shard, Place.NEWEST), len(records))
    on = state.places.get((shard, Place.ON), sum(number <= begin for number in records))
    at = newest if place is Place.NEWEST else on
    is_closed = shard == PARENT and state.records.is_closed
    if at == len(records):
        yield _answered(state, shard, place, at, newest, on, is_end=is_closed)
        return
    if state.empty.get(shard, 0) < bounds.empty_answers or place is Place.NEWEST:
        yield _answered(state, shard, place, at, newest, on, is_end=False)
    for end in range(at + 1, len(records) + 1):
        for is_end in {False, is_closed and end == len(records)}:
            yield _answered(state, shard, place, end, newest, on, is_end=is_end)


def _answered(state: TipState, shard: str, place: Place, end: int, newest: int, on: int, *, is_end: bool) -> TipState:
    after = state.copied()
    assert after.search is not None
    records = after.records.of(shard)
    at = newest if place is Place.NEWEST else on
    numbers = records[at:end]
    after.places[shard, Place.NEWEST] = end if place is Place.NEWEST else newest
    after.places[shard, Place.ON] = end if place is Place.ON else on
    if place is Place.ON:
        after.empty[shard] = 0 if numbers or at == len(records) else after.empty.get(shard, 0) + 1
    answer = Answer(str(numbers[0]), str(numbers[-1]), is_end=is_end) if numbers else Answer(is_end=is_end)
    search = next(one for one in after.search.due() if one.shard.id == shard)
    after.search.take(search, answer)
    after.trace.append(f"{shard} is read {place}: {numbers or 'nothing'}{', and that is its end' if is_end else ''}")
    after.waiting.remove(shard)
    if not after.waiting:
        if after.search.is_list_outdated():
            after.search.learn(after.records.listed())
            after.trace.append("the shards are listed anew")
        after.waiting = [one.shard.id for one in after.search.due()]
    return after


def _missed(state: TipState) -> str:
    if state.search is None or not state.moment.parent or not state.search.is_over():
        return ""
    tips = state.search.tips()
    for shard in (PARENT, CHILD):
        last = max(state.moment.of(shard), default=0)
        if last > int(tips.get(shard, 0)):
            return f"wrong: the tips are {tips}, and {shard} held {last} when the search began"
    return ""
