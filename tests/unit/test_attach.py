"""What is attached is seen to work: nothing is waited for that never comes."""

from typing import Any

import pytest

from tasks import create_replicas
from tasks.aws import clients, mappings, tables
from tasks.core.errors import Refused, ReplicasPending
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
