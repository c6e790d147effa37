"""tableferry's own backfill: the handlers of ScanSegment and WritePages, as Lambda calls them.

`python -m tests.benchmarks.copiers.ours TASK`. What the state machine does between two calls is not in it.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks import scan_segment, write_pages
from tasks.attach_writer import RECORDS_AT_ONCE
from tasks.aws.books.books import open_record
from tasks.aws.session import clients
from tasks.core.copy.page import encode_page, take_apart
from tasks.core.copy.segment import Checkpoint
from tasks.core.model.item import KeySchema
from tasks.core.model.table_ref import TableRef
from tasks.core.replicate.route import Route
from tasks.core.run.plan import Plan
from tasks.core.settings.migration import Knobs
from tests.benchmarks.canned import NullEngine
from tests.benchmarks.copiers.pages import StreamReader, canned_events, in_events
from tests.benchmarks.copiers.task import ACCOUNT, REGION, Task
from tests.benchmarks.measure import Meter, keep_stdout_for_the_result, say
from tests.benchmarks.shapes import Shape, shape_of

TIMEOUT_SECONDS = 300.0
"""Of both functions, as they are deployed."""


class Context(LambdaContext):
    """A call's context, whose time goes by."""

    def __init__(self) -> None:
        self._aws_request_id = "bench"
        self._ends_at = time.monotonic() + TIMEOUT_SECONDS

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override] # the library says static; the runtime's is not
        return round((self._ends_at - time.monotonic()) * 1000)


def main() -> None:
    task = Task.given()
    keep_stdout_for_the_result()
    copier, meter = Copier(task), Meter()
    copier.copy(task.warm, task.warm_target, Meter())
    say(meter.measured(copier.copy(task.source, task.target, meter)))


class Copier:
    """Both functions, and the stream between them."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._reader = StreamReader(clients.kinesis(), task.stream_arn) if task.is_real else None

    def copy(self, source: str, target: str, meter: Meter) -> int:
        """Copy a table once, and return how many items it has."""
        plan, route = begin(source, target)
        if self._reader is not None:
            return _copy_by(self._reader, plan, route, meter)
        items = self._task.items_of(source)
        if self._task.sides != "write":
            checkpoint = Checkpoint(segment=0)
            while checkpoint.state != "done":
                checkpoint = _scan(plan, route, checkpoint, meter)
            items = checkpoint.items
        if self._task.sides != "scan":
            _write(_canned(plan, shape_of(self._task.shape), items), meter)
        return items


def _copy_by(reader: StreamReader, plan: Plan, route: Route, meter: Meter) -> int:
    """Scan and write by turns: the scan waits for receipts where it is far ahead."""
    checkpoint, written = Checkpoint(segment=0), 0
    while checkpoint.state != "done":
        checkpoint = _scan(plan, route, checkpoint, meter)
        _write(in_events(reader.iter_all(checkpoint.records - written), at_once=RECORDS_AT_ONCE), meter)
        written = checkpoint.records
    return checkpoint.items


def begin(source_table: str, target_table: str) -> tuple[Plan, Route]:
    """Make a plan of this very copy, and put it where the writer looks for it."""
    dynamodb = clients.dynamodb(REGION)
    tables = [dynamodb.describe_table(TableName=name)["Table"] for name in (source_table, target_table)]
    key = KeySchema("pk", "S")
    source, target = (
        TableRef(name=table["TableName"], region=REGION, account=ACCOUNT, key=key, id=table["TableId"])
        for table in tables
    )
    route = Route(source=source, target=target, stream_arn=tables[0].get("LatestStreamArn", ""), mapping_id="bench")
    plan = Plan(
        migration="bench",
        run=f"bench-{time.time_ns()}",
        source=source,
        target=target,
        stream_was_enabled=True,
        begun_at=time.time(),
        verify_segments=1,
        buckets=1024,
        **Knobs(approval="automatic", total_segments=1, max_concurrency=1).knobs(),
    )
    open_record().put_plan(plan, route.stream_arn)
    return plan, route


def _scan(plan: Plan, route: Route, checkpoint: Checkpoint, meter: Meter) -> Checkpoint:
    """Call ScanSegment once, as the state machine does."""
    head = {"plan": plan.model_dump(mode="json"), "route": route.model_dump()}
    text = json.dumps({**head, "checkpoint": checkpoint.model_dump(mode="json", exclude_defaults=True)})
    with meter.on("scan"):
        return Checkpoint.model_validate_json(called(scan_segment.handler, text))


def _write(events: Iterable[str], meter: Meter) -> None:
    """Hand every event to WritePages."""
    for event in events:
        with meter.on("write"):
            answer = json.loads(called(write_pages.handler, event))
        if answer["batchItemFailures"]:
            raise RuntimeError(f"WritePages reports {answer}: the bench has no mapping that would bring them again")


def called(handler: Callable[[Any, LambdaContext], Any], event: str) -> str:
    """Call a handler as Lambda's runtime does: JSON text in, JSON text out."""
    return json.dumps(handler(json.loads(event), Context()))


def _canned(plan: Plan, shape: Shape, items: int) -> Iterator[str]:
    """Yield the events of the null engine's pages, made as the scan makes them: whole ones, and one with the rest."""
    engine = NullEngine(shape)
    whole, rest = divmod(items, shape.items_a_page)
    for pages, count in ((whole, shape.items_a_page), (1, rest)):
        if pages and count:
            answer = engine.answer("Scan", json.dumps({"TableName": f"source-{count}"}).encode())
            records = encode_page(take_apart(answer), run=plan.run, segment=0, number=0)
            yield from canned_events(records, count=len(records) * pages, at_once=RECORDS_AT_ONCE)


if __name__ == "__main__":
    main()
