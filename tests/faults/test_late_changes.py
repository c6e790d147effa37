"""Late changes that come again and again, while the application already writes to the target: each is made once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from infra.local.emulator.client import LocalAwsProcess
from tests.faults.faulty import Faulty
from tests.faults.ordeal import callers
from tests.workflow.running import Running

pytestmark = pytest.mark.engines

WITHIN_SECONDS = 300
COMES_AGAIN = 2

Item = dict[str, Any]


def item(pk: str, content: str) -> Item:
    return {"pk": {"S": pk}, "content": {"S": content}}


class LateWrites:
    """Writes to the source behind the cut-over, takes that back at the target, and lets no watermark be written.

    So the batch comes again, each time with its change carried over already. Judged by the target alone it would look
    as if it had never come.
    """

    def __init__(self, running: Running, faulty: Faulty) -> None:
        self.is_over = False
        self._running = running
        self._faulty = faulty
        self._source, self._target = running.migration.source_table, running.migration.target_table

    def during(self, arn: str) -> None:
        """Do it with an insert, a rewrite and a delete, one after the other, as soon as traffic has moved."""
        if self.is_over or not self._running.is_past(arn, "CutOver"):
            return
        put, delete = self._running.dynamodb.put_item, self._running.dynamodb.delete_item
        with self._no_watermark():
            put(TableName=self._source, Item=item("inserted", "late"))
            wait_for(lambda: self._content("inserted") == "late")
            delete(TableName=self._target, Key={"pk": {"S": "inserted"}})
            self._wait_until_it_has_come_again()
        with self._no_watermark():
            put(TableName=self._source, Item=item("rewritten", "late"))
            wait_for(lambda: self._content("rewritten") == "late")
            put(TableName=self._target, Item=item("rewritten", "before"))
            self._wait_until_it_has_come_again()
        with self._no_watermark():
            delete(TableName=self._source, Key={"pk": {"S": "deleted"}})
            wait_for(lambda: self._content("deleted") is None)
            put(TableName=self._target, Item=item("deleted", "before"))
            self._wait_until_it_has_come_again()
        self.is_over = True

    @contextmanager
    def _no_watermark(self) -> Iterator[None]:
        rule = {
            "name": "no watermark",
            "action": "kill-before",
            "caller": callers(self._running, "ReplicateChanges"),
            "operation": "PutItem",
            "mentions": '"watermarks#forward#',
        }
        before = self._watermarks()
        with self._faulty.faults("late", [rule]):
            yield
        # Else the next change would wait behind a batch that never ends.
        wait_for(lambda: self._watermarks() != before)

    def _watermarks(self) -> list[str]:
        assert self._running.deployment is not None
        table = self._running.deployment.control_table
        found = self._running.dynamodb.scan(
            TableName=table,
            FilterExpression="begins_with(pk, :book)",
            ExpressionAttributeValues={":book": {"S": "watermarks#forward#"}},
            ConsistentRead=True,
        )
        return [entry["document"]["S"] for entry in found["Items"]]

    def _wait_until_it_has_come_again(self) -> None:
        came = self._faulty.fired("late")["no watermark"]
        wait_for(lambda: self._faulty.fired("late")["no watermark"] >= came + COMES_AGAIN)

    def _content(self, pk: str) -> str | None:
        found = self._running.dynamodb.get_item(TableName=self._target, Key={"pk": {"S": pk}}, ConsistentRead=True)
        content: str | None = found.get("Item", {}).get("content", {}).get("S")
        return content


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_the_application_did_since_a_late_change_is_not_undone_when_its_batch_comes_again(
    local_aws: LocalAwsProcess,
) -> None:
    running = Running(local_aws, quiet_seconds=8)
    running.create_source()
    for pk in ("rewritten", "deleted"):
        running.dynamodb.put_item(TableName=running.migration.source_table, Item=item(pk, "before"))
    late = LateWrites(running, Faulty(local_aws))
    ended = running.run(during=late.during)
    assert (ended.status, ended.message) == ("SUCCEEDED", "")
    assert late.is_over
    found = running.items(running.migration.target_table).values()
    assert sorted(found, key=str) == sorted([item("rewritten", "before"), item("deleted", "before")], key=str)
    assert running.rejects() == {}
    assert ended.output["late_writes"] == {"overruled": 0}
