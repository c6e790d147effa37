"""Somebody looks while an approval is waited for: at the mappings, at the stream, and at the oldest change."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tasks import watch_replicator
from tasks.aws.books.books import open_books
from tasks.aws.dynamodb import tables
from tasks.aws.replicate import mappings, tips
from tasks.aws.session import clients
from tasks.core import metrics
from tasks.core.errors import AwsRefused, TipOutOfReach
from tasks.core.forecast.taken import Asked, Sums, own
from tasks.core.replicate.lag import Unapplied
from tasks.core.run.plan import Plan
from tests.unit.aws_fakes import PLAN, RUN, STREAM, Context, FakeAws
from tests.unit.emf import Read, read_emf
from tests.unit.test_attach import SOURCE

MIGRATION = {"migration": PLAN.migration}
HOUR = 3600.0


class Watched:
    """A migration that waits for an approval, all at work; a test spoils one thing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.streams_into: str | None = STREAM
        self.states: dict[str, str | None] = {"replicator": "Enabled", "writer": None}
        self.unapplied: list[Unapplied] = []
        self.glances: list[bool] = []
        self.begun: list[float] = []
        self.written = 0.0
        """Write units of pages."""
        for name, value in {"REPLICATE_CHANGES_FUNCTION": "replicator", "WRITE_PAGES_FUNCTION": "writer"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(tables, "describe", lambda _: {})
        monkeypatch.setattr(tables, "facts_of", lambda _: replace(SOURCE, stream_arn=self.streams_into))
        monkeypatch.setattr(tips, "look_for_oldest", self._look)
        monkeypatch.setattr(mappings, "find_mapping", lambda _, function: self._mapping(function))
        monkeypatch.setattr(clients, "cloudwatch", lambda: None)
        monkeypatch.setattr(watch_replicator, "read_sums", self._sums)
        monkeypatch.setattr(watch_replicator, "fixed_shards", lambda _: None)

    def look(self) -> tuple[dict[str, Any], Read]:
        """Return the function's answer, and what it measured."""
        self._capsys.readouterr()
        answer: dict[str, Any] = watch_replicator.handler({}, Context())
        return answer, self.measured()

    def measured(self) -> Read:
        """Return what the last look measured."""
        return read_emf(self._capsys.readouterr().out)

    def _look(self, *_: object, is_glance: bool, **__: object) -> list[Unapplied]:
        self.glances.append(is_glance)
        return self.unapplied

    def _sums(self, _: object, asked: Sequence[Asked], begun: datetime, *__: object, **___: object) -> Sums:
        self.begun.append(begun.timestamp())
        units = own(PLAN.migration, metrics.WRITE_UNITS, "WritePages")
        assert units in asked
        return {units: self.written}

    def _mapping(self, function: str) -> mappings.EventSourceMapping | None:
        state = self.states[function]
        return None if state is None else mappings.EventSourceMapping("uuid", state, function)


def under_way(**knobs: object) -> Plan:
    """Return the plan of a run that began an hour ago."""
    return PLAN.model_copy(update={"begun_at": time.time() - HOUR, **knobs})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    return FakeAws().install(monkeypatch)


@pytest.fixture
def watched(aws: FakeAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Watched:
    aws.put_plan(under_way())
    return Watched(monkeypatch, capsys)


def test_all_is_well_while_both_mappings_stand(watched: Watched) -> None:
    watched.states["writer"] = "Enabled"
    answer, read = watched.look()
    assert answer == {
        "down": [],
        "oldest_unapplied_seconds": 0,
        "spent_usd": pytest.approx(HOUR / 3600 * 0.04, abs=0.01),
    }
    assert read.value("MappingsDown", **MIGRATION) == 0
    assert read.value("OldestUnapplied", **MIGRATION) == 0


@pytest.mark.parametrize("state", ["Disabled", "Disabling", "Updating", None])
def test_a_replicator_that_nothing_calls_is_seen_while_nobody_waits_for_it(watched: Watched, state: str | None) -> None:
    watched.states["replicator"] = state
    watched.unapplied = [Unapplied("shard-1", time.time() - HOUR, is_trimmed=False)]
    answer, read = watched.look()
    assert f"the mapping of replicator is {state or 'gone'}" in answer["down"][0]
    assert read.value("MappingsDown", **MIGRATION) == 1
    assert HOUR <= read.value("OldestUnapplied", **MIGRATION) < HOUR + 60


@pytest.mark.parametrize("stream", [None, "arn:of-another"])
def test_a_source_that_streams_elsewhere_is_seen(watched: Watched, stream: str | None) -> None:
    watched.streams_into = stream
    answer, read = watched.look()
    assert "does not stream into" in answer["down"][0]
    assert read.value("MappingsDown", **MIGRATION) == 1


def test_a_writer_that_was_switched_off_is_seen_and_one_that_goes_is_not(watched: Watched) -> None:
    watched.states["writer"] = "Disabled"
    answer, read = watched.look()
    assert "the mapping of writer is Disabled" in answer["down"][0]
    assert read.value("MappingsDown", **MIGRATION) == 1
    watched.states["writer"] = "Deleting"
    assert watched.look()[0]["down"] == []


def test_who_watches_does_not_slow_down_the_states_that_look_behind_the_fence(aws: FakeAws, watched: Watched) -> None:
    for rule in ("delete", "target-wins"):
        aws.put_rule(rule)
        watched.look()
    assert watched.glances == [False, True]


def test_a_run_that_comes_to_cost_more_than_it_may_is_told_of(aws: FakeAws, watched: Watched) -> None:
    aws.put_plan(under_way(max_cost_usd=100.0))
    watched.written = 100e6
    answer, read = watched.look()
    assert answer["spent_usd"] == pytest.approx(62.54, abs=0.01), "a hundred million units, and an hour of the stream"
    assert read.value("SpentUsd", **MIGRATION) == pytest.approx(answer["spent_usd"])
    assert read.value("OverCostUsd", **MIGRATION) == 0
    watched.written = 200e6
    answer, read = watched.look()
    assert read.value("OverCostUsd", **MIGRATION) == pytest.approx(25.04, abs=0.01)


def test_a_run_without_a_limit_says_what_it_costs_and_wakes_nobody(watched: Watched) -> None:
    _, read = watched.look()
    assert {"SpentUsd"} <= read.names()
    assert "OverCostUsd" not in read.names()


def test_what_an_earlier_execution_of_the_run_spent_counts_too(aws: FakeAws, watched: Watched) -> None:
    plan = under_way(max_cost_usd=1.0)
    first = plan.begun_at - 10 * HOUR
    aws.put_plan(plan.model_copy(update={"run_begun_at": first}))
    answer, _ = watched.look()
    assert watched.begun == [pytest.approx(first)]
    assert answer["spent_usd"] == pytest.approx(11 * 0.04, abs=0.01)


def test_a_bill_that_cannot_be_read_fails_and_hides_nothing_else(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    denied = ClientError({"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {}}, "GetMetricData")  # type: ignore[typeddict-item]

    def deny(*_: object, **__: object) -> None:
        raise denied

    monkeypatch.setattr(watch_replicator, "read_sums", deny)
    watched.states["replicator"] = "Disabled"
    with pytest.raises(AwsRefused, match="reading what the run has taken"):
        watched.look()
    read = watched.measured()
    assert read.value("MappingsDown", **MIGRATION) == 1
    assert {"OldestUnapplied", "Failures"} <= read.names()


def test_at_rest_it_reads_one_entry_and_says_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    open_books(RUN).record.end_plan()
    monkeypatch.setattr(tables, "describe", lambda _: pytest.fail("it looks at nothing"))
    answer, read = watched.look()
    assert (answer, read.names()) == ({}, set())


def test_more_shards_than_it_can_look_at_are_no_failure(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_many(*_: object, **__: object) -> None:
        raise TipOutOfReach("too many")

    monkeypatch.setattr(tips, "look_for_oldest", too_many)
    answer, read = watched.look()
    assert answer["oldest_unapplied_seconds"] is None
    assert read.names() == {"MappingsDown", "SpentUsd", "Done"}
