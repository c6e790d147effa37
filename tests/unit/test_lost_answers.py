"""Changes of whole tables whose answer is lost: boto3 asks again, and DynamoDB refuses what stands already."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tasks.aws.dynamodb import tables
from tasks.aws.replicate import streams
from tasks.aws.session import clients
from tasks.core.model.table_ref import TableAddress
from tests.unit.aws_fakes import client_error


class FakeTable:
    """One table; its first change is carried out unheard, so that boto3's own second try is what answers."""

    def __init__(self, *, carries_out: bool) -> None:
        self.carries_out = carries_out
        self.stream: dict[str, Any] = {}
        self.ttl: dict[str, Any] = {"TimeToLiveStatus": "DISABLED"}
        self.replicas: list[dict[str, str]] = []

    def describe_table(self, **_: object) -> dict[str, Any]:
        return {"Table": {"StreamSpecification": self.stream, "Replicas": self.replicas}}

    def describe_time_to_live(self, **_: object) -> dict[str, Any]:
        return {"TimeToLiveDescription": self.ttl}

    def update_table(self, **changes: Any) -> None:  # noqa: ANN401 — boto3's own parameters
        if self.carries_out:
            self.stream = changes.get("StreamSpecification", self.stream)
            made = [one["Create"]["RegionName"] for one in changes.get("ReplicaUpdates", ())]
            self.replicas += [{"RegionName": region, "ReplicaStatus": "CREATING"} for region in made]
        raise client_error("ValidationException", "Table has no stream to disable")

    def update_time_to_live(self, **_: object) -> None:
        if self.carries_out:
            self.ttl = {"TimeToLiveStatus": "ENABLING", "AttributeName": "expires"}
        raise client_error("ValidationException", "TimeToLive is already enabled")


TABLE = TableAddress(name="t", region="eu-central-1")
CHANGES: dict[str, Callable[[], None]] = {
    "the stream is turned on": lambda: streams.enable_stream(TABLE),
    "the stream is turned off": lambda: streams.disable_stream(TABLE),
    "a replica is added": lambda: tables.add_replica(TABLE, "ap-northeast-1"),
    "the items expire": lambda: tables.expire_by(TABLE, "expires"),
}
each_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())


def fake_table(monkeypatch: pytest.MonkeyPatch, *, carries_out: bool) -> FakeTable:
    fake = FakeTable(carries_out=carries_out)
    monkeypatch.setattr(clients, "dynamodb", lambda *_: fake)
    return fake


@each_change
def test_a_lost_answer_does_not_fail_a_migration_whose_change_was_carried_out(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]
) -> None:
    fake_table(monkeypatch, carries_out=True).stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    change()


@each_change
def test_a_change_that_dynamodb_refuses_for_good_is_not_taken_for_made(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]
) -> None:
    fake_table(monkeypatch, carries_out=False).stream = {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}
    with pytest.raises(ClientError, match="ValidationException"):
        change()
