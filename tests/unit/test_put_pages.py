"""Pages into Kinesis: all of a page's records, or an error; never some of them in silence."""

from collections import Counter
from typing import Any

import pytest

from tasks.aws.copy import pages
from tasks.core.backoff import TRIES
from tasks.core.copy.page import ScannedPage, encode_page, take_apart
from tasks.core.errors import PutRecordsIncomplete
from tests.unit.aws_fakes import FakeAws

ARN = "arn:aws:kinesis:eu-central-1:123456789012:stream/pages"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    return FakeAws().install(monkeypatch)


def record(number: int, padding: int = 0) -> bytes:
    page = take_apart(b'{"Items":[{"pk":{"S":"a"}}],"Count":1,"ScannedCount":1}')
    (one,) = encode_page(page, run="r", segment=0, number=number)
    return one + b"\0" * padding


def taken(aws: FakeAws) -> Counter[bytes]:
    return Counter(entry["Data"] for entry in aws.kinesis.taken)


def test_what_kinesis_refused_is_put_again_and_only_that(aws: FakeAws) -> None:
    records = [record(number) for number in range(10)]
    aws.kinesis.refuse = lambda call, entry: call == 0 and entry["Data"] in records[3:6]
    pages.put_all(ARN, records)
    assert [len(call) for call in aws.kinesis.calls] == [10, 3]
    assert [entry["Data"] for entry in aws.kinesis.calls[1]] == records[3:6]
    assert taken(aws) == Counter(records), "each once"


def test_a_record_that_is_refused_again_and_again_is_not_forgotten(aws: FakeAws) -> None:
    records = [record(number) for number in range(4)]
    aws.kinesis.refuse = lambda call, entry: entry["Data"] in records[call:]
    pages.put_all(ARN, records)
    assert taken(aws) == Counter(records)
    assert [len(call) for call in aws.kinesis.calls] == [4, 4, 3, 2, 1]


def test_a_page_is_never_called_sent_while_a_record_of_it_was_refused(aws: FakeAws) -> None:
    records = [record(number) for number in range(3)]
    aws.kinesis.refuse = lambda _, entry: entry["Data"] == records[1]
    with pytest.raises(PutRecordsIncomplete) as raised:
        pages.put_all(ARN, records)
    assert "Kinesis refused 1 of 3 records" in str(raised.value)
    assert "ProvisionedThroughputExceededException" in str(raised.value), "why"
    assert "then redrive: the scan goes on at this page" in str(raised.value), "the way out"
    assert len(aws.kinesis.calls) == TRIES


def test_the_last_try_counts_too(aws: FakeAws) -> None:
    aws.kinesis.refuse = lambda call, _: call < TRIES - 1
    pages.put_all(ARN, [record(0)])
    assert len(aws.kinesis.taken) == 1


def test_a_throttled_stream_is_given_time(aws: FakeAws) -> None:
    aws.kinesis.refuse = lambda call, _: call < 3
    pages.put_all(ARN, [record(0)])
    assert all(wait > 0 for wait in aws.waits)
    assert len(aws.waits) == 3, "the first try does not wait"


@pytest.mark.parametrize(
    ("count", "padding", "calls"),
    [(500, 0, [500]), (501, 0, [500, 1]), (1200, 0, [500, 500, 200]), (11, 1_000_000, [5, 5, 1])],
)
def test_no_call_is_larger_than_kinesis_takes(aws: FakeAws, count: int, padding: int, calls: list[int]) -> None:
    pages.put_all(ARN, [record(number, padding) for number in range(count)])
    assert [len(call) for call in aws.kinesis.calls] == calls
    assert len(aws.kinesis.taken) == count


def test_records_that_fill_a_call_to_the_byte_with_their_keys_are_not_split_and_one_more_is(aws: FakeAws) -> None:
    key = len("0-0-0")
    full = record(0, 5 * 1024 * 1024 // 320 - key - len(record(0)))
    assert 320 * (len(full) + key) == 5 * 1024 * 1024
    pages.put_all(ARN, [full] * 320)
    assert [len(call) for call in aws.kinesis.calls] == [320]
    pages.put_all(ARN, [*[full] * 320, record(0)])
    assert [len(call) for call in aws.kinesis.calls[1:]] == [320, 1]


def test_a_page_without_items_makes_no_call(aws: FakeAws) -> None:
    empty: list[Any] = encode_page(ScannedPage(b"[]", 0, None), run="r", segment=0, number=0)
    pages.put_all(ARN, empty)
    assert aws.kinesis.calls == []


def test_pages_of_one_segment_spread_over_the_shards(aws: FakeAws) -> None:
    pages.put_all(ARN, [record(number) for number in range(20)])
    assert len({entry["PartitionKey"] for entry in aws.kinesis.taken}) == 20
