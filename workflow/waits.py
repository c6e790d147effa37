"""How often the function of a state is called that waits for something: as the definition lets it."""

from typing import NamedTuple

from workflow.definition import iter_states, read_definition

OF_TURNS = "TurnPending"
"""A wait that somebody asked for, by a cap or a pause."""


class CallsAMinute(NamedTuple):
    """Of a state that waits."""

    least: float
    """Once it has waited for long."""
    most: float
    """At first."""


def calls_a_minute_of_waiting() -> dict[str, CallsAMinute]:
    """Return it by state, of those that can say: not yet."""
    found = {}
    for name, state in iter_states(read_definition()):
        waits = [retrier for retrier in state.get("Retry", []) if _is_wait(retrier["ErrorEquals"])]
        if waits:
            first = min(retrier["IntervalSeconds"] for retrier in waits)
            longest = max(retrier.get("MaxDelaySeconds", retrier["IntervalSeconds"]) for retrier in waits)
            found[name] = CallsAMinute(60 / longest, 60 / first)
    return found


def _is_wait(errors: list[str]) -> bool:
    return any(error.endswith("Pending") and error != OF_TURNS for error in errors)
