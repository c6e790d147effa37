"""Whoever writes while a table is copied knows what the table holds."""

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from infra.local.rehearsal.owner.wire import NoAnswer
from tests.benchmarks.judge import judge
from tests.benchmarks.owner import Owner
from tests.benchmarks.shapes import Item, Shape

SHAPE = Shape("100 B")


class FakeTable:
    """A table behind the wire, which may lose answers."""

    def __init__(self, items: list[Item]) -> None:
        self.items = {item["pk"]["S"]: item for item in items}
        self.lose: Callable[[], bool] = bool

    def call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if operation == "PutItem":
            self.items[request["Item"]["pk"]["S"]] = request["Item"]
        else:
            self.items.pop(request["Key"]["pk"]["S"], None)
        if self.lose():
            raise NoAnswer("Timeout", "the answer was lost")
        return {}


def written(table: FakeTable, loaded: list[Item]) -> Owner:
    owner = Owner(table, "source", SHAPE, loaded, writes_per_second=2000, seed=1)  # type: ignore[arg-type] # as much of a wire as is used
    owner.start()
    deadline = time.monotonic() + 10
    while owner.writes < 200 and time.monotonic() < deadline:
        time.sleep(0.01)
    owner.stop()
    return owner


@pytest.mark.parametrize("loses", [False, True])
def test_the_owner_knows_every_item_that_its_table_has(loses: bool) -> None:  # noqa: FBT001 — a parameter of the test
    loaded = SHAPE.items(40)
    table = FakeTable(loaded)
    if loses:
        calls = itertools.count()
        table.lose = lambda: next(calls) % 50 == 7
    owner = written(table, loaded)
    assert owner.writes >= 200
    verdict = judge(owner.items, table.items.values())
    assert verdict.is_exact
    assert verdict.expected > 0
    assert judge(loaded, table.items.values()).resurrected, "it inserts"
    assert judge(loaded, table.items.values()).lost, "and deletes"


def test_a_writer_that_fails_is_not_taken_for_one_that_wrote() -> None:
    table = FakeTable([])

    def fail() -> bool:
        raise RuntimeError("broken")

    table.lose = fail
    owner = Owner(table, "source", SHAPE, [], writes_per_second=1000, seed=1).start()  # type: ignore[arg-type] # as above
    time.sleep(0.1)
    with pytest.raises(RuntimeError, match="broken"):
        owner.stop()
