"""What the replicator costs while an approval is waited for: its real calls are counted, and a day of them is priced.

The changes themselves are not in it: each is a write of the target, and as dear however it comes. Nor are the mapping's
own reads of the stream, which are free.
"""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from infra.aws.functions.streams import REPLICATE_CHANGES
from tasks import replicate_changes
from tasks.core.forecast import prices
from tasks.core.forecast.prices import Price, usd_of
from tests.unit.aws_fakes import STREAM, Context, FakeAws
from workflow.settings import Placement

BUSY_SHARDS = 100
DAY_SECONDS = 24 * 3600
POLLS_A_SECOND = 4
"""Lambda's, of each shard (Lambda guide, "Polling and batching streams")."""
CALL_SECONDS = 0.06
"""Three calls to the control table and one to the target, one after the other."""
PLATFORM_BYTES = 350
"""Lambda's own three lines of a call: START, END and REPORT."""
TRACED_SHARE = 0.05
TRACED_A_SECOND = 1
"""X-Ray's default: one call a second, and so many of the rest."""
GB = 10**9


@dataclass
class Used:
    """What one call uses, beside its time."""

    reads: int
    writes: int
    log_bytes: int


class Worker:
    """A warm environment of the replicator, called with one change at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._aws = FakeAws().install(monkeypatch)
        self._aws.put_rule("delete")
        self._capsys = capsys
        self._reads: list[str] = []
        self._number = 0
        read = self._aws.control.read

        def counted(pk: str, sk: str) -> Any:  # noqa: ANN401 — a document
            self._reads.append(sk)
            return read(pk, sk)

        monkeypatch.setattr(self._aws.control, "read", counted)

    def call(self) -> Used:
        """Make one call, and return what it used."""
        self._capsys.readouterr()
        self._reads.clear()
        self._aws.log.clear()
        self._number += 1
        change = {
            "Keys": {"pk": {"S": "a"}},
            "SequenceNumber": str(self._number),
            "NewImage": {"pk": {"S": "a"}},
            "ApproximateCreationDateTime": 1_700_000_000.0,
        }
        event = {"Records": [{"eventSourceARN": STREAM, "dynamodb": change}], "shardId": "shard-1", "state": {}}
        assert replicate_changes.handler(event, Context())["batchItemFailures"] == []
        written = [place for kind, place in self._aws.log if kind == "control.put"]
        return Used(len(self._reads), len(written), len(self._capsys.readouterr().out))


def bill(used: Used, *, window_seconds: float, shards: int = BUSY_SHARDS) -> dict[Price, float]:
    """Return what a day of busy shards uses, line by line: of each, a change has always come when it is looked at."""
    between = max(1 / POLLS_A_SECOND, window_seconds) + (CALL_SECONDS if window_seconds else 0)
    calls = shards * DAY_SECONDS / between
    return {
        prices.LAMBDA_REQUEST: calls,
        prices.LAMBDA_GB_SECOND: calls * CALL_SECONDS * REPLICATE_CHANGES.memory_mb / 1024,
        prices.READ_REQUEST_UNIT: calls * used.reads,
        prices.WRITE_REQUEST_UNIT: calls * used.writes,
        prices.TRACE: calls * TRACED_SHARE + TRACED_A_SECOND * DAY_SECONDS,
        prices.LOGS_GB: calls * (used.log_bytes + PLATFORM_BYTES) / GB,
    }


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Used:
    worker = Worker(monkeypatch, capsys)
    worker.call()  # the first one of an environment reads the plan
    return worker.call()


def test_a_call_reads_the_rule_and_its_watermark_and_writes_that_and_no_more(used: Used) -> None:
    assert (used.reads, used.writes) == (2, 1)
    assert used.log_bytes < 1000


def test_a_day_of_an_approval_with_a_hundred_busy_shards_costs_less_than_twenty_dollars(used: Used) -> None:
    window = Placement(region="eu-west-1").replicator_window_seconds
    assert usd_of(bill(used, window_seconds=window)) < 10
    assert usd_of(bill(used, window_seconds=0)) > 80, "without the window"


def test_what_it_was_before(used: Used) -> None:
    """A call each time that Lambda looks, the plan read in each, and a line in the log for each hundred changes."""
    line = json.dumps({"level": "INFO", "message": "replicate_changes shardId-00000001700000000000-0a1b2c3d done"})
    context = json.dumps({"location": "__exit__:110", "timestamp": "2026-11-29 18:00:00,000+0000", "run": "r" * 36})
    before = Used(used.reads + 1, used.writes, used.log_bytes + len(line) + len(context) + 200)
    assert 100 < usd_of(bill(before, window_seconds=0)) < 200


def test_a_shard_that_nobody_writes_to_costs_nothing(used: Used) -> None:
    assert usd_of(bill(used, window_seconds=5, shards=0)) < 0.5, "X-Ray's one a second, at the most"
