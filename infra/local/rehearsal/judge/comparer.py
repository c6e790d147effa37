"""The judge: compares tables item by item with the application's journal of accepted writes.

It is independent on purpose: plain boto3 and the journal's lines, none of the code that moved the items or wrote them.
Numbers compare by value to their last digit, sets without order, everything else exactly.
"""

import json
import time
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import boto3
from rich.table import Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Key: TypeAlias = tuple[tuple[str, Hashable], ...]  # each key attribute's type and value
Kind = Literal["lost", "resurrected", "differing", "extra"]
KINDS: tuple[Kind, ...] = ("lost", "resurrected", "differing", "extra")
_MEANINGS = (
    "lost: an accepted write is not there; resurrected: a deleted item is back; "
    "differing: an item is not as it was written; extra: an item that nobody wrote"
)

_SEGMENTS = 16  # DynamoDB Local's pages cost more the larger their segment is
_READERS = 4
_POLL_SECONDS = 0.5
_SAMPLES = 10
_OK = 200


@dataclass(frozen=True)
class Place:
    """A table to be judged.

    Attributes:
        label: what the report calls it.
        session: a session of the table's region.
        table: the table's name.
        written_as: only the writes that went to the table of this name count here; None: all of them.
        settle_seconds: how long differences may last until they count: replicas follow with a delay.
    """

    label: str
    session: boto3.Session
    table: str
    written_as: str | None = None
    settle_seconds: float = 0.0


@dataclass(frozen=True)
class Difference:
    """One item that is not as the journal says."""

    kind: Kind
    key: str
    attributes: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """What was found in one place."""

    label: str
    expected_items: int
    read_items: int
    differences: Sequence[Difference]

    def count(self, kind: Kind) -> int:
        """Return how many items differ in this way."""
        return Counter(difference.kind for difference in self.differences)[kind]


@dataclass(frozen=True)
class Comparison:
    """The verdict on all places."""

    judgements: Sequence[Judgement]

    @property
    def equal(self) -> bool:
        """Whether every place holds exactly what was written there, and something was."""
        return all(place.expected_items and not place.differences for place in self.judgements)

    def table(self) -> Table:
        """Return the verdict as a table: a row per way to differ, a column per place."""
        shown = Table(title="Compared with the journal, item by item", caption=_MEANINGS)
        shown.add_column("items")
        for place in self.judgements:
            shown.add_column(place.label, justify="right")
        shown.add_row("expected", *(f"{place.expected_items:,}" for place in self.judgements))
        shown.add_row("read", *(f"{place.read_items:,}" for place in self.judgements), end_section=True)
        for kind in KINDS:
            counts = [place.count(kind) for place in self.judgements]
            shown.add_row(kind, *(f"[bold red]{count:,}[/]" if count else "[green]0[/]" for count in counts))
        return shown

    def samples(self) -> list[str]:
        """Return the first differences of every place in words."""
        return [
            f"{place.label}: {difference.kind} {difference.key}"
            + (f" (attributes: {', '.join(difference.attributes)})" if difference.attributes else "")
            for place in self.judgements
            for difference in place.differences[:_SAMPLES]
        ]


def compare(journal: Path, places: Sequence[Place]) -> Comparison:
    """Compare every place with the journal; the application must have stopped."""
    written = {place.written_as: Written() for place in places}
    with journal.open(encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            for table, states in written.items():
                if table is None or table == entry["table"]:
                    states.add(entry)
    return Comparison([_judge(place, written[place.written_as]) for place in places])


def _judge(place: Place, written: "Written") -> Judgement:
    """Read the place until it is right or its time to settle is over."""
    client = _reading_client(place.session)
    deadline = time.monotonic() + place.settle_seconds
    while True:
        with ThreadPoolExecutor(_READERS) as readers:
            judged = list(
                readers.map(lambda segment: _judge_segment(place, client, written, segment), range(_SEGMENTS))
            )
        differences = [difference for segment in judged for difference in segment.differences]
        absent = written.expected_keys().difference(*(segment.keys for segment in judged))
        differences += filter(None, (written.difference(key, None) for key in absent))
        if not differences or time.monotonic() >= deadline:
            read_items = sum(segment.read_items for segment in judged)
            differences.sort(key=lambda difference: (difference.kind, difference.key))
            return Judgement(place.label, len(written.expected_keys()), read_items, differences)
        time.sleep(_POLL_SECONDS)


@dataclass
class _Segment:
    """What one segment of the parallel scan held."""

    keys: set[Key] = field(default_factory=set)
    read_items: int = 0
    differences: list[Difference] = field(default_factory=list)


def _judge_segment(place: Place, client: "DynamoDBClient", written: "Written", segment: int) -> _Segment:
    judged = _Segment()
    for item in _iter_items(client, place.table, segment):
        key = written.key_of(item)
        judged.keys.add(key)
        judged.read_items += 1
        difference = written.difference(key, item)
        if difference:
            judged.differences.append(difference)
    return judged


def _iter_items(client: "DynamoDBClient", table: str, segment: int) -> Iterator[dict[str, Any]]:
    """Yield a segment's items by consistent scans, in typed JSON exactly as DynamoDB sent it."""
    pages: Any = client.get_paginator("scan").paginate(
        TableName=table, ConsistentRead=True, Segment=segment, TotalSegments=_SEGMENTS
    )
    for page in pages:
        yield from page["ItemsAsSent"]


def _reading_client(session: boto3.Session) -> "DynamoDBClient":
    """Return a client whose Scan hands over the items as they were sent.

    boto3 would decode binary values and take five times as long as the comparison.
    """
    client = session.client("dynamodb")
    client.meta.events.register("before-parse.dynamodb.Scan", _keep_as_sent)
    return client


def _keep_as_sent(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: object) -> None:
    """Take the items out of the answer before boto3 parses it; the cursor stays."""
    if response_dict["status_code"] == _OK:
        page = json.loads(response_dict["body"])
        customized_response_dict["ItemsAsSent"] = page.pop("Items")
        response_dict["body"] = json.dumps(page).encode()


class Written:
    """What the journal says of every key: all images it ever had, in order."""

    def __init__(self) -> None:
        self._key_names: tuple[str, ...] = ()
        self._states: dict[Key, _States] = {}

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take in one line of the journal."""
        self._key_names = tuple(entry["key"])
        key = self.key_of(entry["key"])
        image = None if entry["image"] is None else json.dumps(entry["image"])
        match entry["outcome"]:
            case "accepted":
                states = self._states.setdefault(key, _States())
                states.images.append(image)
                states.uncertain.clear()
            case "uncertain":
                self._states.setdefault(key, _States([None])).uncertain.append(image)
            case "refused" if key in self._states:
                self._states[key].uncertain.clear()

    def key_of(self, item: Mapping[str, Any]) -> Key:
        """Return an item's key as a value that equals exactly the same key."""
        return tuple(canonical(item[name]) for name in self._key_names)

    def expected_keys(self) -> set[Key]:
        """Return the keys that must exist."""
        return {key for key, states in self._states.items() if None not in states.right()}

    def difference(self, key: Key, found: Mapping[str, Any] | None) -> Difference | None:
        """Judge what a table holds under a key (None: nothing).

        Returns:
            None if it is right, else how it is wrong. An item as an earlier write left it counts as lost: a later
            accepted write is not there.
        """
        states = self._states.get(key)
        if states is None:
            return None if found is None else Difference("extra", _in_words(key), ())
        right = [None if image is None else json.loads(image) for image in states.right()]
        if any(same(found, image) for image in right):
            return None
        last = right[0]
        if found is None:
            return Difference("lost", _in_words(key), ())
        if last is None:
            return Difference("resurrected", _in_words(key), ())
        unequal = tuple(sorted(name for name in {*found, *last} if not same(_only(found, name), _only(last, name))))
        earlier = any(image is not None and same(found, json.loads(image)) for image in states.images[:-1])
        return Difference("lost" if earlier else "differing", _in_words(key), unequal)


@dataclass
class _States:
    """One key's images as JSON text, None where it did not exist; and those that are meant but not certain."""

    images: list[str | None] = field(default_factory=list)
    uncertain: list[str | None] = field(default_factory=list)

    def right(self) -> list[str | None]:
        """Return the images of which any is right, the last certain one first."""
        return [self.images[-1], *self.uncertain]


def _in_words(key: Key) -> str:
    return "/".join(str(value) for _, value in key)


def _only(item: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {name: item[name]} if name in item else {}


def same(one: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> bool:
    """Tell whether two items of typed JSON, or two maps, are the same."""
    if one is None or other is None:
        return one is other
    return one == other or (one.keys() == other.keys() and all(_same_value(one[name], other[name]) for name in one))


def _same_value(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return one == other or canonical(one) == canonical(other)


def canonical(value: Mapping[str, Any]) -> tuple[str, Hashable]:
    """Return a value that equals another's exactly if DynamoDB's values are the same.

    Raises:
        ValueError: it is no typed value, or of a type that this judge does not know.
    """
    ((kind, content),) = value.items()
    match kind:
        case "S" | "B" | "BOOL" | "NULL":
            return kind, content
        case "N":
            return kind, Decimal(content)
        case "SS" | "BS":
            return kind, frozenset(content)
        case "NS":
            return kind, frozenset(map(Decimal, content))
        case "L":
            return kind, tuple(map(canonical, content))
        case "M":
            return kind, frozenset((name, canonical(inner)) for name, inner in content.items())
    raise ValueError(f"unknown type {kind!r}; teach the comparer how its values compare")
