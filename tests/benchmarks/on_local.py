"""Copies from and into DynamoDB Local: whether they are exact, at rest and under live writes, and how fast they are."""

import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Self

from infra.local.emulator.client import LocalAwsProcess
from infra.local.rehearsal.owner.wire import Wire
from tests.benchmarks.canned import BOOKS
from tests.benchmarks.copiers.task import REGION, Task
from tests.benchmarks.install import FOLDER, Installed
from tests.benchmarks.judge import Verdict, judge
from tests.benchmarks.known import ARTICLE, NAMES, OURS, PAGES_STREAM_ARN, copiers, environment_of
from tests.benchmarks.measure import CopierFailed, Measured, run
from tests.benchmarks.owner import Owner
from tests.benchmarks.shapes import SHAPES, SIZES, Item, Shape
from tests.workflow.running import Running

AT_REST: Final = {"100 B": 40, "500 B": 40, "1 KB": 40, "10 KB": 40, "100 KB": 4, "400 KB": 2}
"""So many items of each shape are copied at rest."""
WARM_ITEMS: Final = 30
LIVE: Final = Shape("500 B")
LIVE_ITEMS: Final = 3000
WRITES_PER_SECOND: Final = 100.0
WRITES_AT_ONCE: Final = 25
WITHIN_SECONDS: Final = 300.0
TIMEOUTS: Final = {"WritePages": 15, "ReplicateChanges": 10}
"""Seconds: long enough for a machine on which others work too, short enough to be waited for."""
STREAM: Final = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
_NUMBERS = itertools.count(1)

AWKWARD: Final[tuple[Item, ...]] = (
    {"n": {"N": "12345678901234567890123456789012345678"}},
    {"n": {"N": "-0.00012345678901234567890123456789012345678"}},
    {"ns": {"NS": ["1", "12345678901234567890123456789012345678"]}},
    {"b": {"B": "AAH/"}},
    {"in": {"M": {"b": {"B": "AAH/"}}}},
    {"in": {"L": [{"B": "AAH/"}, {"L": [{"N": "0.1"}, {"NULL": True}]}]}},
    {"bs": {"BS": ["AAH/", "AAI="]}},
    {"ss": {"SS": ["a", "b"]}},
    {"s": {"S": ""}},
    {"b": {"B": ""}},
    {"it's": {"S": "\u98db\u884c\u5834 \U0001f600"}, "no": {"NULL": True}, "m": {"M": {}}, "l": {"L": []}},
)
"""What items may have besides: all that DynamoDB takes and that a careless copier damages."""


@dataclass(frozen=True)
class OnLocal:
    """One copy."""

    copier: str
    verdict: Verdict | None
    """`None` if it failed."""
    measured: Measured | None
    """`None` if it failed, and of a whole migration: its functions are processes of the local AWS."""
    is_live: bool
    writes: int = 0
    """Of the owner, meanwhile."""
    seconds: float = 0.0
    """From its start to its end, the start of its process included."""
    failed: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether the target came out as the source."""
        return self.verdict is not None and self.verdict.is_exact

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, text: dict[str, Any]) -> Self:
        """Return what `as_json` was made of."""
        verdict, measured = text["verdict"], text["measured"]
        made = {"verdict": verdict and Verdict(**verdict), "measured": measured and Measured(**measured)}
        return cls(**{**text, **made})


class LocalTables:
    """The tables of the local AWS that copies go between."""

    def __init__(self, aws: LocalAwsProcess) -> None:
        self.aws = aws
        session = aws.session(REGION)
        self._dynamodb = session.client("dynamodb")
        self.wire = Wire(session)
        self._create(BOOKS, "pk", "sk")
        session.client("s3").create_bucket(Bucket="rejects", CreateBucketConfiguration={"LocationConstraint": REGION})
        kinesis = session.client("kinesis")
        kinesis.create_stream(StreamName="pages", ShardCount=1)
        kinesis.get_waiter("stream_exists").wait(StreamName="pages", WaiterConfig={"Delay": 1})
        self.warm, self.warm_target = self.filled(LIVE.items(WARM_ITEMS), streams=True), self.empty()

    def empty(self) -> str:
        """Return a new table without items."""
        name = f"bench-{next(_NUMBERS)}"
        self._create(name, "pk")
        return name

    def filled(self, items: Iterable[Item], *, streams: bool = False) -> str:
        """Return a new table with these items, which streams what comes behind them, if that is wanted.

        A stream makes DynamoDB Local slower with every write: only who follows it gets one.
        """
        name = self.empty()
        self.fill(name, items)
        if streams:
            self._dynamodb.update_table(TableName=name, StreamSpecification=STREAM)
            self._wait_for(name)
        return name

    def fill(self, table: str, items: Iterable[Item]) -> None:
        """Put items into a table, as they are."""
        puts = [{"PutRequest": {"Item": item}} for item in items]
        for start in range(0, len(puts), WRITES_AT_ONCE):
            waiting = {table: puts[start : start + WRITES_AT_ONCE]}
            while waiting:
                waiting = self.wire.call("BatchWriteItem", {"RequestItems": waiting})["UnprocessedItems"]

    def items(self, table: str) -> list[Item]:
        """Return a table's items, as they are."""
        found: list[Item] = []
        request: dict[str, Any] = {"TableName": table, "ConsistentRead": True}
        while True:
            answer = self.wire.call("Scan", request)
            found += answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return found
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def task(self, source: str, target: str, *, follows: bool = False) -> Task:
        """Return the task to copy a table."""
        return Task(
            source,
            target,
            self.warm,
            self.warm_target,
            stream_arn=PAGES_STREAM_ARN,
            follows=follows,
            scratch=str(FOLDER),
        )

    def _create(self, name: str, *key: str) -> None:
        self._dynamodb.create_table(
            TableName=name,
            AttributeDefinitions=[{"AttributeName": each, "AttributeType": "S"} for each in key],
            KeySchema=[
                {"AttributeName": each, "KeyType": kind} for each, kind in zip(key, ("HASH", "RANGE"), strict=False)
            ],
            BillingMode="PAY_PER_REQUEST",
        )
        self._wait_for(name)

    def _wait_for(self, name: str) -> None:
        self._dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})


def items_at_rest() -> Iterator[Item]:
    """Yield items of every shape, and awkward ones."""
    for place, shape in enumerate(SHAPES):
        yield from shape.items(AT_REST[shape.size], first=place * 1000)
    for number, content in enumerate(AWKWARD):
        yield {"pk": {"S": f"awkward-{number}"}, "updatedAt": {"N": "1"}, **content}


def at_rest(tables: LocalTables, installed: Installed, *, rounds: int) -> Iterator[OnLocal]:
    """Copy a table that nobody writes to, by every copier, so many times, all of them in turn."""
    source = tables.filled(items_at_rest(), streams=True)
    for _, name in itertools.product(range(rounds), NAMES):
        target = tables.empty()
        begun = time.monotonic()
        measured, failed = _run(tables, installed, name, tables.task(source, target))
        verdict = None if failed else judge(tables.items(source), tables.items(target))
        yield OnLocal(name, verdict, measured, is_live=False, seconds=time.monotonic() - begun, failed=failed)


def live(installed: Installed, *, rounds: int) -> Iterator[OnLocal]:
    """Copy a table while its owner writes, by every copier, so many times, all of them in turn.

    Each has a local AWS of its own: streams that others left behind make DynamoDB Local slower and slower.
    """
    loaded = LIVE.items(LIVE_ITEMS)
    for seed, name in itertools.product(range(rounds), NAMES):
        with LocalAwsProcess() as aws:
            tables = LocalTables(aws)
            yield _migrated(tables, loaded, seed) if name == OURS else _copied(tables, installed, name, loaded, seed)


def _copied(tables: LocalTables, installed: Installed, name: str, loaded: Sequence[Item], seed: int) -> OnLocal:
    """Copy a table while its owner writes until the copier is done."""
    follows = name == ARTICLE
    source, target = tables.filled(loaded, streams=follows), tables.empty()
    begun = time.monotonic()
    with _writing(tables, source, loaded, seed) as owner:
        measured, failed = _run(tables, installed, name, tables.task(source, target, follows=follows), owner)
    seconds = time.monotonic() - begun
    verdict = None if failed else judge(owner.items, tables.items(target))
    return OnLocal(name, verdict, measured, is_live=True, writes=owner.writes, seconds=seconds, failed=failed)


@contextlib.contextmanager
def _writing(tables: LocalTables, source: str, loaded: Sequence[Item], seed: int) -> Iterator[Owner]:
    owner = Owner(tables.wire, source, LIVE, loaded, writes_per_second=WRITES_PER_SECOND, seed=seed).start()
    try:
        yield owner
    finally:
        owner.stop()


def _run(
    tables: LocalTables, installed: Installed, name: str, task: Task, owner: Owner | None = None
) -> tuple[Measured | None, str]:
    """Run a copier, and say why it failed, if it did: one that cannot copy a table is a result, too."""
    environment = environment_of(tables.aws.endpoint_url, installed, task)
    then = owner.stop if owner else lambda: None
    try:
        measured = run(
            copiers(installed)[name].command, task.as_json(), environment, within_seconds=WITHIN_SECONDS, then=then
        )
    except CopierFailed as failure:
        if name == OURS:
            raise
        return None, failure.reason
    return measured, ""


def _migrated(tables: LocalTables, loaded: Sequence[Item], seed: int) -> OnLocal:
    """Migrate a table by the whole state machine, while its owner writes until traffic has moved."""
    running = Running(tables.aws, region=REGION)
    source, target = running.migration.source_table, running.migration.target_table
    running.deploy(TIMEOUTS)
    running.create_source()
    tables.fill(source, loaded)
    begun = time.monotonic()
    with _writing(tables, source, loaded, seed) as owner:

        def stop_once_traffic_has_moved(_: str) -> None:
            if running.pointer() == target:
                owner.stop()

        try:
            ended = running.run(during=stop_once_traffic_has_moved)
            failed = "" if ended.status == "SUCCEEDED" else f"{ended.error}: {ended.message}"
        except TimeoutError as error:
            failed = str(error)[:200]
    seconds = time.monotonic() - begun
    verdict = None if failed else judge(owner.items, tables.items(target))
    return OnLocal(OURS, verdict, None, is_live=True, writes=owner.writes, seconds=seconds, failed=failed)


assert AT_REST.keys() == SIZES.keys()
