"""Source and target end up equal, whatever the order in which pages, changes, crashes and repeats arrive.

Random and longer than what `tests/model` explores in full.
"""

from dataclasses import replace

import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st

from tasks.core.conflict import ReplicationRule
from tasks.core.item import Item, is_tombstone
from tests.property.replication_model import (
    VERSION,
    Apply,
    ArticleRules,
    Deliver,
    Key,
    NoTombstones,
    ProductRules,
    Rules,
    Step,
    World,
    Write,
    steps_with_pages,
    steps_without_pages,
    there,
)
from tests.property.typed_json import BOUNDED

MANY = settings(BOUNDED, max_examples=200)
Course = tuple[frozenset[Key], list[Step], list[Step]]
courses: st.SearchStrategy[Course] = st.tuples(there, steps_with_pages, steps_without_pages)


def copy_all(rules: Rules, course: Course, *, clock_runs_backwards: bool = False) -> World:
    """Go through the machine's phases up to the fence: the writer is detached, the replicator may be behind."""
    begun_with, backfill, detached = course
    world = World(rules, clock_runs_backwards=clock_runs_backwards)
    world.begin(begun_with)
    world.run(backfill)
    world.drain_backfill()
    world.rule = ReplicationRule.DELETE
    world.run(detached)
    return world


def fence(world: World) -> None:
    """Go on to the moment before the pointer is flipped."""
    world.rule = ReplicationRule.TARGET_WINS
    world.drain_changes()
    world.purge()


def migrate(rules: Rules, course: Course, *, clock_runs_backwards: bool = False) -> World:
    """Go through all phases; the replicator has passed what was written before the fence."""
    world = copy_all(rules, course, clock_runs_backwards=clock_runs_backwards)
    world.drain_changes()
    fence(world)
    return world


def sent_again_alike(steps: list[Step]) -> list[Step]:
    """Return the steps with batches that never come again with other bounds."""
    return [replace(step, end="done") if isinstance(step, Apply) else step for step in steps]


@MANY
@given(courses, st.booleans())
def test_no_order_of_pages_changes_and_crashes_loses_or_revives_an_item(
    course: Course,
    clock_runs_backwards: bool,  # noqa: FBT001 — a case
) -> None:
    world = migrate(ProductRules(None), course, clock_runs_backwards=clock_runs_backwards)
    assert world.target == world.source
    assert not any(map(is_tombstone, world.target.values()))


@MANY
@given(courses)
def test_no_order_loses_or_revives_an_item_where_versions_decide(course: Course) -> None:
    world = migrate(ProductRules(VERSION), course)
    assert world.target == world.source
    assert not any(map(is_tombstone, world.target.values()))


@MANY
@given(courses, steps_without_pages)
def test_a_fence_behind_which_the_replicator_has_passed_loses_nothing_that_it_carries(
    course: Course, fenced: list[Step]
) -> None:
    world = copy_all(ProductRules(None), course)
    world.drain_changes()  # FenceSource waits for it
    world.rule = ReplicationRule.TARGET_WINS
    world.run(sent_again_alike(fenced))
    fence(world)
    assert world.target == world.source
    assert world.rejects == []


def test_a_fence_set_before_the_replicator_has_passed_would_be_seen() -> None:
    world = World(ProductRules(None))
    world.begin(frozenset())
    world.run([Write("a", "put"), Write("a", "put"), Deliver("a", 0)])  # the page is newer than the replicator
    world.rule = ReplicationRule.TARGET_WINS
    world.run([Apply(size=1, end="done", after=0)])
    assert world.rejects != []


@MANY
@given(courses, steps_without_pages)
def test_a_late_write_to_the_source_is_carried_over(course: Course, late: list[Step]) -> None:
    world = migrate(ProductRules(None), course)
    world.run(sent_again_alike(late))
    world.drain_changes()
    assert world.target == world.source
    assert world.rejects == []


@MANY
@given(courses, steps_without_pages)
def test_a_late_batch_that_comes_again_larger_is_not_taken_for_the_applications_writes(
    course: Course, late: list[Step]
) -> None:
    world = migrate(ProductRules(None), course)
    world.run(late)
    world.drain_changes()
    assert world.target == world.source


@MANY
@given(courses, steps_without_pages, steps_without_pages)
def test_no_late_write_ever_undoes_the_applications_write_to_the_target(
    course: Course, before: list[Step], after: list[Step]
) -> None:
    world = migrate(ProductRules(None), course)
    world.run(before)
    applications: Item = {"pk": {"S": "a"}, "content": {"S": "the application's"}}
    world.target["a"] = applications
    world.run(after)
    world.drain_changes()
    assert world.target["a"] == applications


# ------------------------------------------------------------ negative controls: the world must show what is wrong


def revived_by(rules: Rules, course: Course) -> set[str]:
    """Return the keys that the target has and the source has not."""
    world = migrate(rules, course)
    return world.target.keys() - world.source.keys()


@pytest.mark.parametrize("rules", [ArticleRules(), NoTombstones(None)])
def test_a_rule_without_tombstones_is_caught_reviving_a_deleted_item(rules: Rules) -> None:
    course = find(courses, lambda found: bool(revived_by(rules, found)), settings=settings(MANY, max_examples=3000))
    _, backfill, detached = course
    assert any(isinstance(step, Write) and step.kind == "delete" for step in [*backfill, *detached])
    assert len(backfill) + len(detached) <= 4, "and the trace is short enough to read"


def test_purging_before_the_writer_is_detached_is_caught_reviving_a_deleted_item() -> None:
    world = World(ProductRules(None))
    world.begin(frozenset({"a"}))
    world.run([Write("a", "delete"), Apply(1, "done", 0)])
    world.purge()
    world.run([Deliver("a", age=1)])
    assert world.target.keys() - world.source.keys() == {"a"}


def test_a_scan_sooner_than_the_stream_has_settled_is_caught_losing_a_write() -> None:
    world = World(ProductRules(None))
    world.begin(frozenset({"a"}))
    world.seen["a"].insert(0, None)  # the scan still sees the moment before the write that the stream has no record of
    world.run([Deliver("a", age=1)])
    assert world.target != world.source
