"""For which sizes and write rates a proof takes no more than one and a half times what two scans do."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from tasks.core.forecast.work import LAG_SECONDS
from tasks.core.prove.passes import expect
from tests.simulation.policies import AFTER
from tests.simulation.proof import scan_both
from tests.simulation.replication import Replicator
from tests.simulation.report import hours
from tests.simulation.world import Scenario, world_of

GOAL: Final = 1.5
RATES: Final = (500.0, 5000.0)
"""Writes a second."""
MOST_RATE: Final = 1e7


@dataclass(frozen=True, slots=True)
class Proof:
    """The pass over both tables of one size."""

    scenario: Scenario
    seconds: float
    """Of the pass: at the worst the readings of a key's two sides are so far apart."""
    apart_seconds: float
    """How far they are apart if the same segment of both tables holds the same keys, as is likely."""

    def over_two_scans(self, writes_per_second: float, apart_seconds: float) -> float:
        """Return how many times two scans' read units it takes, under so many writes, to any key alike."""
        course = expect(
            int(self.scenario.items),
            item_bytes=int(self.scenario.item_bytes),
            writes_per_second=writes_per_second,
            apart_seconds=apart_seconds,
            lag_seconds=LAG_SECONDS,
        )
        return course.read_units / course.scan_units

    def most_writes(self, apart_seconds: float) -> float:
        """Return under how many writes a second the goal is still reached."""
        few, many = 0.0, MOST_RATE
        while many - few > 1:
            middle = (few + many) / 2
            few, many = (middle, many) if self.over_two_scans(middle, apart_seconds) <= GOAL else (few, middle)
        return few


def proof_of(scenario: Scenario) -> Proof:
    """Let the pass over both tables be made, as it is without what bounds the users."""
    quiet = dataclasses.replace(scenario, user_writes=1.0, stream_was_on=False)
    world = world_of(quiet, retention_seconds=3600)
    world.fill_target()
    found = scan_both(world, Replicator(world, polls_a_second=AFTER.polls_a_second, book_reads=AFTER.book_reads))
    return Proof(scenario, found.seconds, found.apart_seconds)


def proofs(scenarios: Sequence[Scenario]) -> Iterator[str]:
    """Yield the lines of a table: read units over two scans, at the worst and as is likely."""
    rates = " | ".join(f"{rate:,.0f} writes/s, at worst / likely" for rate in RATES)
    yield f"| | a pass | two sides of a key are apart | {rates} | the goal is reached up to, at worst / likely |"
    yield f"|---|---|---|{'---|' * len(RATES)}---|"
    for proof in map(proof_of, scenarios):
        ways = (proof.seconds, proof.apart_seconds)
        cells = [" / ".join(f"{proof.over_two_scans(rate, apart):.2f}" for apart in ways) for rate in RATES]
        most = " / ".join(f"{_rounded(proof.most_writes(apart)):,}" for apart in ways)
        apart = f"{hours(proof.seconds)} at worst, {hours(proof.apart_seconds)} likely"
        yield f"| {proof.scenario.name} | {hours(proof.seconds)} | {apart} | {' | '.join(cells)} | {most} writes/s |"


def _rounded(number: float) -> int:
    """Return it with two figures: it is no better known."""
    return int(float(f"{number:.2g}"))
