"""What callers really asked for, by caller, with counts: how a role's policies are known to be enough and no more."""

import json
import os
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from infra.local.emulator.permissions.requirements.requirement import Requirement

Counts = dict[str, Counter["Requirement"]]


class Record:
    """Counts of requirements by caller: those of calls that were let through, and those that were not met.

    Attributes:
        used: by the caller's name.
        refused: the same of what was not allowed.
    """

    def __init__(self) -> None:
        self.used: Counts = {}
        self.refused: Counts = {}

    def use(self, caller: str, requirements: tuple[Requirement, ...]) -> None:
        """Count what a call needed that goes through."""
        _count(self.used, caller, requirements)

    def refuse(self, caller: str, requirement: Requirement) -> None:
        """Count what was not allowed."""
        _count(self.refused, caller, (requirement,))

    def as_json(self) -> dict[str, Any]:
        """Return all counts: {"used": {caller: [{"action", "resource", "context", "count"}]}, "refused": …}."""
        return {"used": _shown(self.used), "refused": _shown(self.refused)}

    def write_to(self, folder: Path) -> None:
        """Write all counts into a file of its own in a folder, made if there is none.

        Several local AWSs may share one folder: each writes one file, whole.
        """
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}.json"
        half = folder / f".{name}"
        half.write_text(json.dumps(self.as_json(), indent=1, sort_keys=True))
        half.rename(folder / name)


def _count(counts: Counts, caller: str, requirements: tuple[Requirement, ...]) -> None:
    counted = counts.get(caller)
    if counted is None:
        counted = counts[caller] = Counter()
    for requirement in requirements:
        counted[requirement] += 1


def _shown(counts: Counts) -> dict[str, list[dict[str, Any]]]:
    return {
        caller: [
            {"action": one.action, "resource": one.resource, "context": dict(one.context), "count": count}
            for one, count in sorted(counted.items(), key=lambda entry: (entry[0].action, entry[0].resource))
        ]
        for caller, counted in sorted(counts.items())
    }
