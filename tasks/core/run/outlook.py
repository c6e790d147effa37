"""What `python -m workflow plan` says: the forecast with its prices, what bounds it, risks, refusals and other ways."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tasks.core.forecast.bill import Bill
from tasks.core.forecast.counted import Counted, Seen
from tasks.core.forecast.forecast import Forecast, forecast
from tasks.core.forecast.other_ways import Way, other_ways
from tasks.core.forecast.prices import PriceList
from tasks.core.forecast.speed import bound_in_words, copy_of, way_out
from tasks.core.forecast.spent import Basis, basis_of
from tasks.core.forecast.work import MEMORY_MB
from tasks.core.run.plan import Facts, notices_for, reasons_against
from tasks.core.run.risks import Risk, risks_of
from tasks.core.settings.migration import Migration


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """A run before it is started."""

    settings: Migration
    seen: Seen
    prices: PriceList
    expected: Forecast
    bill: Bill
    """At those prices."""
    waiting: Bill
    """A day of waiting for the answer, at those prices."""
    basis: Basis
    """By what units of the run become money afterwards."""
    bound: str
    """What bounds the copy most of the time, in words, and what would make it shorter."""
    refused: Sequence[str]
    """Why Preflight would refuse it."""
    notices: Sequence[str]
    risks: Sequence[Risk]
    ways: Sequence[Way]

    def as_json(self) -> dict[str, Any]:
        """Return it as it is printed for a program: numbers as they are, times in seconds, money in US dollars."""
        seen, expected = self.seen, self.expected
        return {
            "migration": self.settings.migration,
            "source": {
                "table": seen.source.name,
                "items": seen.source.item_count,
                "bytes": seen.source.size_bytes,
                "writes_per_second": seen.writes_per_second,
                "warm_write_units": seen.source.warm_write_units,
                "warm_read_units": seen.source.warm_read_units,
            },
            "sample": {**asdict(seen.sample), "refused": dict(seen.sample.refused)},
            "plan": {
                "segments": expected.segments,
                "max_concurrency": expected.max_concurrency,
                "verify_segments": expected.verify_segments,
                "shards": self.shards,
                "memory_mb": dict(MEMORY_MB),
            },
            "seconds": {name: asdict(one) for name, one in {**expected.seconds, "whole": expected.whole}.items()},
            "bound_by": {"kind": str(expected.copy.bound.kind), "in_words": self.bound},
            "bill": {
                "prices": {"dated": self.prices.dated, "region": self.prices.region},
                "usd": self.bill.total,
                "lines": _lines(self.bill),
                "usd_a_day_of_waiting": self.waiting.total,
                "lines_a_day_of_waiting": _lines(self.waiting),
            },
            "predicted": {
                "items": seen.source.item_count,
                "pages": expected.pages,
                "records": expected.records,
                "bytes_sent": expected.bytes_sent,
                "calls": dict(expected.calls),
                "functions": {
                    state: {"calls": one.calls, "each": dict(one.each), "in_all": dict(one.in_all)}
                    for state, one in expected.functions.items()
                },
                "units": dict(expected.units),
            },
            "basis": self.basis.model_dump(),
            "pages_shards": seen.pages_shards,
            "refused": list(self.refused),
            "notices": list(self.notices),
            "risks": [asdict(risk) for risk in self.risks],
            "other_ways": [asdict(way) for way in self.ways],
        }

    @property
    def shards(self) -> str:
        """Say how many shards the stream of pages has."""
        if self.seen.pages_shards is not None:
            return str(self.seen.pages_shards)
        return f"on demand, up to {self.expected.copy.most_shards}"


def _lines(bill: Bill) -> list[Mapping[str, Any]]:
    return [
        {
            "for": line.name,
            "purpose": line.what,
            "what": line.price.what,
            "amount": line.amount,
            "usd_of_one": line.price.usd,
            "usd": line.usd,
            "formula": line.formula,
            "source": line.price.source,
        }
        for line in bill.lines()
    ]


def outlook(settings: Migration, seen: Seen, facts: Facts, prices: PriceList) -> Outlook:
    """Return what is to be said of a run with these settings.

    Args:
        settings: of the execution.
        seen: what the forecast goes by.
        facts: what Preflight would see.
        prices: of the bill.
    """
    expected = forecast(settings, seen)
    copy = copy_of(settings, seen.source, seen.target, seen.table_write_limit)
    shorter = way_out(expected.copy, copy, settings, seen.target, seen.table_write_limit)
    return Outlook(
        settings=settings,
        seen=seen,
        prices=prices,
        expected=expected,
        bill=expected.bill.at(prices),
        waiting=expected.waiting.at(prices),
        basis=basis_of(Counted(settings, seen)),
        bound=bound_in_words(expected.copy.bound, copy, seen.target) + shorter,
        refused=reasons_against(settings, facts, keeps_items=settings.resume_from is not None),
        notices=notices_for(settings, facts, seen.source),
        risks=risks_of(settings, seen, facts, expected),
        ways=other_ways(settings, seen.source, seen.target, seen.sample, prices),
    )
