"""Which processes came of one, and whether they still run: nothing may be left behind."""

from contextlib import suppress
from pathlib import Path

_GONE = (FileNotFoundError, ProcessLookupError)  # it may go between opening and reading


def descendants(pid: int) -> set[int]:
    """All living children of a process, their children included."""
    found: set[int] = set()
    with suppress(*_GONE):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in map(int, children.read_text().split()):
                found |= {child} | descendants(child)
    return found


def is_running(pid: int) -> bool:
    """Tell whether a process exists that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except _GONE:
        return False
    return state != "Z"  # only nobody has asked how it ended
