"""What the phases find: tables, a stream and a control table in memory, and a clock that stands still."""

import time
from types import SimpleNamespace

import pytest

from tasks import cut_over, detach_writer, drain_backfill, drain_late_writes, protect_target
from tasks.aws.books.books import open_books
from tasks.aws.dynamodb import tables
from tasks.aws.prove import recheck
from tasks.aws.replicate import lag, moments, streams
from tasks.aws.run import pointer
from tests.unit.aws_fakes import RUN, FakeAws, sees
from tests.unit.phases.calls import Clock


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    fake = FakeAws().install(monkeypatch)
    for name, value in {
        "WRITE_PAGES_FUNCTION": "writer",
        "WRITE_PAGES_TIMEOUT_SECONDS": "120",
        "REPLICATE_CHANGES_TIMEOUT_SECONDS": "60",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(streams, "open_shards", lambda _: ["shard-1"])
    sees(monkeypatch, unapplied=[])
    sees(monkeypatch, {})
    monkeypatch.setattr(recheck, "BETWEEN_LOOKS_SECONDS", 0.0)
    return fake


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    standing = SimpleNamespace(time=lambda: clock.now, monotonic=time.monotonic, sleep=time.sleep)
    for module in (detach_writer, cut_over, protect_target, drain_backfill, drain_late_writes, moments, lag):
        monkeypatch.setattr(module, "time", standing)
    return clock


@pytest.fixture
def flips(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    del aws  # put in place, and no more is asked of it here
    flips: list[str] = []
    sees(monkeypatch, {})
    monkeypatch.setattr(pointer, "flip_pointer", lambda _, table: flips.append(f"pointer {table}"))
    monkeypatch.setattr(pointer, "put_event", lambda kind, _: flips.append(f"event {kind}"))
    monkeypatch.setattr(
        tables, "read_ttl", lambda table: ("ENABLED", "expires") if table.name == "source" else ("DISABLED", None)
    )
    monkeypatch.setattr(pointer, "read_pointer", lambda _: None)
    monkeypatch.setattr(tables, "expire_by", lambda table, attribute: flips.append(f"ttl {table.name} {attribute}"))
    return flips


@pytest.fixture
def moved(aws: FakeAws, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Traffic has moved; returns the stream's tips."""
    del aws  # put in place
    tips: dict[str, str] = {}
    sees(monkeypatch, lambda: dict(tips))
    open_books(RUN).record.put_cut_over(RUN, at=clock.now)
    return tips
