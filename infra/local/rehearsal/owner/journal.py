"""The application's journal: what its owner knows to be true, one line of JSON per write, in order per key.

A line is ``{"at", "operation", "table", "key", "outcome", "image"}``: `at` in milliseconds since 1970, `key` and
`image` in typed JSON, `image` null for a deletion. Outcomes:

- `accepted`: the table said yes. `image` is the whole item as the write must have left it.
- `refused`: the table said no; nothing changed. `error` names why.
- `uncertain`: no answer came. `image` is what was meant; a later line with the same key says `accepted` or `refused`,
  and if none does, both states are right.
"""

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from infra.local.rehearsal.owner.airports import Item

Outcome = Literal["accepted", "refused", "uncertain"]
# Half of what `json.dumps` with separators costs, and every write of load and application comes through here.
_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


@dataclass(frozen=True)
class Entry:
    """One line of the journal, see there."""

    at: int
    operation: str
    table: str
    key: Item
    outcome: Outcome
    image: Item | None = None
    error: str | None = None


class Journal:
    """Appends to the file at `path`; safe to share between threads. Whoever writes a key's lines orders them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def add_all(self, entries: Iterable[Entry]) -> None:
        """Append lines and hand them to the operating system, so that a reader, or a crash, finds them whole."""
        lines = "".join(_encode(vars(entry)) + "\n" for entry in entries)
        with self._lock:
            self._file.write(lines)
            self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read(path: Path) -> Iterator[Entry]:
    """Yield the journal's entries in the file's order."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            fields: dict[str, Any] = json.loads(line)
            yield Entry(**fields)
