"""What a partial update asks of DynamoDB, and the image that it must leave: computed here, never read back.

A journal that repeated the table's own answer would bless a damaged item; this one says what the owner meant.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from infra.local.rehearsal.owner.airports import AttributeValue, Item, precise


@dataclass
class Edit:
    """A partial update under construction.

    Attributes:
        after: the image that the update leaves.
        clauses: the expression's parts by keyword, for instance {"SET": ["#a = :b"]}.
        names: ExpressionAttributeNames; every name is replaced, for many are reserved words.
        values: ExpressionAttributeValues, typed JSON.
    """

    after: Item
    clauses: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    values: Item = field(default_factory=dict)

    def name(self, attribute: str) -> str:
        """Return the placeholder of an attribute's name."""
        self.names[f"#{attribute}"] = attribute
        return f"#{attribute}"

    def value(self, value: AttributeValue) -> str:
        """Return the placeholder of a value."""
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = value
        return placeholder

    def add_clause(self, keyword: str, clause: str) -> None:
        """Add one action to the keyword's list."""
        self.clauses.setdefault(keyword, []).append(clause)

    def request(self) -> dict[str, Any]:
        """Return the arguments of UpdateItem, without table, key and condition."""
        return {
            "UpdateExpression": " ".join(f"{word} {', '.join(parts)}" for word, parts in self.clauses.items()),
            "ExpressionAttributeNames": self.names,
            "ExpressionAttributeValues": self.values,
        }


def edit(before: Item, rng: random.Random, *, updated_at: int) -> Edit:
    """Return a partial update of an item of `airports`: `updatedAt` and one to three more actions."""
    made = Edit(after=copy.deepcopy(before))
    _set(made, "updatedAt", {"N": str(updated_at)})
    for action in rng.sample(_ACTIONS, rng.randint(1, 3)):
        action(made, rng)
    return made


def _set(made: Edit, attribute: str, value: AttributeValue) -> None:
    made.add_clause("SET", f"{made.name(attribute)} = {made.value(value)}")
    made.after[attribute] = value


def _set_remarks(made: Edit, rng: random.Random) -> None:
    _set(made, "remarks", {"S": rng.choice(("", "closed for works", "PPR", "new lights 飛行場"))})


def _set_within_survey(made: Edit, rng: random.Random) -> None:
    """SET by a document path: the rest of the map must stay."""
    value = {"N": precise(rng.uniform(-80, 80), rng)}
    made.add_clause("SET", f"{made.name('survey')}.{made.name('latitude')} = {made.value(value)}")
    made.after["survey"]["M"]["latitude"] = value


def _add_movements(made: Edit, rng: random.Random) -> None:
    """ADD to a number, which an absent attribute starts at zero."""
    added = rng.randint(1, 50)
    made.add_clause("ADD", f"{made.name('movements')} {made.value({'N': str(added)})}")
    made.after["movements"] = {"N": str(int(made.after.get("movements", {"N": "0"})["N"]) + added)}


def _add_service(made: Edit, rng: random.Random) -> None:
    """ADD to a set of strings, which an absent attribute starts empty."""
    service = rng.choice(("customs", "taxi", "de-icing", "café"))
    made.add_clause("ADD", f"{made.name('services')} {made.value({'SS': [service]})}")
    made.after["services"] = {"SS": sorted({service, *made.after.get("services", {"SS": []})["SS"]})}


def _remove_attribute(made: Edit, rng: random.Random) -> None:
    """REMOVE, which an absent attribute does not mind."""
    attribute = rng.choice(("lid", "beacons", "chart", "largest"))
    made.add_clause("REMOVE", made.name(attribute))
    made.after.pop(attribute, None)


def _set_null(made: Edit, rng: random.Random) -> None:
    _set(made, "iata", rng.choice(({"NULL": True}, {"S": ""}, {"S": "XYZ"})))


_ACTIONS: tuple[Callable[[Edit, random.Random], None], ...] = (
    _set_remarks,
    _set_within_survey,
    _add_movements,
    _add_service,
    _remove_attribute,
    _set_null,
)
