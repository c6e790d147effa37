"""Looks at the source's stream: where its shards' tips are, and what of them is not applied.

What is read next, and when a tip is proven, is `tasks.core.replicate.tip_search`. Here are the calls, the threads and
the clock.
"""

import math
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.aws.replicate import streams
from tasks.aws.session import clients, deployment
from tasks.core.errors import TipOutOfReach
from tasks.core.replicate import horizon
from tasks.core.replicate.lag import Unapplied
from tasks.core.replicate.tip_search import (
    EMPTY_READS_OF_A_GLANCE,
    Answer,
    Pace,
    Place,
    ShardSearch,
    TipSearch,
)
from tasks.core.replicate.watermark import Tips, Watermark

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams.type_defs import GetRecordsOutputTypeDef

RECORDS_AT_ONCE = 1000
"""GetRecords gives no more. With fewer it needs the more answers to get to them."""
SHARDS_SIDE_BY_SIDE = 16

Reached = Mapping[str, str]
"""By shard the tip that is reached, empty text for a shard without records."""

_ends: dict[str, dict[str, str]] = {}
"""By stream: where its closed shards end. That never changes, so whoever is called again need not read them again."""
_rounds: dict[str, float] = {}
"""By stream: when its last round began, by `time.monotonic`. A call that looks again soon goes no faster for it."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one look has seen."""

    tips: Tips
    """Of the moment of the look or a little later, all shards that may be behind."""
    unapplied: list[Unapplied]
    """The oldest change of each shard that is not applied."""


def forget() -> None:
    """Forget what earlier looks have learnt."""
    _ends.clear()
    _rounds.clear()


def see(
    stream_arn: str,
    watermarks: Mapping[str, Watermark],
    *,
    deadline: float,
    reached: Reached | None = None,
    keep: Callable[[Reached], object] | None = None,
) -> Sight:
    """Return the tip of each shard that may be behind, as of this call or a little later, and what is not applied.

    Each shard is read on from its watermark. What is at rest takes `EMPTY_READS` rounds, for all shards together.

    Args:
        stream_arn: of the source's stream.
        watermarks: by shard.
        deadline: by `time.monotonic`.
        reached: what an earlier call of the same moment has reached: it is not read again.
        keep: is given what is reached, where not all could be.

    Raises:
        TipOutOfReach: a shard's tip could not be reached by reading until the deadline.
    """
    ends = _ends.setdefault(stream_arn, {})
    search = TipSearch(watermarks, reached=reached or {}, ends=ends)
    try:
        _run(search, stream_arn, deadline=deadline)
    except TipOutOfReach:
        if keep is not None:
            keep(search.all_reached())
        raise
    return Sight(search.tips(), search.unapplied())


def look_for_oldest(
    stream_arn: str,
    watermarks: Mapping[str, Watermark],
    *,
    deadline: float,
    only: Collection[str] | None = None,
    is_glance: bool = False,
) -> list[Unapplied]:
    """Return the oldest change of each shard that is not applied; nothing for a shard that is applied to its tip.

    Args:
        stream_arn: of the source's stream.
        watermarks: by shard.
        deadline: by `time.monotonic`.
        only: no other shards.
        is_glance: whether nothing is decided by it, so that a shard may be taken for one at rest that is not.

    Raises:
        TipOutOfReach: there are more shards than could be looked at until the deadline.
    """
    if only is not None and not only:
        return []
    search = TipSearch(
        watermarks,
        wants_tips=False,
        only=None if only is None else frozenset(only),
        ends=_ends.setdefault(stream_arn, {}),
    )
    if is_glance:
        search.empty_reads = EMPTY_READS_OF_A_GLANCE
    _run(search, stream_arn, deadline=deadline)
    return search.unapplied()


def look_for_horizon(stream_arn: str, *, deadline: float) -> Tips:
    """Return of each shard the last record that is sure to have been written by now, of closed ones where they end.

    Open shards are read at LATEST: what lies before the first record that comes need not be read. A shard that is at
    rest has none.

    Args:
        stream_arn: of the source's stream.
        deadline: by `time.monotonic`.

    Raises:
        TipOutOfReach: there are more shards than could be looked at until the deadline.
    """
    pace = Pace(deployment.stream_reads_per_second())
    shards = [shard for shard in streams.read_shards(stream_arn, anew=True) if shard.is_open]
    readers = {shard.id: _Reader(stream_arn, shard.id, None, is_open=True) for shard in shards}
    seen: dict[str, str] = {}
    ended: set[str] = set()

    def read(shard: str) -> Answer:
        _check_time(shard, deadline)
        return readers[shard].read(Place.NEWEST)

    with ThreadPoolExecutor(SHARDS_SIDE_BY_SIDE) as threads:
        for _ in range(horizon.READS):
            due = [shard for shard in readers if shard not in seen and shard not in ended]
            if not due:
                break
            _begin_round(stream_arn, pace)
            for shard, answer in zip(due, threads.map(read, due), strict=True):
                if answer.last:
                    seen[shard] = answer.last
                if answer.is_end:
                    ended.add(shard)
    return horizon.horizon_of(streams.read_shards(stream_arn, anew=True), seen)


def _run(search: TipSearch, stream_arn: str, *, deadline: float) -> None:
    pace = Pace(deployment.stream_reads_per_second())
    readers: dict[str, _Reader] = {}
    search.learn(streams.read_shards(stream_arn))

    def read(one: ShardSearch) -> Answer:
        _check_time(one.shard.id, deadline)
        return readers[one.shard.id].read(one.place)

    with ThreadPoolExecutor(SHARDS_SIDE_BY_SIDE) as threads:
        while not search.is_over():
            _begin_round(stream_arn, pace)
            due = search.due()
            for one in due:
                if one.shard.id not in readers:
                    readers[one.shard.id] = _Reader(stream_arn, one.shard.id, one.tip, is_open=one.shard.is_open)
            for one, answer in zip(due, threads.map(read, due), strict=True):
                search.take(one, answer)
            if search.is_list_outdated():
                search.learn(streams.read_shards(stream_arn, anew=True))
            if search.is_over():
                return
            waiting = search.due()
            _check_time(waiting[0].shard.id if waiting else "that was born last", deadline)


def _begin_round(stream_arn: str, pace: Pace) -> None:
    """Wait until each shard may be read once more, however short ago another look has ended."""
    pause = pace.pause_seconds(began=_rounds.get(stream_arn, -math.inf), now=time.monotonic())
    if pause:
        time.sleep(pause)
    _rounds[stream_arn] = time.monotonic()


def _check_time(shard: str, deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TipOutOfReach(
            f"the tip of shard {shard} could not be reached in one call: there are more shards, or more changes that "
            "are not applied, than it can read; wait for the replicator, or look into its log if its lag does not "
            "shrink"
        )


class _Reader:
    """Reads one shard at two places: on from a record, and from where it was newest when its search began."""

    def __init__(self, stream_arn: str, shard: str, after: str | None, *, is_open: bool) -> None:
        self._stream_arn = stream_arn
        self._shard = shard
        self._after = after
        self._is_open = is_open
        self._is_trimmed = False
        self._iterators: dict[Place, str | None] = {}

    def read(self, place: Place) -> Answer:
        """Read once, where the place's last read ended."""
        client = clients.dynamodb_streams()
        if self._is_open and not self._iterators:
            # First: the sooner it is taken, the sooner it brings what is younger than the search.
            self._iterators[Place.NEWEST] = self._newest()
        if place not in self._iterators:
            self._iterators[place] = self._place_after(self._after)
        iterator = self._iterators[place]
        if iterator is None:
            return Answer(is_end=True)
        try:
            answer = client.get_records(ShardIterator=iterator, Limit=RECORDS_AT_ONCE)
        except client.exceptions.TrimmedDataAccessException:
            # What the iterator pointed at grew older than 24 hours in between; the oldest that is left comes next.
            self._iterators[place] = self._iterator(ShardIteratorType="TRIM_HORIZON")
            return Answer()
        except client.exceptions.ExpiredIteratorException:
            # After 15 minutes, or on the engine's whim: the same place is asked for again.
            self._iterators[place] = self._newest() if place is Place.NEWEST else self._place_after(self._after)
            return Answer()
        except client.exceptions.ResourceNotFoundException:
            return Answer(is_end=True)
        return self._taken(place, answer)

    def _taken(self, place: Place, answer: "GetRecordsOutputTypeDef") -> Answer:
        self._iterators[place] = answer.get("NextShardIterator")
        is_end = self._iterators[place] is None
        records = [record["dynamodb"] for record in answer["Records"]]
        if not records:
            return Answer(is_end=is_end)
        if place is Place.ON:
            self._after = records[-1]["SequenceNumber"]
        at = records[0].get("ApproximateCreationDateTime")
        return Answer(
            first=records[0]["SequenceNumber"],
            last=records[-1]["SequenceNumber"],
            first_at=at.timestamp() if at is not None else 0.0,
            is_end=is_end,
            is_trimmed=self._is_trimmed,
        )

    def _place_after(self, sequence_number: str | None) -> str | None:
        client = clients.dynamodb_streams()
        try:
            if sequence_number is None:
                return self._iterator(ShardIteratorType="TRIM_HORIZON")
            return self._iterator(ShardIteratorType="AFTER_SEQUENCE_NUMBER", SequenceNumber=sequence_number)
        except client.exceptions.TrimmedDataAccessException:
            # The watermark's own record is more than 24 hours old. It is applied; what there is now comes after it.
            self._is_trimmed = True
            return self._iterator(ShardIteratorType="TRIM_HORIZON")
        except client.exceptions.ResourceNotFoundException:
            return None  # the whole shard was trimmed away since it was listed

    def _newest(self) -> str | None:
        client = clients.dynamodb_streams()
        try:
            return self._iterator(ShardIteratorType="LATEST")
        except client.exceptions.ResourceNotFoundException:
            return None

    def _iterator(self, **place: Any) -> str | None:  # noqa: ANN401 — boto3's own parameters
        answer = clients.dynamodb_streams().get_shard_iterator(StreamArn=self._stream_arn, ShardId=self._shard, **place)
        return answer.get("ShardIterator")
