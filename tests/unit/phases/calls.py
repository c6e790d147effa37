"""How the tests of the phases call them, and bring about what they find."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tasks import cut_over, drain_changes, protect_target
from tasks.aws.books import books
from tasks.aws.books.books import open_books
from tasks.core.copy.receipts import Sent
from tasks.core.copy.segment import Checkpoint
from tasks.core.replicate.conflict import ReplicationRule
from tasks.core.replicate.route import FORWARD
from tasks.core.replicate.watermark import Watermark
from tests.unit.aws_fakes import PLAN, ROUTE, RUN, Context, FakeAws

if TYPE_CHECKING:
    from tasks.core.model.item import Item

NOW = 1_000_000.0
PROVEN = datetime.fromtimestamp(NOW - 3600, UTC).isoformat()


class Clock:
    """Time stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = NOW


def call(handler: Callable[..., Any], context: Context | None = None, **payload: object) -> Any:  # noqa: ANN401 — any answer
    return handler({"plan": PLAN.model_dump(mode="json")} | payload, context or Context())


def set_rule(rule: ReplicationRule, *, run: str = RUN, since: float = NOW) -> None:
    books.own_table().documents.pop(("migration", f"rule#{FORWARD}"), None)  # type: ignore[attr-defined] # the fake's
    open_books(RUN).record.set_rule(rule, run=run, now=since)


def put_watermark(rule_since: float, number: str = "5", *, written_at: float = 0.0) -> None:
    open_books(RUN).watermarks.put(Watermark("shard-1", number, 1.0, 2.0, rule_since=rule_since, written_at=written_at))


def protect(entered: str = "t1") -> Any:  # noqa: ANN401 — any answer
    return call(protect_target.handler, route=ROUTE.model_dump(), entered=entered, proven=PROVEN)


def drain(entered: str = "t1") -> Any:  # noqa: ANN401 — any answer
    return call(drain_changes.handler, route=ROUTE.model_dump(), entered=entered)


def flip(verdict: str = "equal", context: Context | None = None) -> Any:  # noqa: ANN401 — any answer
    more = {"verdict": verdict, "proven": PROVEN, "entered": "t1", "replica_ids": {}}
    return call(cut_over.handler, context, route=ROUTE.model_dump(), **more)


def reject(aws: FakeAws, kind: str) -> None:
    """Keep a change of one key as a reject: the target has the item of before it."""
    old: Item = {"pk": {"S": "a"}, "n": {"N": "1"}}
    new: Item = {"pk": {"S": "a"}, "n": {"N": "2"}}
    aws.dynamodb.seed("source", new)
    aws.dynamodb.seed("target", old)
    line = {"reason": "ValidationException: no", "key": {"pk": {"S": "a"}}, "item": new}
    aws.bucket.objects[f"rejects/{RUN}/{kind}/5.jsonl"] = json.dumps(line).encode() + b"\n"


def sent(*digests: str) -> None:
    for page, digest in enumerate(digests):
        open_books(RUN).receipts.put_sent(0, Sent(page, (digest,), 3), claim=1)
    done = Checkpoint(segment=0, state="done", pages=len(digests), records=len(digests), items=3 * len(digests))
    open_books(RUN).receipts.put_checkpoint(done, claim=1)
