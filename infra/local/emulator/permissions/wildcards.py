"""IAM's wildcards: `*` is any text, `?` one character.

In a resource, the two stay within one of the parts that colons divide; only a `*` that ends its part goes on beyond.
"""

import functools
import re
from typing import Final

_ARN_PARTS: Final = 6


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str, *, within_parts: bool, ignores_case: bool) -> re.Pattern[str]:
    pieces = []
    for place, character in enumerate(pattern):
        ends_part = place + 1 == len(pattern) or pattern[place + 1] == ":"
        if character == "*":
            pieces.append("[^:]*" if within_parts and not ends_part else ".*")
        elif character == "?":
            pieces.append("[^:]" if within_parts else ".")
        else:
            pieces.append(re.escape(character))
    return re.compile("".join(pieces), re.DOTALL | (re.IGNORECASE if ignores_case else 0))


def fits_text(pattern: str, text: str) -> bool:
    """Whether a text fits, as StringLike has it."""
    return _compiled(pattern, within_parts=False, ignores_case=False).fullmatch(text) is not None


def fits_action(pattern: str, action: str) -> bool:
    """Whether an action fits; capitals do not matter."""
    return _compiled(pattern, within_parts=False, ignores_case=True).fullmatch(action) is not None


def fits_resource(pattern: str, resource: str) -> bool:
    """Whether a resource fits, as the Resource of a statement has it."""
    return _compiled(pattern, within_parts=True, ignores_case=False).fullmatch(resource) is not None


def fits_arn(pattern: str, arn: str) -> bool:
    """Whether an ARN fits, as ArnLike and ArnEquals have it: each of its six parts for itself."""
    wanted, given = pattern.split(":", _ARN_PARTS - 1), arn.split(":", _ARN_PARTS - 1)
    return len(wanted) == len(given) == _ARN_PARTS and all(map(fits_text, wanted, given))
