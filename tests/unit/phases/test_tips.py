"""The tip of a shard is never taken for one that was not reached."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.aws.books.books import open_books
from tasks.aws.replicate import moments, streams, tips
from tasks.core.errors import TipOutOfReach
from tasks.core.replicate.watermark import Watermark
from tests.unit.aws_fakes import ROUTE, RUN, STREAM, FakeAws

ENOUGH = 20
"""Answers without records that are taken for a tip."""
AT = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class FakeShard:
    """One shard whose reads answer as given: records' numbers, or nothing.

    At rest all of it was there before the first read. Otherwise each read brings what was written since the one before.
    """

    reads: list[list[str]]
    at_rest: bool = True
    closes: bool = False
    """Whether nothing follows the last read; an open shard goes on without records."""
    is_listed_open: bool = True
    parent: str | None = None
    ends_at: str | None = None
    asked: int = 0
    reached: int = 0

    def described(self, name: str) -> dict[str, Any]:
        numbers = {} if self.is_listed_open else {"EndingSequenceNumber": self.ends_at or "999"}
        parent = {} if self.parent is None else {"ParentShardId": self.parent}
        return {"ShardId": name, "SequenceNumberRange": numbers, **parent}


class FakeStream:
    """Shards by id."""

    exceptions = SimpleNamespace(
        TrimmedDataAccessException=type("TrimmedDataAccessException", (Exception,), {}),
        ExpiredIteratorException=type("ExpiredIteratorException", (Exception,), {}),
        ResourceNotFoundException=type("ResourceNotFoundException", (Exception,), {}),
    )

    def __init__(self, **shards: FakeShard) -> None:
        self.shards = {name.replace("_", "-"): shard for name, shard in shards.items()}
        self.began: list[dict[str, Any]] = []
        self.is_trimmed = False
        self.expired: set[str] = set()
        self.listings = 0
        self.born: dict[str, FakeShard] = {}
        """They are listed from the second time on."""
        self.shards_a_page = 10_000

    def get_shard_iterator(self, *, StreamArn: str, ShardId: str, **start: Any) -> dict[str, Any]:  # noqa: ANN401, N803 — boto3's
        assert StreamArn == STREAM
        self.began.append(start)
        if self.is_trimmed and "SequenceNumber" in start:
            raise self.exceptions.TrimmedDataAccessException
        kind = "latest" if start["ShardIteratorType"] == "LATEST" else "on"
        shard = self.shards[ShardId]
        place = shard.reached if kind == "latest" else self._place(shard, start.get("SequenceNumber"))
        return {"ShardIterator": f"{ShardId} {kind} {place}"}

    def _place(self, shard: FakeShard, after: str | None) -> int:
        return next((number + 1 for number, read in enumerate(shard.reads) if after in read), 0)

    def get_records(self, *, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803 — boto3's names
        assert Limit == 1000, "with fewer there are the more answers without records"
        if ShardIterator in self.expired:
            self.expired.remove(ShardIterator)
            raise self.exceptions.ExpiredIteratorException
        name, kind, place = ShardIterator.split()
        shard, number = self.shards[name], int(place)
        shard.asked += 1
        if kind == "latest":
            younger = [] if shard.at_rest else [one for read in shard.reads[number : shard.reached] for one in read]
            return self._answer(younger, f"{name} latest {number}")
        shard.reached = number + 1
        is_last = shard.closes and number + 1 >= len(shard.reads)
        read = shard.reads[number] if number < len(shard.reads) else []
        return self._answer(read, None if is_last else f"{name} on {number + 1}")

    def _answer(self, numbers: list[str], following: str | None) -> dict[str, Any]:
        records = [{"dynamodb": {"SequenceNumber": one, "ApproximateCreationDateTime": AT}} for one in numbers]
        return {"Records": records, **({} if following is None else {"NextShardIterator": following})}

    def describe_stream(self, *, StreamArn: str, ExclusiveStartShardId: str | None = None) -> dict[str, Any]:  # noqa: N803 — boto3's names
        assert StreamArn == STREAM
        self.listings += 1
        if self.listings > 1:
            self.shards.update(self.born)
        names = list(self.shards)
        first = 0 if ExclusiveStartShardId is None else names.index(ExclusiveStartShardId) + 1
        page = names[first : first + self.shards_a_page]
        more = {"LastEvaluatedShardId": page[-1]} if first + len(page) < len(names) else {}
        return {"StreamDescription": {"Shards": [self.shards[name].described(name) for name in page], **more}}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    return FakeAws().install(monkeypatch)


def mark(shard: str, number: str) -> Watermark:
    return Watermark(shard, number, 1.0, 2.0, rule_since=0.0)


def read_tips(
    monkeypatch: pytest.MonkeyPatch, stream: FakeStream, after: str | None = None, *, seconds: float = 60.0
) -> dict[str, str]:
    monkeypatch.setattr("tasks.aws.session.clients.dynamodb_streams", lambda: stream)
    watermarks = {} if after is None else {"shard-1": mark("shard-1", after)}
    return tips.see(STREAM, watermarks, deadline=time.monotonic() + seconds).tips


def alone(*reads: list[str], **how: Any) -> FakeStream:  # noqa: ANN401 — the fake's fields
    return FakeStream(shard_1=FakeShard(list(reads), **how))


def test_empty_reads_before_the_tip_are_not_taken_for_the_tip(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: list[list[str]] = [[]] * (ENOUGH - 1)
    assert read_tips(monkeypatch, alone(*nothing, ["1"], *nothing, ["2", "3"])) == {"shard-1": "3"}


def test_so_many_empty_reads_in_a_row_are_taken_for_the_tip(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: list[list[str]] = [[]] * ENOUGH
    assert read_tips(monkeypatch, alone(["1"], *nothing, ["2"])) == {"shard-1": "1"}


def test_a_shard_that_has_nothing_new_is_at_its_watermark_and_one_without_records_has_no_tip(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read_tips(monkeypatch, alone([], [], ["7"]), after="7") == {"shard-1": "7"}
    assert read_tips(monkeypatch, alone([])) == {}


def test_a_closed_shard_is_read_to_its_end_however_often_it_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: list[list[str]] = [[]] * (3 * ENOUGH)
    stream = alone(["1"], *nothing, ["2"], closes=True, is_listed_open=False)
    assert read_tips(monkeypatch, stream) == {"shard-1": "2"}, "and its last answer holds a record"


def test_what_is_known_of_a_closed_shard_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = alone(["1"], [], ["2"], closes=True, is_listed_open=False)
    read_tips(monkeypatch, stream)
    asked = stream.shards["shard-1"].asked
    assert read_tips(monkeypatch, stream, after="2") == {"shard-1": "2"}
    assert stream.shards["shard-1"].asked == asked
    described = alone(["1"], ["9"], closes=True, is_listed_open=False, ends_at="9")
    tips.forget()
    streams.forget_lists()
    assert read_tips(monkeypatch, described, after="9") == {"shard-1": "9"}
    assert not described.shards["shard-1"].asked, "its description says where it ends"


def test_a_shard_that_closes_while_it_is_read_leads_on_to_its_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold what was written since, and the list that is at hand does not name them."""
    stream = alone(["1"], [], closes=True)
    stream.born = {"shard-2": FakeShard([[], ["5"]], parent="shard-1"), "shard-3": FakeShard([], parent="shard-1")}
    assert read_tips(monkeypatch, stream) == {"shard-1": "1", "shard-2": "5"}


def test_a_list_of_shards_is_kept_for_a_moment_and_not_where_a_shard_of_it_has_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = alone(["1"])
    read_tips(monkeypatch, stream)
    read_tips(monkeypatch, stream)
    assert stream.listings == 1
    stream.shards["shard-1"] = FakeShard([["1"]], closes=True)
    stream.born = {"shard-2": FakeShard([["2"]], parent="shard-1")}
    assert read_tips(monkeypatch, stream) == {"shard-1": "1", "shard-2": "2"}


def test_shards_behind_the_first_page_of_a_list_are_read_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that is not listed has no tip, and a wait would not be for what it holds."""
    monkeypatch.setattr(streams, "PAGES_A_SECOND", 1000.0)
    stream = FakeStream(**{f"shard_{number}": FakeShard([[str(number)]], closes=True) for number in range(1, 6)})
    stream.shards_a_page = 2
    assert read_tips(monkeypatch, stream) == {f"shard-{number}": str(number) for number in range(1, 6)}
    assert stream.listings >= 3


def test_a_stream_that_was_turned_off_has_no_children_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = alone(["1"], closes=True)
    assert read_tips(monkeypatch, stream) == {"shard-1": "1"}
    assert stream.listings <= 4


def test_a_shard_that_is_written_to_all_the_time_has_a_tip_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = alone(*[[str(number)] for number in range(8, 5000)], at_rest=False)
    (tip,) = read_tips(monkeypatch, stream, after="7").values()
    assert 8 <= int(tip) < 20, "younger than the call, and not much"


def test_shards_are_waited_for_side_by_side_and_each_is_read_no_faster_than_it_may_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: 100.0 + sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(tips, "time", clock)
    monkeypatch.setattr(streams, "time", clock)
    monkeypatch.setenv("STREAM_READS_PER_SECOND", "1")
    shards = {f"shard_{number}": FakeShard([]) for number in range(300)}
    stream = FakeStream(**shards)
    monkeypatch.setattr("tasks.aws.session.clients.dynamodb_streams", lambda: stream)
    assert tips.see(STREAM, {}, deadline=1000.0).tips == {}
    assert {shard.asked for shard in stream.shards.values()} == {ENOUGH}
    assert pauses == [1.0] * (ENOUGH - 1), "for 300 shards as for one"


def test_a_watermark_older_than_the_stream_keeps_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = alone(["8"])
    stream.is_trimmed = True
    assert read_tips(monkeypatch, stream, after="7") == {"shard-1": "8"}
    begins = [start["ShardIteratorType"] for start in stream.began if start["ShardIteratorType"] != "LATEST"]
    assert begins == ["AFTER_SEQUENCE_NUMBER", "TRIM_HORIZON"]


def test_an_iterator_that_expires_is_taken_again_at_the_same_place(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = alone(["1"], ["2"], ["3"])
    stream.expired = {"shard-1 on 1", "shard-1 on 2"}
    assert read_tips(monkeypatch, stream) == {"shard-1": "3"}


def test_a_tip_that_was_not_reached_is_never_taken_for_the_tip(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = alone(*[[str(number)] for number in range(1, 10)])
    with pytest.raises(TipOutOfReach, match="shard-1"):
        read_tips(monkeypatch, stream, seconds=-1.0)


def test_what_one_call_has_reached_of_a_moment_the_next_one_does_not_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a stream with thousands of shards one call may reach a part, and so may every later one."""
    ended, long = FakeShard([["1"]], closes=True, is_listed_open=False), FakeShard([["2"]])
    stream = FakeStream(shard_1=ended, shard_2=long)
    monkeypatch.setattr("tasks.aws.session.clients.dynamodb_streams", lambda: stream)
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda _: now.append(now.pop() + 1), time=time.time)
    monkeypatch.setattr(tips, "time", clock)
    books = open_books(RUN)
    with pytest.raises(TipOutOfReach, match="shard-2"):
        moments.read_passing(books, ROUTE, "m", look=lambda: None, deadline=5.5)
    assert books.tips.remembered("m") is None
    assert books.tips.reached("m") == {"shard-1": "1"}
    tips.forget()
    passing, unapplied = moments.read_passing(books, ROUTE, "m", look=lambda: None, deadline=1000.0)
    assert ended.asked == 1
    assert (passing.shards, passing.behind) == (2, 2)
    assert [one.shard for one in unapplied] == ["shard-2"]


def test_the_horizon_is_what_the_stream_has_given_and_where_closed_shards_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of before is read: that is what a day of changes would cost."""
    busy = FakeShard([["7"], ["8"]], at_rest=False, reached=0)
    stream = FakeStream(
        shard_1=FakeShard([], closes=True, is_listed_open=False, ends_at="99"),
        shard_2=busy,
        shard_3=FakeShard([["3"]], parent="shard-1"),
    )
    monkeypatch.setattr("tasks.aws.session.clients.dynamodb_streams", lambda: stream)
    asked: list[str] = []
    get_records = stream.get_records

    def grows(*, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803 — boto3's names
        asked.append(ShardIterator)
        busy.reached = 2
        return get_records(ShardIterator=ShardIterator, Limit=Limit)

    monkeypatch.setattr(stream, "get_records", grows)
    found = tips.look_for_horizon(STREAM, deadline=time.monotonic() + 60)
    assert found == {"shard-1": "99", "shard-2": "8"}, "at rest there is no horizon, and what is there is applied"
    assert all(" latest " in iterator for iterator in asked)


def test_a_shard_that_closes_while_the_horizon_is_taken_lies_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = alone([], closes=True)
    closed = FakeShard([], closes=True, is_listed_open=False, ends_at="44")
    stream.born = {"shard-1": closed, "shard-2": FakeShard([["50"]], parent="shard-1")}
    monkeypatch.setattr("tasks.aws.session.clients.dynamodb_streams", lambda: stream)
    assert tips.look_for_horizon(STREAM, deadline=time.monotonic() + 60) == {"shard-1": "44"}
