"""The action and the table of a PartiQL statement, as far as IAM asks for them."""

import functools
import re
from typing import Final

from infra.local.emulator.permissions.requirements.requirement import UnknownCall

_QUOTED: Final = r'"(?:[^"]|"")*"'
_TOKEN: Final = re.compile(rf"{_QUOTED}|'(?:[^']|'')*'|[A-Za-z0-9_.:/-]+|\S")
_VERBS: Final = {"INSERT": "INTO", "UPDATE": "", "DELETE": "FROM", "SELECT": "FROM", "EXISTS": "FROM"}
_ACTIONS: Final = {
    "INSERT": "dynamodb:PartiQLInsert",
    "UPDATE": "dynamodb:PartiQLUpdate",
    "DELETE": "dynamodb:PartiQLDelete",
    "SELECT": "dynamodb:PartiQLSelect",
    "EXISTS": "dynamodb:PartiQLSelect",
}


@functools.lru_cache(maxsize=4096)
def action_and_table(statement: str) -> tuple[str, str, str]:
    """Return (action, table, index) of a statement; the index is empty where it names none.

    Raises:
        UnknownCall: it begins with no verb of PartiQL, or names no table.
    """
    tokens = _TOKEN.findall(statement)
    verb = tokens[0].upper() if tokens else ""
    if verb not in _VERBS:
        raise UnknownCall(
            f"a PartiQL statement begins with {verb[:20]!r}; permissions/requirements/partiql.py knows {[*_VERBS]}"
        )
    before = _VERBS[verb]
    place = 1 if not before else next((at + 1 for at, token in enumerate(tokens) if token.upper() == before), 0)
    if not place or place >= len(tokens):
        raise UnknownCall(f"a PartiQL {verb} names no table where permissions/requirements/partiql.py looks for it")
    name, rest = _unquoted(tokens[place]), tokens[place + 1 : place + 3]
    index = _unquoted(rest[1]) if len(rest) > 1 and rest[0] == "." else ""
    return _ACTIONS[verb], name, index


def _unquoted(token: str) -> str:
    return token[1:-1].replace('""', '"') if token.startswith('"') else token
