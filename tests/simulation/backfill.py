"""The backfill, step by step: the scan puts pages into the stream, the writer takes them out, users go on."""

import math
from dataclasses import dataclass, field
from typing import Final

from tasks.core.copy.segment import plan_total_segments
from tasks.core.forecast import charges
from tasks.core.forecast.duration import ACCOUNT_CALLS, Kind
from tasks.core.forecast.prices import WRITE_REQUEST_UNIT
from tasks.core.forecast.work import PAGE_SECONDS, RECORDS_A_CALL, SCAN_CALL_SECONDS
from tests.simulation.planning import caps_of
from tests.simulation.policy import Policy
from tests.simulation.replication import Replicator
from tests.simulation.scan import Scan, Slice, slices_of
from tests.simulation.stream import Batch, Portion
from tests.simulation.table import PARTITION_WRITES, Load
from tests.simulation.world import DAY, Sample, World

__all__ = ["Backfill"]

CALLS_A_WRITER: Final = 4
"""Side by side."""
ENDS_WITHIN_SECONDS: Final = 120 * DAY
"""A run that takes longer is given up."""
STARVED: Final = 0.5
"""With a useful share below, pages do not get through within their tries."""


@dataclass(slots=True)
class Backfill:
    """Scan, stream, writer and replicator, under one policy."""

    world: World
    policy: Policy
    replicator: Replicator
    scan: Scan = field(init=False)
    _pieces: dict[int, Slice] = field(default_factory=dict)
    """The segments that were begun, by their numbers."""
    _writes_cap: float = field(init=False)
    """Of the plan, in units of the table alone."""
    _starved_since: float | None = None
    _stream_is_full: bool = False

    def __post_init__(self) -> None:
        scenario = self.world.scenario
        segments = plan_total_segments(int(scenario.bytes))
        self._writes_cap = (caps_of(scenario).target_writes or math.inf) / (1 + scenario.indexes)
        self.scan = Scan(
            slices_of(self.world.source, self.policy.order(segments), segments=segments, items=scenario.items),
            at_once=scenario.max_concurrency,
            items_a_second=scenario.items_a_page / PAGE_SECONDS,
            item_bytes=scenario.item_bytes,
            may_end=lambda piece: not self._is_held(piece, self.policy.parts_at_the_end),
        )
        self.scan.begin_more(self.world.now)

    def run(self) -> bool:
        """Run it to its end, and return whether it came there."""
        world = self.world
        while not (self.scan.is_done and world.pages.items_waiting < 1):
            if world.now > ENDS_WITHIN_SECONDS:
                return False
            self.step()
        return True

    def step(self) -> None:
        """Go on by one step."""
        world, seconds = self.world, self.world.scenario.step_seconds
        refused, accepted = self._scan(seconds)
        useful = self._write(accepted, seconds)
        world.now += seconds
        for lost in world.pages.expire(world.now):
            for portion in lost.portions:
                self._pieces[portion.segment].behind -= lost.items * portion.share
        counts = world.counts
        counts.most_backlog_items = max(counts.most_backlog_items, world.pages.items_waiting)
        counts.oldest_page_seconds = max(counts.oldest_page_seconds, world.pages.oldest_seconds(world.now))
        world.samples.append(Sample(world.now, "Backfill", useful, world.pages.items_waiting, refused))

    def _is_held(self, piece: Slice, parts_most: int) -> bool:
        """Whether a segment sends nothing, having so many parts of pages without a receipt at most."""
        parts = piece.behind / self.world.scenario.items_a_page
        return self.policy.waits(parts, self.world.pages.oldest if parts else None, parts_most, self.world.now)

    def _hold(self) -> None:
        """Have each segment wait that is too far ahead of the writer: it goes on when it is much less so."""
        most, less = self.policy.parts_most, self.policy.parts_to_go_on
        for piece in self.scan.under_way:
            self._pieces[piece.number] = piece
            piece.is_held = self._is_held(piece, less if piece.is_held else most)
            if most:
                piece.most_behind = (most + 1) * self.world.scenario.items_a_page

    def _scan(self, seconds: float) -> tuple[float, float]:
        """Read and put pages; return how many requests of users were refused a second, and how many writes accepted."""
        world, scan = self.world, self.scan
        scenario, users = world.scenario, world.users
        self._hold()
        room = world.pages.room(scenario.items_a_page * scenario.record_bytes) / scenario.record_bytes
        of_stream = min(1.0, room / scan.speed) if scan.speed else 0.0
        pace = min(of_stream, scan.pace_for(scenario.reads_cap))
        self._stream_is_full = pace == of_stream and 0 < pace < 1
        asked = scan.asks(world.source, pace)
        even, shares = world.source.granted(users.load, asked, seconds)
        before = users.refused_writes
        refused = world.refuse_users(even, shares, seconds)
        accepted = users.writes - (users.refused_writes - before) / seconds
        came = scan.read(world.source, shares, pace, seconds)
        items = sum(count for _, _, count in came)
        units = scan.units(items)
        world.source.serve(Load(accepted * users.write_units, users.reads + units / seconds), world.now, seconds)
        if items:
            for piece, _, count in came:
                piece.behind += count
            portions = [Portion(piece.number, place, count / items) for piece, place, count in came if count]
            world.pages.put(Batch(world.now, items, items * scenario.record_bytes, portions), seconds)
        self._charge_scan(items, units, seconds if pace else 0.0)
        scan.begin_more(world.now + seconds)
        return refused, accepted

    def _charge_scan(self, items: float, units: float, seconds: float) -> None:
        scenario, working = self.world.scenario, self.scan.reading * seconds
        self.world.bill.take(
            charges.of_scan(
                pages=items / scenario.items_a_page,
                units=units,
                bytes_in=items * scenario.record_bytes,
                calls=working / SCAN_CALL_SECONDS,
                seconds=working,
            )
        )

    def _write(self, accepted: float, seconds: float) -> float:
        """Let writer and replicator write beside each other; return how many items a second the writer inserted."""
        world, scenario = self.world, self.world.scenario
        units = scenario.write_units
        writers = self._writers()
        head = world.pages.peek(max(1.0, writers * self.policy.writer_items * seconds))
        weights = self._weights(head)
        table = min(place.limit(seconds).writes for place in (world.target, *world.indexes))
        # A table does not know who asks: each call under way has the same chance. So the replicator gets its share.
        fair = self.replicator.shards / (self.replicator.shards + CALLS_A_WRITER * max(1.0, writers))
        asked = self.replicator.asks(accepted, seconds) * units
        # Who takes turns under a cap asks for no more than it: `turns.py` has each call of it.
        wanted = min(writers * self.policy.writer_items * units, self._writes_cap)
        replicated = min(asked, max(table * fair, table - wanted))
        left = self._bottleneck(weights, replicated, table)
        offered = min(wanted, world.pages.items_waiting * units / seconds)
        used, share = min(offered, left), 1.0
        if offered > left > 0:
            excess = wanted / left
            used, share = left * self.policy.reached(excess), self.policy.useful(excess)
        self._starve(is_starved=share < STARVED)
        inserted = used * share / units
        taken = world.pages.take(inserted * seconds)
        self.replicator.apply(replicated / units, seconds)
        self._store(taken, used, replicated, seconds)
        throttled = offered > left
        self._note_bound(
            throttled=throttled,
            is_hot=left < (table - replicated) * 0.99,
            is_capped=offered == self._writes_cap,
            seconds=seconds,
        )
        busy = writers if throttled else min(writers, inserted / self.policy.writer_items)
        self._charge_writer(inserted * seconds, used * seconds, busy * seconds)
        return inserted

    def _note_bound(self, *, throttled: bool, is_hot: bool, is_capped: bool, seconds: float) -> None:
        if throttled:
            bound = Kind.PARTITIONS if is_hot else Kind.UNITS
        elif is_capped:
            bound = Kind.WRITES_CAP
        elif self._stream_is_full:
            bound = Kind.STREAM
        elif self.scan.is_done or self.world.pages.items_waiting > self.scan.speed * seconds:
            bound = Kind.WRITERS
        else:
            bound = Kind.SCAN
        bounds = self.world.counts.bounds
        bounds[bound] = bounds.get(bound, 0.0) + seconds

    def _writers(self) -> float:
        pages = self.world.pages
        most = min(self.policy.most_writers, ACCOUNT_CALLS - self.scan.reading)
        each_has_one = pages.items_waiting / self.world.scenario.items_a_page + 1
        return min(pages.shards * self.policy.writers_a_shard, most, each_has_one)

    def _weights(self, head: list[Batch]) -> dict[int, float]:
        """Return which share of the items that are about to be written goes to each of the target's partitions."""
        target = self.world.target
        together = sum(batch.items for batch in head)
        weights: dict[int, float] = {}
        for batch in head:
            for portion in batch.portions:
                partition = target.partition_at(portion.place)
                weights[partition] = weights.get(partition, 0.0) + portion.share * batch.items / together
        return weights

    def _bottleneck(self, weights: dict[int, float], replicated: float, table: float) -> float:
        """Return how many units a second the writer gets: as many as the partition allows that most of them go to.

        Pages are in flight in the order in which they came: those for a hot partition fill all writers.
        """
        target = self.world.target
        left = table - replicated
        for partition, weight in weights.items():
            free = PARTITION_WRITES - replicated * target.width(partition)
            left = min(left, free / weight)
        return max(0.0, left)

    def _starve(self, *, is_starved: bool) -> None:
        world, limit = self.world, self.policy.gives_up_seconds
        if not is_starved:
            self._starved_since = None
            return
        if self._starved_since is None:
            self._starved_since = world.now
        if limit is not None and world.counts.gave_up_at is None and world.now - self._starved_since > limit:
            world.counts.gave_up_at = world.now

    def _store(self, taken: list[Batch], used: float, replicated: float, seconds: float) -> None:
        world = self.world
        for piece in self.scan.under_way:
            piece.arrived = 0.0
        for batch in taken:
            for portion in batch.portions:
                items = batch.items * portion.share
                world.target.store(world.target.partition_at(portion.place), items * world.scenario.item_bytes)
                piece = self._pieces[portion.segment]
                piece.behind -= items
                piece.arrived += items
            world.counts.inserted += batch.items
        for table in (world.target, *world.indexes):
            table.serve(Load(writes=used + replicated), world.now, seconds)
        world.target.split_full()

    def _charge_writer(self, items: float, units: float, busy_seconds: float) -> None:
        world, bill = self.world, self.world.bill
        each = 1 + len(world.indexes)
        useful = items * world.scenario.write_units
        world.counts.units_useful += useful
        world.counts.units_used += units
        bill.take(charges.of_inserts(useful * each))
        bill.add("items written again for nothing", WRITE_REQUEST_UNIT, max(0.0, units - useful))
        calls = items / world.scenario.items_a_page / RECORDS_A_CALL
        bytes_out = items * world.scenario.record_bytes
        bill.take(charges.of_writer(calls=calls, seconds=busy_seconds, bytes_out=bytes_out))
