"""Which processes came of one, and whether they still run: nothing may be left behind."""

from pathlib import Path


def descendants(pid: int) -> set[int]:
    """All living children of a process, their children included."""
    found: set[int] = set()
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found |= {child} | descendants(child)
    return found


def is_running(pid: int) -> bool:
    """Tell whether a process exists that has not ended."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # it may go between opening and reading
        return False
    return state != "Z"  # only nobody has asked how it ended
