"""The simulated stream of pages against what AWS documents of Kinesis; `stream.py` names the source of each number."""

import pytest

from tests.simulation.stream import DOUBLES_SECONDS, MOST_BYTES, Batch, PagesStream

MEGABYTE = 10**6


def test_a_new_stream_takes_four_megabytes_a_second_over_four_shards() -> None:
    stream = PagesStream(retention_seconds=3600)
    assert (stream.takes_bytes, stream.shards) == (4 * MEGABYTE, 4)
    with pytest.raises(ValueError, match="takes 4000000"):
        stream.put(Batch(0, 1, 41 * MEGABYTE), 10)


def test_a_shard_takes_a_thousand_records_a_second_however_small_they_are() -> None:
    stream = PagesStream(retention_seconds=3600)
    assert stream.room(record_bytes=100) == 4 * 1000 * 100
    assert stream.room(record_bytes=250_000) == 4 * MEGABYTE


def test_a_full_stream_doubles_each_quarter_of_an_hour_up_to_what_aws_lets_it() -> None:
    stream, now, took = PagesStream(retention_seconds=1e9), 0.0, []
    while now < 8 * DOUBLES_SECONDS:
        took.append(stream.takes_bytes / MEGABYTE)
        stream.put(Batch(now, 1, stream.takes_bytes * 10), 10)
        now += 10
    each = DOUBLES_SECONDS // 10
    assert took[:each] == [4] * each
    assert [took[round(each * part)] for part in (1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5)] == [8, 16, 32, 64, 128, 200, 200]
    assert stream.takes_bytes == MOST_BYTES


def test_what_is_taken_is_the_oldest_and_nothing_is_taken_twice_or_lost() -> None:
    stream = PagesStream(retention_seconds=3600)
    for number in range(10):
        stream.put(Batch(number, 10.0, 1000.0), 1)
    seen: list[tuple[float, float]] = []
    while stream.items_waiting > 1e-6:
        seen += [(batch.put_at, batch.items) for batch in stream.take(7.0)]
    assert sum(items for _, items in seen) == pytest.approx(100)
    assert [at for at, _ in seen] == sorted(at for at, _ in seen)
    assert stream.take(5.0) == []
    assert stream.bytes_waiting == pytest.approx(0)


def test_a_look_at_the_head_takes_nothing() -> None:
    stream = PagesStream(retention_seconds=3600)
    stream.put(Batch(0, 10.0, 1000.0), 1)
    assert [batch.items for batch in stream.peek(3.0)] == [10.0]
    assert stream.items_waiting == 10


def test_what_is_older_than_the_retention_is_gone_and_counted() -> None:
    stream = PagesStream(retention_seconds=100)
    stream.put(Batch(0, 10.0, 1000.0), 1)
    stream.put(Batch(50, 5.0, 500.0), 1)
    stream.expire(101)
    assert (stream.items_expired, stream.items_waiting) == (10, 5)
    assert stream.oldest_seconds(101) == 51
