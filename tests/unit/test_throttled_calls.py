"""The real calls under caps and pauses, in virtual time."""

import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

from tasks import scan_segment, verify_segment, write_pages
from tasks.aws.books import caps as caps_book
from tasks.aws.books.books import open_books
from tasks.aws.dynamodb import target
from tasks.aws.dynamodb.target import Target
from tasks.aws.session import budget
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import TurnPending
from tasks.core.settings.caps import Caps, Throttle
from tests.unit.aws_fakes import PLAN, ROUTE, RUN, FakeAws, kinesis_event
from tests.unit.test_write_pages import item, page, receipts

TIMEOUT_SECONDS = 300.0
PAGE_UNITS = 100.0


class Clock:
    """Time passes where a call sleeps, and with each page."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.during: Callable[[float], object] = lambda _: None
        """Called with the time whenever it has moved on."""

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.during(self.now)

    def as_time(self) -> SimpleNamespace:
        """Return what stands for the module `time`."""
        return SimpleNamespace(time=lambda: self.now, monotonic=lambda: self.now, sleep=self.sleep)

    def context(self) -> LambdaContext:
        end = self.now + TIMEOUT_SECONDS
        left: Any = SimpleNamespace(
            aws_request_id="request-1", get_remaining_time_in_millis=lambda: round((end - self.now) * 1000)
        )
        return left  # type: ignore[no-any-return] # as far as it is asked


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    clock = Clock()
    target.pace_of.cache_clear()  # the pace of another test goes by another clock
    for module in (caps_book, budget):
        monkeypatch.setattr(module, "time", clock.as_time())
    yield clock
    target.pace_of.cache_clear()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> FakeAws:
    aws = FakeAws().install(monkeypatch)
    monkeypatch.setattr(target, "time", clock.as_time())
    # Nobody writes what is sent here, and a scan would wait for that.
    for limit in ("PARTS_AHEAD_MOST", "PARTS_AHEAD_AT_THE_END"):
        monkeypatch.setattr(scan_segment, limit, 10**6)
    aws.dynamodb.units = PAGE_UNITS
    aws.dynamodb.pages = [([{"pk": {"S": str(n)}}], {"pk": {"S": str(n)}}) for n in range(2000)]
    aws.dynamodb.before = lambda *_: clock.sleep(0.05)
    return aws


Call = Callable[[Clock, Caps], Any]


def scan(clock: Clock, caps: Caps) -> Any:  # noqa: ANN401 — any JSON
    plan = PLAN.model_copy(update={"caps": caps, "page_read_units": PAGE_UNITS})
    return scan_segment.handler(
        {
            "plan": plan.model_dump(mode="json"),
            "route": ROUTE.model_dump(),
            "checkpoint": Checkpoint(segment=0).model_dump(mode="json"),
        },
        clock.context(),
    )


def verify(table: str) -> Call:
    def call(clock: Clock, caps: Caps) -> Any:  # noqa: ANN401 — any JSON
        plan = PLAN.model_copy(update={"caps": caps, "page_read_units": PAGE_UNITS})
        slice_ = {"table": table, "segment": 0}
        return verify_segment.handler(
            {"plan": plan.model_dump(mode="json"), "verification": "v1", "stage": "digests", "slice": slice_},
            clock.context(),
        )

    return call


def pages_read(aws: FakeAws) -> int:
    return aws.dynamodb.operations().count("Scan")


def set_throttle(caps: Caps, revision: int, *, is_paused: bool = False) -> None:
    open_books(RUN).caps.put(Throttle(caps=caps, revision=revision, is_paused=is_paused))


CALLS = pytest.mark.parametrize("call", [scan, verify("source"), verify("target")], ids=["scan", "source", "target"])


@CALLS
def test_a_call_reads_no_more_than_its_cap_lets_it(aws: FakeAws, clock: Clock, call: Call) -> None:
    reached = call(clock, Caps().with_reads(50))
    took = clock.now - 1000
    assert 150 <= took <= 155, "half of its time, as without a cap"
    assert reached["pages"] == pages_read(aws)
    assert 50 * took * 0.9 <= pages_read(aws) * PAGE_UNITS <= 50 * took * 1.1


@CALLS
def test_a_cap_of_the_other_table_or_of_writes_holds_nothing_back(aws: FakeAws, clock: Clock, call: Call) -> None:
    others = (
        Caps(source_reads=1, target_writes=1) if call is CALLS.args[1][2] else Caps(target_reads=1, target_writes=1)
    )
    aws.dynamodb.pages = [*aws.dynamodb.pages[:99], ([], None)]
    assert call(clock, others)["state"] == "done"
    assert clock.now - 1000 < 10
    assert not [entry for entry in aws.log if entry[0] == "control.advance"]


@CALLS
def test_a_paused_call_reads_nothing_and_says_why_at_the_end_of_its_time(
    aws: FakeAws, clock: Clock, call: Call
) -> None:
    set_throttle(Caps(), 1, is_paused=True)
    with pytest.raises(TurnPending, match="paused by an operator: `python -m workflow unpause`"):
        call(clock, Caps())
    assert pages_read(aws) == 0
    assert 265 <= clock.now - 1000 <= 271, "a wait that ends earlier fills the history"


@CALLS
def test_a_pause_stops_a_call_within_fifteen_seconds_and_its_end_lets_the_same_call_go_on(
    aws: FakeAws, clock: Clock, call: Call
) -> None:
    read_at: list[float] = []

    def take_a_second(*_: object) -> None:
        read_at.append(clock.now)
        clock.sleep(1)

    aws.dynamodb.before = take_a_second

    def operate(now: float) -> None:
        set_throttle(Caps(), round(now), is_paused=1050 <= now < 1100)

    clock.during = operate
    reached = call(clock, Caps())
    assert reached["pages"] == len(read_at) > 0
    assert not [at for at in read_at if 1065 <= at < 1100]
    assert [at for at in read_at if 1100 <= at <= 1115]


def test_what_a_call_has_sent_before_a_pause_is_kept(aws: FakeAws, clock: Clock) -> None:
    clock.during = lambda now: set_throttle(Caps(), 1, is_paused=now > 1010)
    reached = scan(clock, Caps())
    assert (reached["state"], reached["pages"]) == ("scanning", pages_read(aws))
    noted = open_books(RUN).receipts.read_checkpoint(0)
    assert noted is not None
    assert noted.pages == reached["pages"] > 100
    assert clock.now - 1000 < 160, "only a call that has nothing to keep waits for longer than half of its time"


def test_a_cap_that_is_changed_while_a_call_goes_on_is_kept(aws: FakeAws, clock: Clock) -> None:
    read_at: list[float] = []
    aws.dynamodb.before = lambda *_: read_at.append(clock.now)

    def operate(now: float) -> None:
        if now > 1050:
            set_throttle(Caps().with_reads(100), 1)

    clock.during = operate
    scan(clock, Caps().with_reads(1000))
    assert 45 <= len([at for at in read_at if 1000 <= at < 1005]) <= 55
    assert 75 <= len([at for at in read_at if 1065 <= at < 1145]) <= 85


def test_without_caps_a_call_makes_one_look_and_no_write_more(aws: FakeAws, clock: Clock) -> None:
    looks: list[str] = []
    read = aws.control.read

    def read_and_count(pk: str, sk: str) -> dict[str, Any] | None:
        looks.append(sk)
        return read(pk, sk)

    aws.control.read = read_and_count  # type: ignore[method-assign] # to count
    aws.dynamodb.pages = [*aws.dynamodb.pages[:9], ([], None)]
    assert scan(clock, Caps())["state"] == "done"
    assert looks.count("caps") == 1
    assert json.dumps(aws.log).count("turns") == 0


def write(clock: Clock, *records: bytes) -> list[str]:
    answer = write_pages.handler(kinesis_event(*records), clock.context())
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def pages_of(count: int) -> list[bytes]:
    return [page([item(f"{number}-{n}") for n in range(50)], number=number) for number in range(count)]


def test_pages_are_written_no_faster_than_their_cap_lets_them(aws: FakeAws, clock: Clock) -> None:
    """The fake says that each batch of 25 takes 100 units: four an item, of which a plan knows nothing at first."""
    aws.put_plan(PLAN.model_copy(update={"caps": Caps(target_writes=200, source_reads=1, target_reads=1)}))
    assert write(clock, *pages_of(60)) == []
    took = clock.now - 1000
    batches = aws.dynamodb.operations().count("BatchExecuteStatement")
    assert (batches, len(receipts(aws))) == (120, 60)
    assert 200 * took * 0.9 <= batches * PAGE_UNITS <= 200 * took * 1.1


def test_a_paused_writer_writes_nothing_and_has_not_failed(
    aws: FakeAws, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    set_throttle(Caps(), 1, is_paused=True)
    assert write(clock, *pages_of(3)) == ["0", "1", "2"], "all of them come again"
    assert aws.dynamodb.operations() == []
    assert receipts(aws) == {}
    assert "Failures" not in capsys.readouterr().out, "an alarm looks at them"
    assert clock.now - 1000 > 200, "it waits within the call, and does not come again and again"
    set_throttle(Caps(), 2)
    assert write(clock, *pages_of(3)) == []
    assert len(receipts(aws)) == 3


def test_a_pause_stops_a_page_half_way_and_its_end_lets_it_go_on(aws: FakeAws, clock: Clock) -> None:
    written_at: list[float] = []

    def take_six_seconds(*_: object) -> None:
        written_at.append(clock.now)
        clock.sleep(6)

    aws.dynamodb.before = take_six_seconds
    clock.during = lambda now: set_throttle(Caps(), round(now), is_paused=1020 <= now < 1080)
    assert write(clock, *pages_of(5)) == []
    assert not [at for at in written_at if 1035 <= at < 1080]
    assert [at for at in written_at if 1080 <= at <= 1095]


def test_the_replicator_is_never_held_back(aws: FakeAws, clock: Clock) -> None:
    """It must not fall behind: what the source's stream keeps for a day only is lost beyond it."""
    set_throttle(Caps(target_writes=1), 1, is_paused=True)
    Target(PLAN.target).write_all([item(number) for number in range(100)], [])
    assert len(aws.dynamodb.items("target")) == 100
    assert clock.now - 1000 < 1
