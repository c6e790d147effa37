"""The one definition of the state machine, rendered for the engine that runs it.

`migration.asl.json` is what is reviewed, drawn in the console and deployed. Rendering fills its holes
(`${ScanSegmentArn}`), and turns what an engine does not know into what it does; it never adds or drops a state.
"""

import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

DEFINITION_FILE = Path(__file__).with_name("migration.asl.json")
INLINE_CONCURRENCY = 40
"""What an inline Map runs at a time at most."""

State = dict[str, Any]

_HOLE = re.compile(r"\$\{(\w+)}")


class Engine(StrEnum):
    """What runs the definition."""

    AWS = "aws"
    """Step Functions itself: each Map is distributed."""
    EMBEDDED = "embedded"
    """The engine of the local AWS: each Map is inline."""
    STEP_FUNCTIONS_LOCAL = "step-functions-local"
    """Amazon's emulator (2.0.0): each Map is inline, and nothing is younger than November 2022."""


class HoleUnfilled(Exception):  # noqa: N818 — it says what is wrong
    """The definition has holes that nothing was given for, or something was given for which there is no hole."""


def read_definition() -> dict[str, Any]:
    """Return the definition as it is in the repository, holes and all."""
    definition: dict[str, Any] = json.loads(DEFINITION_FILE.read_text(encoding="utf-8"))
    return definition


def holes(definition: Mapping[str, Any]) -> set[str]:
    """Return the names of the definition's holes."""
    return set(_HOLE.findall(json.dumps(definition)))


def iter_states(definition: Mapping[str, Any]) -> Iterator[tuple[str, State]]:
    """Yield (name, state) of all states, those inside a Map after their Map."""
    for name, state in definition["States"].items():
        yield name, state
        inner = state.get("ItemProcessor") or state.get("Iterator")
        if inner:
            yield from iter_states(inner)


def iter_phases(definition: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the states that take time, in order; those inside a Map are part of their Map."""
    for name, state in definition["States"].items():
        if state["Type"] not in {"Choice", "Pass"}:
            yield name


def render(engine: Engine, substitutions: Mapping[str, str], *, most_poll_seconds: int | None = None) -> dict[str, Any]:
    """Return the definition for an engine.

    Args:
        engine: what will run it.
        substitutions: hole name to value, such as `ScanSegmentArn`.
        most_poll_seconds: a bound for the waits between polls, for runs that are watched; the definition's own waits
            keep a migration of weeks far below the 25,000 events of a history.

    Raises:
        HoleUnfilled: substitutions and holes do not match.
    """
    definition = read_definition()
    if holes(definition) != set(substitutions):
        odd = sorted(holes(definition) ^ set(substitutions))
        raise HoleUnfilled(
            f"{', '.join(odd)}: every hole of {DEFINITION_FILE.name} needs a value and every value a hole; "
            "states and functions have to be named alike"
        )
    for _, state in iter_states(definition):
        if most_poll_seconds is not None:
            _bound_polls(state, most_poll_seconds)
        if state["Type"] == "Map" and engine is not Engine.AWS:
            _make_inline(state)
    text = _HOLE.sub(lambda hole: json.dumps(substitutions[hole[1]])[1:-1], json.dumps(definition))
    rendered: dict[str, Any] = json.loads(text)
    if engine is Engine.STEP_FUNCTIONS_LOCAL:
        _use_older_language(rendered)
    return rendered


def _bound_polls(state: State, most_seconds: int) -> None:
    for retrier in state.get("Retry", []):
        if any(name.endswith("Pending") for name in retrier["ErrorEquals"]):
            # The longest delay has to be above the first.
            retrier["MaxDelaySeconds"] = max(2, most_seconds)
            retrier["IntervalSeconds"] = min(retrier["IntervalSeconds"], retrier["MaxDelaySeconds"] - 1)


def _make_inline(state: State) -> None:
    state["ItemProcessor"]["ProcessorConfig"] = {"Mode": "INLINE"}
    state.pop("Label", None)


def _use_older_language(definition: dict[str, Any]) -> None:
    """Say the same with what the language had before December 2022: no source says that the emulator knows more."""
    definition.pop("QueryLanguage", None)
    for _, state in list(iter_states(definition)):
        for retrier in state.get("Retry", []):
            _use_older_retry(retrier)
        if state["Type"] == "Map":
            state["Iterator"] = state.pop("ItemProcessor")
            state["Iterator"].pop("ProcessorConfig")
            state["Parameters"] = state.pop("ItemSelector")
            # It knows no path here, and an inline Map runs no more than this at a time anyway.
            del state["MaxConcurrencyPath"]
            state["MaxConcurrency"] = INLINE_CONCURRENCY


def _use_older_retry(retrier: dict[str, Any]) -> None:
    retrier.pop("JitterStrategy", None)
    if retrier.pop("MaxDelaySeconds", None) is not None:
        # Without a longest delay a wait of many attempts would grow to days; equal delays keep it bounded.
        retrier["BackoffRate"] = 1.0
