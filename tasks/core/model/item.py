"""DynamoDB's typed JSON, and what is equal in it.

An item is a dict of attribute names to attribute values in the form that travels on the wire:
`{"pk": {"S": "a"}, "n": {"N": "1"}, "raw": {"B": "<base64>"}}`. Nothing here converts it to Python values, because
each conversion is a chance to damage one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import BeforeValidator, PlainSerializer

AttributeValue = dict[str, Any]
Item = dict[str, AttributeValue]
ValueT = TypeVar("ValueT")

HALF_PAIRS_AS_ESCAPES = "backslashreplace"
"""How to encode text whose JSON is UTF-8. DynamoDB takes half of a surrogate pair (`"\\ud83d"`), which UTF-8 cannot
say; as an escape it goes out as it came. In JSON it can only stand within a string, where an escape may stand too."""


def json_text(value: object) -> str:
    """Return JSON in which text stays readable, and which is UTF-8 whatever is in it."""
    return json.dumps(value, ensure_ascii=False).encode(errors=HALF_PAIRS_AS_ESCAPES).decode()


def json_bytes(value: object, *, is_sorted: bool = False) -> bytes:
    """Return JSON without spaces, which is UTF-8 whatever is in it.

    Text is not escaped: it would grow threefold, and a batch of changes that came in an event of 6 MB would be beyond
    the 16 MB that a call of DynamoDB may have.

    Args:
        value: dictionaries, lists, text, numbers, booleans and `None`.
        is_sorted: whether names come in one order, whichever they stand in.
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if is_sorted else None)
    except TypeError:  # half of a surrogate pair is in it, which orjson refuses
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=is_sorted)
        return text.encode(errors=HALF_PAIRS_AS_ESCAPES)


def _told(cursor: Item | None) -> Item | str | None:
    """Return a cursor as it goes into a state's output: Lambda's runtime sends UTF-8, and fails on half of a pair."""
    try:
        json.dumps(cursor, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return json.dumps(cursor)
    return cursor


def _read(cursor: object) -> object:
    return json.loads(cursor) if isinstance(cursor, str) else cursor


Cursor = Annotated[Item | None, BeforeValidator(_read), PlainSerializer(_told, when_used="json")]
"""A LastEvaluatedKey that travels in a state's data. `None` at both ends of a segment."""

TOMBSTONE_ATTRIBUTE = "tableferry:tombstone"
"""Marks a delete that is remembered at the target. The name is ours: an owner's item must not have it."""

LEGACY_REPLICATION_PREFIX = "aws:rep:"
"""A global table of version 2017 adds top-level attributes with this prefix; they are never copied."""

MOST_DIGITS = 38
_ALWAYS_EXACT = frozenset({"S", "B", "BOOL", "NULL"})

# DynamoDB keeps 38 significant digits; one digit more than it can send keeps every value apart.
_NUMBERS = Context(prec=40, Emax=999, Emin=-999)


@dataclass(frozen=True, slots=True)
class KeySchema:
    """The names of a table's key attributes, and their types `S`, `N` or `B`."""

    hash_name: str
    hash_type: str
    range_name: str | None = None
    range_type: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The key attributes' names, partition key first."""
        return (self.hash_name,) if self.range_name is None else (self.hash_name, self.range_name)

    def key_of(self, item: Mapping[str, AttributeValue]) -> Item:
        """Return the item's key, in typed JSON."""
        return {name: item[name] for name in self.names}


def is_tombstone(item: Mapping[str, AttributeValue]) -> bool:
    """Whether a target's item is a remembered delete."""
    return TOMBSTONE_ATTRIBUTE in item


def without_legacy_attributes(item: dict[str, ValueT]) -> dict[str, ValueT]:
    """Return the item, read or not, without the attributes that a 2017 global table added at its top level."""
    if any(name.startswith(LEGACY_REPLICATION_PREFIX) for name in item):
        return {name: value for name, value in item.items() if not name.startswith(LEGACY_REPLICATION_PREFIX)}
    return item


def canonical(item: Mapping[str, AttributeValue]) -> bytes:
    """Return bytes that are equal exactly when two items are.

    Sets are unordered, numbers compare by value, and everything else exactly: no Unicode normalisation, no difference
    between attribute orders, `""` is not absent.
    """
    return json_bytes(_canonical_values(item), is_sorted=True)


def canonical_number(digits: str) -> str:
    """Return one spelling for all spellings of a number: `2.50`, `2.5` and `25e-1` are `25E-1`; `-0` is `0`."""
    unsigned = digits.removeprefix("-")
    whole, _, part = unsigned.partition(".")
    plain = whole + part
    # Nearly all are written so, and Decimal takes five times as long.
    if len(plain) <= MOST_DIGITS and plain.isascii() and plain.isdecimal():
        kept = plain.strip("0")
        minus = "" if len(unsigned) == len(digits) else "-"
        return f"{minus}{kept}E{len(plain) - len(plain.rstrip('0')) - len(part)}" if kept else "0"
    number = _NUMBERS.create_decimal(digits)
    if not number:
        return "0"
    sign, figures, exponent = number.normalize(_NUMBERS).as_tuple()
    return f"{'-' if sign else ''}{''.join(map(str, figures))}E{exponent}"


def _canonical_values(values: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
    return {name: value if "S" in value else _canonical_value(value) for name, value in values.items()}


def _canonical_value(value: AttributeValue) -> AttributeValue:
    ((kind, content),) = value.items()
    if kind in _ALWAYS_EXACT:
        return value
    if kind == "N":
        return {"N": canonical_number(content)}
    if kind == "M":
        return {"M": _canonical_values(content)}
    if kind == "L":
        return {"L": [_canonical_value(inner) for inner in content]}
    if kind == "NS":
        return {"NS": sorted(map(canonical_number, content))}
    return {kind: sorted(content)}
