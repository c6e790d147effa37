"""One state of a whole migration, as numbers: hashable, small, and all that the next step may depend on.

A **position** is that of a write in the source's history, from 1; it is its sequence number too. A **cell** is what the
target has under a key: 0 is nothing, a position is the item that the source put there, a negative number a tombstone,
and from `APPLICATION` on an item of the application's own.
"""

from typing import NamedTuple, TypeVar

Value = TypeVar("Value")

LETTERS = "abc"
APPLICATION = 1000

PHASES = (
    "before",
    "settling",
    "backfill",
    "detaching",
    "closing",
    "purging",
    "proof",
    "protecting",
    "draining",
    "cutting over",
    "flipping",
    "moved",
    "ended",
)
"""CutOver flips in a step of its own only where the world may break the route, and the run ends after the move only
where the bounds ask for it: so nothing else that is explored has more states for it."""

MOVED = frozenset({"moved", "ended"})
"""The application writes to the target."""


class Write(NamedTuple):
    """The source took a put or a delete."""

    key: int
    content: int
    """0 is a delete; else the position at which this content was put first."""


class Record(NamedTuple):
    """A page in Kinesis."""

    number: int
    items: tuple[tuple[int, int], ...]
    """(key, position) of each item that the scan saw."""


class Scanner(NamedTuple):
    """The segment's scan."""

    cursor: int
    """The first key that is not in a page whose cursor was returned."""
    number: int
    """Of the page to be scanned next."""
    page: Record | None = None
    """The page in hand."""
    end: int = 0
    """The first key behind the page in hand."""
    step: int = 0
    """How many steps were taken with it."""


class Delivery(NamedTuple):
    """An invocation of the writer, which has found no receipt."""

    record: Record
    step: int
    """How many items are written, and the receipt."""


class Batch(NamedTuple):
    """An invocation of the replicator."""

    start: int
    """Changes up to here were applied before."""
    end: int
    rule: int
    """As it was read at the beginning: an index of RULE_ORDER."""
    step: int = 0
    """Which of the replicator's steps comes next."""
    applied: tuple[int, ...] = ()
    """The keys of the stretch whose change is dealt with."""
    seen: tuple[int, ...] = ()
    """Under the late rule: the cells that were read before they are written, of all keys."""
    entered: tuple[int, ...] = ()
    """And what the late ledger said when it was read."""


class Mark(NamedTuple):
    """A shard's watermark."""

    position: int
    rule: int


class State(NamedTuple):
    """Everything."""

    phase: str
    history: tuple[Write, ...]
    target: tuple[int, ...]
    marks: tuple[Mark | None, ...]
    checkpoints: tuple[int, ...]
    """Lambda's own, by shard: up to here it takes the changes for applied."""
    reach: tuple[int, ...]
    """Up to here a batch had come of which something is applied, but no watermark tells."""
    batches: tuple[Batch | None, ...]
    streamed_from: int = -1
    """So many writes came before the stream was on; -1 while it is off."""
    scanner: Scanner | None = Scanner(0, 0)
    """`None` once no page can come any more."""
    kinesis: frozenset[Record] = frozenset()
    sent: tuple[tuple[int, Record], ...] = ()
    """The send ledger: of each number the last sending."""
    receipts: frozenset[Record] = frozenset()
    deliveries: frozenset[Delivery] = frozenset()
    noted: frozenset[Delivery] = frozenset()
    """How far writers have noted to be with pages that they did not end."""
    tombstones: frozenset[int] = frozenset()
    """The tombstone ledger: keys."""
    swept: frozenset[int] = frozenset()
    """Keys whose tombstone is removed and whose entry is not struck out."""
    rule: int = 0
    is_waited: bool = False
    """Whether one time-out has passed since the rule was set."""
    tips: tuple[int, ...] = ()
    """Of the moment that is waited for; after the cut-over, of the one that was passed last."""
    proven: frozenset[int] = frozenset()
    late: tuple[int, ...] = ()
    """The late ledger: by key, the last late change that is dealt with, 0 for none."""
    rejected: frozenset[int] = frozenset()
    """Positions of changes that are kept as rejects."""
    refused: frozenset[int] = frozenset()
    """Keys of pages' items that are kept as rejects."""
    owned: frozenset[int] = frozenset()
    """Keys under which the target has what the application left there."""
    application: int = 0
    """The application's writes so far."""
    carried: tuple[int, ...] = ()
    """By key, the last change that was carried over or found applied since the last moment before the cut-over."""
    horizon: tuple[int, ...] = ()
    """By shard, up to here changes are passed over; empty where the stream was turned on by the run."""
    horizon_at: int = -1
    """So many writes had come when the horizon was taken."""
    is_left_over: bool = False
    """Whether the earlier run's batch has come."""
    is_broken: bool = False
    """Whether the world has broken the route."""
    streamed_until: int = -1
    """So many writes had come when the stream was turned off; -1 while it is on."""
    begins: tuple[int, ...] = ()
    """By shard, the position behind which a mapping begins that was made anew; empty: at the stream's beginning."""
    has_looked: bool = False
    """Whether a phase that looks early has found the route whole."""
    is_resumed: bool = False
    last_tips: tuple[int, ...] = ()
    """Those that DrainLateWrites took last."""


Step = tuple[str | int, ...]
"""A sentence with `{}` in it, and what stands there."""


def in_words(step: Step) -> str:
    """Say what happened."""
    sentence, *places = step
    return str(sentence).format(*places)


def item_name(key: int, position: int) -> str:
    """Name an item by its key and the write that put it: `a2`."""
    return f"{LETTERS[key]}{position}"


def put_at(values: tuple[Value, ...], index: int, value: Value) -> tuple[Value, ...]:
    """Return the tuple with another value in one place."""
    return (*values[:index], value, *values[index + 1 :])
