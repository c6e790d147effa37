"""An execution that was overtaken changes nothing when it is redriven."""

from typing import Any

import pytest

from tasks import attach_writer, detach_replicator, detach_writer, protect_target, purge_tombstones
from tasks.aws.books.books import open_books
from tasks.aws.replicate import mappings
from tasks.core.errors import Superseded
from tasks.core.replicate.conflict import ReplicationRule
from tests.unit.aws_fakes import PLAN, ROUTE, RUN, STREAM, sees
from tests.unit.phases.calls import PROVEN, Clock, call, flip, set_rule


@pytest.mark.parametrize("module", [attach_writer, detach_writer, detach_replicator])
@pytest.mark.usefixtures("aws")
def test_an_old_execution_that_is_redriven_leaves_the_later_ones_mappings_alone(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,  # noqa: ANN401 — one of these modules
) -> None:
    def touched(*_: object, **__: object) -> None:
        raise AssertionError("a mapping of the later run was touched")

    for name in ("attach", "detach", "detach_from_all"):
        monkeypatch.setattr(mappings, name, touched)
    set_rule(ReplicationRule.DELETE, run="a later run")
    more: dict[str, Any] = {"route": ROUTE.model_dump()} if module is detach_replicator else {}
    with pytest.raises(Superseded, match="run a later run has begun since"):
        call(module.handler, **more)


@pytest.mark.usefixtures("aws")
def test_an_old_execution_that_is_redriven_does_not_take_the_migration_back() -> None:
    later = PLAN.model_copy(update={"run": "a later run", "begun_at": PLAN.begun_at + 1})
    open_books(RUN).record.put_plan(PLAN, STREAM)
    open_books(RUN).record.put_plan(later, STREAM)
    with pytest.raises(Superseded, match="run a later run has begun since"):
        open_books(RUN).record.put_plan(PLAN, STREAM)
    assert open_books(RUN).record.required_plan() == later
    open_books(RUN).record.end_plan()
    with pytest.raises(Superseded):
        open_books(RUN).record.put_plan(PLAN, STREAM)
    open_books(RUN).record.put_plan(later, STREAM)


def overtaken() -> None:
    """Let an execution go on with the run of the one under test, which began before it."""
    open_books(RUN).record.put_plan(PLAN.model_copy(update={"begun_at": PLAN.begun_at + 1}), STREAM)


@pytest.mark.parametrize("module", [attach_writer, detach_writer, protect_target, purge_tombstones, detach_replicator])
@pytest.mark.usefixtures("aws")
def test_an_execution_that_is_redriven_after_it_was_resumed_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
    module: Any,  # noqa: ANN401 — one of these modules
) -> None:
    """Its run is the later one's too: the late rule of the one would fall into the other's backfill."""

    def touched(*_: object, **__: object) -> None:
        raise AssertionError("something of the later execution was touched")

    set_rule(ReplicationRule.DELETE)
    overtaken()
    for name in ("attach", "detach", "detach_from_all"):
        monkeypatch.setattr(mappings, name, touched)
    sees(monkeypatch, {})
    monkeypatch.setattr("tasks.aws.replicate.purge.purge", touched)
    more: dict[str, Any] = {} if module in {attach_writer, detach_writer} else {"route": ROUTE.model_dump()}
    if module is protect_target:
        more |= {"entered": "t1", "proven": PROVEN}
    with pytest.raises(Superseded, match="a later execution goes on with run"):
        call(module.handler, **more)
    assert open_books(RUN).record.required_rule().rule is ReplicationRule.DELETE


def test_an_execution_that_is_redriven_after_it_was_resumed_moves_no_traffic(flips: list[str], clock: Clock) -> None:
    set_rule(ReplicationRule.TARGET_WINS)
    clock.now += 65
    overtaken()
    with pytest.raises(Superseded, match="a later execution goes on with run"):
        flip()
    assert flips == []
