"""The merge of changes between regions, explored with simulated regions whose streams behave as DynamoDB's."""

import json
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.local.emulator.replicas.replica_merge import Change, Image, Merge

REGIONS = ("a", "b", "c")

Write = tuple[str, str, str | None]


class Region:
    """A table of one region, with its stream: a write that changes nothing has no record."""

    def __init__(self) -> None:
        self.items: dict[str, Image] = {}
        self.stream: list[Change] = []
        self.read = 0

    def write(self, key: str, new: Image | None, stamp: float) -> None:
        old = self.items.get(key)
        if old == new:
            return
        if new is None:
            del self.items[key]
        else:
            self.items[key] = new
        self.stream.append(Change(key, {"k": {"S": key}}, old, new, stamp))


class World:
    """Regions, the merge between them, and a clock that shows whole `tick`s only."""

    def __init__(self, tick: int = 1) -> None:
        self.regions = {name: Region() for name in REGIONS}
        self.merge = Merge()
        self.clock = 0
        self.tick = tick

    def now(self) -> float:
        self.clock += 1
        return self.clock // self.tick

    def write(self, write: Write) -> None:
        region, key, value = write
        self.regions[region].write(key, None if value is None else {"v": {"S": value}}, self.now())

    def round(self, writers: Iterator[Write] | None = None) -> bool:
        """One round over all regions, with a writer's write before every step; tells whether anything moved."""
        moved = False
        writers = writers or iter(())
        for name, region in self.regions.items():
            self.write_next(writers)
            changes, region.read = region.stream[region.read :], len(region.stream)
            for change in changes:
                moved = True
                self.merge.see(name, change, REGIONS)
            self.merge.reached_tip(name)
        for name, region in self.regions.items():
            self.write_next(writers)
            for change in self.merge.take_writes(name):
                moved = True
                region.write(change.key, change.new, self.now())
        return moved

    def write_next(self, writers: Iterator[Write]) -> None:
        if (write := next(writers, None)) is not None:
            self.write(write)

    def settle(self) -> None:
        for _ in range(20):
            if not self.round():
                return
        raise AssertionError("changes run round for ever")

    def values(self, key: str = "k") -> set[str | None]:
        return {region.items[key]["v"]["S"] if key in region.items else None for region in self.regions.values()}


writes = st.tuples(st.sampled_from(REGIONS), st.sampled_from("kl"), st.sampled_from(["x", "y", "z", None]))
# In each round: writes before it, and up to one before each of its six steps.
rounds = st.lists(st.tuples(st.lists(writes, max_size=4), st.lists(writes, max_size=6)), max_size=6)


@settings(max_examples=300, deadline=None)
@given(rounds, st.sampled_from([1, 3, 1000]))
def test_regions_end_up_equal_whatever_is_written_where_and_when(
    plan: list[tuple[list[Write], list[Write]]], tick: int
) -> None:
    world = World(tick)
    for before, during in plan:
        for write in before:
            world.write(write)
        world.round(iter(during))
    world.settle()
    assert len({json.dumps(region.items, sort_keys=True) for region in world.regions.values()}) == 1


def written(*plan: Iterable[Write]) -> World:
    world = World()
    for batch in plan:
        for write in batch:
            world.write(write)
        world.round()
    world.settle()
    return world


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
def test_the_last_writer_wins_over_an_earlier_one_in_another_region(first: str, second: str) -> None:
    assert written([(first, "k", "early"), (second, "k", "late")]).values() == {"late"}


def test_a_delete_written_last_wins_over_a_put() -> None:
    assert written([("a", "k", "early"), ("b", "k", "other"), ("b", "k", None)]).values() == {None}


def test_an_echo_is_not_replicated_again() -> None:
    world = written([("a", "k", "x")])
    assert [len(region.stream) for region in world.regions.values()] == [1, 1, 1]


def test_a_write_on_top_of_a_replicated_one_that_changed_nothing_is_not_lost() -> None:
    world = World()
    world.write(("a", "k", "x"))
    world.write(("b", "k", "x"))
    world.round(iter([("c", "l", "z")] * 5 + [("b", "k", "y")]))
    world.settle()
    assert world.values() == {"y"}


def test_a_region_that_left_gets_nothing_more() -> None:
    merge = Merge()
    merge.see("a", Change("k", {}, None, {"v": {"S": "x"}}, 1.0), REGIONS)
    merge.leave("b")
    assert merge.take_writes("b") == []
    assert [change.key for change in merge.take_writes("c")] == ["k"]
