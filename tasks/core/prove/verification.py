"""The course of a verification: which slices are read, for what, and how far each has come."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal, Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from tasks.core.model.item import Cursor
from tasks.core.model.order import spread
from tasks.core.prove.digest import item_hash
from tasks.core.prove.passes import Step, Stretch

BEGUN = "begun"
DONE = "done"


class Kept(BaseModel):
    """Names an object in the bucket."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    bytes: int


def pairs_of(lists: Iterable[Kept]) -> list[tuple[str, int]]:
    """Return objects' names as they are noted: there may be very many."""
    return [(one.name, one.bytes) for one in lists]


def kept_of(pairs: Iterable[tuple[str, int]]) -> list[Kept]:
    """Return what `pairs_of` has noted."""
    return [Kept(name=name, bytes=size) for name, size in pairs]


class VerifySlice(BaseModel):
    """One segment of one of the tables, or one stretch of hashes; and how far its verification has come."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    table: str
    """The role of the table in the proof: `source`, `target`, or `target@` and a replica's Region. A stretch is
    compared between it and the source."""
    segment: int
    """0-based; a stretch's own number."""
    state: Literal["reading", "done"] = "reading"
    cursor: Cursor = None
    """LastEvaluatedKey of the last page that was counted."""
    pages: int = 0
    """Pages that were read, or steps of the stretch that were compared."""
    items: int = 0
    """Items that were read, or keys that differed and were looked at."""
    stretch: Stretch | None = None
    """What the slice compares; `None` reads a segment."""
    lists: Kept | None = None
    """Which lists of hashes a stretch is compared in."""
    looked: int = 0
    """Of the step under way: keys that differed and were looked at."""
    listed: int = 0
    """Keys that the look found unequal."""
    round: int = 0
    """Of the verification, in which the stretch is compared."""

    @property
    def name(self) -> str:
        """Names the slice in the control table and in the bucket."""
        if self.stretch is None:
            return f"{self.table}#{self.segment:04}"
        return f"{self.table}#stretch#{self.round}#{self.segment:04}"

    @property
    def place(self) -> str:
        """Names how far the slice has come, exactly: the same number of pages may end at another key in another try."""
        if self.state == "done":
            return DONE
        if self.stretch is not None:
            return f"{self.pages:06}.{self.looked:06}"
        return BEGUN if self.cursor is None else item_hash(self.cursor).hex()

    @property
    def begun_place(self) -> str:
        """Names the place at which such a slice begins."""
        return BEGUN if self.stretch is None else f"{0:06}.{0:06}"

    @property
    def is_cut(self) -> bool:
        """Whether it has listed so many unequal keys that the others wait for another round."""
        return self.stretch is not None and self.listed >= self.stretch.listed_most

    def after_look(self, looked: int, unequal: int) -> Self:
        """Return the slice with so many keys more looked at, so many of them unequal; it may be done with that."""
        looks = {"looked": self.looked + looked, "items": self.items + looked, "listed": self.listed + unequal}
        reached = self.model_copy(update=looks)
        return reached.model_copy(update={"state": "done"}) if reached.is_cut else reached

    def after_step(self) -> Self:
        """Return the slice with its step done."""
        pages = self.pages + 1
        state = "done" if pages >= len(self.steps) else "reading"
        return self.model_copy(update={"pages": pages, "looked": 0, "state": state})

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of its stretch."""
        return () if self.stretch is None else self.stretch.steps()


class Verification(BaseModel):
    """What the Verify map is to do, and in the end what it found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    """Of this verification: another one never sees its digests."""
    stage: Literal["digests", "suspects"] = "digests"
    """`digests` reads the tables, sums them, and keeps the hashes; `suspects` compares the hashes where sums came out
    unequal, looks once at the keys that differ, and lists those that differ still."""
    verdict: Literal["open", "suspect", "equal"] = "open"
    slices: tuple[VerifySlice, ...] = ()
    source_items: int = 0
    target_items: int = 0
    replica_ids: dict[str, str] = {}
    """TableIds of the replicas by Region, as they were before the first reading."""
    replica_items: dict[str, int] = {}
    """By Region."""
    round: int = 0
    """How often stretches were compared before that had more unequal keys than are listed in one round."""
    rechecked: int = 0
    """Keys that looked different, were read once more on both sides, and are equal."""
    followed: int = 0
    """Keys that the source changes faster than they can be compared; each change replaces the target's item."""

    @property
    def id_of_round(self) -> str:
        """Under which the settled stretches of a round are noted."""
        return f"{self.id}#{self.round}" if self.round else self.id

    def id_of_looks(self, role: str) -> str:
        """Return the id under which the settled keys of one table in a round are noted.

        Those of one table and round fit a function's memory; and a key that is equal in one Region is not in another.
        """
        return f"{self.id_of_round}#{role}"

    def settled(self, found: Mapping[str, int], cut: Collection[str]) -> Self:
        """Return the verdict, or the stretches that are to be compared once more: there was more than they listed.

        Args:
            found: what was counted.
            cut: names of those stretches.
        """
        if not cut:
            return self.model_copy(update={**found, "verdict": "equal", "slices": ()})
        again = tuple(
            VerifySlice(
                table=one.table, segment=one.segment, stretch=one.stretch, lists=one.lists, round=self.round + 1
            )
            for one in self.slices
            if one.name in cut
        )
        return self.model_copy(update={**found, "verdict": "suspect", "slices": again, "round": self.round + 1})


def plan_slices(verify_segments: int, roles: Sequence[str]) -> tuple[VerifySlice, ...]:
    """Return the slices of one pass over the tables, each in turn so that the same segments are read together.

    Args:
        verify_segments: that each table is read in.
        roles: of the tables in the proof.
    """
    return tuple(VerifySlice(table=role, segment=segment) for segment in spread(verify_segments) for role in roles)


def slices_of(table: str, verify_segments: int) -> tuple[VerifySlice, ...]:
    """Return the slices that one table is read in."""
    return tuple(VerifySlice(table=table, segment=segment) for segment in range(verify_segments))


class Link(Protocol):
    """What one call found, from a place of its slice to another."""

    @property
    def begun(self) -> str:
        """The place at which the call began."""

    @property
    def reached(self) -> str:
        """The place to which it came."""


LinkT = TypeVar("LinkT", bound=Link)


def chain(links: Iterable[LinkT], begun: str) -> list[LinkT] | None:
    """Return calls of which each began where the one before ended, from the beginning of a slice to its end.

    A call whose answer was lost is made again, and may come less far, or further; the first one may even end behind it.
    Each whole chain has read everything once. A part of one with a part of another has not: that would hide an item.

    Args:
        links: what is known of all calls, lost ones too.
        begun: the place at which the slice begins.

    Returns:
        One of the whole chains, the same for the same links; `None` if there is none.
    """
    reaching: dict[str, list[LinkT]] = {}
    for link in links:
        reaching.setdefault(link.reached, []).append(link)
    came_by: dict[str, LinkT] = {}
    waiting = [DONE]
    while waiting:
        place = waiting.pop()
        for link in reaching.get(place, ()):
            if link.begun in came_by:
                continue
            came_by[link.begun] = link
            waiting.append(link.begun)
    found: list[LinkT] = []
    place = begun
    while place != DONE:
        if place not in came_by:
            return None
        found.append(came_by[place])
        place = found[-1].reached
    return found
