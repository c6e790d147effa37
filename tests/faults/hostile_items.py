"""Items that DynamoDB takes and that a careless copier damages, in typed JSON as it travels on the wire."""

import base64
import random
from collections.abc import Iterator
from typing import Any

Item = dict[str, Any]

# A Scan answer has these words too: whoever looks for them in its bytes must not find an item's.
HASH_NAME, RANGE_NAME = "Items", 'it\'s "LastEvaluatedKey"'

NUMBERS = (
    # DynamoDB Local sends numbers back in their shortest plain form if they stand at the top level or in a set, `-0` as
    # `0` and `1e2` as `100`. Nested ones it sends as they were written, so there every spelling takes the whole way.
    "0",
    "-0",
    "-0.0e5",
    "1e2",
    "2.50",
    "1E-130",
    "-1E-130",
    "9.9999999999999999999999999999999999999E+125",
    "-9.9999999999999999999999999999999999999E+125",
    "12345678901234567890123456789012345678",
    "12345678901234567890123456789012345679",  # a double has no place for the difference
    "-0.00012345678901234567890123456789012345678",
)
TEXTS = (
    "",
    " ",
    '\'; DROP TABLE "source" --',
    '"],"Count":0,"ScannedCount":0}',
    "\\",
    "e\u0301",
    "\u00e9",
    "\u2028\ufeff\uffff\U0001f600",
    "".join(map(chr, range(32))) + "\x7f",
    "half of a pair \ud83d",
    "\ude00\ud83d",
)
LOOK_ALIKES = (
    "\u00e9",
    "e\u0301",
    "\u00c9",
    "E\u0301",
    "e",
    "E",
    " e",
    "e ",
    "\ufb01",
    "fi",
    "Fi",
    "e\x00",
    "\uff45",
    "e\ud83d",
)
"""Keys that are equal once somebody normalises, folds case or strips."""
LONGEST_KEYS = ("\x01" * 2048, "\u0436" * 1024, "\\" * 2047 + '"')
"""2,048 bytes each; JSON makes up to six of one."""
RANGES = (b"\x00", b"\x00\x00", b"\xff", b"\x00\xff" * 512)

NAMES = (
    "it's",
    "'",
    "''",
    '"q"',
    "a.b",
    "a.b[0]",
    " lead",
    "trail ",
    " ",
    "\\",
    "back\\slash'",
    "a\nb\t",
    "\x00",
    "?",
    "x; --",
    "#n",
    ":v",
    "}, {",
    "\U0001f600",
    "half\ud83d",
    "\u00e9",
    "e\u0301",
    "select",
    "SELECT",
    "NULL",
    "Count",
    "LastEvaluatedKey",
    "aws:rep",
    "n" * 255,
    "n" * 256,
    "\u0436" * 200,
    "'" * 4000,  # doubled it is 8,000, and its statement just fits
    "n" * 9000,  # no statement has room for it
    "n" * 65_000,
)

SCALARS: tuple[Item, ...] = (
    {"S": ""},
    {"N": "-0"},
    {"B": ""},
    {"BOOL": False},
    {"NULL": True},
    {"SS": ["", "e\u0301", "\u00e9"]},
    {"NS": ["1E-130", "-12345678901234567890123456789012345678", "0"]},
    {"BS": ["", "AA==", "//79"]},
)
LEVELS = 31
"""DynamoDB nests 32 levels deep, and counts the innermost value too."""


def nested(levels: int = LEVELS) -> Item:
    """Return a value with all ten types on each of its levels."""
    value: Item = {"L": [*SCALARS]}
    for level in range(levels - 1):
        beside: list[Item] = [*SCALARS, {"L": []}, {"M": {}}]
        named = {**dict(zip(NAMES, beside, strict=False)), "in": value}
        value = {"L": [*beside, value]} if level % 2 else {"M": named}
    return value


def contents() -> list[Item]:
    """Return what items may have besides their key."""
    return [
        {},
        {"all": nested(), "text": {"L": [{"S": text} for text in TEXTS]}},
        *({f"{kind}": scalar} for scalar in SCALARS for kind in scalar),
        *({"n": {"N": number}, "in": {"L": [{"N": number}, {"NS": [number]}]}} for number in NUMBERS),
        *({name: {"S": name[:20]}, "in": {"M": {name: {"M": {name: {"N": "-0"}}}}}} for name in NAMES),
        {name: {"S": text} for name, text in zip(NAMES[:26], TEXTS * 3, strict=False)},
        # DynamoDB compares at most a hundred of them in a condition; 255 is a byte's worth.
        {f"a{number}": {"N": str(number)} for number in range(300)},
        # Each name is short, but all of them together leave a statement no room.
        {f"{number:03}" + "n" * 250: {"BOOL": True} for number in range(40)},
        # At the top level these are DynamoDB's own, and stay behind.
        {"in": {"M": {"aws:rep:deleting": {"BOOL": False}}}},
    ]


def keys() -> list[Item]:
    """Return keys of a string and a binary."""
    return [
        {HASH_NAME: {"S": text}, RANGE_NAME: {"B": base64.b64encode(data).decode()}}
        for text in (*LOOK_ALIKES, *LONGEST_KEYS)
        for data in (RANGES if text in LOOK_ALIKES[:2] else RANGES[:1])
    ]


LARGEST_BYTES = 400 * 1024
"""What an item may have, names included."""


def noise(bytes_: int, seed: int) -> str:
    """Return so many bytes that no compression makes smaller, in base64."""
    return base64.b64encode(random.Random(seed).randbytes(bytes_)).decode()


def control_characters(count: int, seed: int) -> str:
    """Return text of which JSON makes six bytes a character."""
    escaped = [chr(code) for code in range(32) if chr(code) not in "\b\t\n\f\r"]
    return "".join(random.Random(seed).choices(escaped, k=count))


def large_contents(room: int) -> Iterator[Item]:
    """Yield attributes of near the largest size.

    Args:
        room: what the key leaves of it in bytes.
    """
    for seed in range(6):
        yield {"b": {"B": noise(room - 1 - seed * 500, seed)}}
    yield {"s": {"S": control_characters(room - 1, 1)}}
    yield {"s": {"S": "\u0436" * ((room - 1) // 2)}}
    yield {"bs": {"BS": [noise(1000, seed) for seed in range(380)]}}
    yield {"l": {"L": [{"B": noise(1, seed)} for seed in range(20_000)]}}
