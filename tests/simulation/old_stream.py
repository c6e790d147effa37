"""A source's stream as a run finds it that was on already: a day of changes, by shards, and what LATEST gives."""

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.core.replicate.horizon import READS
from tasks.core.replicate.watermark import Shard
from tests.simulation.world import DAY

OPEN_SECONDS: Final = 4 * 3600
"""A shard is closed after some four hours, and a child goes on (DynamoDB Streams; not documented to the minute)."""
SEED: Final = 29


@dataclass(frozen=True, slots=True)
class OldStream:
    """What there is, and what was seen of it. Records are numbered from 1 in each shard."""

    shards: Sequence[Shard]
    seen: Mapping[str, str]
    """By open shard, the last record that came while it was read at LATEST."""
    open_records: Mapping[str, int]
    """By open shard, how many it has."""
    open_for: Mapping[str, float]
    """By open shard, seconds."""
    records: int
    """Of all shards."""


def old_stream(partitions: int, changes: float) -> OldStream:
    """Return the stream of a table that takes as many changes as that a day, evenly over its partitions.

    Each open shard is read `READS` times a second apart, as `tasks.aws.replicate.tips.look_for_horizon` does: one to
    which nothing comes within that time, by chance, has nothing to be passed over.
    """
    chance = random.Random(SEED)
    a_second = changes / DAY / partitions
    shards: list[Shard] = []
    seen: dict[str, str] = {}
    open_records: dict[str, int] = {}
    open_for: dict[str, float] = {}
    records = 0
    for partition in range(partitions):
        # They were not all opened at the same time.
        age = OPEN_SECONDS * (partition + 0.5) / partitions
        begun, parent = DAY, None
        while begun > age:
            ended = max(age, begun - OPEN_SECONDS)
            count = round(a_second * (begun - ended))
            name = f"{partition}-{len(shards)}"
            # A shard without a record is described with an end too, which names none.
            shards.append(Shard(name, parent, is_open=False, ends_at=str(count)))
            records += count
            begun, parent = ended, name
        name = f"{partition}-open"
        shards.append(Shard(name, parent, is_open=True))
        count = round(a_second * age)
        open_records[name], open_for[name] = count, age
        records += count
        if count and chance.random() > math.exp(-a_second * READS):
            seen[name] = str(count)
    return OldStream(shards, seen, open_records, open_for, records)
