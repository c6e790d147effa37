"""The control table's places: a run is named by people, and must not meet another book."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from tasks.aws.books.books import open_books, open_record
from tasks.aws.books.control import SHELVES
from tasks.aws.books.drain import DrainProgress
from tasks.aws.books.watermarks import shelf_of
from tasks.core.copy.page import PageHeader
from tasks.core.copy.receipts import Sent
from tasks.core.copy.segment import Checkpoint
from tasks.core.errors import AwsUnavailable, VersionsDiffer
from tasks.core.replicate.conflict import Change
from tasks.core.replicate.watermark import Watermark
from tests.unit.aws_fakes import PLAN, RUN, STREAM, FakeAws

MARK = Watermark("shard-1", "7", 1.0, 2.0, rule_since=3.0)
KEY = {"pk": {"S": "a"}}


@pytest.mark.parametrize("run", ["watermarks", "tombstones", "migration", "tips", "run"])
def test_an_execution_that_is_named_like_a_book_does_not_write_into_it(
    monkeypatch: pytest.MonkeyPatch, run: str
) -> None:
    aws = FakeAws().install(monkeypatch)
    open_books(RUN).watermarks.put(MARK)
    open_books(RUN).tombstones.enter_all([KEY])
    open_books(RUN).tips.remember("moment", {"shard-1": "7"})
    before = dict(aws.control.documents)
    open_books(run).drain.put(DrainProgress(segments=3))
    open_books(run).receipts.put_sent(0, Sent(0, ("digest",), 3), claim=1)
    open_books(run).receipts.put_checkpoint(Checkpoint(segment=0, pages=1), claim=1)
    late = open_books(run).late
    late.enter(late.entry_of("shard-1", Change(KEY, None, None, "9"), over=None))
    assert {place: aws.control.documents[place] for place in before} == before
    assert open_books(run).watermarks.read_all() == {"shard-1": MARK}
    assert [key for _, key in open_books(run).tombstones.iter_entered()] == [KEY]
    assert open_books(run).drain.read().segments == 3


def test_a_stream_of_more_shards_than_one_entry_can_hold_has_its_moments_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 7,000 shards the tips took more than an item may have, and ProtectTarget failed for ever."""
    aws = FakeAws().install(monkeypatch)
    tips = {f"shardId-{number:020}-{number:08x}": str(10**37 + number) for number in range(7000)}
    assert open_books(RUN).tips.remembered("protect") is None
    assert open_books(RUN).tips.remember("protect", tips) == tips
    assert open_books(RUN).tips.remembered("protect") == tips
    assert max(map(len, aws.control.documents.values())) < 200_000, "an item has at most 400 KB"
    assert open_books(RUN).tips.remember("protect", {"shard-1": "8"}) == tips, "the first ones stay"
    assert open_books(RUN).tips.remember("drain", {}) == {}
    assert open_books(RUN).tips.remembered("drain") == {}


def test_a_moment_whose_tips_are_not_all_there_is_not_taken_for_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = FakeAws().install(monkeypatch)
    open_books(RUN).tips.remember("protect", {"shard-1": "7"})
    aws.control.documents = {place: text for place, text in aws.control.documents.items() if place[0] == "tips#forward"}
    with pytest.raises(AwsUnavailable, match="0 of 1 entries"):
        open_books(RUN).tips.remembered("protect")


def test_a_plan_of_another_version_is_refused_by_name_and_never_misread(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = FakeAws().install(monkeypatch)
    earlier = PLAN.model_dump(mode="json", exclude={"source", "target"}) | {"source_table": "source"}
    aws.control.documents["migration", "plan"] = json.dumps({"plan": earlier, "stream_arn": STREAM})
    for read in (open_record().read_plan, open_record().required_plan, open_record().required_replication):
        with pytest.raises(VersionsDiffer, match=r"another version of tableferry .*source"):
            read()


SHARDS = 1000
DELETES = 1000
LATE = 1000
SEGMENTS_AT_ONCE = 40
PAGES_A_SEGMENT = 10
"""In a second. A page of a scan is a megabyte, and takes a tenth of a second to be read at the least."""


def test_no_book_has_a_key_that_a_second_of_a_thousand_shards_makes_hot(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key takes 1,000 writes a second, whatever its table takes; a tenth leaves room for what comes again."""
    aws = FakeAws().install(monkeypatch)
    books = open_books(RUN)
    keys = [{"pk": {"S": f"customer-{number}"}} for number in range(max(DELETES, LATE))]
    for number in range(SHARDS):
        books.watermarks.put(replace(MARK, shard=f"shardId-{1_700_000_000_000 + number:020}-{number * 7919:08x}"))
    books.tombstones.enter_all(keys[:DELETES])
    for key in keys[:LATE]:
        books.late.enter(books.late.entry_of("shard-1", Change(key, None, None, "9"), over=None))
    for segment in range(SEGMENTS_AT_ONCE):
        for page in range(PAGES_A_SEGMENT):
            books.receipts.put_sent(segment, Sent(page, ("digest",), 1), claim=1)
            header = PageHeader(run=RUN, segment=segment, page=page, part=0, parts=1, count=1, digest="digest")
            books.receipts.put_receipt(header, inserted=1, present=0, rejected=0)
        books.receipts.put_checkpoint(Checkpoint(segment=segment, pages=PAGES_A_SEGMENT), claim=1)
    books.tips.remember("moment", {f"shard-{number}": "7" for number in range(SHARDS)})
    written = Counter(pk for pk, _ in aws.control.documents)
    assert sum(written.values()) > SHARDS + DELETES + LATE
    assert {pk: count for pk, count in written.items() if count > 100} == {}


def test_every_watermark_is_found_again_whichever_shelf_it_stands_on(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeAws().install(monkeypatch)
    books = open_books(RUN)
    marks = {shard: replace(MARK, shard=shard) for shard in (f"shardId-{number}" for number in range(100))}
    for mark in marks.values():
        books.watermarks.put(mark)
    assert books.watermarks.read_all() == marks
    assert {shard: books.watermarks.read(shard) for shard in marks} == marks
    some = ["shardId-3", "shardId-41", "shardId-of-nothing"]
    assert {shard: mark for shard, mark in books.watermarks.read_of(some).items() if shard in some} == {
        shard: marks[shard] for shard in some[:2]
    }
    assert {shelf_of(shard) for shard in marks} == set(SHELVES)
    books.watermarks.forget()
    assert books.watermarks.read_all() == {}
