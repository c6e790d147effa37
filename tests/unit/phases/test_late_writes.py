"""The replicator stays until the source is quiet."""

from typing import Any

import pytest

from tasks import drain_late_writes
from tasks.aws.books.books import open_books
from tasks.core.errors import LateWritesPending, OutOfOrder
from tests.unit.aws_fakes import ROUTE, RUN, Context
from tests.unit.phases.calls import NOW, Clock, call, put_watermark


def late(context: Context | None = None) -> Any:  # noqa: ANN401 — any answer
    return call(drain_late_writes.handler, context, route=ROUTE.model_dump())


def test_the_replicator_stays_until_the_source_has_been_quiet_since_the_cut_over(
    moved: dict[str, str], clock: Clock
) -> None:
    assert moved == {}
    with pytest.raises(LateWritesPending, match="quiet for 0 of quiet_seconds=1"):
        late()
    clock.now += 1
    assert late() == {"overruled": 0}


def test_the_replicator_stays_while_late_writes_come(moved: dict[str, str], clock: Clock) -> None:
    clock.now += 500
    put_watermark(NOW, "7", written_at=clock.now - 0.5)
    with pytest.raises(LateWritesPending, match="quiet for 0 of"):
        late()
    moved["shard-1"] = "8"
    clock.now += 500
    with pytest.raises(LateWritesPending, match="on their way to target"):
        late(Context(15_100))


def test_a_source_whose_items_expire_is_quiet_all_the_same(moved: dict[str, str], clock: Clock) -> None:
    clock.now += 500
    moved["shard-1"] = "9"
    put_watermark(NOW, "9", written_at=NOW - 100)  # what came since were expiries
    assert late() == {"overruled": 0}


@pytest.mark.usefixtures("aws")
def test_a_run_that_did_not_cut_over_never_detaches_its_replicator() -> None:
    open_books(RUN).record.put_cut_over("another run", at=NOW)
    with pytest.raises(OutOfOrder, match="has not cut over"):
        late()
