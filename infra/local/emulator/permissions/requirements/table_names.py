r"""Names out of a body without parsing it: a batch may have 16 MB, and every call of every worker passes here.

The SDK and the raw calls of `tasks/` write what names the resource first. Only such bodies are read this way; for all
others the answer is None, and the caller parses.

Typed JSON makes it safe to look for what comes later in the body. In an item every value is an object, so a list's end
is followed by `}`; inside a string every quote has a backslash before it. The bytes `], "…":` can so be nothing but
the next table of a batch, or stand across the end of a string, and `"Statement": "` nothing but a statement.
"""

import re
from typing import Final

_WHITE: Final = rb"[ \t\r\n]*"
_STRING: Final = rb"\"[^\"\\]*(?:\\.[^\"\\]*)*\""
_NAME: Final = rb"([A-Za-z0-9_.:/-]+)"
_FIRST: Final = re.compile(
    rb"\{%(w)b\"([A-Za-z]+)\"%(w)b:%(w)b\"%(n)b\"%(w)b[,}]" % {b"w": _WHITE, b"n": _NAME},
)
_FIRST_TABLE: Final = re.compile(
    rb"\{%(w)b\"RequestItems\"%(w)b:%(w)b\{%(w)b\"%(n)b\"%(w)b:%(w)b\[" % {b"w": _WHITE, b"n": _NAME},
)
_NEXT_TABLE: Final = re.compile(rb"(?s)\]%(w)b,%(w)b%(s)b%(w)b:%(w)b\[" % {b"w": _WHITE, b"s": _STRING})
_STATEMENT_KEY: Final = b'"Statement"'
_STATEMENT: Final = re.compile(rb"(?s)\"Statement\"%(w)b:%(w)b(%(s)b)" % {b"w": _WHITE, b"s": _STRING})


def first_member(body: bytes, member: str) -> str | None:
    """Return the value of a member that stands first in the body and is a plain name or an ARN."""
    found = _FIRST.match(body)
    return found[2].decode() if found and found[1].decode() == member else None


def only_table(body: bytes) -> str | None:
    """Return the only table of a BatchWriteItem."""
    found = _FIRST_TABLE.match(body)
    if found is None or body.count(b'"RequestItems"') != 1 or _NEXT_TABLE.search(body, found.end()):
        return None
    return found[1].decode()


def distinct_statements(body: bytes) -> set[bytes]:
    """Return the JSON strings of a batch's statements, each once; empty if there is none to be seen."""
    found = set()
    # In a large body `find` is many times as fast as the expression.
    place = body.find(_STATEMENT_KEY)
    while place >= 0:
        statement = _STATEMENT.match(body, place)
        if statement:
            found.add(statement[1])
        place = body.find(_STATEMENT_KEY, statement.end() if statement else place + 1)
    return found
