"""What is attached is seen to work: nothing is waited for that never comes."""

import time
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import attach_replicator, create_replicas
from tasks.aws import clients, mappings, moments, streams, tables, watermarks
from tasks.core.errors import Refused, ReplicasPending, ReplicatorPending
from tasks.core.plan import TableFacts
from tasks.core.watermark import Watermark
from tests.unit.aws_fakes import PLAN, Context, FakeAws

STREAM = "arn:aws:dynamodb:eu-central-1:123456789012:table/source/stream/1"


class FakeLambda:
    """One mapping, in the state that the test says."""

    def __init__(self, state: str | None) -> None:
        self.state = state
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def get_paginator(self, _: str) -> "FakeLambda":
        return self

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        mapping = {"UUID": "u", "State": self.state, "FunctionArn": "arn:aws:lambda:eu-central-1:1:function:replicator"}
        return [{"EventSourceMappings": [] if self.state is None else [mapping]}]

    def create_event_source_mapping(self, **settings: Any) -> None:  # noqa: ANN401 — boto3's
        self.calls.append(("create", settings))
        self.state = "Creating"

    def update_event_source_mapping(self, **settings: Any) -> None:  # noqa: ANN401 — boto3's
        self.calls.append(("update", settings))


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    return FakeAws().install(monkeypatch)


def attach(monkeypatch: pytest.MonkeyPatch, state: str | None) -> tuple[FakeLambda, mappings.Mapping]:
    fake = FakeLambda(state)
    monkeypatch.setattr(clients, "lambda_", lambda: fake)
    return fake, mappings.attach(STREAM, "replicator", BatchSize=500)


def test_a_mapping_that_was_switched_off_is_switched_on_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, mapping = attach(monkeypatch, "Disabled")
    assert fake.calls == [("update", {"UUID": "u", "Enabled": True})]
    assert mapping.state != "Enabled", "it has to be seen first"


@pytest.mark.parametrize("state", ["Creating", "Enabled", "Updating"])
def test_a_mapping_that_is_there_is_not_made_again(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    fake, mapping = attach(monkeypatch, state)
    assert (fake.calls, mapping.state) == ([], state)


def test_a_mapping_begins_where_no_change_can_be_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake, _ = attach(monkeypatch, None)
    ((verb, settings),) = fake.calls
    assert (verb, settings["StartingPosition"]) == ("create", "TRIM_HORIZON")
    assert settings["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def make_replicas(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    described = {
        "TableStatus": "ACTIVE",
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        "Replicas": [
            {"RegionName": "eu-west-1", "ReplicaStatus": status, "ReplicaStatusDescription": "the key is disabled"}
        ],
    }
    monkeypatch.setattr(tables, "describe", lambda _: described)
    plan = PLAN.model_copy(update={"replica_regions": ("eu-west-1",)})
    create_replicas.handler({"plan": plan.model_dump(mode="json")}, Context())


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("status", sorted(create_replicas.NEVER_ACTIVE))
def test_a_replica_that_never_becomes_active_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    with pytest.raises(Refused, match=f"in eu-west-1 is {status}: the key is disabled; .* redrive"):
        make_replicas(monkeypatch, status)


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize("status", ["CREATING", "UPDATING"])
def test_a_replica_that_is_on_its_way_is_waited_for(monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    with pytest.raises(ReplicasPending):
        make_replicas(monkeypatch, status)
    make_replicas(monkeypatch, "ACTIVE")


NOW = 1_000_000.0
SOURCE = TableFacts(
    name="source",
    arn="arn:aws:dynamodb:eu-central-1:123456789012:table/source",
    status="ACTIVE",
    key=PLAN.key,
    item_count=0,
    size_bytes=0,
    stream_arn=STREAM,
    stream_view_type="NEW_AND_OLD_IMAGES",
)


class Replicator:
    """A source with its stream and the replicator's mapping, all at work; a test spoils one thing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        self.facts = SOURCE
        self.state = "Enabled"
        self.attached: dict[str, Any] = {}
        self.enabled: list[str] = []
        self.without_records: list[str] = []
        monkeypatch.setenv("REPLICATE_CHANGES_FUNCTION", "replicator")
        monkeypatch.setenv("REPLICATE_CHANGES_TIMEOUT_SECONDS", "60")
        clock = SimpleNamespace(time=lambda: self.now, monotonic=time.monotonic, sleep=time.sleep)
        for module in (attach_replicator, moments):
            monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(tables, "describe", lambda _: {"TableStatus": self.facts.status})
        monkeypatch.setattr(tables, "facts_of", lambda _: self.facts)
        monkeypatch.setattr(streams, "enable_stream", self.enabled.append)
        monkeypatch.setattr(streams, "open_shards", lambda _: ["shard-1"])
        monkeypatch.setattr(streams, "shards_without_records", lambda *_: self.without_records)
        monkeypatch.setattr(mappings, "find_mapping", lambda *_: mappings.Mapping("u", self.state, "replicator", "OK"))
        monkeypatch.setattr(mappings, "attach", self._attach)

    def _attach(self, *_: object, **settings: Any) -> mappings.Mapping:  # noqa: ANN401 — Lambda's own
        self.attached = settings
        return mappings.Mapping("u", self.state, "replicator", "OK")

    def apply_a_change(self) -> None:
        watermarks.put_watermark(Watermark("shard-1", "7", self.now, self.now, rule_since=self.now))

    def attach(self) -> dict[str, Any]:
        answer: dict[str, Any] = attach_replicator.handler({"plan": PLAN.model_dump(mode="json")}, Context())
        return answer


@pytest.fixture
def replicator(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> Replicator:
    aws.control.documents.clear()
    return Replicator(monkeypatch)


def test_no_page_is_read_before_the_stream_has_settled(replicator: Replicator) -> None:
    replicator.apply_a_change()
    with pytest.raises(ReplicatorPending, match="the stream settles for settle_seconds=1: 1 s to go"):
        replicator.attach()
    replicator.now += 0.9
    with pytest.raises(ReplicatorPending, match="settles"):
        replicator.attach()
    replicator.now += 0.1
    assert replicator.attach() == {"stream_arn": STREAM, "settled_at": NOW + 1}


def test_a_stream_that_was_on_long_before_settles_anew_under_this_runs_rule(replicator: Replicator) -> None:
    replicator.without_records = ["shard-1"]
    with pytest.raises(ReplicatorPending, match="settles"):
        replicator.attach()
    replicator.now += 1
    replicator.attach()


def test_a_mapping_is_waited_for_until_it_is_enabled(replicator: Replicator) -> None:
    replicator.apply_a_change()
    replicator.state = "Creating"
    replicator.now += 100
    with pytest.raises(ReplicatorPending, match="mapping is Creating"):
        replicator.attach()
    assert replicator.attached["TumblingWindowInSeconds"] > 0, "or no event names its shard"
    assert replicator.attached["MaximumRetryAttempts"] == -1, "or a change would be given up"


def test_enabled_is_not_taken_for_at_work(replicator: Replicator) -> None:
    for _ in range(2):
        with pytest.raises(ReplicatorPending, match="has not applied a change of 1 of 1 open shards yet"):
            replicator.attach()
        replicator.now += 100
    replicator.apply_a_change()
    replicator.attach()


def test_a_batch_of_an_earlier_runs_rule_is_waited_for(replicator: Replicator) -> None:
    watermarks.put_watermark(Watermark("shard-1", "7", NOW, NOW, rule_since=NOW - 1))
    with pytest.raises(ReplicatorPending, match="a batch of an earlier rule under way"):
        replicator.attach()
    replicator.now += 65
    replicator.attach()


def test_a_source_without_a_stream_gets_one_and_it_is_waited_for(replicator: Replicator) -> None:
    replicator.facts = replace(SOURCE, stream_arn=None, stream_view_type=None)
    with pytest.raises(ReplicatorPending, match="is being enabled"):
        replicator.attach()
    assert replicator.enabled == ["source"]


def test_a_stream_that_lost_its_images_since_preflight_is_refused(replicator: Replicator) -> None:
    replicator.facts = replace(SOURCE, stream_view_type="KEYS_ONLY")
    with pytest.raises(Refused, match="became KEYS_ONLY since Preflight"):
        replicator.attach()
