"""Who wins when a page and a change meet on one key. The rule has two sides.

A **page** inserts what is absent. What is there came from the stream, or from another delivery of the same page, and is
at least as new. With a version attribute a page also replaces what has a lower version.

A **change** is applied as it comes: the stream is in order. A delete leaves a **tombstone**, so that a page which was
read before the delete finds the key taken and cannot bring the item back. Once the writer is detached no page can
come, and a delete just deletes. Under the late rule the target may have writes of its own, and a change is applied only
where the target still holds what the source held before it.

Explored exhaustively: the outcome is always equal tables, even if clocks run backwards (with a version attribute, if
versions do not).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from tasks.core.model.item import TOMBSTONE_ATTRIBUTE, AttributeValue, Item, KeySchema, canonical, is_tombstone

ATTRIBUTES_COMPARED = 100


class ReplicationRule(StrEnum):
    """How the replicator applies a change; within a run it only moves down this list."""

    LEAVE_TOMBSTONES = "leave-tombstones"
    """Pages may still come: a delete leaves a tombstone."""
    DELETE = "delete"
    """No page can come any more: a delete deletes."""
    TARGET_WINS = "target-wins"
    """The target may be written to: a change is applied only over what the source held before it."""


RULE_ORDER = tuple(ReplicationRule)


@dataclass(frozen=True, slots=True)
class RuleRecord:
    """The rule in force, who set it and when."""

    rule: ReplicationRule
    since: float
    """Epoch seconds; it also tells one setting of a rule from an earlier one."""
    run: str


@dataclass(frozen=True, slots=True)
class PageCondition:
    """When a page's item may be put over what the target has under its key.

    `absent`: nothing is there. `newer`: what is there, item or tombstone, has a lower version.
    """

    hash_name: str
    version_attribute: str | None = None

    def allows(self, new: Mapping[str, AttributeValue], present: Mapping[str, AttributeValue] | None) -> bool:
        """Decide as DynamoDB does for `expression`."""
        absent = present is None
        newer = (
            present is not None
            and self.version_attribute is not None
            and self._version(new) is not None
            and (old := self._version(present)) is not None
            and old < (self._version(new) or Decimal(0))
        )
        return absent or newer

    def replaces(self, item: Mapping[str, AttributeValue]) -> bool:
        """Whether `item`, found present, is worth a conditional put: only with a version to win by."""
        return self._version(item) is not None

    def expression(self, item: Mapping[str, AttributeValue]) -> dict[str, object]:
        """Return the ConditionExpression and its names and values, for a PutItem request of `item`."""
        names = {"#hash": self.hash_name}
        if self.version_attribute is None or self._version(item) is None:
            return {"ConditionExpression": "attribute_not_exists(#hash)", "ExpressionAttributeNames": names}
        return {
            "ConditionExpression": "attribute_not_exists(#hash) OR #version < :version",
            "ExpressionAttributeNames": {**names, "#version": self.version_attribute},
            "ExpressionAttributeValues": {":version": item[self.version_attribute]},
        }

    def _version(self, item: Mapping[str, AttributeValue]) -> Decimal | None:
        digits = item.get(self.version_attribute or "", {}).get("N")
        return None if digits is None else Decimal(digits)


@dataclass(frozen=True, slots=True)
class Change:
    """What the source's stream says of one key."""

    key: Item
    old: Item | None
    """`None`: the key was absent before."""
    new: Item | None
    """`None`: the item was deleted."""
    sequence_number: str
    between: tuple[Item | None, ...] = ()
    """Of merged changes, the images between the two, oldest first."""
    deleted: Item | None = None
    """The image that a delete removed: of several merged changes the last one's, while `old` is the first one's."""
    at: float = 0.0
    """When the source took it, epoch seconds, by the stream's clock."""
    is_expiry: bool = False
    """DynamoDB itself deleted the item, by the table's TTL: no application wrote."""


def last_per_key(changes: Sequence[Change], schema: KeySchema) -> list[Change]:
    """Return one change per key: from what the first one found to what the last one left, in the order of the last."""
    merged: dict[bytes, Change] = {}
    for change in changes:
        name = canonical(schema.key_of(change.key))
        first = merged.pop(name, change)
        if first is not change:
            change = replace(change, old=first.old, between=(*first.between, first.new))  # noqa: PLW2901 — the merged one
        merged[name] = change
    return list(merged.values())


def tombstone_of(change: Change, *, version_attribute: str | None) -> Item:
    """Return the item that remembers a delete at the target: key, attribute, and the version if versions decide.

    The version is that of the image which was deleted. An older one, of before the batch, would let a page win that
    was read in between.
    """
    tombstone = {**change.key, TOMBSTONE_ATTRIBUTE: {"BOOL": True}}
    if version_attribute and change.deleted and version_attribute in change.deleted:
        tombstone[version_attribute] = change.deleted[version_attribute]
    return tombstone


class LateChange(StrEnum):
    """What becomes of a late change."""

    APPLY = "apply"
    """The target still has what the source had: the change is carried over."""
    APPLIED = "applied"
    """The target already has what the change leaves: a second delivery."""
    TARGET_WINS = "target-wins"
    """The target was written to since: its item stays, and the change is kept as a reject."""


def judge_late_change(change: Change, present: Item | None) -> LateChange:
    """Decide on a late change, given what the target has under its key.

    Any image that the merged changes started from or had in between is the source's own: a batch that was applied comes
    again as part of a larger one when its watermark could not be written.
    """
    if present is not None and is_tombstone(present):
        present = None
    if _same(present, change.new):
        return LateChange.APPLIED
    if any(_same(present, image) for image in (change.old, *change.between)):
        return LateChange.APPLY
    return LateChange.TARGET_WINS


def late_condition(change: Change, present: Item | None) -> dict[str, object]:
    """Return the condition under which a late change may be written: `present` is still what the target has.

    DynamoDB can compare attributes but not count them, and takes 300 operators in an expression. So an attribute that
    is only added between our read and our write goes unseen, and so does a change of one past the first hundred; the
    window is one round trip.
    """
    names = {"#0": next(iter(change.key))}
    if present is None:
        return {"ConditionExpression": "attribute_not_exists(#0)", "ExpressionAttributeNames": names}
    clauses, values = ["attribute_exists(#0)"], {}
    others = [name for name in present if name not in change.key]
    for number, name in enumerate(others[:ATTRIBUTES_COMPARED], start=1):
        names[f"#{number}"] = name
        values[f":{number}"] = present[name]
        clauses.append(f"#{number} = :{number}")
    condition: dict[str, object] = {"ConditionExpression": " AND ".join(clauses), "ExpressionAttributeNames": names}
    return {**condition, "ExpressionAttributeValues": values} if values else condition


def _same(one: Item | None, other: Item | None) -> bool:
    if one is None or other is None:
        return one is other
    return canonical(one) == canonical(other)
