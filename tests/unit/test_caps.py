"""Turns in virtual time: caps are held and shared by however many calls, and changes come into force."""

import heapq
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tasks.core.settings.caps import LOOK_SECONDS, Bought, Buy, Caps, Look, Side, Sleep, Throttle, Turn, Turns

SIDE = Side.SOURCE_READS


def capped(units: float | None, revision: int = 1, *, is_paused: bool = False) -> Throttle:
    return Throttle(caps=Caps(source_reads=units), revision=revision, is_paused=is_paused)


def fixed(moment: float) -> Callable[[], float]:
    return lambda: moment


@dataclass
class World:
    """Callers in virtual time, who take turns by one control table."""

    throttle: Throttle
    now: float = 1000.0
    clocks: dict[int, float] = field(default_factory=dict)
    used: list[tuple[float, int, float]] = field(default_factory=list)
    """(when, caller, units)"""
    writes: list[float] = field(default_factory=list)
    """When the clock's entry was written, or was tried to be."""
    looks: int = 0
    _order: Iterator[int] = field(default_factory=itertools.count)
    _due: list[tuple[float, int, Iterator[float]]] = field(default_factory=list)

    def add(self, caller: Iterator[float], at: float | None = None) -> None:
        heapq.heappush(self._due, (self.now if at is None else at, next(self._order), caller))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._due and self._due[0][0] <= end:
            self.now, _, caller = heapq.heappop(self._due)
            wait = next(caller, None)
            if wait is not None:
                self.add(caller, self.now + wait)
        self.now = end

    def answer(self, step: object) -> tuple[object, float]:
        """Return the answer to a step, and how long it takes."""
        match step:
            case Sleep(seconds):
                return None, seconds
            case Look():
                self.looks += 1
                return self.throttle, 0.005
            case Buy():
                stood = max(self.clocks.get(step.revision, 0.0), step.now)
                is_sold = stood <= step.latest
                if is_sold:
                    self.clocks[step.revision] = stood + step.seconds
                if is_sold or not step.is_crowded:
                    self.writes.append(self.now)
                return Bought(is_sold, stood), 0.005
        raise AssertionError(step)

    def take(self, turn: Turn, granted: list[bool]) -> Iterator[float]:
        """Run a turn to its end."""
        answer: object = None
        try:
            while True:
                answer, seconds = self.answer(turn.send(answer))  # type: ignore[arg-type] # as the step wants it
                yield seconds
        except StopIteration as end:
            granted.append(end.value)

    def caller(
        self, name: int, costs: Callable[[], float], *, guess: float, seconds: float = 0.02, lasts: float = 150.0
    ) -> Iterator[float]:
        """Make calls as fast as their turns let them; a call of a function lasts so long, and the next begins anew."""
        chance = random.Random(name)
        while True:
            turns, until, expected = Turns(SIDE, chance.random), self.now + lasts, guess
            while self.now < until:
                granted: list[bool] = []
                yield from self.take(turns.turn(expected, now=lambda: self.now, until=fixed(until)), granted)
                if not granted[0]:
                    break
                took = costs()
                self.used.append((self.now, name, took))
                turns.settle(expected, took)
                expected = took
                yield seconds
            yield 0.5

    def units(self, begin: float, end: float) -> float:
        return sum(units for at, _, units in self.used if begin <= at < end)


def crowd(world: World, callers: int, cost: float, *, guess: float | None = None, lasts: float = 150.0) -> None:
    """Let so many callers begin within a second; what a call takes is only known once it is made."""
    chance = random.Random(1)
    for name in range(callers):
        caller = world.caller(
            name, lambda: cost * (0.8 + 0.4 * chance.random()), guess=cost if guess is None else guess, lasts=lasts
        )
        world.add(caller, world.now + chance.random())


@pytest.mark.parametrize(
    ("callers", "cap", "cost", "guess", "unfair"),
    [
        (1, 20, 0.5, 0.5, 0.01),
        (8, 100, 128, 128, 0.5),
        (8, 4000, 100, 25, 0.1),
        (40, 500, 128, 128, 0.5),
        (128, 200, 25, 25, 0.9),  # eleven turns each: chance has its part
        (128, 20_000, 128, 1, 0.1),
        (1000, 40_000, 100, 25, None),
    ],
)
def test_the_cap_is_held_over_a_minute_and_shared_whatever_the_number_of_calls(
    callers: int, cap: float, cost: float, guess: float, unfair: float | None
) -> None:
    world = World(capped(cap))
    crowd(world, callers, cost, guess=guess)
    world.run(180)
    for begin in (1000, 1030, 1060, 1120):
        assert world.units(begin, begin + 60) <= cap * 60 * 1.1, "beyond the cap"
    for begin in (1060, 1120):
        assert world.units(begin, begin + 60) >= cap * 60 * 0.9, "far below what was allowed"
    shares = [0.0] * callers
    for _, name, units in world.used:
        shares[name] += units
    assert min(shares) > 0
    if unfair is not None:
        mean = sum(shares) / callers
        assert mean * (1 - unfair) <= min(shares)
        assert max(shares) <= mean * (1 + unfair)
    most = max(sum(begin <= at < begin + 10 for at in world.writes) for begin in range(1000, 1180, 10)) / 10
    assert most < 100, "a hot entry"


@pytest.mark.parametrize(("before", "after"), [(4000, 400), (400, 4000), (50, 5000), (1, 1000), (None, 500)])
def test_another_cap_is_in_force_within_fifteen_seconds(before: float | None, after: float) -> None:
    world = World(capped(before))
    crowd(world, 16, 100)
    world.run(60)
    world.throttle = capped(after, revision=2)
    world.run(15)
    begin = world.now
    world.run(60)
    assert after * 60 * 0.9 <= world.units(begin, begin + 60) <= after * 60 * 1.1


@pytest.mark.parametrize("cap", [None, 40, 4000])
def test_a_pause_and_its_end_are_in_force_within_fifteen_seconds(cap: float | None) -> None:
    world = World(capped(cap))
    crowd(world, 16, 20)
    world.run(60)
    world.throttle = capped(cap, revision=2, is_paused=True)
    world.run(15)
    paused = world.now
    world.run(600)
    assert world.units(paused, world.now) == 0
    world.throttle = capped(cap, revision=3)
    ended = world.now
    world.run(15)
    assert world.units(ended, world.now) > 0


def test_without_caps_and_without_a_pause_nothing_is_done_beyond_a_look_now_and_then() -> None:
    world = World(Throttle(caps=Caps()))
    crowd(world, 1, 10)
    world.run(60)
    assert world.writes == []
    assert 10 <= world.looks <= 60 / LOOK_SECONDS + 2
    assert len(world.used) > 2000, "and nobody waits"


def test_a_call_without_time_for_its_turn_is_not_made() -> None:
    """It says so at the end of its time, not before: whoever calls again at once would fill a history."""
    world = World(capped(1))
    world.clocks[1] = world.now + 500
    granted: list[bool] = []
    turns = Turns(SIDE, random.Random(1).random)
    world.add(world.take(turns.turn(10, now=lambda: world.now, until=fixed(world.now + 60)), granted))
    world.run(59)
    assert granted == []
    world.run(2)
    assert granted == [False]
    assert world.clocks[1] == 1500, "and nothing is sold to it"


def test_units_that_are_left_over_are_not_kept_for_a_later_burst() -> None:
    world = World(capped(40_000))
    turns = Turns(SIDE, random.Random(1).random)
    for at in (0, 100):
        world.run(at)
        granted: list[bool] = []
        world.add(world.take(turns.turn(1, now=lambda: world.now, until=fixed(world.now + 60)), granted))
        world.run(1)
        assert granted == [True]
    assert len(world.writes) == 2


def test_caps_say_in_words_what_holds_work_back() -> None:
    assert Throttle(caps=Caps()).in_words() == ""
    assert capped(25).in_words() == "capped: reads of the source 25/s"
    caps = Caps().with_reads(500).with_writes(0.5)
    assert Throttle(caps=caps).in_words() == "capped: reads 500/s, writes 0.5/s"
    assert "unpause" in Throttle(caps=caps, is_paused=True).in_words()
