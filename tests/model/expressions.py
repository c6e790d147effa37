"""As much of DynamoDB's condition expressions as the late rule writes."""

from collections.abc import Mapping
from typing import Any, cast

from tasks.core.model.item import Item, canonical


def holds(condition: Mapping[str, object], item: Item | None) -> bool:
    """Whether an item, or nothing, fulfils the condition of a request."""
    names = cast("dict[str, str]", condition["ExpressionAttributeNames"])
    values = cast("dict[str, Any]", condition.get("ExpressionAttributeValues", {}))
    clauses = str(condition["ConditionExpression"]).split(" AND ")
    return all(_clause_holds(clause, names, values, item or {}) for clause in clauses)


def _clause_holds(clause: str, names: Mapping[str, str], values: Mapping[str, Any], item: Item) -> bool:
    if clause.startswith("attribute_not_exists("):
        return names[clause.removeprefix("attribute_not_exists(").removesuffix(")")] not in item
    if clause.startswith("attribute_exists("):
        return names[clause.removeprefix("attribute_exists(").removesuffix(")")] in item
    name, value = clause.split(" = ")
    there = item.get(names[name])
    return there is not None and canonical({"value": there}) == canonical({"value": values[value]})
