"""What one writer of the application knows of the keys that are its own."""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from infra.local.rehearsal.owner.airports import Item, Row, cycle

Key: TypeAlias = tuple[str, int]  # icao, cycle

_PICKS = 8  # tries to find a key that does not rest


@dataclass(slots=True)
class Known:
    """The last accepted write of one key.

    Attributes:
        image: the item as compact typed JSON (a dict would take six times the memory), None if deleted.
        updated_at: its `updatedAt`, also of a deletion, so that the next write is later even if the clock stood.
        table: where the write went.
        written_at: when, by `time.monotonic`; 0 for what an earlier run wrote.
    """

    image: bytes | None
    updated_at: int
    table: str
    written_at: float


class Holdings:
    """The keys of one writer: which exist, which are deleted, and which must rest for a while.

    Keys are dealt out by airport, so that a writer may make further cycles of its airports without asking anybody.
    """

    def __init__(self, airports: Sequence[Row]) -> None:
        self.known: dict[Key, Known] = {}
        self._airports = airports
        self._rows = {row["icao"]: row for row in airports}
        self._alive = _Keys()
        self._deleted = _Keys()
        self._rests_until: dict[Key, float] = {}

    def note(self, key: Key, known: Known) -> None:
        """Take over the last accepted write of a key."""
        self.known[key] = known
        joined, left = (self._deleted, self._alive) if known.image is None else (self._alive, self._deleted)
        left.discard(key)
        joined.add(key)

    def rest(self, key: Key, seconds: float) -> None:
        """Leave a key alone for a while, or for ever (infinity)."""
        self._rests_until[key] = time.monotonic() + seconds

    def image(self, key: Key) -> Item:
        """Return the image of a key that exists."""
        item: Item = json.loads(self.known[key].image or b"{}")
        return item

    def row(self, key: Key) -> Row:
        """Return the airport of a key."""
        return self._rows[key[0]]

    def existing(self, rng: random.Random) -> Key | None:
        """Return any key that exists and does not rest, or None if none was found."""
        return self._pick(self._alive, rng)

    def deleted(self, rng: random.Random) -> Key | None:
        """Return any key that was deleted and does not rest, or None if none was found."""
        return self._pick(self._deleted, rng)

    def fresh(self, rng: random.Random) -> Key:
        """Return a key that never existed: an airport's next cycle."""
        icao: str = rng.choice(self._airports)["icao"]
        lap = 0
        while (key := (icao, cycle(lap))) in self.known or key in self._rests_until:
            lap += 1
        return key

    def _pick(self, keys: "_Keys", rng: random.Random) -> Key | None:
        for _ in range(_PICKS if keys else 0):
            key = keys.pick(rng)
            if self._rests_until.get(key, 0.0) <= time.monotonic():
                return key
        return None


class _Keys:
    """A set that can also be drawn from in constant time."""

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._places: dict[Key, int] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, key: Key) -> None:
        if key not in self._places:
            self._places[key] = len(self._keys)
            self._keys.append(key)

    def discard(self, key: Key) -> None:
        place = self._places.pop(key, None)
        if place is not None:
            last = self._keys.pop()
            if last != key:
                self._keys[place] = last
                self._places[last] = place

    def pick(self, rng: random.Random) -> Key:
        return rng.choice(self._keys)
