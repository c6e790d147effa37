"""Tips are found on the real engine, though its shards answer without records by chance, as those of AWS do."""

import itertools
import time
from typing import Any

import pytest
from botocore.config import Config

from infra.local.emulator.client import LocalAwsProcess
from tasks.aws.replicate import streams, tips
from tasks.aws.session import clients
from tasks.core.replicate.watermark import Watermark
from tests.faults.faulty import Faulty

pytestmark = pytest.mark.engines

NUMBERS = itertools.count(1)


class Stream:
    """A table's stream, and a reader of it that faults meet."""

    def __init__(self, aws: LocalAwsProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name = f"tips-{next(NUMBERS)}"
        self.faulty = Faulty(aws)
        self.dynamodb: Any = aws.session().client("dynamodb")
        made = self.dynamodb.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.arn = made["TableDescription"]["LatestStreamArn"]
        reader: Any = aws.session().client("dynamodbstreams", config=Config(user_agent_extra=f"app/{self.name}"))
        monkeypatch.setattr(clients, "dynamodb_streams", lambda: reader)
        monkeypatch.setenv("STREAM_READS_PER_SECOND", "1000")
        streams.forget_lists()
        tips.forget()

    def put(self, key: str) -> None:
        self.dynamodb.put_item(TableName=self.name, Item={"k": {"S": key}})

    def tips(self, after: dict[str, str]) -> dict[str, str]:
        return tips.see(self.arn, self._marks(after), deadline=time.monotonic() + 60).tips

    def shards_behind_at_a_glance(self, after: dict[str, str]) -> list[str]:
        found = tips.look_for_oldest(self.arn, self._marks(after), deadline=time.monotonic() + 60, is_glance=True)
        return [one.shard for one in found]

    def _marks(self, after: dict[str, str]) -> dict[str, Watermark]:
        return {shard: Watermark(shard, number, 1.0, 1.0, rule_since=0.0) for shard, number in after.items()}

    def read_badly(self, **how: object) -> Any:  # noqa: ANN401 — a context manager
        rule = {"action": "no-records", "operation": "dynamodbstreams.GetRecords", "caller": self.name, **how}
        return self.faulty.faults(self.name, [{"name": "no-records", **rule}])


@pytest.fixture
def stream(local_aws: LocalAwsProcess, monkeypatch: pytest.MonkeyPatch) -> Stream:
    return Stream(local_aws, monkeypatch)


def test_a_shard_that_answers_without_records_by_chance_is_read_to_its_tip_all_the_same(stream: Stream) -> None:
    tip: dict[str, str] = {}
    with stream.read_badly(probability=0.6):
        for number in range(6):
            stream.put(str(number))
            before, tip = tip, stream.tips(tip)
            assert tip != before, f"the tip behind write {number} was missed"


def test_three_answers_without_records_in_a_row_are_no_tip(stream: Stream) -> None:
    """What was taken for a tip before: a change that is there is not seen."""
    stream.put("applied")
    tip = stream.tips({})
    stream.put("not applied")
    (shard,) = tip
    with stream.read_badly(first=4):
        assert stream.shards_behind_at_a_glance(tip) == []
    with stream.read_badly(first=4):
        assert stream.tips(tip) != tip
    assert stream.shards_behind_at_a_glance(tip) == [shard]


def test_a_stream_that_is_turned_off_is_read_to_its_end(stream: Stream) -> None:
    stream.put("a")
    stream.dynamodb.update_table(TableName=stream.name, StreamSpecification={"StreamEnabled": False})
    with stream.read_badly(probability=0.6):
        assert len(stream.tips({})) == 1
