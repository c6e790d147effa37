"""The owner of a table: writes to it, remembers what every accepted write left, and judges where it went.

None of the code that moves items is used: requests are plain typed JSON, and equality is the demo's judge's.
"""

import random
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any

from infra.local.rehearsal.judge.comparer import canonical, same
from infra.local.rehearsal.owner.wire import NoAnswer, Wire
from tests.faults.hostile_items import Item
from tests.workflow.running import Running

ITEMS_A_CALL = 25
TRIES = 3

Key = tuple[Hashable, ...]


class Owner:
    """Writes to a migration's source.

    Args:
        running: the migration.
        key_names: of the table's key.
        content_of: returns what the next write of a key leaves, besides the key; by default that of an earlier item.
    """

    def __init__(
        self, running: Running, key_names: Sequence[str], content_of: Callable[[Item], Item] | None = None
    ) -> None:
        self.expected: dict[Key, Item] = {}
        self.live: dict[Key, Item] = {}
        """The keys that are written to during the run, there or not."""
        self._running = running
        self._source = running.migration.source_table
        self._wire = Wire(running.session)
        self._names = key_names
        self._random = random.Random(7)
        self._contents: list[Item] = []
        self._content_of = content_of or (lambda _: self._random.choice(self._contents))
        self.wrote_late = False

    def put_all(self, items: Iterable[Item], *, live: bool = True) -> None:
        """Put items; a call that got no answer is made again, which changes nothing.

        Args:
            items: whole.
            live: `write` may touch their keys. Else only a page brings them, if they are there before the run.
        """
        items = list(items)
        for start in range(0, len(items), ITEMS_A_CALL):
            batch = items[start : start + ITEMS_A_CALL]
            requests = {self._source: [{"PutRequest": {"Item": item}} for item in batch]}
            assert self._call("BatchWriteItem", {"RequestItems": requests})["UnprocessedItems"] == {}
            for item in batch:
                self.expected[self.name(item)] = item
                self._contents.append({name: value for name, value in item.items() if name not in self._names})
                if live:
                    self.live[self.name(item)] = self.key_of(item)

    def delete(self, key: Item) -> None:
        """Delete a key."""
        self._call("DeleteItem", {"TableName": self._source, "Key": key})
        self.expected.pop(self.name(key), None)

    def write(self, writes: int = 4) -> None:
        """Rewrite some keys with other content, delete some, and make some again that were deleted."""
        for key in self._random.sample(list(self.live.values()), min(writes, len(self.live))):
            if self.name(key) in self.expected and self._random.random() < 0.3:
                self.delete(key)
            else:
                self.put_all([{**key, **self._content_of(key)}])

    def write_during(self, arn: str, *, through_the_proof: bool = False) -> None:
        """Write while pages may come, and rewrite every live key once under the late rule.

        Nothing is written after that: an owner who does not follow the pointer is left behind once the source was quiet
        for `quiet_seconds`, of which these migrations have few.

        Args:
            arn: of the execution.
            through_the_proof: write while the tables are compared too, which makes the proof take longer.
        """
        states = self._running.left(arn)
        if "ProtectTarget" in states:
            if not self.wrote_late and "CutOver" not in states:
                self.wrote_late = True
                self.put_all([{**self.key_of(item), **self._content_of(item)} for item in self.live.values()])
        elif through_the_proof or "DetachWriter" not in states:
            self.write()

    def key_of(self, item: Mapping[str, Any]) -> Item:
        """Return an item's key."""
        return {name: item[name] for name in self._names}

    def name(self, item: Mapping[str, Any]) -> Key:
        """Return what is equal exactly for the same keys."""
        return tuple(canonical(item[name]) for name in self._names)

    def read(self, table: str) -> dict[Key, Item]:
        """Return a table's items, as they were sent."""
        found: list[Item] = []
        request: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
        while True:
            page = self._call("Scan", request)
            found += page["Items"]
            if "LastEvaluatedKey" not in page:
                break
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        items = {self.name(item): item for item in found}
        assert len(items) == len(found)
        return items

    def differences(self) -> list[str]:
        """Return how source and target differ from what was written, key by key."""
        differing = []
        for table in (self._source, self._running.migration.target_table):
            found = self.read(table)
            for key in found.keys() | self.expected.keys():
                if not same(found.get(key), self.expected.get(key)):
                    how = "is gone" if key not in found else "differs" if key in self.expected else "should not be"
                    differing.append(f"{table}: {str(key)[:200]} {how}")
        return differing

    def _call(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        for _ in range(TRIES - 1):
            try:
                return self._wire.call(operation, request)
            except NoAnswer:
                time.sleep(0.5)
        return self._wire.call(operation, request)
