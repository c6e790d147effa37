"""Why the target refused items, in words that can be shown anywhere.

What is kept with a reject are the target's own words, which may quote the item. Of these only what is known to be about
names and types is repeated: an index, an attribute of its key, a type.
"""

import re
from collections import Counter
from collections.abc import Iterable

from tasks.core.model.item import Item, json_text

DEFECT = "a defect of tableferry"
"""How the reason of a reject begins that the target never saw."""
SHOWN_REASONS = 5
SHOWN_KEYS = 3

_CODE = re.compile(r"[A-Za-z]+")
_TYPE = re.compile(r"Type mismatch for Index Key (.+?) Expected: (\w+) Actual: (\w+)(?: IndexName: ([\w.-]+))?")
_EMPTY = re.compile(r"cannot contain an empty (string|binary) value\. IndexName: ([\w.-]+), IndexKey: (\S+)")
_LARGE = re.compile(r"Item size .*exceeded")


def reason_in_words(reason: str) -> str:
    """Return why an item was refused, without any of its values.

    Args:
        reason: as it is kept: the target's error code and sentence.
    """
    if reason.startswith(DEFECT):
        return DEFECT
    code, _, said = reason.partition(":")
    if not _CODE.fullmatch(code):
        return "for a reason that is kept with them"
    if found := _TYPE.search(said):
        attribute, wanted, given, index = found.groups()
        return f"{code}: {_named(index)} takes {attribute} as {wanted}, and it is {given}"
    if found := _EMPTY.search(said):
        kind, index, attribute = found.groups()
        return f"{code}: {_named(index)} takes no empty {kind} as {attribute}"
    if _LARGE.search(said):
        return f"{code}: the item is too large"
    return f"{code} (its own words are kept with them)"


def reasons_in_words(rejected: Iterable[tuple[Item, str]]) -> str:
    """Return the reasons with counts and some keys, the most frequent first.

    Args:
        rejected: keys with the reason as it is kept.
    """
    counts: Counter[str] = Counter()
    samples: dict[str, list[str]] = {}
    for key, reason in rejected:
        words = reason_in_words(reason)
        counts[words] += 1
        if counts[words] <= SHOWN_KEYS:
            samples.setdefault(words, []).append(json_text(key))
    shown = [
        f"{count} x {words}, for example {', '.join(samples[words])}"
        for words, count in counts.most_common(SHOWN_REASONS)
    ]
    others = len(counts) - len(shown)
    return "; ".join([*shown, *([f"and {others} other reasons"] if others else [])])


def _named(index: str | None) -> str:
    return f"index {index}" if index else "an index"
