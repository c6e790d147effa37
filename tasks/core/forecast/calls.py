"""How many calls a run makes, by function and operation: what hangs on pages, and what hangs on how long is waited.

The numbers of each call, page and record are those of the functions' code, which a run on the local AWS is held against
(`tests/workflow/test_plan_command.py`). How often a function is called that waits for another nobody knows beforehand:
of those there is what each call more asks; `workflow/waits.py` says how many a minute of waiting has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tasks.core.forecast.counted import Counted
from tasks.core.forecast.work import PAGE_SECONDS, RECORDS_A_CALL, SCAN_CALL_SECONDS, VERIFY_CALL_SECONDS

Operations = Mapping[str, float]
"""By AWS's own names."""


@dataclass(frozen=True, slots=True)
class Asks:
    """What one function asks AWS."""

    each_call: Operations
    """The claim, the caps, the checkpoint: once, however much a call does; caps again for every four seconds of it."""
    each_page: Operations = field(default_factory=dict)
    each_record: Operations = field(default_factory=dict)


ASKS: Final[Mapping[str, Asks]] = {
    "ScanSegment": Asks(
        each_call={"DescribeTable": 1, "GetItem": 3, "PutItem": 2},
        each_page={"Scan": 1, "PutItem": 1},
    ),
    "WritePages": Asks(
        each_call={"GetItem": 2},
        each_record={"BatchGetItem": 1, "PutItem": 1},
    ),
    "VerifySegment": Asks(
        each_call={"GetItem": 1, "PutItem": 1},
        each_page={"Scan": 1},
    ),
}
"""Of a call that has something to do: one that only waits asks for less, or looks at receipts (Query) besides."""


@dataclass(frozen=True, slots=True)
class FunctionCalls:
    """The calls of one function, and what they ask."""

    calls: float
    """At the least: more, where it has to wait."""
    each: Operations
    """What one more call asks."""
    in_all: Operations
    """What so many calls ask."""


def calls_of_functions(counted: Counted) -> dict[str, FunctionCalls]:
    """Return the calls of those functions whose calls go with pages."""
    segments, slices = counted.segments, counted.tables * counted.verify_segments
    with_items = float(min(counted.pages, counted.estimated.items))
    batches = counted.calls()["BatchExecuteStatement"]
    reading = counted.slice_seconds() * slices
    return {
        "ScanSegment": _asked(
            "ScanSegment",
            calls=max(segments, counted.pages * PAGE_SECONDS / SCAN_CALL_SECONDS),
            pages=counted.pages,
            more={"PutRecords": with_items},
        ),
        "WritePages": _asked(
            "WritePages",
            calls=counted.records / RECORDS_A_CALL,
            records=counted.records,
            more={"BatchExecuteStatement": batches},
        ),
        "VerifySegment": _asked(
            "VerifySegment",
            calls=max(slices, reading / VERIFY_CALL_SECONDS),
            pages=counted.tables * counted.verify_pages,
        ),
    }


def _asked(
    state: str, *, calls: float, pages: float = 0.0, records: float = 0.0, more: Operations | None = None
) -> FunctionCalls:
    asks = ASKS[state]
    in_all = dict(more or {})
    for each, times in ((asks.each_call, calls), (asks.each_page, pages), (asks.each_record, records)):
        for operation, number in each.items():
            in_all[operation] = in_all.get(operation, 0.0) + number * times
    return FunctionCalls(calls, asks.each_call, in_all)
