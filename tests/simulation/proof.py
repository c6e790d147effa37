"""The proof, step by step: both tables are scanned while users write, and what looks different is looked at again."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tasks.core.copy.segment import plan_total_segments, plan_verify_segments
from tasks.core.forecast import charges
from tasks.core.forecast.charges import PROOF
from tasks.core.forecast.prices import READ_REQUEST_UNIT, WRITE_REQUEST_UNIT
from tasks.core.forecast.work import LAG_SECONDS, UNEVEN, VERIFY_CALL_SECONDS, page_verify_seconds
from tasks.core.prove.digest import SOURCE, SUMS_MOST, TARGET
from tasks.core.prove.passes import expect
from tasks.core.prove.verification import plan_slices
from tests.simulation.policy import Policy
from tests.simulation.replication import Replicator
from tests.simulation.scan import Scan, Slice
from tests.simulation.table import Load, Table
from tests.simulation.world import Sample, World

PHASE: Final = "Verify"


@dataclass(slots=True)
class Pass:
    """One pass over both tables."""

    seconds: float
    apart_seconds: float
    """Between the readings of a key's two sides, on the average."""


def scan_both(world: World, replicator: Replicator, *, seed: int = 1) -> Pass:
    """Scan both tables beside live writes, put it on the bill, and return how long it took."""
    scenario, seconds = world.scenario, world.scenario.step_seconds
    segments = plan_verify_segments(plan_total_segments(int(scenario.bytes)))
    chance = random.Random(seed)
    tables: dict[str, Table] = {"source": world.source, "target": world.target}
    pieces = {
        (piece.table, piece.segment): Slice(
            piece.segment,
            tables[piece.table],
            piece.segment / segments,
            (piece.segment + 1) / segments,
            scenario.items / segments,
            slowness=max(0.5, chance.gauss(1.0, UNEVEN)),
        )
        for piece in plan_slices(segments, (SOURCE, TARGET))
    }
    scan = Scan(
        list(pieces.values()),
        at_once=scenario.max_concurrency,
        items_a_second=scenario.items_a_page / page_verify_seconds(scenario.items_a_page),
        item_bytes=scenario.item_bytes,
    )
    scan.begin_more(world.now)
    begun = world.now
    while not scan.is_done:
        _step(world, scan, replicator, seconds)
    pairs = [(pieces["source", segment], pieces["target", segment]) for segment in range(segments)]
    return Pass(world.now - begun, _apart(pairs))


def _step(world: World, scan: Scan, replicator: Replicator, seconds: float) -> None:
    users = world.users
    # Each table has a cap of its own, and half of what is read is of each.
    cap = world.scenario.reads_cap
    pace = scan.pace_for(None if cap is None else 2 * cap)
    even, shares = world.source.granted(users.load, scan.asks(world.source, pace), seconds)
    before = users.refused_writes
    refused = world.refuse_users(even, shares, seconds)
    accepted = users.writes - (users.refused_writes - before) / seconds
    live = Load(writes=accepted * world.scenario.write_units)
    _, of_target = world.target.granted(live, scan.asks(world.target, pace), seconds)
    read_units = 0.0
    for table, granted in ((world.source, shares), (world.target, of_target)):
        read = sum(count for _, _, count in scan.read(table, granted, pace, seconds))
        units = scan.units(read)
        writes = live.writes if table is world.target else accepted * users.write_units
        reads = users.reads if table is world.source else 0.0
        table.serve(Load(writes, reads + units / seconds), world.now, seconds)
        read_units += units
    working = scan.reading * seconds
    world.bill.take(charges.of_pass(units=read_units, calls=working / VERIFY_CALL_SECONDS, seconds=working))
    replicator.apply(replicator.asks(accepted, seconds), seconds)
    world.now += seconds
    scan.begin_more(world.now)
    world.samples.append(Sample(world.now, PHASE, 0.0, 0.0, refused))


def _apart(pairs: Sequence[tuple[Slice, Slice]]) -> float:
    """Return how long the readings of a key's two sides are apart, on the average over the slices."""
    gaps = [(abs(one.began_at - other.began_at) + abs(one.ended_at - other.ended_at)) / 2 for one, other in pairs]
    return sum(gaps) / len(gaps)


def prove(world: World, policy: Policy, replicator: Replicator) -> None:
    """Prove the tables equal, and note how many keys were listed for that."""
    found = scan_both(world, replicator)
    world.counts.apart_seconds = found.apart_seconds
    policy.compare(world, replicator, found.apart_seconds)


def compare_lists(world: World, replicator: Replicator, apart_seconds: float) -> None:
    """Compare the lists of hashes, if sums are unequal, and look at the keys that differ."""
    scenario = world.scenario
    course = expect(
        int(scenario.items),
        item_bytes=int(scenario.item_bytes),
        writes_per_second=world.users.writes,
        apart_seconds=apart_seconds,
        lag_seconds=LAG_SECONDS,
    )
    world.bill.take(charges.of_comparison(scenario.items, course))
    if course.suspects < 1:
        return
    world.counts.listed_keys = course.listed
    working = charges.comparing_seconds(scenario.items, course)
    behind = working / min(SUMS_MOST, scenario.max_concurrency) + LAG_SECONDS
    world.wait(behind, PHASE)
    replicator.idle(behind)


PAGE_ENTRIES: Final = 256
"""A page's suspects went into so many entries, each a write unit, one batch after the other."""
BATCH_SECONDS: Final = 0.02
BUCKETS: Final = 16_384
KEYS_A_SECOND: Final = 80.0
"""200 keys a look, each look reading every tip."""


def list_unequal_buckets(world: World, replicator: Replicator, apart_seconds: float) -> None:
    """Read both tables again, and list every key of the buckets that came out unequal: as it was before."""
    scenario = world.scenario
    changed = min(scenario.items, world.users.writes * (apart_seconds + LAG_SECONDS))
    unequal = 1 - (1 - 1 / BUCKETS) ** changed
    if unequal * BUCKETS < 1:
        return
    begun = world.now
    scan_both(world, replicator, seed=2)
    listed = unequal * 2 * scenario.items
    pages = 2 * scenario.items / scenario.items_a_page
    units = pages * min(PAGE_ENTRIES, unequal * scenario.items_a_page)
    world.counts.listed_keys = listed
    world.bill.add(PROOF, WRITE_REQUEST_UNIT, units)
    # 25 entries a call, one call after the other, behind each page.
    putting = units / 25 * BATCH_SECONDS / scenario.max_concurrency
    books = Table()
    now, left = 0.0, units
    while left > 0:
        rate = min(books.limit(60).writes, units / putting)
        books.serve(Load(writes=rate), now, 60)
        left -= rate * 60
        now += 60
    behind = max(0.0, now - (world.now - begun))
    waited = behind * scenario.max_concurrency
    world.bill.take(charges.of_calls(PROOF, "VerifySegment", calls=0, seconds=waited))
    # The lists are read again, and what differs is looked at.
    world.bill.add(PROOF, READ_REQUEST_UNIT, units / 2 + 3 * changed)
    looking = changed / KEYS_A_SECOND
    world.bill.take(charges.of_calls(PROOF, "CompareDigests", calls=looking / 600 + 1, seconds=looking))
    world.wait(behind + looking, PHASE)
    replicator.idle(behind + looking)
