"""Reads metrics as CloudWatch does, by its specification of the embedded metric format."""

import json
from dataclasses import dataclass, field
from typing import Any

UNITS = {"Count", "Bytes", "Seconds", "None"}
Sample = tuple[str, tuple[tuple[str, str], ...]]
"""(metric, dimensions)"""


@dataclass
class Read:
    """What CloudWatch makes of some lines of a log."""

    values: dict[Sample, list[float]] = field(default_factory=dict)

    def value(self, metric: str, **dimensions: str) -> float:
        """Return the one value that a metric has with exactly these dimensions."""
        (value,) = self.values[metric, tuple(sorted(dimensions.items()))]
        return value

    def names(self) -> set[str]:
        """Return the names of all metrics."""
        return {name for name, _ in self.values}


def read_emf(text: str) -> Read:
    """Read every line that is in the format, and check it: what must be there, no dimension without a value."""
    found = Read()
    for line in text.splitlines():
        document: dict[str, Any] = json.loads(line)
        if "_aws" not in document:
            continue
        assert set(document["_aws"]) == {"Timestamp", "CloudWatchMetrics"}
        assert isinstance(document["_aws"]["Timestamp"], int)
        assert document["_aws"]["CloudWatchMetrics"]
        for directive in document["_aws"]["CloudWatchMetrics"]:
            assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
            assert directive["Namespace"] == "tableferry"
            assert 1 <= len(directive["Metrics"]) <= 100
            for names in directive["Dimensions"]:
                assert len(names) <= 30
                dimensions = tuple(sorted((name, document[name]) for name in names))
                assert all(isinstance(value, str) and 1 <= len(value) <= 1024 for _, value in dimensions)
                for definition in directive["Metrics"]:
                    assert set(definition) == {"Name", "Unit"}
                    assert definition["Unit"] in UNITS
                    values = document[definition["Name"]]
                    assert isinstance(values, list)
                    assert 1 <= len(values) <= 100
                    assert all(isinstance(value, float) for value in values)
                    found.values.setdefault((definition["Name"], dimensions), []).extend(values)
    return found
