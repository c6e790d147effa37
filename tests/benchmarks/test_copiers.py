"""Every copier of this project copies all of a table, and is measured in the process that copies."""

import sys
from pathlib import Path

import pytest

from tests.benchmarks.install import Installed
from tests.benchmarks.known import ARTICLE, NAIVE, OURS
from tests.benchmarks.measure import CopierFailed, Meter, peak_bytes, run
from tests.benchmarks.null_engine import null_engine
from tests.benchmarks.on_null import copy
from tests.benchmarks.shapes import Shape

NOT_INSTALLED = Installed(Path(), Path(), Path(), Path())
"""The peers are not needed here."""


def test_ours_the_articles_design_and_the_naive_one_write_every_item_as_it_was_read() -> None:
    shape, items = Shape("10 KB", "many", "noise"), 120
    with null_engine() as engine:
        for name in (OURS, ARTICLE, NAIVE):
            copied = copy(engine, NOT_INSTALLED, name, shape, items=items)
            assert copied.is_exact, (name, copied.counts)
            assert copied.measured.items == items > shape.items_a_page
            assert 0 < copied.measured.cpu_seconds < 60
            assert copied.counts.total.write_units >= items * shape.write_units


def test_a_copier_that_fails_is_no_result() -> None:
    command = [sys.executable, "-c", "raise ValueError('no table')"]
    with pytest.raises(CopierFailed, match="no table") as failed:
        run(command, {}, {}, within_seconds=30)
    assert failed.value.reason == "ValueError: no table"


def test_a_copier_that_does_not_end_is_killed() -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with pytest.raises(CopierFailed, match="ended with"):
        run(command, {}, {}, within_seconds=0.2)


def test_only_what_is_done_within_is_measured() -> None:
    meter = Meter()
    sum(range(3_000_000))
    with meter.on("part"):
        pass
    measured = meter.measured(10)
    assert measured.parts["part"] < 0.02
    assert measured.items == 10
    assert peak_bytes() > 1 << 20
