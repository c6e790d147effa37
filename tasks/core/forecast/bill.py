"""A bill, line by line: what is used, for what, and what it costs at the price list.

The plan fills one before a run, the simulation fills one while it lets a run happen; both by
`tasks.core.forecast.charges`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from tasks.core.forecast.prices import Price, PriceList


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill."""

    what: str
    """What it is for."""
    price: Price
    amount: float
    formula: str = ""
    """How the amount comes about, in words."""
    of: str = ""
    """Of several parts of the same purpose, which: a table, an index, a replica."""

    @property
    def usd(self) -> float:
        """What it costs."""
        return self.price.usd * self.amount

    @property
    def name(self) -> str:
        """What it is for, and of which part."""
        return f"{self.what}: {self.of}" if self.of else self.what


@dataclass(slots=True)
class Bill:
    """What is used, by what it is for."""

    _lines: dict[tuple[str, str, Price], Line] = field(default_factory=dict)

    def add(self, what: str, price: Price, amount: float) -> None:
        """Count so much more."""
        self.take([Line(what, price, amount)])

    def take(self, lines: Iterable[Line]) -> None:
        """Count these lines too.

        Raises:
            ValueError: an amount is below nothing.
        """
        for line in lines:
            if line.amount < 0:
                raise ValueError(f"{line.what}: {line.amount} {line.price.what}")
            key = (line.what, line.of, line.price)
            before = self._lines.get(key)
            self._lines[key] = line if before is None else replace(before, amount=before.amount + line.amount)

    def lines(self) -> Iterator[Line]:
        """Yield the lines in the order in which they were first used."""
        yield from self._lines.values()

    def by_purpose(self) -> dict[str, float]:
        """Return US dollars by what they were for."""
        spent: dict[str, float] = {}
        for line in self.lines():
            spent[line.what] = spent.get(line.what, 0.0) + line.usd
        return spent

    def at(self, prices: PriceList) -> "Bill":
        """Return the same amounts at the prices of a list."""
        bill = Bill()
        bill.take(replace(line, price=prices.of(line.price)) for line in self.lines())
        return bill

    @property
    def total(self) -> float:
        """All of it, in US dollars."""
        return sum(line.usd for line in self.lines())
