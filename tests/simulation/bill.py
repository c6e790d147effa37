"""What a run costs, line by line: amounts that a run counted, at the product's own price list."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tasks.core.run.prices import Price


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a bill."""

    what: str
    """What it is for."""
    price: Price
    amount: float

    @property
    def usd(self) -> float:
        """What it costs."""
        return self.price.usd * self.amount


@dataclass(slots=True)
class Bill:
    """What was used so far, by what it was for."""

    _amounts: dict[tuple[str, Price], float] = field(default_factory=dict)

    def add(self, what: str, price: Price, amount: float) -> None:
        """Count so much more."""
        if amount < 0:
            raise ValueError(f"{what}: {amount} {price.what}")
        self._amounts[what, price] = self._amounts.get((what, price), 0.0) + amount

    def lines(self) -> Iterator[Line]:
        """Yield the lines in the order in which they were first used."""
        for (what, price), amount in self._amounts.items():
            yield Line(what, price, amount)

    def by_purpose(self) -> dict[str, float]:
        """Return US dollars by what they were for."""
        spent: dict[str, float] = {}
        for line in self.lines():
            spent[line.what] = spent.get(line.what, 0.0) + line.usd
        return spent

    @property
    def total(self) -> float:
        """All of it, in US dollars."""
        return sum(line.usd for line in self.lines())
