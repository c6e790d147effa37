"""Every fault at every step: the rows of the soak, one migration each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.faults.faulty import Faulty, RuleJson
from tests.faults.ordeal import Ordeal, callers
from tests.faults.ordeals import BATCHES, STEPS, at_step, short_pages, split_pages_shard, step_name
from tests.workflow.running import SHORT_TIMEOUTS, Running

TIMEOUTS = {**SHORT_TIMEOUTS, "ScanSegment": 6}
ITEMS = 400
SCANNER_TIMES, STREAM_TIMES = 2, 4
"""How often a worker is killed or timed out: the state machine waits longer between its tries than a mapping does."""
BEYOND_THE_SDK = 8
"""More than boto3's own tries in the tasks."""

CALLS = (
    "BatchExecuteStatement",
    "BatchGetItem",
    "BatchWriteItem",
    "CreateTable",
    "DescribeTable",
    "DescribeTimeToLive",
    "GetItem",
    "PutItem",
    "Query",
    "Scan",
    "UpdateTable",
    "dynamodbstreams.DescribeStream",
    "dynamodbstreams.GetRecords",
    "dynamodbstreams.GetShardIterator",
    "kinesis.PutRecords",
)
"""What the tasks call of DynamoDB and Kinesis in a migration."""
RARE = frozenset(
    {
        "CreateTable",
        "DescribeTimeToLive",
        "UpdateTable",
        "events.PutEvents",
        "lambda.DELETE",
        "lambda.POST",
        "ssm.PutParameter",
    }
)
"""Of these there are one to three calls in a migration."""
RARE_STEPS = frozenset({("ReplicateChanges", "GetItem", '"plan"')})
"""What a function keeps, and reads once a minute."""
CHANGES = (
    "CreateTable",
    "UpdateTable",
    "BatchWriteItem",
    "DeleteItem",
    "PutItem",
    "lambda.POST",
    "lambda.DELETE",
    "ssm.PutParameter",
    "events.PutEvents",
)
"""What changes something, so that a second try after a lost answer finds it changed."""


@dataclass(frozen=True)
class Row:
    """One fault at one step."""

    name: str
    ordeal: Callable[[], Ordeal]


class Moment:
    """Does something to the running system once, when a state has been left.

    Args:
        after: The state's name.
        act: What to do.
    """

    def __init__(self, after: str, act: Callable[[Running, Faulty], object]) -> None:
        self._after = after
        self._act = act
        self._is_over = False

    def __call__(self, running: Running, arn: str, faulty: Faulty) -> None:
        if not self._is_over and running.is_past(arn, self._after):
            self._is_over = True
            self._act(running, faulty)


def rows() -> Iterator[Row]:
    """Yield all rows."""
    for step in STEPS:
        times = SCANNER_TIMES if step[0] == "ScanSegment" else STREAM_TIMES
        for kill in ("kill-before", "kill-after"):
            yield _row_at_step(kill, step, **_often(step, times))
        yield _row_at_step("hang", step, "timeout", **_often(step, times // 2))
        for action in ("reset", "lose-answer"):
            yield _row_at_step(action, step, **_often(step))
    for call in CALLS:
        yield _row_of_all_functions("throttle", call, first=BEYOND_THE_SDK)
        yield _row_of_all_functions("error", call, **({"first": 2} if call in RARE else {"every": 3}))
    for call in CHANGES:
        yield _row_of_all_functions("lose-answer", call, **({"first": 3} if call in RARE else {"every": 2}))
    for batch in BATCHES:
        yield _row_of_all_functions("refuse-some", batch, every=2)
        yield _row_of_all_functions("refuse-some", batch, every=2, members=20)
    yield from _rows_of_streams()
    for state in ("PlanSegments", "DrainBackfill", "ProtectTarget", "CutOver"):
        yield _row_of_a_moment(f"restart after {state}", Moment(state, lambda _, faulty: faulty.restart(2)))
    yield _row_of_a_moment("split", Moment("PlanSegments", lambda running, _: split_pages_shard(running)))


def _often(step: tuple[str, str, str], most: int | None = None) -> dict[str, Any]:
    """Return when a fault at a step fires: at every other call, or at the first ones where there are few."""
    if step in RARE_STEPS:
        return {"first": 2}
    return {"every": 2} if most is None else {"every": 2, "most": most}


def _rows_of_streams() -> Iterator[Row]:
    """Batches that come twice or late, and iterators that are too old."""
    watermark = ("ReplicateChanges", "PutItem", '"watermarks#forward#')
    denied = {"error": "AccessDeniedException", "status": 400}
    yield _row_at_step("error", watermark, "duplicate", every=2, **denied)
    yield _row_at_step("error", ("WritePages", "PutItem", '"receipt#'), "duplicate", every=2, **denied)
    for function in ("ReplicateChanges", "WritePages"):
        step = (function, "GetItem", '"plan"')
        yield _row_at_step("delay", step, seconds=2, **_often(step))
    for service in ("kinesis", "dynamodbstreams"):
        yield _row(f"expired-iterator {service} mapping", partial(_expired_of_a_mapping, service))
    yield _row_of_all_functions("expired-iterator", "dynamodbstreams.GetRecords", nth=3)
    yield _row_of_all_functions("no-records", "dynamodbstreams.GetRecords", probability=0.5)


def _expired_of_a_mapping(service: str, _: Running) -> RuleJson:
    return {
        "name": "expired-iterator",
        "action": "expired-iterator",
        "operation": f"{service}.GetRecords",
        "caller": "event-source-mappings",
        "every": 5,
    }


def _row_at_step(action: str, step: tuple[str, str, str], called: str = "", **more: object) -> Row:
    return _row(f"{called or action} {step_name(step)}", lambda running: at_step(running, step, action, **more))


def _row_of_all_functions(action: str, operation: str, **more: object) -> Row:
    times = " ".join(f"{name}={value}" for name, value in more.items())
    return _row(
        f"{action} {operation} ({times})",
        lambda running: {
            "name": action,
            "action": action,
            "operation": operation,
            "caller": callers(running),
            **more,
        },
    )


def _row_of_a_moment(name: str, moment: Moment) -> Row:
    """Pages come a little late, so that the moment falls between them."""
    return _row(
        name,
        lambda running: {
            "name": "delay",
            "action": "delay",
            "operation": "kinesis.PutRecords",
            "caller": callers(running),
            "seconds": 0.3,
        },
        moment,
    )


def _row(
    name: str,
    rule: Callable[[Running], RuleJson],
    during: Callable[[Running, str, Faulty], object] | None = None,
) -> Row:
    def rules(running: Running) -> list[RuleJson]:
        return [rule(running), short_pages(running)]

    return Row(name, lambda: Ordeal(rules, during=during, timeouts=TIMEOUTS, items=ITEMS))
