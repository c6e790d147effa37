"""Copies from and into DynamoDB Local: whether they are exact, at rest and under live writes, and how fast they are."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self

from infra.local.emulator.client import LocalAwsProcess
from infra.local.rehearsal.owner.wire import Wire
from tests.benchmarks.canned import BOOKS
from tests.benchmarks.copiers.task import REGION, Task
from tests.benchmarks.counts import Counts
from tests.benchmarks.functions_cpu import FunctionsCpu, Used
from tests.benchmarks.install import FOLDER, Installed
from tests.benchmarks.judge import Verdict, judge
from tests.benchmarks.known import ARTICLE, NAIVE, NAMES, OURS, PAGES_STREAM_ARN, PEERS, copiers, environment_of
from tests.benchmarks.measure import CopierFailed, Measured, run
from tests.benchmarks.on_null import SURE_ROUNDS
from tests.benchmarks.owner import Owner
from tests.benchmarks.shapes import SHAPES, SIZES, Item, Shape
from tests.benchmarks.tap import tap
from tests.workflow.running import Running

AT_REST: Final = {"100 B": 40, "500 B": 40, "1 KB": 40, "10 KB": 40, "100 KB": 4, "400 KB": 2}
"""So many items of each shape are copied at rest."""
HOSTILE, PLAIN, COUNTED = "hostile", "plain", "counted"
"""Tables at rest: items of all shapes and awkward ones; many alike, for the rate; some of those, to count what is
asked of the engine."""
PLAIN_SHAPE: Final = Shape("1 KB")
PLAIN_ITEMS: Final = 20_000
OTHERS_ITEMS: Final = 3000
"""Of the copiers that are not compared for their rate: the article's design would take a minute a round."""
COUNTED_ITEMS: Final = 2000
FILLERS: Final = 4
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
    table: str = HOSTILE
    """Which one, at rest."""
    counts: Counts | None = None
    """What was asked of the engine, where it was counted; then nothing was timed."""
    functions: Mapping[str, Used] = field(default_factory=dict)
    """Of a whole migration: what the processes of each function used."""

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
        verdict, measured, counts = text["verdict"], text["measured"], text["counts"]
        made = {
            "verdict": verdict and Verdict(**verdict),
            "measured": measured and Measured(**measured),
            "counts": counts and Counts.from_json(counts),
            "functions": {name: Used(**used) for name, used in text["functions"].items()},
        }
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

        def put(start: int) -> None:
            waiting = {table: puts[start : start + WRITES_AT_ONCE]}
            while waiting:
                waiting = self.wire.call("BatchWriteItem", {"RequestItems": waiting})["UnprocessedItems"]

        with ThreadPoolExecutor(FILLERS) as threads:
            list(threads.map(put, range(0, len(puts), WRITES_AT_ONCE)))

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

    def delete(self, table: str) -> None:
        """Delete a table."""
        self._dynamodb.delete_table(TableName=table)

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
    """Copy a table of all shapes that nobody writes to, by every copier, so many times, all of them in turn."""
    source = tables.filled(items_at_rest(), streams=True)
    for _, name in itertools.product(range(rounds), NAMES):
        yield _copied_at_rest(tables, installed, name, source, HOSTILE)


def at_rest_plain(tables: LocalTables, installed: Installed, *, rounds: int, items: int) -> Iterator[OnLocal]:
    """Copy a table that is large enough for a rate, by every copier, so many times, all of them in turn.

    The target is deleted each time: what DynamoDB Local holds in memory makes it slower.
    """
    loaded = PLAIN_SHAPE.items(items)
    whole, part = (tables.filled(some, streams=True) for some in (loaded, loaded[:OTHERS_ITEMS]))
    for _, name in itertools.product(range(rounds), NAMES):
        yield _copied_at_rest(tables, installed, name, whole if name in {OURS, NAIVE} else part, PLAIN)


def counted(tables: LocalTables, installed: Installed) -> Iterator[OnLocal]:
    """Copy a table once by every copier, and count what is asked of the engine."""
    source = tables.filled(PLAIN_SHAPE.items(COUNTED_ITEMS), streams=True)
    for name in NAMES:
        with tap(tables.aws.endpoint_url, source) as between:
            copied = _copied_at_rest(tables, installed, name, source, COUNTED, endpoint_url=between.endpoint_url)
        yield replace(copied, counts=between.counts)


def _copied_at_rest(
    tables: LocalTables, installed: Installed, name: str, source: str, table: str, *, endpoint_url: str = ""
) -> OnLocal:
    target = tables.empty()
    begun = time.monotonic()
    measured, failed = _run(tables, installed, name, tables.task(source, target), endpoint_url=endpoint_url)
    seconds = time.monotonic() - begun
    verdict = None if failed else judge(tables.items(source), tables.items(target))
    tables.delete(target)
    return OnLocal(name, verdict, measured, is_live=False, seconds=seconds, failed=failed, table=table)


def live(installed: Installed, *, rounds: int, has_time: Callable[[], bool]) -> Iterator[OnLocal]:
    """Copy a table while its owner writes, by every copier, all of them in turn.

    Who leaves a stream behind is the last one of its local AWS: they make DynamoDB Local slower and slower.

    Args:
        installed: the peers.
        rounds: so many times, if there is time.
        has_time: whether there is, for a round more than `SURE_ROUNDS`.
    """
    loaded = LIVE.items(LIVE_ITEMS)
    for seed, names in itertools.product(range(rounds), ((OURS,), (*PEERS, ARTICLE))):
        if names[0] == OURS and seed >= SURE_ROUNDS and not has_time():
            return
        with LocalAwsProcess() as aws:
            tables = LocalTables(aws)
            for name in names:
                if name == OURS:
                    yield _migrated(tables, loaded, seed)
                else:
                    yield _copied(tables, installed, name, loaded, seed)


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
    tables: LocalTables,
    installed: Installed,
    name: str,
    task: Task,
    owner: Owner | None = None,
    *,
    endpoint_url: str = "",
) -> tuple[Measured | None, str]:
    """Run a copier, and say why it failed, if it did: one that cannot copy a table is a result, too."""
    environment = environment_of(endpoint_url or tables.aws.endpoint_url, installed, task)
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
    begun, functions = time.monotonic(), FunctionsCpu(tables.aws.pid).start()
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
    return OnLocal(
        OURS,
        verdict,
        None,
        is_live=True,
        writes=owner.writes,
        seconds=seconds,
        failed=failed,
        functions=functions.stop(),
    )


assert AT_REST.keys() == SIZES.keys()
