"""What a plan says that a function asks AWS is what its code asks, by every call that the fakes see."""

from collections import Counter
from typing import Any

import pytest

from tasks.aws.dynamodb import tables
from tasks.core.forecast.calls import ASKS
from tests.unit import test_compare_digests, test_scan_segment, test_write_pages
from tests.unit.aws_fakes import FakeAws, FakeControl

READS = {"read": "GetItem", "read_claim": "GetItem", "read_mark": "GetItem", "read_all": "BatchGetItem"}
"""What of the control table the fakes' log has no line of."""
OPERATIONS = {"control.put": "PutItem"}


class Counting:
    """Counts what a function asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws = FakeAws().install(monkeypatch)
        self.seen: Counter[str] = Counter()
        for method, operation in READS.items():
            monkeypatch.setattr(FakeControl, method, self._counted(getattr(FakeControl, method), operation))
        monkeypatch.setattr(tables, "describe", self._counted(tables.describe, "DescribeTable"))

    def _counted(self, method: Any, operation: str) -> Any:  # noqa: ANN401 — any of them
        def counted(*given: Any, **named: Any) -> Any:  # noqa: ANN401 — as it is called
            self.seen[operation] += 1
            return method(*given, **named)

        return counted

    def asked(self) -> Counter[str]:
        """Return what was asked since the last time, by operation."""
        of_log = (OPERATIONS.get(name, name.rpartition(".")[2]) for name, _ in self.aws.log)
        found = self.seen + Counter(of_log)
        self.aws.log.clear()
        self.seen.clear()
        return found


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Counting:
    return Counting(monkeypatch)


def expected(state: str, *, pages: int = 0, records: int = 0, **more: int) -> dict[str, float]:
    asks = ASKS[state]
    found: Counter[str] = Counter(more)
    for each, times in ((asks.each_call, 1), (asks.each_page, pages), (asks.each_record, records)):
        found.update({name: int(number) * times for name, number in each.items()})
    return dict(found)


@pytest.mark.parametrize("pages", [1, 5])
def test_a_scan_asks_for_each_call_and_each_page_what_the_plan_says(counting: Counting, pages: int) -> None:
    counting.aws.dynamodb.pages = test_scan_segment.pages(pages)
    assert test_scan_segment.scan().state == "done"
    assert counting.asked() == expected("ScanSegment", pages=pages, PutRecords=pages)


@pytest.mark.parametrize("records", [1, 4])
def test_a_writer_asks_for_each_call_and_each_record_what_the_plan_says(counting: Counting, records: int) -> None:
    sent = [test_write_pages.page([test_write_pages.item(number)], number) for number in range(records)]
    assert test_write_pages.write(*sent) == []
    assert counting.asked() == expected("WritePages", records=records, BatchExecuteStatement=records)


@pytest.mark.parametrize("pages", [1, 3])
def test_a_proof_asks_for_each_call_and_each_page_what_the_plan_says(counting: Counting, pages: int) -> None:
    test_compare_digests.scan(counting.aws, "source", *(test_compare_digests.items(number) for number in range(pages)))
    # Its hashes go to S3, of which the bill has a line.
    assert counting.asked() == expected("VerifySegment", pages=pages, PutObject=1)
