"""Late changes that come again and again, while the application already writes to the target: each is made once."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from infra.local.client import LocalAwsProcess
from tests.faults.faulty import Faulty
from tests.faults.ordeal import callers
from tests.workflow.running import Running

pytestmark = pytest.mark.engines

WITHIN_SECONDS = 120
COMES_AGAIN = 3

Item = dict[str, Any]


def item(pk: str, content: str) -> Item:
    return {"pk": {"S": pk}, "content": {"S": content}}


class LateWrites:
    """Writes to the source behind the cut-over, takes them back at the target, and lets no watermark be written.

    So the batch comes again, each time with everything in it carried over already, and judged by the target alone each
    change would look as if it had never come.
    """

    def __init__(self, running: Running, faulty: Faulty) -> None:
        self.is_over = False
        self._running = running
        self._faulty = faulty

    def during(self, arn: str) -> None:
        """Do it once, as soon as traffic has moved."""
        if self.is_over or not self._running.is_past(arn, "CutOver"):
            return
        source, target = self._running.migration.source_table, self._running.migration.target_table
        no_watermark = {
            "name": "no watermark",
            "action": "kill-before",
            "caller": callers(self._running, "ReplicateChanges"),
            "operation": "PutItem",
            "mentions": '"watermarks"',
        }
        with self._faulty.faults("late", [no_watermark]):
            self._put(source, item("inserted", "late"))
            self._put(source, item("rewritten", "late"))
            self._delete(source, "deleted")
            wait_for(lambda: self._contents(target) == {"inserted": "late", "rewritten": "late"})
            self._delete(target, "inserted")
            self._put(target, item("rewritten", "before"))
            self._put(target, item("deleted", "before"))
            came = self._faulty.fired("late")["no watermark"]
            wait_for(lambda: self._faulty.fired("late")["no watermark"] >= came + COMES_AGAIN)
        self.is_over = True

    def _put(self, table: str, new: Item) -> None:
        self._running.dynamodb.put_item(TableName=table, Item=new)

    def _delete(self, table: str, pk: str) -> None:
        self._running.dynamodb.delete_item(TableName=table, Key={"pk": {"S": pk}})

    def _contents(self, table: str) -> dict[str, str]:
        found = self._running.items(table).values()
        return {each["pk"]["S"]: each["content"]["S"] for each in found}


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
