"""Somebody looks while an approval is waited for: at the mappings, at the stream, and at the oldest change."""

import time
from dataclasses import replace
from typing import Any

import pytest

from tasks import watch_replicator
from tasks.aws.books.books import open_books
from tasks.aws.dynamodb import tables
from tasks.aws.replicate import mappings, tips
from tasks.core.errors import TipOutOfReach
from tasks.core.replicate.lag import Unapplied
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
        for name, value in {"REPLICATE_CHANGES_FUNCTION": "replicator", "WRITE_PAGES_FUNCTION": "writer"}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(tables, "describe", lambda _: {})
        monkeypatch.setattr(tables, "facts_of", lambda _: replace(SOURCE, stream_arn=self.streams_into))
        monkeypatch.setattr(tips, "look_for_oldest", self._look)
        monkeypatch.setattr(mappings, "find_mapping", lambda _, function: self._mapping(function))

    def look(self) -> tuple[dict[str, Any], Read]:
        """Return the function's answer, and what it measured."""
        self._capsys.readouterr()
        answer: dict[str, Any] = watch_replicator.handler({}, Context())
        return answer, read_emf(self._capsys.readouterr().out)

    def _look(self, *_: object, is_glance: bool, **__: object) -> list[Unapplied]:
        self.glances.append(is_glance)
        return self.unapplied

    def _mapping(self, function: str) -> mappings.EventSourceMapping | None:
        state = self.states[function]
        return None if state is None else mappings.EventSourceMapping("uuid", state, function)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    return FakeAws().install(monkeypatch)


@pytest.fixture
def watched(aws: FakeAws, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Watched:
    del aws  # put in place
    return Watched(monkeypatch, capsys)


def test_all_is_well_while_both_mappings_stand(watched: Watched) -> None:
    watched.states["writer"] = "Enabled"
    answer, read = watched.look()
    assert answer == {"down": [], "oldest_unapplied_seconds": 0}
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
    assert read.names() == {"MappingsDown", "Done"}
