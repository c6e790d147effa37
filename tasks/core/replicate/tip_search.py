"""Where the tips of a stream's shards are: what is read next of each, how fast, and when a tip is proven.

One answer of GetRecords without records proves nothing: "it might take multiple calls to get to a portion of the shard
that contains stream records" (Streams API, GetRecords). What proves a tip:

- **a closed shard** is read until no iterator follows, and the last answer may still hold records;
- **an open one** until an iterator taken at LATEST, when the search began, brings a record. It is younger than the
  search, so whoever has passed it has passed all that there was, however much lies before it;
- **an open one at rest** until `EMPTY_READS` answers in a row had no records. That is evidence and no proof: AWS states
  no bound. Others who do the same went to twenty; a second apart they also outlast the time that a change takes to come
  into the stream.

A shard that was listed as open and turns out closed has children that the list does not name: they hold what was
written since, so the shards are listed anew. That is also why a list may be a little old: a shard is born only when
its parent is closed.

All shards are searched side by side, in rounds: a round reads each shard once, so that twenty empty answers cost twenty
rounds and not twenty rounds a shard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tasks.core.replicate.lag import Unapplied
from tasks.core.replicate.watermark import Shard, Tips, Watermark, shards_to_read

EMPTY_READS = 20
"""So many answers in a row without records are taken for the tip of an open shard at rest."""
EMPTY_READS_OF_A_GLANCE = 3
"""The same where nothing is decided by it: the text of a wait, a metric."""
LISTINGS = 3
"""So often the shards are listed anew for the children of one that was closed: of a stream that was turned off it has
none."""


class Place(StrEnum):
    """Where a shard is read."""

    ON = "on"
    """On from the watermark."""
    NEWEST = "newest"
    """On from the iterator that was taken at LATEST when the search began."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of GetRecords."""

    first: str = ""
    """Sequence number of its first record; empty without records."""
    last: str = ""
    first_at: float = 0.0
    """When the source took the first one, epoch seconds, by the stream's clock."""
    is_end: bool = False
    """Whether no iterator follows: the shard is closed, and read to its end."""
    is_trimmed: bool = False
    """Whether the place that it was to be read on from has left the stream."""


@dataclass(slots=True)
class ShardSearch:
    """The search of one shard.

    Attributes:
        shard: as it was listed.
        tip: the last record that is known of; `None` without any.
        empty_reads: so many answers in a row are taken for the tip.
        wants_tip: whether the tip is searched for, or only the oldest change that is not applied.
        end: of a closed shard, its tip if an earlier search has found it.
        place: where to read next.
        oldest: the first record behind the watermark.
        is_reached: whether the search is over.
        has_ended: whether no iterator followed.
    """

    shard: Shard
    tip: str | None
    empty_reads: int = EMPTY_READS
    wants_tip: bool = True
    end: str | None = None
    place: Place = Place.ON
    oldest: Unapplied | None = None
    is_reached: bool = False
    has_ended: bool = False
    _empty: int = 0
    _is_newest_over: bool = False

    def take(self, answer: Answer) -> None:
        """Take the answer of a read at `place`, and decide where to read next."""
        if self.place is Place.ON:
            self._take_next(answer)
            return
        self.place = Place.ON
        self._is_newest_over = answer.is_end
        if answer.first:
            self.tip = max(answer.first, self.tip or answer.first, key=int)
            self.is_reached = True

    def _take_next(self, answer: Answer) -> None:
        self._empty = 0 if answer.first else self._empty + 1
        if answer.first:
            self.tip = self.end or answer.last
            self.oldest = self.oldest or Unapplied(self.shard.id, answer.first_at, is_trimmed=answer.is_trimmed)
            if self.shard.is_open and not self._is_newest_over:
                # Who only reads on stays behind a shard that is written to all the time, for ever.
                self.place = Place.NEWEST
        self.has_ended = answer.is_end
        is_at_rest = self.shard.is_open and self._empty >= self.empty_reads
        is_known = self.oldest is not None and (self.end is not None or not self.wants_tip)
        self.is_reached = answer.is_end or is_at_rest or is_known


@dataclass(slots=True)
class TipSearch:
    """The search of all shards that may hold a change which is not applied.

    Attributes:
        watermarks: by shard, as they were when the search began.
        empty_reads: see `ShardSearch`.
        wants_tips: see `ShardSearch`.
        only: no other shards; `None` for all.
        reached: what an earlier call of the same moment has reached: by shard its tip, empty text without records.
        ends: where closed shards are known to end, in the same form. It is added to.
    """

    watermarks: Mapping[str, Watermark]
    empty_reads: int = EMPTY_READS
    wants_tips: bool = True
    only: frozenset[str] | None = None
    reached: Mapping[str, str] = field(default_factory=dict)
    ends: dict[str, str] = field(default_factory=dict)
    _searches: dict[str, ShardSearch] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)
    _childless: dict[str, int] = field(default_factory=dict)
    """Shards that closed since they were listed, and how often their children were looked for."""

    def learn(self, shards: Sequence[Shard]) -> None:
        """Take up what a list of the stream's shards names. What is searched already goes on."""
        parents = {shard.parent for shard in shards}
        self._childless = {
            name: listings + 1
            for name, listings in self._childless.items()
            if name not in parents and listings + 1 < LISTINGS
        }
        through = frozenset(shards_to_read(shards, self.watermarks))
        for shard in shards:
            is_wanted = shard.id in through and (self.only is None or shard.id in self.only)
            if not is_wanted or shard.id in self._searches or shard.id in self._known:
                continue
            known = self._known_tip(shard)
            if known is None:
                self._searches[shard.id] = self._search_of(shard)
            else:
                self._known[shard.id] = known

    def _known_tip(self, shard: Shard) -> str | None:
        """Return a tip that needs no reading, empty text for a shard without records; `None` if it has to be read."""
        if shard.id in self.reached:
            return self.reached[shard.id]
        end = self.ends.get(shard.id, shard.ends_at)
        watermark = self.watermarks.get(shard.id)
        if shard.is_open or end is None:
            return None
        if watermark is None:
            return "" if end == "" else None
        return watermark.sequence_number if int(watermark.sequence_number) >= int(end or 0) else None

    def _search_of(self, shard: Shard) -> ShardSearch:
        watermark = self.watermarks.get(shard.id)
        tip = None if watermark is None else watermark.sequence_number
        return ShardSearch(shard, tip, self.empty_reads, self.wants_tips, end=self.ends.get(shard.id) or None)

    def due(self) -> list[ShardSearch]:
        """Return what is to be read in the next round, each once."""
        return [search for search in self._searches.values() if not search.is_reached]

    def take(self, search: ShardSearch, answer: Answer) -> None:
        """Take one answer of a shard that was due."""
        search.take(answer)
        if search.has_ended:
            self.ends[search.shard.id] = search.tip or ""
            if search.shard.is_open and self.only is None:
                self._childless.setdefault(search.shard.id, 0)

    def is_list_outdated(self) -> bool:
        """Whether a shard was found closed whose children no list has named: they hold what was written since."""
        return bool(self._childless)

    def is_over(self) -> bool:
        """Whether everything is reached."""
        return not self._childless and not self.due()

    def all_reached(self) -> dict[str, str]:
        """Return by shard the tips that are reached so far, empty text for a shard without records."""
        found = {name: search.tip or "" for name, search in self._searches.items() if search.is_reached}
        return {**self._known, **found}

    def tips(self) -> Tips:
        """Return the tips that are reached; a shard without records has none."""
        return {shard: tip for shard, tip in self.all_reached().items() if tip}

    def unapplied(self) -> list[Unapplied]:
        """Return the oldest change of each shard that is not applied."""
        return [search.oldest for search in self._searches.values() if search.oldest is not None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one caller reads a shard.

    A shard takes five reads a second from all who read it, and Lambda makes four of them for the replicator: one is
    left. A round is as long as that, or as long as its reads take.
    """

    reads_per_second: float = 1.0

    def pause_seconds(self, *, began: float, now: float) -> float:
        """Return how long to wait before the next round, in seconds.

        Args:
            began: when the last round began, by any clock.
            now: by the same clock.
        """
        return max(0.0, began + 1 / self.reads_per_second - now)
