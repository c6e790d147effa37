"""Whoever writes to the source while it is copied, and knows what it has written."""

import itertools
import random
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from infra.local.rehearsal.owner.wire import NoAnswer, Wire
from tests.benchmarks.shapes import Item, Shape

WRITERS: Final = 4
"""Each has keys of its own: whatever the order of the others, the last write of a key is known."""
WEIGHTS: Final = {"update": 45, "insert": 20, "delete": 20, "recreate": 15}
TRIES: Final = 20
LATER: Final = 10_000_000_000
"""Milliseconds: by so much `updatedAt` of what is written here is behind that of what was loaded."""


class Owner:
    """Writes at a steady pace, from `start` to `stop`.

    Args:
        wire: by which it calls DynamoDB.
        table: that it owns.
        shape: of the items that it writes.
        loaded: what the table holds.
        writes_per_second: over all writers.
        seed: decides operations and keys.
    """

    def __init__(
        self, wire: Wire, table: str, shape: Shape, loaded: Sequence[Item], *, writes_per_second: float, seed: int
    ) -> None:
        self._wire = wire
        self._table = table
        self._shape = shape
        self._seconds = WRITERS / writes_per_second
        self._parts: list[dict[str, Item | None]] = [{} for _ in range(WRITERS)]
        for number, item in enumerate(loaded):
            self._parts[number % WRITERS][item["pk"]["S"]] = item
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._write_until_it_is_over, args=(part, random.Random(f"{seed}/{place}")))
            for place, part in enumerate(self._parts)
        ]
        self.writes = 0
        """That were answered."""

    def start(self) -> "Owner":
        """Begin to write."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> None:
        """Write no more, and wait for what is under way.

        Raises:
            BaseException: a writer has failed; what it knows of the table may be wrong.
        """
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        for failure in self._failures:
            raise failure

    @property
    def items(self) -> list[Item]:
        """The items that the table has, once it is stopped."""
        return [item for part in self._parts for item in part.values() if item is not None]

    def _write_until_it_is_over(self, part: dict[str, Item | None], chance: random.Random) -> None:
        try:
            due = time.monotonic() + chance.random() * self._seconds
            while not self._is_over.wait(max(0.0, due - time.monotonic())):
                due += self._seconds
                self._write(part, chance)
        except BaseException as failure:  # noqa: BLE001 — `stop` raises it
            self._failures.append(failure)

    def _write(self, part: dict[str, Item | None], chance: random.Random) -> None:
        (operation,) = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))
        with self._lock:
            number = next(self._numbers)
        key = f"new-{number}" if operation == "insert" else _key(part, chance, is_there=operation != "recreate")
        if key is None:
            return
        if operation == "delete":
            self._call("DeleteItem", {"Key": {"pk": {"S": key}}})
            part[key] = None
        else:
            (item,) = self._shape.items(1, first=LATER + number)
            item["pk"] = {"S": key}
            self._call("PutItem", {"Item": item})
            part[key] = item
        self.writes += 1

    def _call(self, operation: str, request: Mapping[str, Any]) -> None:
        """Make a call until it is answered: made twice, it leaves the same."""
        for _ in range(TRIES):
            try:
                self._wire.call(operation, {"TableName": self._table, **request})
            except NoAnswer:
                time.sleep(0.1)
            else:
                return
        raise TimeoutError(f"{operation} on {self._table} was not answered at {TRIES} tries")


def _key(part: Mapping[str, Item | None], chance: random.Random, *, is_there: bool) -> str | None:
    """Return a key that has an item, or one whose item was deleted; `None` if there is none."""
    keys = [key for key, item in part.items() if (item is not None) == is_there]
    return chance.choice(keys) if keys else None
