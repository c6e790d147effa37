"""The histories in `recorded/`, as boto3 returns them."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("recorded")
RECORDED = sorted(file.stem for file in FOLDER.glob("*.json"))


def recorded(name: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for event in events:
        event["timestamp"] = datetime.fromisoformat(event["timestamp"])
    return events


def with_something_to_move(events: list[dict[str, Any]], thing: str) -> list[dict[str, Any]]:
    """Return the events of the same run, had Preflight found something that hangs on the source."""
    text = json.dumps([{**event, "timestamp": None} for event in events])
    escaped = json.dumps(json.dumps(thing)[1:-1])[1:-1]
    changed = json.loads(text.replace('\\"to_move\\":[]', f'\\"to_move\\":[\\"{escaped}\\"]'))
    return [{**event, "timestamp": old["timestamp"]} for event, old in zip(changed, events, strict=True)]


def until(events: list[dict[str, Any]], kind: str, state: str = "") -> list[dict[str, Any]]:
    """Return the events up to the first of a kind, of a state if one is named."""
    entered = ""
    for position, event in enumerate(events, start=1):
        entered = event.get("stateEnteredEventDetails", {}).get("name", entered)
        if event["type"] == kind and state in {"", entered}:
            return events[:position]
    raise LookupError(f"no {kind} of {state or 'any state'}")
