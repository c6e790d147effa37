"""The template of the example's settings, and of variants, as tests read it."""

import functools
import json
from pathlib import Path
from typing import Any

from infra.aws.synth import Template, synthesize
from workflow.settings import EXAMPLE, Settings, read_settings

TASKS = Path(__file__).resolve().parents[2] / "tasks"


def example(**deployment: Any) -> Settings:  # noqa: ANN401 — fields of the placement
    """Return the example's settings with another placement."""
    settings = read_settings(EXAMPLE)
    placement = settings.deployment.model_copy(update=deployment)
    return settings.model_copy(update={"deployment": placement})


@functools.cache
def template() -> Template:
    """Return the example's template."""
    return synthesize(example(), code=TASKS)


def resources(kind: str, of: Template | None = None) -> dict[str, dict[str, Any]]:
    """Return the properties of all resources of a type, by name."""
    return {
        name: resource.get("Properties", {})
        for name, resource in (of or template())["Resources"].items()
        if resource["Type"] == kind
    }


def functions(of: Template | None = None) -> dict[str, dict[str, Any]]:
    """Return the properties of the functions by their names."""
    return {properties["FunctionName"]: properties for properties in resources("AWS::Lambda::Function", of).values()}


def joined(value: Any) -> str:  # noqa: ANN401 — any JSON
    """Return a text with what it refers to in angle brackets."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        separator, parts = value["Fn::Join"]
        return str(separator).join(joined(part) for part in parts)
    ((_, argument),) = value.items()
    return f"<{argument if isinstance(argument, str) else '.'.join(argument)}>"


def statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the statements of a role, actions and resources as lists of texts."""
    return [
        {
            "actions": [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"],
            "resources": [joined(one) for one in _as_list(statement["Resource"])],
            "conditions": json.dumps(statement.get("Condition", {})),
        }
        for policy in role["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def _as_list(value: Any) -> list[Any]:  # noqa: ANN401 — any JSON
    return value if isinstance(value, list) else [value]
